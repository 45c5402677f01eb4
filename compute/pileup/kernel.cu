// The pileup's parts for a GPU: bases and qualities of reads from stored columns (reads.h), where they differ from the
// reference (events.h), and genotype likelihoods (genotype.h).
#include "compute/pileup/model.h"

namespace baselake::pileup {

constexpr int THREADS = 128;  // of a block
constexpr int LANES = 32;
constexpr unsigned WARP = 0xffffffffu;
constexpr int NO_ERROR = -1;

__device__ __forceinline__ int lane_of_warp() { return static_cast<int>(threadIdx.x) % LANES; }
__device__ __forceinline__ int warp_of_grid() { return static_cast<int>(blockIdx.x) * (THREADS / LANES) + static_cast<int>(threadIdx.x) / LANES; }

// Calls visit(place on the reference, offset in the read, length) for each stretch of aligned bases of a read.
template <typename Visit> __device__ __forceinline__ void each_match(const int* op_offsets, const int* ops, int read, int position, Visit visit) {
    int offset = 0;
    for (int o = op_offsets[read]; o < op_offsets[read + 1]; ++o) {
        const int kind = ops[o] & 3, length = ops[o] >> 2;
        if (kind == 0) visit(position, offset, length);
        if (kind != 1) position += length;
        if (kind != 2) offset += length;
    }
}

// A base that stands beside one of the reference, as `sequences.cpp` stores it: 0 to 2 the next of A, C, G, T in a circle,
// 3 an N, 4 the base in the higher byte. -1: there is none.
__device__ __forceinline__ int changed_base(unsigned char there, unsigned code) {
    constexpr unsigned FOUR = 'A' | 'C' << 8 | 'G' << 16 | static_cast<unsigned>('T') << 24;
    const unsigned change = code & 0xff;
    if (change == 3) return 'N';
    if (change == 4) return static_cast<int>(code >> 8);
    for (unsigned k = 0; k < 4; ++k)
        if ((FOUR >> 8 * k & 0xff) == there) return change < 3 ? static_cast<int>(FOUR >> 8 * ((k + change + 1) % 4) & 0xff) : -1;
    return -1;
}

// A warp walks a read's operations, its lanes side by side over the bases of each. It is walked twice: COUNTS adds up
// the depths and counts what differs, otherwise what differs is written, each read in room of its own.

// Reads one after another: of read i bases [offsets[i], offsets[i + 1]), and operations [op_offsets[i], op_offsets[i + 1]),
// each length x 4 and below it M 0, I or S 1, D or N 2.
struct Reads {
    const int* start;
    const int *op_offsets, *ops;
    const int* offsets;
    const unsigned char *bases, *quality;
    const unsigned char* reference;  // from `begin`
    int begin, least_quality;
};

__device__ __forceinline__ unsigned char plain_base(unsigned char base) {
    const unsigned char upper = base & 0xdf;
    return upper == 'A' || upper == 'C' || upper == 'G' || upper == 'T' ? upper : 'N';
}

template <typename Found> __device__ __forceinline__ void each_difference(const Reads& reads, int read, int* informative, Found found) {
    const int lane = lane_of_warp();
    int position = reads.start[read] - reads.begin, offset = reads.offsets[read];
    for (int o = reads.op_offsets[read]; o < reads.op_offsets[read + 1]; ++o) {
        const int kind = reads.ops[o] & 3, length = reads.ops[o] >> 2;
        for (int i = 0; kind == 0 && i < length; i += LANES) {
            const int k = i + lane;
            bool differs = false;
            if (k < length) {
                const int quality = reads.quality[offset + k];
                const unsigned char base = plain_base(reads.bases[offset + k]), wanted = reads.reference[position + k];
                differs = quality != 0 && quality >= reads.least_quality && base != wanted && wanted != 'N';
                if (informative && quality != 0) atomicAdd(&informative[position + k], 1);
            }
            found(__ballot_sync(WARP, differs), differs, position + k, offset + k);
        }
        if (kind != 1) position += length;
        if (kind != 2) offset += length;
    }
}

// Lanes share the fragments of a table out. What the k-th error of an allele and a strand weighs needs their order by
// cost: an error's rank is the number of greater ones, which lanes count side by side in shared memory.

// Tables one after another: of table i fragments [offsets[i], offsets[i + 1]), and costs from cost_offsets[i], row by row.
struct Tables {
    const int* offsets;
    const int* alleles;
    const long long* cost_offsets;
    const float* costs;            // relative to a fragment's best allele, and capped
    const unsigned char* reverse;  // by fragment
    const double* weights;         // of an error by its rank
    const double* log_factorials;  // natural; up to 4 more than a table has fragments
};

__device__ __forceinline__ double sum_of_warp(double value) {
#pragma unroll
    for (int apart = LANES / 2; apart; apart /= 2) value += __shfl_xor_sync(WARP, value, apart);
    return value;
}
__device__ __forceinline__ int sum_of_warp(int value) {
#pragma unroll
    for (int apart = LANES / 2; apart; apart /= 2) value += __shfl_xor_sync(WARP, value, apart);
    return value;
}

constexpr double PHRED = 4.342944819032518;  // 10 / ln 10

__device__ __forceinline__ double artefact_cost(const double* log_factorials, int n, int k) {
    constexpr int A = ARTEFACT_SHAPE;
    const double prior = log_factorials[0] + log_factorials[A - 1] - log_factorials[A];
    return PHRED * (prior - (log_factorials[k] + log_factorials[A - 1 + n - k] - log_factorials[A + n]));
}

// The cost of all fragments of a table under one genotype. `low` and `group` are the warp's own, one place a fragment.
__device__ __forceinline__ double genotype_cost(const Tables& tables, int table, const short* copies, int ploidy, float* low, short* group) {
    const int lane = lane_of_warp(), first = tables.offsets[table], count = tables.offsets[table + 1] - first;
    const int n = tables.alleles[table];
    const float* costs = tables.costs + tables.cost_offsets[table];
    const bool same = copies[0] == copies[ploidy - 1];
    double cost = 0;
    int backwards = 0;
    for (int f = lane; f < count; f += LANES) {
        const float* row = costs + static_cast<long long>(f) * n;
        int best = 0;
        for (int a = 1; a < n; ++a) best = row[a] < row[best] ? a : best;
        float least = row[copies[0]];
        for (int c = 1; c < ploidy; ++c) least = min(least, row[copies[c]]);
        if (!same) {
            double likelihood = 0;
            for (int c = 0; c < ploidy; ++c) likelihood += powf(10.0f, (least - row[copies[c]]) / 10);
            cost -= 10 * log10(likelihood / ploidy);
        }
        const int reversed = tables.reverse[first + f] != 0;
        backwards += reversed;
        low[f] = least;
        group[f] = static_cast<short>(least > 0 ? 2 * best + reversed : NO_ERROR);
    }
    __syncwarp();
    double shared = 0, independent = 0;
    int errors = 0;
    for (int f = lane; f < count; f += LANES) {
        if (group[f] == NO_ERROR) continue;
        int rank = 0;
        for (int other = 0; other < count; ++other)
            rank += group[other] == group[f] && (low[other] > low[f] || (low[other] == low[f] && other < f));
        shared += tables.weights[min(rank, RANKS - 1)] * low[f];
        independent += low[f];
        errors += low[f] >= CLEAR_ERROR;
    }
    cost = sum_of_warp(cost);
    shared = sum_of_warp(shared);
    independent = sum_of_warp(independent);
    errors = sum_of_warp(errors);
    backwards = sum_of_warp(backwards);
    double saved = 0, ways = tables.log_factorials[count] - tables.log_factorials[count - errors];
    int even = 0;  // errors towards the allele of two groups, on the strand of the first
    for (int g = 0; g < 2 * n; ++g) {
        double sum = 0, good = 0;
        int here = 0;
        for (int f = lane; f < count; f += LANES) {
            if (group[f] != g) continue;
            sum += low[f];
            good += ARTEFACT_GOOD_SHARE * max(0.0f, low[f] - ARTEFACT_TYPICAL_COST);
            here += low[f] >= CLEAR_ERROR;
        }
        here = sum_of_warp(here);
        if (g % 2) ways -= tables.log_factorials[even + here];
        even = here;
        if (here < 2) continue;
        sum = sum_of_warp(sum - good);
        const int strand = g % 2 ? backwards : count - backwards;
        saved = max(saved, sum - STRAND_ARTEFACT_COST - artefact_cost(tables.log_factorials, strand, here));
    }
    return cost + min(independent - saved, shared + PHRED * ways);
}

}  // namespace baselake::pileup

