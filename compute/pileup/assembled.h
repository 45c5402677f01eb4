// Haplotypes that no candidate says: counted from reads that span a region, and assembled.
#pragma once

#include "compute/assembly/assembly.h"
#include "compute/smithwaterman/smithwaterman.h"
#include "fragments.h"

namespace baselake::pileup {

constexpr int32_t ASSEMBLY_FLANK = 100;   // bases on either side that anchor an assembly (GATK's padding)
constexpr size_t MAX_FOUND = 8;           // haplotypes added to those of the candidates
constexpr size_t MAX_FOUND_ALLELES = 20;  // of one of them: more is another sequence, not a variant of this one
constexpr float UNEXPLAINED = 60;         // two good bases of a stretch of a hundred are wrong: 1 read in 200
// Reads that span a region tell its sequences without a graph where they are two of three (Strelka2: Kim and others
// 2018, doi:10.1038/s41592-018-0051-x); three alike are no chance.
constexpr double SPANNING_SHARE = 0.65;
constexpr int32_t SPANNING_COUNT = 3;
constexpr int32_t ANCHOR = 10;

// Whether the reads say more than the candidates do: soft clips pile up, or reads fit no haplotype.
inline bool wants_assembly(const ActiveRegion& region, const Evidence& evidence, const Pileup& pileup, const Window& reference) {
    for (int32_t p = std::max(region.start - INDEL_MERGE_GAP, reference.begin()); p < std::min(region.end + INDEL_MERGE_GAP, reference.end()); ++p)
        if (clip_pile(pileup, reference, p)) return true;
    size_t poor = evidence.misfits;
    for (float fit : evidence.table.fit) poor += fit > UNEXPLAINED;
    const auto fragments = static_cast<double>(evidence.table.fragments() + evidence.misfits);
    return poor > MIN_SUPPORT && static_cast<double>(poor) > MIN_FRACTION_INDEL * fragments;
}

// The sequences of haplotypes that enough spanning reads spell, between the ends of the haplotypes' window.
inline std::vector<std::string> spanned_sequences(const ActiveRegion& region, const RegionHaplotypes& window, const Pileup& pileup,
                                                  const Window& reference, int min_quality) {
    const int32_t from = region.start - ANCHOR, to = region.end + ANCHOR;
    if (from < window.begin || to > window.end) return {};
    std::vector<std::string_view> spanning;
    size_t touching = 0;
    each_read_near(pileup, region, [&](int32_t r) {
        const Read& read = pileup.reads[static_cast<size_t>(r)];
        ++touching;
        const int32_t first = read.start <= from ? read.offset_at(from) : -1, last = read.end > to ? read.offset_at(to) : -1;
        if (first < 0 || last < first) return;
        for (int32_t i = first; i < last; ++i)
            if (read.qual[static_cast<size_t>(i)] < min_quality) return;
        spanning.push_back(read.seq.substr(static_cast<size_t>(first), static_cast<size_t>(last - first)));
    });
    if (static_cast<double>(spanning.size()) < SPANNING_SHARE * static_cast<double>(touching)) return {};
    std::vector<std::string> out;
    for (const auto& [bases, count] : assembly::counted_segments(spanning, SPANNING_COUNT)) {
        std::string whole = reference.slice(window.begin, from);
        for (char base : bases) whole.push_back(plain_base(base));
        out.push_back(whole + reference.slice(to, window.end));
    }
    return out;
}

// The sequences that an assembly of the reads of the window gives.
inline std::vector<std::string> assembled_sequences(const ActiveRegion& region, const RegionHaplotypes& window, const Pileup& pileup,
                                                    const Window& reference, int min_quality) {
    std::vector<int32_t> offsets{0};
    std::vector<uint8_t> bases, quality;
    const ActiveRegion around{window.begin, window.end, region.first, region.last, false, window.begin, window.end};
    // Reads that touch the region itself come first, so that the budget goes to them.
    for (const bool near : {true, false}) {
        each_read_near(pileup, around, [&](int32_t r) {
            const Read& read = pileup.reads[static_cast<size_t>(r)];
            if (touches(read, region) != near) return;
            const Stretch s = stretch(read, r, window.begin, window.end);
            for (int32_t i = s.offset; i < s.offset + s.length; ++i) {
                bases.push_back(static_cast<uint8_t>(plain_base(read.seq[static_cast<size_t>(i)])));
                quality.push_back(read.qual[static_cast<size_t>(i)]);
            }
            offsets.push_back(static_cast<int32_t>(bases.size()));
        });
    }
    assembly::Limits limits;
    limits.min_quality = min_quality;
    const assembly::Segments reads{static_cast<int64_t>(offsets.size()) - 1, offsets.data(), bases.data(), quality.data()};
    std::vector<std::string> out;
    for (assembly::Assembled& one : assembly::assemble(reference.slice(window.begin, window.end), reads, limits)) out.push_back(std::move(one.bases));
    return out;
}

// The alleles by which an aligned sequence differs from the reference, each as far left as it goes.
inline std::vector<Allele> alleles_of(const std::string& sequence, const std::vector<smithwaterman::Op>& ops, int32_t begin,
                                      const Window& reference) {
    std::vector<Allele> out;
    int32_t position = begin;
    size_t at = 0;
    for (const smithwaterman::Op& op : ops) {
        const auto n = static_cast<size_t>(op.length);
        if (op.kind == 'M') {
            for (size_t i = 0; i < n; ++i)
                if (sequence[at + i] != reference[position + static_cast<int32_t>(i)])
                    out.push_back({position + static_cast<int32_t>(i), 1, std::string(1, sequence[at + i])});
        } else {
            const Allele changed = op.kind == 'D' ? Allele{position, op.length, ""} : Allele{position, 0, sequence.substr(at, n)};
            out.push_back(left_aligned(changed, reference));
        }
        if (op.kind != 'I') position += op.length;
        if (op.kind != 'D') at += n;
    }
    return out;
}

// Whether a haplotype of these alleles, in order, can be spelled and written within a region's territory.
inline bool sound(const std::vector<Allele>& alleles, const ActiveRegion& region, const RegionHaplotypes& window) {
    for (size_t i = 0; i < alleles.size(); ++i) {
        if (alleles[i].position <= window.begin || alleles[i].end() >= window.end) return false;
        if (alleles[i].position < region.low || alleles[i].position >= region.high) return false;
        if (i && alleles[i].position < alleles[i - 1].end()) return false;
    }
    return !alleles.empty() && alleles.size() <= MAX_FOUND_ALLELES;
}

// Of sequences of the window those that no haplotype has, each once.
inline std::vector<std::string> fresh_sequences(const RegionHaplotypes& window, const std::vector<std::string>& sequences) {
    std::vector<std::string> fresh;
    for (const std::string& sequence : sequences) {
        const bool known = std::any_of(window.haplotypes.begin(), window.haplotypes.end(), [&](const CandidateHaplotype& h) { return h.bases == sequence; });
        if (!known && std::find(fresh.begin(), fresh.end(), sequence) == fresh.end()) fresh.push_back(sequence);
    }
    return fresh;
}

constexpr int32_t SLACK_OF_HAPLOTYPES = 30;  // an insertion and a deletion on one haplotype

// Sequences beside the reference of their windows, as the alignment takes them, a region's after another's.
struct Sequences {
    std::vector<int32_t> query_offsets{0}, target_offsets{0}, query, target;
    std::vector<uint8_t> query_bases, target_bases;

