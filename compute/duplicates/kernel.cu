// The keys of duplicate marking for a GPU, and which of sorted candidates are duplicates; the rules stand in __init__.py.

namespace baselake::duplicates {

constexpr int THREADS = 128;  // of a block
constexpr int LANES = 32;
constexpr unsigned WARP = 0xffffffffu;
constexpr int REVERSE = 0x10;    // SAMv1 section 1.4
constexpr int MIN_QUALITY = 15;  // as in twin.cpp

// Unclipped 5' position: where the read's first sequenced base would lie had nothing been clipped.
__device__ __forceinline__ long long five_prime(long long start, bool reverse, const unsigned char* cigar, int size) {
    long long length = 0, leading = 0, trailing = 0, spanned = 0;
    for (int i = 0; i < size; ++i) {
        const unsigned char c = cigar[i];
        if (c >= '0' && c <= '9') {
            length = length * 10 + (c - '0');
            continue;
        }
        if (c == 'S' || c == 'H') {
            if (spanned) trailing += length;
            else leading += length;
        } else if (c == 'M' || c == 'D' || c == 'N' || c == '=' || c == 'X') {
            spanned += length;
        }
        length = 0;
    }
    return reverse ? start + spanned + trailing - 1 : start - leading;
}

}  // namespace baselake::duplicates

using namespace baselake::duplicates;

// A warp has a record: lanes read its qualities side by side, and all of them its CIGAR, which is a few bytes.
extern "C" __global__ void __launch_bounds__(THREADS)
    duplicates_keys(const int* flag, const int* contig, const int* start, const int* cigar_offsets, const unsigned char* cigars,
                    const int* qual_offsets, const unsigned char* quals, int count, unsigned long long* ends, unsigned* scores) {
    const int row = static_cast<int>(blockIdx.x) * (THREADS / LANES) + static_cast<int>(threadIdx.x) / LANES;
    const int lane = static_cast<int>(threadIdx.x) % LANES;
    if (row >= count) return;
    unsigned score = 0;
    for (int i = qual_offsets[row] + lane; i < qual_offsets[row + 1]; i += LANES) {
        const int quality = quals[i] - 33;
        score += quality >= MIN_QUALITY ? static_cast<unsigned>(quality) : 0u;
    }
#pragma unroll
    for (int apart = LANES / 2; apart; apart /= 2) score += __shfl_xor_sync(WARP, score, apart);
    if (lane != 0) return;
    const bool reverse = flag[row] & REVERSE;
    const int first = cigar_offsets[row];
    const long long position = five_prime(start[row], reverse, cigars + first, cigar_offsets[row + 1] - first);
    const auto biased = static_cast<unsigned long long>(position + (1ll << 31));
    ends[row] = static_cast<unsigned long long>(contig[row] + 1) << 34 | biased << 1 | static_cast<unsigned long long>(reverse);
    scores[row] = score;
}

// Candidates in order, the one to keep first: the others of the same library and ends are duplicates.
extern "C" __global__ void __launch_bounds__(THREADS)
    duplicates_marks(const long long* order, const unsigned long long* second, const unsigned long long* first,
                     const unsigned long long* library, int count, unsigned char* marks) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= count) return;
    const long long here = order[i], before = i ? order[i - 1] : here;
    marks[here] = i && library[here] == library[before] && first[here] == first[before] && second[here] == second[before];
}
