// The PairHMM of pairhmm.h for a GPU: the same cells, the same band, the same arithmetic in the same order.
//
// A group of lanes has one pair of a read and a haplotype, and each lane COLUMNS neighbouring columns of its band.
// Column k of row i stands over haplotype base i + diagonal - left + k, so a cell comes from
//   match      the same column, row before
//   insertion  the next column, row before
//   deletion   the column before, same row
// Two columns (2m, 2m + 1) do row t - m in step t, first all even columns of the group, then all odd ones: every lane
// computes COLUMNS cells in every step, and what they need lies in registers of the lane or of its neighbours. Of these
// come by shuffles: the cells beside; the read's rows, which move up by two columns a step; the haplotype's bases, which
// move down. Only the first lane loads rows and only the last one bases.
#include "compute/pairhmm/model.h"

namespace baselake::pairhmm {

constexpr int COLUMNS = 8;
constexpr int COUPLES = COLUMNS / 2;  // of columns
constexpr int THREADS = 128;          // of a block
constexpr unsigned WARP = 0xffffffffu;

// A read's base A, C, G, T has its own bit and the one that a haplotype's N has; N that alone, so it fits N and nothing
// else. What is no base is alike among itself, as in the CPU's kernel, and beyond a haplotype's ends.
constexpr int N_BIT = 16, OTHER_BIT = 32;

__device__ __forceinline__ int bit_of(unsigned char base) {
    switch (base) {
        case 'A': return 1;
        case 'C': return 2;
        case 'G': return 4;
        case 'T': return 8;
        case 'N': return N_BIT;
        default: return OTHER_BIT;
    }
}
__device__ __forceinline__ int read_code(unsigned char base) { return bit_of(base) | N_BIT; }

__device__ __forceinline__ float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double fused(double a, double b, double c) { return fma(a, b, c); }

// One base of a haplotype.
template <typename Real> struct alignas(4 * sizeof(Real)) Site {
    Real stay, insertion, deletion;
    int code;
};

// One base of a read; before its first and behind its last nothing has a weight.
template <typename Real> struct alignas(4 * sizeof(Real)) Row {
    Real fits, wrong;
    int code;
};

template <typename Real> struct Batch {
    const int* read_offsets;
    const Row<Real>* rows;
    const int* haplotype_offsets;
    const Site<Real>* sites;  // haplotype h's from haplotype_offsets[h] + h, one more than it has bases
    const double* error;      // by phred
    const int *read, *haplotype, *diagonal, *left, *right;
    const int* order;  // pairs to compute
    int count;
    double* sums;  // of each pair: likelihood x SCALE
};

template <typename Real> __device__ __forceinline__ Site<Real> outside(const double* error) {
    const double open = error[GAP_OPEN];
    return {static_cast<Real>(1 - 2 * open), static_cast<Real>(open), static_cast<Real>(open), OTHER_BIT};
}

// A block makes the sites of one haplotype.
template <typename Real>
__device__ void make_sites(const int* offsets, const unsigned char* bases, const unsigned char* insertion_quality,
                           const unsigned char* deletion_quality, const double* error, Site<Real>* sites) {
    const int h = static_cast<int>(blockIdx.x), first = offsets[h], n = offsets[h + 1] - first;
    for (int j = static_cast<int>(threadIdx.x); j <= n; j += static_cast<int>(blockDim.x)) {
        Site<Real> site = outside<Real>(error);
        const double before = j > 0 ? error[insertion_quality[first + j - 1]] : error[GAP_OPEN];
        const double deletion = j < n ? error[deletion_quality[first + j]] : error[GAP_OPEN];
        const double stay = 1 - before - deletion;
        site.stay = static_cast<Real>(stay > 0 ? stay : 0);
        if (j < n) {
            site.insertion = static_cast<Real>(error[insertion_quality[first + j]]);
            site.deletion = static_cast<Real>(deletion);
            site.code = bit_of(bases[first + j]);
        }
        sites[first + h + j] = site;
    }
}

// A thread makes the row of one base of any read. Quality 0: it fits everything.
template <typename Real>
__device__ void make_rows(const unsigned char* bases, const unsigned char* quality, int count, const double* error, Row<Real>* rows) {
    const int i = static_cast<int>(blockIdx.x * THREADS + threadIdx.x);
    if (i >= count) return;
    const double wrong = error[quality[i]];
    const bool says = quality[i] != 0;
    rows[i] = {static_cast<Real>(says ? 1 - wrong : 1), static_cast<Real>(says ? wrong / 3 : 1), read_code(bases[i])};
}

template <typename Real, int GROUP> struct Lane {
    Real match[COLUMNS], insertion[COLUMNS], deletion[COLUMNS];
    Row<Real> rows[COUPLES];
    Site<Real> sites[COUPLES + 1];
    double sum;

    const Site<Real>* haplotype;
    const Row<Real>* read;
    Site<Real> beyond;
    int haplotype_length, length;
    int lane;        // in the group
    int place;       // haplotype base of the lane's first column before step 0
    int last;        // the band's last column, as one of the lane's

    __device__ __forceinline__ Site<Real> site(int j) const { return j < 0 || j > haplotype_length ? beyond : haplotype[j]; }
    __device__ __forceinline__ Row<Real> row(int i) const { return i < length ? read[i] : Row<Real>{0, 0, 0}; }

    __device__ __forceinline__ void begin() {
#pragma unroll
        for (int k = 0; k < COLUMNS; ++k) match[k] = insertion[k] = deletion[k] = 0;
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) rows[c] = {0, 0, 0};
#pragma unroll
        for (int c = 0; c <= COUPLES; ++c) sites[c] = site(place + c);
        sum = 0;
    }