using namespace baselake::pileup;

// Writes reads one after the other, as SAM has them, from what a lake stores: bases from the contig and from what differs,
// qualities from their characters. A warp has a read.
//
// stored: of a read four: its first of `kept`, of `places` and `codes`, how many of these it has, its first of `characters`
//     (-1: it has no qualities).
// whole: whether all its bases stand in `kept`; otherwise those of I and S do.
// contig: as it is stored, from `begin`.
extern "C" __global__ void __launch_bounds__(THREADS)
    pileup_unfold(const int* start, const int* op_offsets, const int* ops, const int* offsets, const long long* stored, const int* whole,
                  const unsigned char* kept, const int* places, const unsigned short* codes, const unsigned char* characters,
                  const unsigned char* contig, int begin, int count, unsigned char* bases, unsigned char* quality, int* wrong) {
    const int read = warp_of_grid(), lane = lane_of_warp();
    if (read >= count) return;
    const int length = offsets[read + 1] - offsets[read];
    const long long* const own = stored + 4 * static_cast<long long>(read);
    unsigned char* const text = bases + offsets[read];
    const unsigned char* taken = kept + own[0];
    if (whole[read]) {
        for (int k = lane; k < length; k += LANES) text[k] = taken[k];
    } else {
        int position = start[read] - begin, offset = 0;
        for (int o = op_offsets[read]; o < op_offsets[read + 1]; ++o) {
            const int kind = ops[o] & 3, n = ops[o] >> 2;
            if (kind != 2)
                for (int k = lane; k < n; k += LANES) text[offset + k] = kind == 0 ? contig[position + k] : taken[k];
            if (kind == 1) taken += n;
            if (kind != 1) position += n;
            if (kind != 2) offset += n;
        }
    }
    __syncwarp();
    bool bad = false;
    for (long long c = own[1] + lane; c < own[1] + own[2]; c += LANES) {
        const int base = changed_base(text[places[c]], codes[c]);
        bad = bad || base < 0;
        text[places[c]] = static_cast<unsigned char>(base);
    }
    __syncwarp();
    for (int k = lane; k < length; k += LANES) {
        int q = MISSING_QUALITY;
        if (own[3] >= 0) {
            const int character = characters[own[3] + k];
            q = min(character < 33 ? 0 : character - 33, MAX_QUALITY);
            if (q < UNINFORMATIVE_QUALITY) q = 0;
        }
        quality[offsets[read] + k] = static_cast<unsigned char>(plain_base(text[k]) == 'N' ? 0 : q);
    }
    bad = __any_sync(WARP, bad);
    if (lane == 0) wrong[read] = bad;
}

