// From alignment rows to usable reads: filters, deterministic downsampling, overlapping mates counted once.
#pragma once

#include <charconv>
#include <tuple>

#include "arrays.h"
#include "model.h"

namespace baselake::pileup {

struct Op {
    char kind;  // M (also for = and X), I, D, N, S
    int32_t length;
};

struct Read {
    int64_t row;
    int32_t start, end;  // reference span of the aligned bases
    uint64_t hash;       // of the name: the same for both mates
    int32_t fragment;    // index of the first read of its template in sorted order
    int32_t flag;
    int16_t mapq;
    std::vector<Op> ops;
    std::string_view seq;       // its length is right also where its bases lie on a device
    std::vector<uint8_t> qual;  // phred; 0: says nothing (no-call, or counted in the mate)

    bool reverse() const { return flag & REVERSE; }
    int32_t clip_left() const { return ops.front().kind == 'S' ? ops.front().length : 0; }
    int32_t clip_right() const { return ops.back().kind == 'S' ? ops.back().length : 0; }
    // Calls visit(ref position, read offset, length) for each stretch of aligned bases.
    template <typename Visit> void each_match(Visit visit) const {
        int32_t position = start, offset = 0;
        for (const Op& op : ops) {
            if (op.kind == 'M') visit(position, offset, op.length);
            if (op.kind == 'M' || op.kind == 'D' || op.kind == 'N') position += op.length;
            if (op.kind == 'M' || op.kind == 'I' || op.kind == 'S') offset += op.length;
        }
    }
    // Read offset of the base aligned to a reference position; -1: deleted or outside.
    int32_t offset_at(int32_t wanted) const {
        int32_t found = -1;
        each_match([&](int32_t position, int32_t offset, int32_t length) {
            if (wanted >= position && wanted < position + length) found = offset + wanted - position;
        });
        return found;
    }
};

constexpr int32_t DOWNSAMPLE_WINDOW = 32;
constexpr int32_t MAX_READ_LENGTH = 1 << 20;

inline uint64_t name_hash(std::string_view name) {  // FNV-1a, then the finaliser of MurmurHash3
    uint64_t h = 14695981039346656037ULL;
    for (unsigned char c : name) h = (h ^ c) * 1099511628211ULL;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

// Parses SAM CIGAR text. Returns false where it is malformed, aligns no base, or has an operator out of place.
inline bool parse_cigar(std::string_view text, std::vector<Op>& ops, int64_t& read_bases, int64_t& reference_bases) {
    ops.clear();
    read_bases = reference_bases = 0;
    int64_t aligned = 0;
    const char *p = text.data(), *end = p + text.size();
    while (p < end) {
        uint32_t length = 0;
        auto [next, error] = std::from_chars(p, end, length);
        if (error != std::errc{} || next == end || length == 0 || length >= (1u << 28)) return false;
        char kind = *next;
        p = next + 1;
        if (kind == 'H' || kind == 'P') continue;
        if (kind == '=' || kind == 'X') kind = 'M';
        if (kind != 'M' && kind != 'I' && kind != 'D' && kind != 'N' && kind != 'S') return false;
        if (kind == 'M') aligned += length;
        if (kind == 'M' || kind == 'I' || kind == 'S') read_bases += length;
        if (kind == 'M' || kind == 'D' || kind == 'N') reference_bases += length;
        if (!ops.empty() && ops.back().kind == kind) ops.back().length += static_cast<int32_t>(length);
        else ops.push_back({kind, static_cast<int32_t>(length)});
    }
    for (size_t i = 1; i + 1 < ops.size(); ++i)
        if (ops[i].kind == 'S') return false;
    return aligned > 0;
}

// Without branches, so that compilers make vectors of it: this is most of the work of a read that differs nowhere.
inline std::vector<uint8_t> phred(std::string_view qual, std::string_view seq) {
    const size_t n = seq.size();
    std::vector<uint8_t> out(n);
    if (qual.empty()) std::fill(out.begin(), out.end(), static_cast<uint8_t>(MISSING_QUALITY));
    for (size_t i = 0; i < qual.size(); ++i) {
        const auto q = static_cast<uint8_t>(qual[i]);
        const auto above = static_cast<uint8_t>(q < 33 ? 0 : q - 33);
        const auto capped = static_cast<uint8_t>(above > MAX_QUALITY ? MAX_QUALITY : above);
        out[i] = static_cast<uint8_t>(capped < UNINFORMATIVE_QUALITY ? 0 : capped);
    }
    for (size_t i = 0; i < n; ++i) {
        const auto base = static_cast<uint8_t>(seq[i] & 0xdf);  // upper case
        const bool known = (base == 'A') | (base == 'C') | (base == 'G') | (base == 'T');
        out[i] = static_cast<uint8_t>(known ? out[i] : 0);
    }
    return out;
}

// Keeps, among reads that start in each absolute window of DOWNSAMPLE_WINDOW bases, those with the lowest name
// hash until they carry max_depth x window bases: the mean depth stays under max_depth, mates tend to stay
// together, and what is kept depends neither on row order nor on how the contig is cut into regions.
inline void downsample(std::vector<Read>& reads, int max_depth) {
    std::vector<Read> kept;
    kept.reserve(reads.size());
    for (size_t i = 0; i < reads.size();) {
        size_t j = i;
        int64_t bases = 0;
        const int32_t window = reads[i].start / DOWNSAMPLE_WINDOW;
        for (; j < reads.size() && reads[j].start / DOWNSAMPLE_WINDOW == window; ++j) bases += reads[j].end - reads[j].start;
        const int64_t budget = int64_t{max_depth} * DOWNSAMPLE_WINDOW;
        if (bases > budget) {
            std::vector<size_t> order(j - i);
            for (size_t k = i; k < j; ++k) order[k - i] = k;
            std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return reads[a].hash < reads[b].hash; });
            size_t n = 0;
            for (int64_t used = 0; n < order.size(); ++n) {
                used += reads[order[n]].end - reads[order[n]].start;
                if (used > budget) break;
            }
            order.resize(n);
            std::sort(order.begin(), order.end());
            for (size_t k : order) kept.push_back(std::move(reads[k]));
        } else {
            for (size_t k = i; k < j; ++k) kept.push_back(std::move(reads[k]));
        }
        i = j;
    }
    reads = std::move(kept);
}