    // EDGE: rows may begin or end in this step.
    template <bool EDGE> __device__ __forceinline__ void step(int t) {
        const Row<Real> above{__shfl_up_sync(WARP, rows[COUPLES - 1].fits, 1, GROUP), __shfl_up_sync(WARP, rows[COUPLES - 1].wrong, 1, GROUP),
                              __shfl_up_sync(WARP, rows[COUPLES - 1].code, 1, GROUP)};
#pragma unroll
        for (int c = COUPLES - 1; c > 0; --c) rows[c] = rows[c - 1];
        rows[0] = lane == 0 ? row(t) : above;
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) sites[c] = sites[c + 1];
        Site<Real> next{__shfl_down_sync(WARP, sites[0].stay, 1, GROUP), __shfl_down_sync(WARP, sites[0].insertion, 1, GROUP),
                        __shfl_down_sync(WARP, sites[0].deletion, 1, GROUP), __shfl_down_sync(WARP, sites[0].code, 1, GROUP)};
        sites[COUPLES] = lane == GROUP - 1 ? site(place + 1 + t + COUPLES) : next;

        Real beside_match = __shfl_up_sync(WARP, match[COLUMNS - 1], 1, GROUP);
        Real beside_deletion = __shfl_up_sync(WARP, deletion[COLUMNS - 1], 1, GROUP);
        if (lane == 0) beside_match = beside_deletion = 0;
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) {
            const int k = 2 * c;
            const Real left_match = c ? match[k - 1] : beside_match, left_deletion = c ? deletion[k - 1] : beside_deletion;
            cell<EDGE>(t, c, k, sites[c], left_match, left_deletion, match[k + 1], insertion[k + 1]);
        }
        beside_match = __shfl_down_sync(WARP, match[0], 1, GROUP);
        Real beside_insertion = __shfl_down_sync(WARP, insertion[0], 1, GROUP);
        if (lane == GROUP - 1) beside_match = beside_insertion = 0;
#pragma unroll
        for (int c = 0; c < COUPLES; ++c) {
            const int k = 2 * c + 1;
            const Real next_match = c + 1 < COUPLES ? match[k + 1] : beside_match;
            const Real next_insertion = c + 1 < COUPLES ? insertion[k + 1] : beside_insertion;
            cell<EDGE>(t, c, k, sites[c + 1], match[k - 1], deletion[k - 1], next_match, next_insertion);
        }
        if (EDGE && t - lane * COUPLES >= length - 1) {
#pragma unroll
            for (int c = 0; c < COUPLES; ++c) {
                if (t - lane * COUPLES - c != length - 1) continue;
                if (2 * c <= last) sum += static_cast<double>(match[2 * c]) + static_cast<double>(insertion[2 * c]);
                if (2 * c + 1 <= last) sum += static_cast<double>(match[2 * c + 1]) + static_cast<double>(insertion[2 * c + 1]);
            }
        }
    }

    template <bool EDGE>
    __device__ __forceinline__ void cell(int t, int c, int k, const Site<Real>& at, Real left_match, Real left_deletion, Real next_match,
                                         Real next_insertion) {
        constexpr Real EXTENDS = static_cast<Real>(EXTEND), CLOSES = static_cast<Real>(1 - EXTEND);
        const Real emitted = rows[c].code & at.code ? rows[c].fits : rows[c].wrong;
        Real arrives = fused(at.stay, match[k], CLOSES * (insertion[k] + deletion[k]));
        if (EDGE) arrives = t - lane * COUPLES == c ? static_cast<Real>(Range<Real>::SCALE) : arrives;
        deletion[k] = fused(at.deletion, left_match, EXTENDS * left_deletion);
        // Beyond the band nothing comes back: columns there compute, and nobody reads them.
        insertion[k] = k == last ? 0 : fused(at.insertion, next_match, EXTENDS * next_insertion);
        match[k] = emitted * arrives;
    }
};