// Merges the qualities of mates where they overlap, as `merge_overlap` of reads.h. A warp has a pair.
extern "C" __global__ void __launch_bounds__(THREADS)
    pileup_merge(const int* first, const int* second, const int* second_keeps, const int* start, const int* op_offsets, const int* ops,
                 const int* offsets, const unsigned char* bases, unsigned char* quality, int count) {
    const int pair = warp_of_grid(), lane = lane_of_warp();
    if (pair >= count) return;
    const int a = first[pair], b = second[pair];
    const bool keeps = second_keeps[pair];
    each_match(op_offsets, ops, a, start[a], [&](int ap, int ao, int an) {
        each_match(op_offsets, ops, b, start[b], [&](int bp, int bo, int bn) {
            for (int p = max(ap, bp) + lane, last = min(ap + an, bp + bn); p < last; p += LANES) {
                const int at_a = offsets[a] + ao + p - ap, at_b = offsets[b] + bo + p - bp;
                const int qa = quality[at_a], qb = quality[at_b], apart = abs(qa - qb);
                const bool agree = plain_base(bases[at_a]) == plain_base(bases[at_b]);
                const int left = agree ? min(qa + qb, MAX_QUALITY) : apart < UNINFORMATIVE_QUALITY ? 0 : apart;
                const bool to_b = agree ? keeps : qa <= qb;
                quality[at_a] = static_cast<unsigned char>(to_b ? 0 : left);
                quality[at_b] = static_cast<unsigned char>(to_b ? left : 0);
            }
        });
    });
}

