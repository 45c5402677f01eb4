// The banded alignment of smithwaterman.h for a GPU: the same scores, moves and tracing back.
//
// A group of lanes has one pair, and each lane COLUMNS neighbouring columns of its band. As in the PairHMM's kernel two
// columns (2m, 2m + 1) do row t - m in step t, first all even columns, then all odd ones, and what is beside comes by
// shuffles. The moves of a step lie together in memory, four bits a cell: lanes write side by side, and the first lane
// of the group traces them back.
#include "compute/smithwaterman/model.h"

namespace baselake::smithwaterman {

constexpr int THREADS = 128;  // of a block
constexpr unsigned WARP = 0xffffffffu;
constexpr int KIND_BITS = 2, ALIGNED = 0, INSERTED = 1, DELETED = 2;  // of an operation
constexpr int BEFORE_QUERY = -1, BEFORE_TARGET = -2;                 // bases that are none, and fit nothing

struct Batch {
    const int* query_offsets;
    const unsigned char* query_bases;
    const int* target_offsets;
    const unsigned char* target_bases;
    const int *query, *target;
    int slack;
    Scores scores;
    const int* order;  // pairs to align
    int count;
    const long long* move_offsets;  // of each pair
    unsigned char* moves;
    const int* op_offsets;  // of each pair: room for as many as it has bases
    int* ops;               // from the last to the first
    int *op_counts, *found;
};

template <int COLUMNS, int GROUP> struct Lane {
    static constexpr int COUPLES = COLUMNS / 2, DEPTH = GROUP * COUPLES;
    int best[COLUMNS], insertion[COLUMNS], deletion[COLUMNS];
    int rows[COUPLES], sites[COUPLES + 1];

    const unsigned char *query, *target;
    int query_length, target_length;
    int lane, low, last;

    __device__ __forceinline__ int query_base(int i) const { return i >= 1 && i <= query_length ? query[i - 1] : BEFORE_QUERY; }
    __device__ __forceinline__ int target_base(int j) const { return j >= 1 && j <= target_length ? target[j - 1] : BEFORE_TARGET; }

    __device__ __forceinline__ void begin() {
#pragma unroll
        for (int k = 0; k < COLUMNS; ++k) best[k] = insertion[k] = deletion[k] = UNREACHABLE;
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) rows[c] = BEFORE_QUERY;
#pragma unroll
        for (int c = 0; c <= COUPLES; ++c) sites[c] = target_base(low + lane * COUPLES + c - 1);
    }

    // A cell; gives back its move.
    __device__ __forceinline__ unsigned cell(const Scores& s, int row, int c, int k, int base, int left_best, int left_deletion,
                                             int next_best, int next_insertion) {
        const int j = row + lane * COLUMNS + k + low;
        int here = best[k] + (rows[c] == base ? s.match : s.mismatch);
        if (j == 0) here = row == 0 ? 0 : UNREACHABLE;
        const int opened_deletion = left_best + s.open, longer_deletion = left_deletion + s.extend;
        const int opened_insertion = next_best + s.open, longer_insertion = next_insertion + s.extend;
        const int deleted = max(opened_deletion, longer_deletion), inserted = max(opened_insertion, longer_insertion);
        unsigned move = 0;
        if (deleted > here) {
            move = FROM_DELETION;
            here = deleted;
        }
        if (inserted > here) {
            move = FROM_INSERTION;
            here = inserted;
        }
        if (longer_deletion > opened_deletion) move |= DELETION_GOES_ON;
        if (longer_insertion > opened_insertion) move |= INSERTION_GOES_ON;
        best[k] = j < 0 || k > last ? UNREACHABLE : max(here, UNREACHABLE);
        deletion[k] = deleted;
        insertion[k] = max(inserted, UNREACHABLE);
        return move;
    }

    // One step; gives back the moves of each couple of columns, a byte.
    __device__ __forceinline__ void step(const Scores& s, int t, unsigned char* moves) {
        const int above = __shfl_up_sync(WARP, rows[COUPLES - 1], 1, GROUP);
#pragma unroll
        for (int c = COUPLES - 1; c > 0; --c) rows[c] = rows[c - 1];
        rows[0] = lane == 0 ? query_base(t) : above;
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) sites[c] = sites[c + 1];
        const int next = __shfl_down_sync(WARP, sites[0], 1, GROUP);
        sites[COUPLES] = lane == GROUP - 1 ? target_base(low + lane * COUPLES + COUPLES + t) : next;