// Where mates cover the same reference base the molecule was read twice: agreeing qualities add up and
// disagreeing ones subtract (as samtools mpileup does), on one of the two, chosen by name; the other says nothing.
inline void merge_overlap(Read& a, Read& b) {
    Read& keeper = a.hash & 1 ? b : a;
    a.each_match([&](int32_t ap, int32_t ao, int32_t an) {
        b.each_match([&](int32_t bp, int32_t bo, int32_t bn) {
            for (int32_t p = std::max(ap, bp), last = std::min(ap + an, bp + bn); p < last; ++p) {
                uint8_t &qa = a.qual[static_cast<size_t>(ao + p - ap)], &qb = b.qual[static_cast<size_t>(bo + p - bp)];
                const char base_a = plain_base(a.seq[static_cast<size_t>(ao + p - ap)]);
                const char base_b = plain_base(b.seq[static_cast<size_t>(bo + p - bp)]);
                if (base_a == base_b) {
                    const int sum = std::min(qa + qb, MAX_QUALITY);
                    qa = qb = 0;
                    (&keeper == &a ? qa : qb) = static_cast<uint8_t>(sum);
                } else {
                    const int difference = std::abs(qa - qb);
                    uint8_t& winner = qa > qb ? qa : qb;
                    qa = qb = 0;
                    winner = static_cast<uint8_t>(difference < UNINFORMATIVE_QUALITY ? 0 : difference);
                }
            }
        });
    });
}

// Mates that may cover the same bases, in the order of reads.
struct Overlap {
    int32_t first, second;
};

// Numbers the templates and tells which mates overlap. A supplementary alignment, of which only a circle's ends have any,
// covers other bases than its read does: it stays by itself.
inline std::vector<Overlap> pair_mates(std::vector<Read>& reads, const Alignments& rows) {
    std::vector<Overlap> overlaps;
    std::vector<std::tuple<uint64_t, bool, int32_t>> by_name(reads.size());
    for (size_t i = 0; i < reads.size(); ++i) {
        by_name[i] = {reads[i].hash, (reads[i].flag & SUPPLEMENTARY) != 0, static_cast<int32_t>(i)};
        reads[i].fragment = static_cast<int32_t>(i);
    }
    std::sort(by_name.begin(), by_name.end());
    for (size_t k = 0; k + 1 < by_name.size(); ++k) {
        const auto& [hash, supplementary, first] = by_name[k];
        const auto& [next_hash, next_supplementary, second] = by_name[k + 1];
        if (hash != next_hash || supplementary || next_supplementary) continue;
        Read &a = reads[static_cast<size_t>(first)], &b = reads[static_cast<size_t>(second)];
        const bool mates = ((a.flag ^ b.flag) & (FIRST | LAST)) == (FIRST | LAST);
        if (!mates || rows.name[a.row] != rows.name[b.row]) continue;
        b.fragment = a.fragment;
        if (b.start < a.end) overlaps.push_back({first, second});
        ++k;
    }
    return overlaps;
}