// Copies some reads one after the other, to be taken.
extern "C" __global__ void __launch_bounds__(THREADS)
    pileup_gather(const int* which, const int* offsets, const int* targets, const unsigned char* bases, const unsigned char* quality, int count,
                  unsigned char* out_bases, unsigned char* out_quality) {
    const int number = warp_of_grid();
    if (number >= count) return;
    const int from = offsets[which[number]], to = targets[number], length = targets[number + 1] - to;
    for (int k = lane_of_warp(); k < length; k += LANES) {
        out_bases[to + k] = bases[from + k];
        out_quality[to + k] = quality[from + k];
    }
}

// `depth` gets the steps of the depth in fragments (its sums are the depth), `informative` the bases that say something.
extern "C" __global__ void __launch_bounds__(THREADS)
    pileup_count(const int* start, const int* end, const int* mate_end, const int* second, const int* op_offsets, const int* ops, const int* offsets,
                 const unsigned char* bases, const unsigned char* quality, const unsigned char* reference, int begin, int least_quality,
                 int count, int* depth, int* informative, int* differences) {
    const int read = warp_of_grid();
    if (read >= count) return;
    int number = 0;
    each_difference({start, op_offsets, ops, offsets, bases, quality, reference, begin, least_quality}, read, informative,
                    [&](unsigned lanes, bool, int, int) { number += __popc(lanes); });
    if (lane_of_warp() != 0) return;
    differences[read] = number;
    atomicAdd(&depth[start[read] - begin], 1);
    atomicAdd(&depth[end[read] - begin], -1);
    // Where mates overlap they count once.
    const int shared = min(end[read], mate_end[read]);
    if (second[read] && start[read] < shared) {
        atomicAdd(&depth[start[read] - begin], -1);
        atomicAdd(&depth[shared - begin], 1);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    pileup_differences(const int* start, const int* op_offsets, const int* ops, const int* offsets, const unsigned char* bases,
                       const unsigned char* quality, const unsigned char* reference, int begin,
                       int least_quality, int count, const int* first, int* positions, unsigned char* found_bases,
                       unsigned char* found_quality) {
    const int read = warp_of_grid();
    if (read >= count) return;
    int next = first[read];
    each_difference({start, op_offsets, ops, offsets, bases, quality, reference, begin, least_quality}, read, nullptr,
                    [&](unsigned lanes, bool differs, int position, int at) {
                        if (differs) {
                            const int place = next + __popc(lanes & ((1u << lane_of_warp()) - 1));
                            positions[place] = position + begin;
                            found_bases[place] = plain_base(bases[at]);
                            found_quality[place] = quality[at];
                        }
                        next += __popc(lanes);
                    });
}

// Genotype g is `ploidy` copies from copies[g x ploidy] of table table_of[g]; a warp has `room` places of shared memory.
extern "C" __global__ void __launch_bounds__(THREADS)
    pileup_genotypes(const int* offsets, const int* alleles, const long long* cost_offsets, const float* costs, const unsigned char* reverse,
                     const double* weights, const double* log_factorials, const int* table_of, const short* copies, int ploidy, int count,
                     int room, double* out) {
    extern __shared__ float places[];
    const int warp = static_cast<int>(threadIdx.x) / LANES, genotype = warp_of_grid();
    if (genotype >= count) return;
    float* low = places + warp * room;
    short* group = reinterpret_cast<short*>(places + (THREADS / LANES) * room) + warp * room;
    const double cost = genotype_cost({offsets, alleles, cost_offsets, costs, reverse, weights, log_factorials}, table_of[genotype],
                                      copies + static_cast<long long>(genotype) * ploidy, ploidy, low, group);
    if (lane_of_warp() == 0) out[genotype] = cost;
}