template <typename Real, int GROUP> __device__ __forceinline__ void forward(const Batch<Real>& batch) {
    const int group = static_cast<int>(blockIdx.x * THREADS + threadIdx.x) / GROUP;
    const bool there = group < batch.count;
    const int pair = there ? batch.order[group] : batch.order[0];
    const int r = batch.read[pair], h = batch.haplotype[pair], read_first = batch.read_offsets[r], haplotype_first = batch.haplotype_offsets[h];
    Lane<Real, GROUP> mine;
    mine.haplotype = batch.sites + haplotype_first + h;
    mine.haplotype_length = batch.haplotype_offsets[h + 1] - haplotype_first;
    mine.read = batch.rows + read_first;
    mine.length = there ? batch.read_offsets[r + 1] - read_first : 0;
    mine.beyond = outside<Real>(batch.error);
    mine.lane = static_cast<int>(threadIdx.x) % GROUP;
    mine.place = batch.diagonal[pair] - batch.left[pair] + mine.lane * COUPLES - 1;
    mine.last = batch.left[pair] + batch.right[pair] - mine.lane * COLUMNS;
    mine.begin();
    int longest = mine.length, shortest = mine.length;
#pragma unroll
    for (int apart = 16; apart; apart /= 2) {
        longest = max(longest, __shfl_xor_sync(WARP, longest, apart));
        shortest = min(shortest, __shfl_xor_sync(WARP, shortest, apart));
    }
    // Rows begin in the first steps and end in the last; between them no step asks.
    constexpr int DEPTH = GROUP * COUPLES;
    const int steps = longest + DEPTH - 1;
    for (int t = 0; t < steps; ++t) {
        // Four steps are one turn of the registers that rows and sites move through.
#pragma unroll COUPLES
        for (; t >= DEPTH && t < shortest - 1; ++t) mine.template step<false>(t);
        mine.template step<true>(t);
    }
    double sum = mine.sum;
#pragma unroll
    for (int apart = GROUP / 2; apart; apart /= 2) sum += __shfl_xor_sync(WARP, sum, apart, GROUP);
    if (there && mine.lane == 0) batch.sums[pair] = sum;
}

}  // namespace baselake::pairhmm

using namespace baselake::pairhmm;

#define SITES(NAME, REAL)                                                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                            \
        pairhmm_sites_##NAME(const int* offsets, const unsigned char* bases, const unsigned char* insertion_quality,                 \
                             const unsigned char* deletion_quality, const double* error, Site<REAL>* sites) {                        \
        make_sites<REAL>(offsets, bases, insertion_quality, deletion_quality, error, sites);                                         \
    }
#define ROWS(NAME, REAL)                                                                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS) pairhmm_rows_##NAME(                                                       \
        const unsigned char* bases, const unsigned char* quality, int count, const double* error, Row<REAL>* rows) {                 \
        make_rows<REAL>(bases, quality, count, error, rows);                                                                         \
    }
#define FORWARD(NAME, REAL, GROUP)                                                                                                   \
    extern "C" __global__ void __launch_bounds__(THREADS) pairhmm_##NAME##_##GROUP(                                                  \
        const int* read_offsets, const Row<REAL>* rows, const int* haplotype_offsets, const Site<REAL>* sites, const double* error,  \
        const int* read, const int* haplotype, const int* diagonal, const int* left, const int* right, const int* order, int count,  \
        double* sums) {                                                                                                              \
        forward<REAL, GROUP>({read_offsets, rows, haplotype_offsets, sites, error, read, haplotype, diagonal, left, right, order,    \
                              count, sums});                                                                                         \
    }

SITES(float, float)
SITES(double, double)
ROWS(float, float)
ROWS(double, double)
FORWARD(float, float, 2)
FORWARD(float, float, 4)
FORWARD(float, float, 8)
FORWARD(float, float, 16)
FORWARD(float, float, 32)
FORWARD(double, double, 2)
FORWARD(double, double, 4)
FORWARD(double, double, 8)
FORWARD(double, double, 16)
FORWARD(double, double, 32)