    void add(const std::vector<std::string>& sequences, const RegionHaplotypes& window, const Window& reference) {
        const std::string whole = reference.slice(window.begin, window.end);
        target_bases.insert(target_bases.end(), whole.begin(), whole.end());
        target_offsets.push_back(static_cast<int32_t>(target_bases.size()));
        for (const std::string& sequence : sequences) {
            query_bases.insert(query_bases.end(), sequence.begin(), sequence.end());
            query_offsets.push_back(static_cast<int32_t>(query_bases.size()));
            query.push_back(static_cast<int32_t>(query.size()));
            target.push_back(static_cast<int32_t>(target_offsets.size()) - 2);
        }
    }
};

using Ops = std::vector<smithwaterman::Op>;

inline std::vector<Ops> aligned_to_reference(const std::vector<std::string>& sequences, const RegionHaplotypes& window, const Window& reference) {
    Sequences flat;
    flat.add(sequences, window, reference);
    std::vector<Ops> out;
    for (smithwaterman::Alignment& one : smithwaterman::align(
             {flat.query_offsets.data(), flat.query_bases.data(), flat.target_offsets.data(), flat.target_bases.data(),
              static_cast<int64_t>(sequences.size()), flat.query.data(), flat.target.data(), SLACK_OF_HAPLOTYPES, smithwaterman::HAPLOTYPE_SCORES}))
        out.push_back(std::move(one.ops));
    return out;
}

// Adds fresh sequences of the window, aligned to its reference, as haplotypes. Alleles that lie in a neighbour's territory
// are taken back: they are called there.
inline void add_sequences(RegionHaplotypes& window, const std::vector<std::string>& fresh, const std::vector<Ops>& aligned,
                          const ActiveRegion& region, const Window& reference, size_t most) {
    size_t added = 0;
    for (size_t i = 0; i < fresh.size() && added < MAX_FOUND && window.haplotypes.size() < most; ++i) {
        std::vector<Allele> own = alleles_of(fresh[i], aligned[i], window.begin, reference);
        std::erase_if(own, [&](const Allele& a) { return a.position < region.low || a.position >= region.high; });
        CandidateHaplotype next;
        if (!sound(own, region, window) || !spell(own, (uint64_t{1} << own.size()) - 1, reference, window.begin, window.end, next)) continue;
        if (fresh_sequences(window, {next.bases}).empty()) continue;
        next.open = pairhmm::gap_open_qualities(next.bases);
        window.haplotypes.push_back(std::move(next));
        ++added;
    }
}

// What the calling of a complex region goes through. Its reads are compared with the haplotypes of its candidates; where
// these leave reads unexplained also with what the reads spell and an assembly gives, `most` haplotypes in all. Between
// the steps stands what a device may compute for many regions at once.
struct ComplexRegion {
    const ActiveRegion* active;
    RegionHaplotypes haplotypes;
    Comparison comparison;
    Evidence evidence;
    bool assembled = false;
    RegionHaplotypes more;           // where it is assembled
    std::vector<std::string> fresh;  // to be aligned to the reference of `more`

