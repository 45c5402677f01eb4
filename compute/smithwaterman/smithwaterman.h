// How a haplotype differs from the reference: banded alignment with affine gaps from end to end, eight pairs at a time,
// traced back to a CIGAR whose gaps stand as far left as the score allows.
//
// The recurrence is Gotoh's (1982); the name is that of the family, as the field uses it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model.h"

namespace baselake::smithwaterman {

constexpr int LANES = 8;
using Lanes __attribute__((vector_size(32))) = int32_t;
using Moves __attribute__((vector_size(8))) = uint8_t;

// GATK's, of haplotypes to the reference: a gap is preferred to two mismatches close together.
constexpr Scores HAPLOTYPE_SCORES{200, -150, -260, -11};

// Queries and targets are ragged: item i is [offsets[i], offsets[i + 1]).
struct Batch {
    const int32_t* query_offsets;
    const uint8_t* query_bases;
    const int32_t* target_offsets;
    const uint8_t* target_bases;
    int64_t pairs;
    const int32_t *query, *target;
    int32_t slack;  // the band: this many bases beside the diagonals of both ends
    Scores scores;
};

struct Op {
    char kind;  // M: aligned bases, I: of the query only, D: of the target only
    int32_t length;

    bool operator==(const Op& other) const { return kind == other.kind && length == other.length; }
};

struct Alignment {
    int32_t score;
    std::vector<Op> ops;
};

// Pairs [first, first + count), count at most LANES.
inline void align_lanes(const Batch& batch, int64_t first, int count, Alignment* out) {
    std::array<int32_t, LANES> n{}, m{}, low{}, high{};
    int32_t rows = 0, from = 0, to = 0;
    for (int lane = 0; lane < count; ++lane) {
        const auto l = static_cast<size_t>(lane);
        const int32_t q = batch.query[first + lane], t = batch.target[first + lane];
        n[l] = batch.query_offsets[q + 1] - batch.query_offsets[q];
        m[l] = batch.target_offsets[t + 1] - batch.target_offsets[t];
        low[l] = std::min(0, m[l] - n[l]) - batch.slack;
        high[l] = std::max(0, m[l] - n[l]) + batch.slack;
        rows = std::max(rows, n[l]);
        from = std::min(from, low[l]);
        to = std::max(to, high[l]);
    }
    const int32_t width = to - from + 1;
    // Column k of row i is target base i + k + from - 1, counted from 1: row 0 and column 0 are before the first base.
    std::vector<Lanes> query(static_cast<size_t>(rows) + 1, Lanes{} - 1), target(static_cast<size_t>(rows + width) + 1, Lanes{} - 2);
    std::vector<Lanes> shut(static_cast<size_t>(width), Lanes{});  // all ones where a lane's band is left
    std::vector<Lanes> best(static_cast<size_t>(width) + 1, Lanes{} + UNREACHABLE), insertion = best;
    std::vector<Moves> moves(static_cast<size_t>(rows + 1) * static_cast<size_t>(width));
    for (int lane = 0; lane < LANES; ++lane) {
        const auto l = static_cast<size_t>(lane);
        for (int32_t k = 0; k < width; ++k)
            if (lane >= count || k + from < low[l] || k + from > high[l]) shut[static_cast<size_t>(k)][lane] = -1;
        if (lane >= count) continue;
        const uint8_t* q = batch.query_bases + batch.query_offsets[batch.query[first + lane]];
        const uint8_t* t = batch.target_bases + batch.target_offsets[batch.target[first + lane]];
        for (int32_t i = 0; i < n[l]; ++i) query[static_cast<size_t>(i) + 1][lane] = q[i];
        for (int32_t x = 0; x <= rows + width; ++x)
            if (const int32_t j = x + from; j >= 1 && j <= m[l]) target[static_cast<size_t>(x)][lane] = t[j - 1];
    }
    const Scores& s = batch.scores;
    const Lanes match = Lanes{} + s.match, mismatch = Lanes{} + s.mismatch, open = Lanes{} + s.open, extend = Lanes{} + s.extend;
    const Lanes unreachable = Lanes{} + UNREACHABLE;
    for (int32_t i = 0; i <= rows; ++i) {
        Lanes left = unreachable, deletion = unreachable;
        Moves* row = moves.data() + static_cast<size_t>(i) * static_cast<size_t>(width);
        for (int32_t k = 0; k < width; ++k) {
            const auto c = static_cast<size_t>(k);
            const int32_t j = i + k + from;
            const Lanes diagonal = j == 0 ? (i == 0 ? Lanes{} : unreachable)
                                          : best[c] + (query[static_cast<size_t>(i)] == target[static_cast<size_t>(i + k)] ? match : mismatch);
            const Lanes opened_deletion = left + open, longer_deletion = deletion + extend;
            deletion = longer_deletion > opened_deletion ? longer_deletion : opened_deletion;
            const Lanes opened_insertion = best[c + 1] + open, longer_insertion = insertion[c + 1] + extend;
            const Lanes inserted = longer_insertion > opened_insertion ? longer_insertion : opened_insertion;
            // Where scores are equal a base is aligned: traced back from the right, gaps come as late as they can.
            Lanes here = diagonal, move = {};
            move = deletion > here ? Lanes{} + FROM_DELETION : move;
            here = deletion > here ? deletion : here;
            move = inserted > here ? Lanes{} + FROM_INSERTION : move;
            here = inserted > here ? inserted : here;
            move |= (longer_deletion > opened_deletion) & DELETION_GOES_ON;
            move |= (longer_insertion > opened_insertion) & INSERTION_GOES_ON;
            here = shut[c] | (Lanes{} + (j < 0 ? -1 : 0)) ? unreachable : here;
            here = here > unreachable ? here : unreachable;
            best[c] = left = here;
            insertion[c] = inserted > unreachable ? inserted : unreachable;
            row[k] = __builtin_convertvector(move, Moves);
        }
        for (int lane = 0; lane < count; ++lane)
            if (const auto l = static_cast<size_t>(lane); n[l] == i) out[lane].score = best[static_cast<size_t>(m[l] - i - from)][lane];
    }
    for (int lane = 0; lane < count; ++lane) {
        std::vector<Op>& ops = out[lane].ops;
        ops.clear();
        const auto put = [&](char kind) {
            if (!ops.empty() && ops.back().kind == kind) ++ops.back().length;
            else ops.push_back({kind, 1});
        };
        int32_t i = n[static_cast<size_t>(lane)], j = m[static_cast<size_t>(lane)];
        char gap = 0;
        while (i > 0 || j > 0) {
            const uint8_t move = moves[static_cast<size_t>(i) * static_cast<size_t>(width) + static_cast<size_t>(j - i - from)][lane];
            if (!gap) gap = move & FROM_DELETION ? 'D' : move & FROM_INSERTION ? 'I' : 0;
            put(gap ? gap : 'M');
            const bool goes_on = move & (gap == 'D' ? DELETION_GOES_ON : INSERTION_GOES_ON);
            if (gap != 'I') --j;
            if (gap != 'D') --i;
            if (!goes_on) gap = 0;
        }
        std::reverse(ops.begin(), ops.end());
    }
}

// The best alignment of each pair within its band; it depends on the pair and the slack alone.
inline std::vector<Alignment> align(const Batch& batch) {
    std::vector<Alignment> out(static_cast<size_t>(batch.pairs));
    for (int64_t i = 0; i < batch.pairs; i += LANES)
        align_lanes(batch, i, static_cast<int>(std::min<int64_t>(LANES, batch.pairs - i)), out.data() + i);
    return out;
}

// Operations as a device gives them: the length in the upper bits, below them the kind as its place in "MID".
constexpr int32_t KIND_BITS = 2;
inline int32_t packed(const Op& op) { return op.length << KIND_BITS | (op.kind == 'M' ? 0 : op.kind == 'I' ? 1 : 2); }
inline Op unpacked(int32_t op) { return {"MID"[op & 3], op >> KIND_BITS}; }

inline std::string cigar(const std::vector<Op>& ops) {
    std::string out;
    for (const Op& op : ops) out += std::to_string(op.length) + op.kind;
    return out;
}

}  // namespace baselake::smithwaterman
