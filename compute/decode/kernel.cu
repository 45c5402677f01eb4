// Decoding of coded columns for a GPU: byte streams of lake/columns/entropy.h (rANS with contexts; F. Giesen's interleaved
// form) and bases at two bits. How a stream is laid out stands there; eight coders share its words, and so eight lanes here.

namespace baselake::decode {

constexpr int THREADS = 128;  // of a block
constexpr int LANES = 32;
constexpr int CODERS = 8;               // of a stream
constexpr unsigned LOWEST = 1u << 16;   // of a state
constexpr int UNKNOWN_CONTEXT = 1, ENDS_EARLY = 2;  // what is wrong with a stream

}  // namespace baselake::decode

using namespace baselake::decode;

// Eight lanes have a stream. At each place every coder finds its symbol; those whose states became small take the next
// words in the order of the coders, which the votes of the eight tell without a word between them.
//
// shapes: of a stream eight numbers: how many symbols are coded, bits of one, order, shift, words, bytes of the output,
//     whether two symbols are coded as one, the first of its tables in `table_of`.
// offsets: of a stream four: its first of `starts`, of `words`, of `symbols` and of `out`.
// table_of: by context, the number of a table; -1: the context does not occur.
// starts: of a table, the slot in which each symbol begins.
extern "C" __global__ void __launch_bounds__(THREADS)
    decode_streams(const int* shapes, const long long* offsets, const int* table_of, const unsigned short* starts,
                   const unsigned short* words, const unsigned char* symbols, int count, unsigned char* out, int* wrong) {
    const int stream = static_cast<int>(blockIdx.x) * (THREADS / CODERS) + static_cast<int>(threadIdx.x) / CODERS;
    const int coder = static_cast<int>(threadIdx.x) % CODERS;
    if (stream >= count) return;
    const int first_lane = static_cast<int>(threadIdx.x) % LANES / CODERS * CODERS;
    const unsigned eight = 0xffu << first_lane, before = (1u << coder) - 1;
    const int* const shape = shapes + 8 * stream;
    const int n = shape[0], bits = shape[1], order = shape[2], shift = shape[3], size = shape[4], bytes = shape[5];
    const bool joined = shape[6];
    const int* const tables = table_of + shape[7];
    const long long* const own = offsets + 4 * stream;
    const unsigned short *const slots = starts + own[0], *const in = words + own[1];
    const unsigned char* const spelled = symbols + own[2];
    unsigned char* const target = out + own[3];
    const int stretch = (n + CODERS - 1) / CODERS;
    const unsigned low = (1u << shift) - 1, mask = (1u << bits * order) - 1;
    unsigned state = size >= 2 * CODERS ? in[2 * coder] | static_cast<unsigned>(in[2 * coder + 1]) << 16 : LOWEST;
    int fault = size >= 2 * CODERS ? 0 : ENDS_EARLY;
    int at = 2 * CODERS;
    unsigned context = 0;
    for (int place = 0; place < stretch; ++place) {
        const int index = coder * stretch + place;
        const bool active = index < n;
        if (active) {
            int table = tables[context];
            if (table < 0) fault = UNKNOWN_CONTEXT, table = 0;
            const unsigned short* const row = slots + (static_cast<long long>(table) << bits);
            const unsigned slot = state & low;
            // The last symbol that begins at the slot or before: one that never occurs begins where the next one does.
            int rank = 0;
            for (int step = 1 << (bits - 1); step; step /= 2)
                if (row[rank + step] <= slot) rank += step;
            const unsigned begin = row[rank], end = rank + 1 < 1 << bits ? row[rank + 1] : low + 1;
            state = (end - begin) * (state >> shift) + slot - begin;
            context = (context << bits | static_cast<unsigned>(rank)) & mask;
            if (joined) {
                target[2 * index] = spelled[rank >> 2];
                if (2 * index + 1 < bytes) target[2 * index + 1] = spelled[rank & 3];
            } else {
                target[index] = spelled[rank];
            }
        }
        const bool hungry = active && state < LOWEST;
        const unsigned votes = __ballot_sync(eight, hungry) >> first_lane;
        if (hungry) {
            const int next = at + __popc(votes & before);
            if (next >= size) fault = ENDS_EARLY;
            state = state << 16 | (next < size ? in[next] : 0u);
        }
        at += __popc(votes & 0xffu);
    }
    const unsigned unknown = __ballot_sync(eight, fault == UNKNOWN_CONTEXT), early = __ballot_sync(eight, fault == ENDS_EARLY);
    if (coder == 0) wrong[stream] = unknown ? UNKNOWN_CONTEXT : early ? ENDS_EARLY : 0;
}

// A warp has the bases of a block: four of them from a byte, the lowest bits first, then those that are none of the four.
//
// offsets: of a block three, and three more for the end: its first of `packed`, of `out` (a multiple of four), of `places`.
extern "C" __global__ void __launch_bounds__(THREADS)
    decode_bases(const long long* offsets, const unsigned char* packed, const long long* places, const unsigned char* others,
                 int count, unsigned char* out) {
    const int block = static_cast<int>(blockIdx.x) * (THREADS / LANES) + static_cast<int>(threadIdx.x) / LANES;
    const int lane = static_cast<int>(threadIdx.x) % LANES;
    if (block >= count) return;
    const long long* const own = offsets + 3 * block;
    const long long bytes = own[3] - own[0];
    unsigned* const target = reinterpret_cast<unsigned*>(out + own[1]);
    const unsigned four = 'A' | 'C' << 8 | 'G' << 16 | static_cast<unsigned>('T') << 24;
    for (long long i = lane; i < bytes; i += LANES) {
        const unsigned codes = packed[own[0] + i];
        unsigned text = 0;
#pragma unroll
        for (int k = 0; k < 4; ++k) text |= (four >> 8 * (codes >> 2 * k & 3) & 0xff) << 8 * k;
        target[i] = text;
    }
    __syncwarp();
    for (long long i = own[2] + lane; i < own[5]; i += LANES) out[own[1] + places[i]] = others[i];
}