    ComplexRegion(const ActiveRegion& region, const std::vector<Candidate>& all, const Pileup& pileup, const Window& reference, size_t most)
        : active(&region), haplotypes(region_haplotypes(region, all, pileup, reference, 0, most)) {
        number_alleles(haplotypes, reference);
        comparison = comparison_of(region, haplotypes, all, pileup, reference);
    }
    // Takes the costs of the comparison; `fresh` may have sequences then.
    void compared(const float* costs, const std::vector<Candidate>& all, const Pileup& pileup, const Window& reference, int min_quality, size_t most) {
        evidence = evidence_of(comparison, haplotypes, costs, pileup);
        assembled = wants_assembly(*active, evidence, pileup, reference);
        if (!assembled) return;
        more = region_haplotypes(*active, all, pileup, reference, ASSEMBLY_FLANK, most);
        std::vector<std::string> found = spanned_sequences(*active, more, pileup, reference, min_quality);
        const std::vector<std::string> spelled = assembled_sequences(*active, more, pileup, reference, min_quality);
        found.insert(found.end(), spelled.begin(), spelled.end());
        fresh = fresh_sequences(more, found);
    }
    // Takes the alignments of the fresh sequences. Whether there is another comparison to make.
    bool aligned(const std::vector<Ops>& ops, const std::vector<Candidate>& all, const Pileup& pileup, const Window& reference, size_t most) {
        const size_t known = more.haplotypes.size();
        add_sequences(more, fresh, ops, *active, reference, most);
        if (more.haplotypes.size() == known) return false;
        number_alleles(more, reference);
        haplotypes = std::move(more);
        comparison = comparison_of(*active, haplotypes, all, pileup, reference);
        return true;
    }
    void compared_again(const float* costs, const Pileup& pileup) { evidence = evidence_of(comparison, haplotypes, costs, pileup); }
};

// All of it on the CPU. `assembled` tells whether the region was.
inline Evidence complex_evidence(const ActiveRegion& region, const std::vector<Candidate>& all, const Pileup& pileup,
                                 const Window& reference, int min_quality, size_t most, bool& assembled) {
    ComplexRegion here(region, all, pileup, reference, most);
    here.compared(haplotype_costs(here.comparison, here.haplotypes, pileup).data(), all, pileup, reference, min_quality, most);
    assembled = here.assembled;
    if (!here.fresh.empty() && here.aligned(aligned_to_reference(here.fresh, here.more, reference), all, pileup, reference, most))
        here.compared_again(haplotype_costs(here.comparison, here.haplotypes, pileup).data(), pileup);
    return std::move(here.evidence);
}

}  // namespace baselake::pileup