// Whether an alignment ends where its contig does: of a circular genome its read may go on at the other end, where its
// other part is aligned.
inline bool at_an_end(int32_t start, int64_t end, int32_t contig_length) { return start == 0 || end == contig_length; }

// Every usable read that overlaps [start, end), without qualities. `mixed` is as of a Region: such genomes are circles, and
// what lies over the origin is two alignments, one of them supplementary.
inline std::vector<Read> choose_reads(const Alignments& rows, const Parameters& parameters, int32_t contig_length, int32_t start, int32_t end, bool mixed) {
    constexpr int32_t EXCLUDED = UNMAPPED | SECONDARY | VENDOR_FAILED | DUPLICATE;
    std::vector<Read> reads;
    for (int64_t row = 0; row < rows.rows; ++row) {
        const bool supplementary = rows.flag[row] & SUPPLEMENTARY;
        if ((rows.flag[row] & EXCLUDED) || rows.duplicate[row] || rows.mapq[row] < parameters.min_mapq) continue;
        if (supplementary && !mixed) continue;
        if (rows.mapq[row] == 255) continue;  // 255: not available
        if (rows.start[row] < 0 || rows.start[row] >= end) continue;
        int64_t read_bases = 0, reference_bases = 0;
        Read read{};
        if (!parse_cigar(rows.cigar[row], read.ops, read_bases, reference_bases)) continue;
        read.seq = rows.seq[row];
        const size_t qualities = rows.qual[row].size();
        if (static_cast<int64_t>(read.seq.size()) != read_bases || read_bases > MAX_READ_LENGTH) continue;
        if (qualities && qualities != read.seq.size()) continue;
        if (rows.start[row] + reference_bases > contig_length) continue;
        if (supplementary && !at_an_end(rows.start[row], rows.start[row] + reference_bases, contig_length)) continue;
        read.row = row;
        read.start = rows.start[row];
        read.end = static_cast<int32_t>(read.start + reference_bases);
        if (read.end <= start) continue;
        read.flag = rows.flag[row];
        read.mapq = rows.mapq[row];
        read.hash = name_hash(rows.name[row]);
        reads.push_back(std::move(read));
    }
    return reads;
}

// Whether one read stands before another by all but their bases and operations.
inline std::tuple<int32_t, uint64_t, int32_t, int32_t, int16_t> place_of(const Read& read) {
    return {read.start, read.hash, read.flag, read.end, read.mapq};
}

// Sorts reads by start and then by what they are. Of reads whose bases are not there these do not tell (`tied_reads`).
inline void order_reads(std::vector<Read>& reads, const Alignments& rows) {
    std::sort(reads.begin(), reads.end(), [&](const Read& a, const Read& b) {
        if (const auto x = place_of(a), y = place_of(b); x != y) return x < y;
        if (a.seq.data() && b.seq.data())
            if (int order = a.seq.compare(b.seq)) return order < 0;
        if (int order = rows.cigar[a.row].compare(rows.cigar[b.row])) return order < 0;
        return a.row < b.row;  // the same record twice
    });
}

// Of sorted reads those whose order hangs on their bases or operations: a file that holds the same record twice has some.
inline std::vector<int32_t> tied_reads(const std::vector<Read>& reads) {
    std::vector<int32_t> tied;
    for (size_t i = 0; i < reads.size(); ++i)
        if ((i > 0 && place_of(reads[i - 1]) == place_of(reads[i])) || (i + 1 < reads.size() && place_of(reads[i + 1]) == place_of(reads[i])))
            tied.push_back(static_cast<int32_t>(i));
    return tied;
}

// Usable reads in order, with their qualities; mates that overlap count once.
inline std::vector<Read> usable_reads(const Alignments& rows, const Parameters& parameters, int32_t contig_length, int32_t start, int32_t end, bool mixed) {
    std::vector<Read> reads = choose_reads(rows, parameters, contig_length, start, end, mixed);
    order_reads(reads, rows);
    downsample(reads, mixed ? parameters.max_mixed_depth : parameters.max_depth);
    const std::vector<Overlap> overlaps = pair_mates(reads, rows);
    for (Read& read : reads) read.qual = phred(rows.qual[read.row], read.seq);
    for (const Overlap& pair : overlaps) merge_overlap(reads[static_cast<size_t>(pair.first)], reads[static_cast<size_t>(pair.second)]);
    return reads;
}

}  // namespace baselake::pileup