        int beside_best = __shfl_up_sync(WARP, best[COLUMNS - 1], 1, GROUP);
        int beside_gap = __shfl_up_sync(WARP, deletion[COLUMNS - 1], 1, GROUP);
        if (lane == 0) beside_best = beside_gap = UNREACHABLE;
        const int first_row = t - lane * COUPLES;
        unsigned move[COUPLES];
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) {
            const int k = 2 * c;
            move[c] = cell(s, first_row - c, c, k, sites[c], c ? best[k - 1] : beside_best, c ? deletion[k - 1] : beside_gap, best[k + 1], insertion[k + 1]);
        }
        beside_best = __shfl_down_sync(WARP, best[0], 1, GROUP);
        beside_gap = __shfl_down_sync(WARP, insertion[0], 1, GROUP);
        if (lane == GROUP - 1) beside_best = beside_gap = UNREACHABLE;
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) {
            const int k = 2 * c + 1;
            const bool inner = c + 1 < COUPLES;
            move[c] |= cell(s, first_row - c, c, k, sites[c + 1], best[k - 1], deletion[k - 1], inner ? best[k + 1] : beside_best, inner ? insertion[k + 1] : beside_gap) << 4;
        }
        if (moves) {
            unsigned* words = reinterpret_cast<unsigned*>(moves + static_cast<long long>(t) * DEPTH + lane * COUPLES);
#pragma unroll
            for (int c = 0; c < COUPLES; c += 4) words[c / 4] = move[c] | move[c + 1] << 8 | move[c + 2] << 16 | move[c + 3] << 24;
        }
    }

    __device__ __forceinline__ int best_of(int column) const {
        int out = UNREACHABLE;
#pragma unroll
        for (int k = 0; k < COLUMNS; ++k) out = k == column ? best[k] : out;
        return out;
    }
};

// Writes the operations of a pair from the last to the first; gives back how many.
__device__ __forceinline__ int trace_back(const unsigned char* moves, int depth, int n, int m, int low, int* ops) {
    int i = n, j = m, gap = ALIGNED, kind = ALIGNED, length = 0, count = 0;
    while (i > 0 || j > 0) {
        const int k = j - i - low, couple = k / 2;
        const unsigned move = moves[static_cast<long long>(i + couple) * depth + couple] >> (4 * (k % 2)) & 15;
        if (gap == ALIGNED) gap = move & FROM_DELETION ? DELETED : move & FROM_INSERTION ? INSERTED : ALIGNED;
        if (length && kind != gap) {
            ops[count++] = length << KIND_BITS | kind;
            length = 0;
        }
        kind = gap;
        ++length;
        const bool goes_on = move & (gap == DELETED ? DELETION_GOES_ON : INSERTION_GOES_ON);
        if (gap != INSERTED) --j;
        if (gap != DELETED) --i;
        if (!goes_on) gap = ALIGNED;
    }
    if (length) ops[count++] = length << KIND_BITS | kind;
    return count;
}

template <int COLUMNS, int GROUP> __device__ __forceinline__ void align(const Batch& batch) {
    const int group = static_cast<int>(blockIdx.x * THREADS + threadIdx.x) / GROUP;
    const bool there = group < batch.count;
    const int pair = batch.order[there ? group : 0], q = batch.query[pair], r = batch.target[pair];
    Lane<COLUMNS, GROUP> mine;
    mine.query = batch.query_bases + batch.query_offsets[q];
    mine.target = batch.target_bases + batch.target_offsets[r];
    mine.query_length = batch.query_offsets[q + 1] - batch.query_offsets[q];
    mine.target_length = batch.target_offsets[r + 1] - batch.target_offsets[r];
    mine.lane = static_cast<int>(threadIdx.x) % GROUP;
    const int shift = mine.target_length - mine.query_length;
    mine.low = min(0, shift) - batch.slack;
    mine.last = max(0, shift) + batch.slack - mine.low - mine.lane * COLUMNS;
    mine.begin();
    const int end = shift - mine.low;  // the column of the last cell
    const int finish = mine.query_length + end / 2, own = there ? mine.query_length + Lane<COLUMNS, GROUP>::DEPTH : 0;
    int steps = own;
#pragma unroll
    for (int apart = 16; apart; apart /= 2) steps = max(steps, __shfl_xor_sync(WARP, steps, apart));
    unsigned char* moves = batch.moves + batch.move_offsets[pair];
    for (int t = 0; t < steps; ++t) {
        mine.step(batch.scores, t, t < own ? moves : nullptr);
        const int column = end - mine.lane * COLUMNS;
        if (there && t == finish && column >= 0 && column < COLUMNS) batch.found[pair] = mine.best_of(column);
    }
    __syncwarp();  // the moves of all lanes are there
    if (there && mine.lane == 0)
        batch.op_counts[pair] = trace_back(moves, Lane<COLUMNS, GROUP>::DEPTH, mine.query_length, mine.target_length, mine.low, batch.ops + batch.op_offsets[pair]);
}

}  // namespace baselake::smithwaterman

using namespace baselake::smithwaterman;

// BLOCKS: that a multiprocessor shall hold; it bounds the registers.
#define ALIGN(COLUMNS, GROUP, BLOCKS)                                                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) smithwaterman_##COLUMNS##_##GROUP(                                \
        const int* query_offsets, const unsigned char* query_bases, const int* target_offsets, const unsigned char* target_bases,   \
        const int* query, const int* target, int slack, int match, int mismatch, int open, int extend, const int* order, int count, \
        const long long* move_offsets, unsigned char* moves, const int* op_offsets, int* ops, int* op_counts, int* found) {         \
        align<COLUMNS, GROUP>({query_offsets, query_bases, target_offsets, target_bases, query, target, slack,                      \
                               {match, mismatch, open, extend}, order, count, move_offsets, moves, op_offsets, ops, op_counts,      \
                               found});                                                                                             \
    }

ALIGN(8, 8, 5)
ALIGN(8, 16, 5)
ALIGN(8, 32, 5)
ALIGN(16, 32, 3)
ALIGN(32, 32, 2)
