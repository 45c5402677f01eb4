// The pileup: what each read says differs from the reference, and how many reads say nothing differs.
#pragma once

#include <cstring>
#include <tuple>

#include "alleles.h"
#include "reads.h"

namespace baselake::pileup {

struct Event {
    Allele allele;
    int32_t read;
    uint8_t quality;  // of the base; of the better neighbouring base for an indel
};

struct Pileup {
    std::vector<Read> reads;
    std::vector<Event> events;   // sorted by allele, then read
    std::vector<int32_t> clips;  // soft clips of good quality that begin or end at a position, by window offset
    std::vector<int32_t> depth;  // fragments over a position, by window offset
    std::vector<int32_t> informative;        // fragments that say something there, likewise
    int32_t longest = 0;         // reference span of the longest read
    std::vector<std::vector<char>> brought;  // bases of reads that lay on a device

    // First read, in sorted order, that could reach a position.
    size_t first_reaching(int32_t position) const {
        auto from = std::lower_bound(reads.begin(), reads.end(), position - longest, [](const Read& r, int32_t p) { return r.start < p; });
        return static_cast<size_t>(from - reads.begin());
    }
};

constexpr int MIN_CLIP = 4;  // shorter soft clips are the aligner's usual answer to a mismatch near the end

// Moves every insertion and deletion of a read to its leftmost place that costs no more mismatches, so that the
// same change is the same event in every read. Mismatching bases are carried along.
inline void left_align(Read& read, const Window& reference) {
    std::vector<Op> out;
    int32_t position = read.start, offset = 0;
    for (Op op : read.ops) {
        if (op.kind == 'S' || op.kind == 'N' || op.kind == 'M') {
            if (!out.empty() && out.back().kind == op.kind) out.back().length += op.length;
            else out.push_back(op);
        } else {
            int32_t moved = 0;
            while (!out.empty() && out.back().kind == 'M' && out.back().length > 1) {
                const int32_t p = position - moved, r = offset - moved;
                const char left = reference[p - 1];
                const char last = op.kind == 'D' ? reference[p + op.length - 1]
                                                 : plain_base(read.seq[static_cast<size_t>(r + op.length - 1)]);
                if (left != last || left == 'N') break;
                ++moved;
                --out.back().length;
            }
            if (!out.empty() && out.back().kind == op.kind) out.back().length += op.length;
            else out.push_back(op);
            if (moved) out.push_back({'M', moved});
        }
        if (op.kind == 'M' || op.kind == 'D' || op.kind == 'N') position += op.length;
        if (op.kind == 'M' || op.kind == 'I' || op.kind == 'S') offset += op.length;
    }
    read.ops = std::move(out);
}

inline void mismatches(const Read& read, int32_t index, const Window& reference, int min_quality,
                       std::vector<Event>& events) {
    read.each_match([&](int32_t position, int32_t offset, int32_t length) {
        const char* bases = read.seq.data() + offset;
        const char* wanted = reference.at(position);
        for (int32_t i = 0; i < length; ++i) {
            if (i + 8 <= length && std::memcmp(bases + i, wanted + i, 8) == 0) {
                i += 7;
                continue;
            }
            const char base = plain_base(bases[i]);
            if (base == wanted[i] || wanted[i] == 'N') continue;
            const uint8_t q = read.qual[static_cast<size_t>(offset + i)];
            if (q < min_quality || q == 0) continue;
            events.push_back({{position + i, 1, std::string(1, base)}, index, q});
        }
    });
}

inline void indels(const Read& read, int32_t index, const Window& reference, std::vector<Event>& events) {
    int32_t position = read.start, offset = 0;
    for (size_t k = 0; k < read.ops.size(); ++k) {
        const Op& op = read.ops[k];
        const bool inside = k > 0 && k + 1 < read.ops.size() && read.ops[k - 1].kind != 'S' && read.ops[k + 1].kind != 'S';
        if (inside && (op.kind == 'I' || op.kind == 'D')) {
            const auto after = static_cast<size_t>(offset + (op.kind == 'I' ? op.length : 0));
            const uint8_t q = std::max(read.qual[static_cast<size_t>(offset) - 1], read.qual[std::min(after, read.qual.size() - 1)]);
            Allele allele{position, op.kind == 'D' ? op.length : 0, ""};
            if (op.kind == 'I')
                for (int32_t i = 0; i < op.length; ++i) allele.alt.push_back(plain_base(read.seq[static_cast<size_t>(offset + i)]));
            if (allele.alt.find('N') == std::string::npos) events.push_back({left_aligned(allele, reference), index, q});
        }
        if (op.kind == 'M' || op.kind == 'D' || op.kind == 'N') position += op.length;
        if (op.kind == 'M' || op.kind == 'I' || op.kind == 'S') offset += op.length;
    }
}

inline void clips(const Read& read, const Window& reference, std::vector<int32_t>& counts) {
    auto good = [&](int32_t from, int32_t length) {
        int64_t sum = 0;
        for (int32_t i = from; i < from + length; ++i) sum += read.qual[static_cast<size_t>(i)];
        return length >= MIN_CLIP && sum >= int64_t{20} * length;
    };
    // What reaches beyond the contig's end is clipped for that: a circle goes on at its other end.
    const bool within_left = read.start - read.clip_left() >= reference.begin(), within_right = read.end + read.clip_right() <= reference.end();
    if (within_left && good(0, read.clip_left())) ++counts[static_cast<size_t>(read.start - reference.begin())];
    const auto length = static_cast<int32_t>(read.seq.size());
    if (within_right && good(length - read.clip_right(), read.clip_right())) ++counts[static_cast<size_t>(read.end - 1 - reference.begin())];
}

// Depth in fragments: mates that overlap count once.
inline std::vector<int32_t> fragment_depth(const std::vector<Read>& reads, const Window& reference) {
    std::vector<int32_t> depth(static_cast<size_t>(reference.end() - reference.begin()) + 1, 0);
    auto add = [&](int32_t start, int32_t end, int32_t by) {
        depth[static_cast<size_t>(start - reference.begin())] += by;
        depth[static_cast<size_t>(end - reference.begin())] -= by;
    };
    for (size_t i = 0; i < reads.size(); ++i) {
        add(reads[i].start, reads[i].end, 1);
        if (reads[i].fragment == static_cast<int32_t>(i)) continue;
        const Read& mate = reads[static_cast<size_t>(reads[i].fragment)];
        const int32_t shared_end = std::min(reads[i].end, mate.end);
        if (reads[i].start < shared_end) add(reads[i].start, shared_end, -1);
    }
    for (size_t p = 1; p < depth.size(); ++p) depth[p] += depth[p - 1];
    depth.pop_back();
    return depth;
}

// Fragments that say something about each base of the window.
inline std::vector<int32_t> informative_depth(const std::vector<Read>& reads, const Window& reference) {
    std::vector<int32_t> depth(static_cast<size_t>(reference.end() - reference.begin()) + 1, 0);
    for (const Read& read : reads) {
        read.each_match([&](int32_t position, int32_t offset, int32_t length) {
            const auto at = static_cast<size_t>(position - reference.begin());
            ++depth[at];
            --depth[at + static_cast<size_t>(length)];
            const uint8_t* quality = read.qual.data() + offset;
            for (const uint8_t* q = quality; (q = static_cast<const uint8_t*>(std::memchr(q, 0, static_cast<size_t>(quality + length - q)))); ++q) {
                --depth[at + static_cast<size_t>(q - quality)];
                ++depth[at + static_cast<size_t>(q - quality) + 1];
            }
        });
    }
    for (size_t i = 1; i < depth.size(); ++i) depth[i] += depth[i - 1];
    depth.pop_back();
    return depth;
}

// What a read of several operations shows beside single bases; its gaps are moved to the left.
inline void gaps(Read& read, int32_t index, const Window& reference, std::vector<Event>& events, std::vector<int32_t>& clip_counts) {
    left_align(read, reference);
    indels(read, index, reference, events);
    clips(read, reference, clip_counts);
}

// A pileup of which nothing is known but its reads. The window must hold every read whole.
inline Pileup pileup_of(std::vector<Read> reads, const Window& reference) {
    Pileup pileup;
    pileup.reads = std::move(reads);
    pileup.clips.assign(static_cast<size_t>(reference.end() - reference.begin()), 0);
    for (const Read& read : pileup.reads) pileup.longest = std::max(pileup.longest, read.end - read.start);
    return pileup;
}

inline void sort_events(std::vector<Event>& events) {
    std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
        if (a.allele.position != b.allele.position) return a.allele.position < b.allele.position;
        if (!(a.allele == b.allele)) return a.allele < b.allele;
        return a.read < b.read;
    });
}

inline Pileup pile_up(std::vector<Read> reads, const Window& reference, const Parameters& parameters) {
    Pileup pileup = pileup_of(std::move(reads), reference);
    for (size_t i = 0; i < pileup.reads.size(); ++i) {
        const auto index = static_cast<int32_t>(i);
        if (pileup.reads[i].ops.size() > 1) gaps(pileup.reads[i], index, reference, pileup.events, pileup.clips);
        mismatches(pileup.reads[i], index, reference, parameters.min_base_quality, pileup.events);
    }
    sort_events(pileup.events);
    pileup.depth = fragment_depth(pileup.reads, reference);
    pileup.informative = informative_depth(pileup.reads, reference);
    return pileup;
}

}  // namespace baselake::pileup
