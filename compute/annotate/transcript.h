// A transcript on an axis of its own, on which positions ascend in the direction of transcription: forward it is the
// contig, reverse the contig read backwards with complemented bases. Everything that follows is then free of strands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baselake::annotate {

inline char complement(char base) {
    switch (base) {
        case 'A': return 'T';
        case 'C': return 'G';
        case 'G': return 'C';
        case 'T': return 'A';
        default: return 'N';
    }
}

inline std::string reverse_complement(std::string_view bases) {
    std::string out(bases.rbegin(), bases.rend());
    std::transform(out.begin(), out.end(), out.begin(), complement);
    return out;
}

// NCBI's genetic codes 1 (standard) and 2 (vertebrate mitochondrial), codons in the order T, C, A, G:
// https://www.ncbi.nlm.nih.gov/Taxonomy/Utils/wprintgc.cgi
constexpr std::string_view kStandard = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG";
constexpr std::string_view kMitochondrial = "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSS**VVVVAAAADDEEGGGG";

// The amino acid of a codon; X where a base of it is not known.
inline char translate(char a, char b, char c, std::string_view code) {
    int place = 0;
    for (const char base : {a, b, c}) {
        const int value = base == 'T' ? 0 : base == 'C' ? 1 : base == 'A' ? 2 : base == 'G' ? 3 : -1;
        if (value < 0) return 'X';
        place = 4 * place + value;
    }
    return code[static_cast<std::size_t>(place)];
}

struct Exon {
    std::int64_t start, end;  // on the axis
    std::int64_t offset;      // of its first base in the spliced transcript
};

struct Transcript {
    bool forward = true;
    bool coding = false;
    bool whole_start = true, whole_end = true;  // the CDS has its start codon, its stop codon
    std::vector<Exon> exons;                    // in the order of transcription
    std::int64_t cds_start = 0, cds_end = 0;    // on the axis, the stop codon included
    int phase = 0;                              // bases of the CDS before its first whole codon
    std::string_view code = kStandard;
    std::string_view contig;                    // forward bases, upper case

    std::int64_t start() const { return exons.front().start; }
    std::int64_t end() const { return exons.back().end; }

    char base(std::int64_t at) const {
        return forward ? contig[static_cast<std::size_t>(at)] : complement(contig[static_cast<std::size_t>(-at - 1)]);
    }

    // The exon that a position lies in, or the first one after it.
    std::size_t exon_of(std::int64_t at) const {
        const auto found = std::partition_point(exons.begin(), exons.end(), [at](const Exon& exon) { return exon.end <= at; });
        return static_cast<std::size_t>(found - exons.begin());
    }
    // Where a position of an exon lies in the spliced transcript.
    std::int64_t spliced(std::int64_t at) const {
        const Exon& exon = exons[exon_of(at)];
        return exon.offset + at - exon.start;
    }
    std::int64_t length() const { return exons.back().offset + exons.back().end - exons.back().start; }

    // What only coding transcripts have, made when it is first asked for.
    void splice() {
        if (!bases.empty()) return;
        bases.reserve(static_cast<std::size_t>(length()));
        for (const Exon& exon : exons)
            for (std::int64_t at = exon.start; at < exon.end; ++at) bases.push_back(base(at));
        cds_first = spliced(cds_start);
        cds_last = spliced(cds_end - 1) + 1;
        frame = cds_first + phase;
        codons = std::max<std::int64_t>(0, cds_last - frame) / 3;
        protein.reserve(static_cast<std::size_t>(codons));
        for (std::int64_t codon = 0; codon < codons; ++codon) {
            char residue = translate(at(frame + 3 * codon), at(frame + 3 * codon + 1), at(frame + 3 * codon + 2), code);
            // TGA inside a CDS that goes on is selenocysteine.
            if (residue == '*' && codon + 1 < codons && at(frame + 3 * codon + 1) == 'G') residue = 'U';
            protein.push_back(residue);
        }
    }
    char at(std::int64_t place) const { return bases[static_cast<std::size_t>(place)]; }
    // The number of a codon as HGVS counts: a part of one at the start of the CDS is the first.
    std::int64_t residue_number(std::int64_t codon) const { return codon + 1 + (phase ? 1 : 0); }
    bool has_stop() const { return whole_end && codons && protein.back() == '*'; }

    std::string bases;    // spliced
    std::string protein;  // of whole codons, the stop included
    std::int64_t cds_first = 0, cds_last = 0, frame = 0, codons = 0;
};

// A change of an axis: [start, end) becomes `inserted`. It is trimmed: neither end of both is the same.
struct Change {
    std::int64_t start, end;
    std::string inserted;
    bool insertion() const { return start == end; }
    // What of a change that is as long as what it replaces lies in [first, last).
    Change within(std::int64_t first, std::int64_t last) const {
        const std::int64_t from = std::max(first, start), to = std::min(last, end);
        return {from, to, inserted.substr(static_cast<std::size_t>(from - start), static_cast<std::size_t>(to - from))};
    }
    std::int64_t growth() const { return static_cast<std::int64_t>(inserted.size()) - (end - start); }
    bool overlaps(std::int64_t first, std::int64_t last) const {
        if (first >= last) return false;
        return insertion() ? first < start && start < last : start < last && end > first;
    }
};

// An allele of VCF on the axis of a transcript.
inline Change change_of(std::int64_t start, std::string_view ref, std::string_view alt, bool forward) {
    std::size_t before = 0, after = 0;
    // From the right first, so that what may lie at several places lies leftmost, as it is stored.
    const std::size_t shorter = std::min(ref.size(), alt.size());
    while (after < shorter && ref[ref.size() - 1 - after] == alt[alt.size() - 1 - after]) ++after;
    while (before + after < shorter && ref[before] == alt[before]) ++before;
    const std::int64_t first = start + static_cast<std::int64_t>(before);
    const std::int64_t last = start + static_cast<std::int64_t>(ref.size() - after);
    const auto inserted = alt.substr(before, alt.size() - before - after);
    if (forward) return {first, last, std::string(inserted)};
    return {-last, -first, reverse_complement(inserted)};
}

}  // namespace baselake::annotate
