// The words of CUDA C++ that our kernels use, for a host compiler. Every .cu file is compiled behind this header: a
// thread is a fiber, what threads do together is done by machine.cpp, everything else is plain C++.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __host__
#define __device__
#define __forceinline__ inline
#define __constant__ static
// In a section of their own, so that they can be poisoned before every block.
#define __shared__ static __attribute__((section("emulated_shared"), used))

struct uint3 { unsigned x, y, z; };
using dim3 = uint3;
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct double2 { double x, y; };
struct alignas(16) double4 { double x, y, z, w; };
struct int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

namespace emulated {

enum class Op : uint8_t { BARRIER, SYNCWARP, SHUFFLE, BALLOT };

// One thread's place in the machine, and what it waits for.
struct Thread {
    uint3 thread;
    int lane, warp;
    Op op;
    int line;
    unsigned mask;
    int source;      // SHUFFLE: the lane it reads
    uint64_t value;  // what it gives; after the wait, what it gets
};

struct Block {
    uint3 block, block_size, grid_size;
    void* dynamic_shared;
};

extern Thread* thread;  // of the running fiber
extern Block block;
uint64_t wait(Op op, unsigned mask, int source, uint64_t value, int line);

template <typename T> uint64_t to_bits(T value) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
}
template <typename T> T from_bits(uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
}

}  // namespace emulated

#define threadIdx (emulated::thread->thread)
#define blockIdx (emulated::block.block)
#define blockDim (emulated::block.block_size)
#define gridDim (emulated::block.grid_size)
constexpr int warpSize = 32;

inline void __syncthreads(int line = __builtin_LINE()) { emulated::wait(emulated::Op::BARRIER, 0, 0, 0, line); }
inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) { emulated::wait(emulated::Op::SYNCWARP, mask, 0, 0, line); }

// Lanes beyond a segment of `width` lanes give back their own value (CUDA C++ Programming Guide, warp shuffle functions).
template <typename T> T __shfl_sync(unsigned mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
    const int lane = emulated::thread->lane, segment = lane & ~(width - 1);
    return emulated::from_bits<T>(emulated::wait(emulated::Op::SHUFFLE, mask, segment + (source & (width - 1)), emulated::to_bits(value), line));
}
template <typename T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
    const int lane = emulated::thread->lane, from = lane - static_cast<int>(delta);
    return emulated::from_bits<T>(emulated::wait(emulated::Op::SHUFFLE, mask, from < (lane & ~(width - 1)) ? lane : from, emulated::to_bits(value), line));
}
template <typename T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
    const int lane = emulated::thread->lane, from = lane + static_cast<int>(delta);
    return emulated::from_bits<T>(emulated::wait(emulated::Op::SHUFFLE, mask, from > (lane | (width - 1)) ? lane : from, emulated::to_bits(value), line));
}
template <typename T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, int line = __builtin_LINE()) {
    const int lane = emulated::thread->lane, from = lane ^ bits;
    return emulated::from_bits<T>(emulated::wait(emulated::Op::SHUFFLE, mask, from > (lane | (width - 1)) ? lane : from, emulated::to_bits(value), line));
}
inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    return static_cast<unsigned>(emulated::wait(emulated::Op::BALLOT, mask, 0, predicate != 0, line));
}
inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) { return __ballot_sync(mask, predicate, line) != 0; }
inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) { return __ballot_sync(mask, predicate, line) == mask; }

// Fibers change only where they wait, so nothing comes between.
template <typename T> T atomicAdd(T* at, std::type_identity_t<T> value) { T old = *at; *at = old + value; return old; }
template <typename T> T atomicMax(T* at, std::type_identity_t<T> value) { T old = *at; *at = std::max(old, value); return old; }
template <typename T> T atomicMin(T* at, std::type_identity_t<T> value) { T old = *at; *at = std::min(old, value); return old; }
template <typename T> T atomicOr(T* at, std::type_identity_t<T> value) { T old = *at; *at = old | value; return old; }
template <typename T> T atomicExch(T* at, std::type_identity_t<T> value) { T old = *at; *at = value; return old; }
template <typename T> T atomicCAS(T* at, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
    T old = *at;
    if (old == compare) *at = value;
    return old;
}

template <typename T> T __ldg(const T* at) { return *at; }
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline int __popcll(unsigned long long bits) { return std::popcount(bits); }
inline int __clz(int bits) { return std::countl_zero(static_cast<unsigned>(bits)); }
inline int __ffs(int bits) { return bits ? std::countr_zero(static_cast<unsigned>(bits)) + 1 : 0; }
using std::max;
using std::min;
