// Tables of k-mers for the assembly on a GPU: what graph.h counts on its edges, for many regions at once.
//
// An edge of the graph is a (k + 1)-mer. A thread has the one that ends with its base, two bits a base; they are sorted
// outside, and equal ones of a region stand together then.

namespace baselake::assembly {

constexpr int THREADS = 128;     // of a block
constexpr unsigned long long NOTHING = ~0ull;  // the region of what is no k-mer: sorts behind all

__device__ __forceinline__ int base_number(unsigned char base) {
    switch (base) {
        case 'A': return 0;
        case 'C': return 1;
        case 'G': return 2;
        case 'T': return 3;
        default: return -1;
    }
}

}  // namespace baselake::assembly

using namespace baselake::assembly;

// Base i of all reads, which lie one after another, belongs to the read that begins at first[i]. `size` is k + 1.
extern "C" __global__ void __launch_bounds__(THREADS)
    assembly_kmers(const unsigned char* bases, const unsigned char* quality, const int* first, const int* region_of, int count, int size,
                   int least_quality, unsigned long long* keys) {
    const int last = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (last >= count) return;
    unsigned long long high = 0, low = 0;
    bool whole = last - first[last] + 1 >= size;
    for (int i = last - size + 1; whole && i <= last; ++i) {
        const int number = base_number(bases[i]);
        whole = number >= 0 && quality[i] >= least_quality;
        high = high << 2 | low >> 62;
        low = low << 2 | static_cast<unsigned long long>(number & 3);
    }
    keys[last] = whole ? low : 0;
    keys[count + last] = whole ? high : 0;
    keys[2ll * count + last] = whole ? static_cast<unsigned long long>(region_of[last]) : NOTHING;
}

// Which places of the order begin another k-mer.
extern "C" __global__ void __launch_bounds__(THREADS)
    assembly_heads(const long long* order, const unsigned long long* keys, int count, unsigned char* heads) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= count) return;
    const long long here = order[i], before = order[i ? i - 1 : 0];
    bool other = i == 0;
    for (long long row = 0; row < 3; ++row) other = other || keys[row * count + here] != keys[row * count + before];
    heads[i] = other && keys[2ll * count + here] != NOTHING;
}
