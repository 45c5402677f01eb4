// One base call in one byte, many at a time.
//
// A call byte is that of a BCL file: the base (A C G T) in bits 0 and 1, the quality above them, 0 for a no-call.
// CBCL files hold two calls to a byte, four bits each, the earlier cluster in the low ones.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace baselake::illumina {

constexpr size_t kLanes = 16;
using Vector = uint8_t __attribute__((vector_size(kLanes)));
using Halves = uint64_t __attribute__((vector_size(kLanes)));

constexpr uint8_t kNoCallQuality = 2;  // what FASTQ writes as '#', the convention of every converter

inline Vector load(const uint8_t* from) {
  Vector out;
  std::memcpy(&out, from, sizeof out);
  return out;
}
inline void store(uint8_t* to, Vector value) { std::memcpy(to, &value, sizeof value); }

inline Vector interleave_low(Vector a, Vector b) {
  return __builtin_shuffle(a, b, Vector{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
}
inline Vector interleave_high(Vector a, Vector b) {
  return __builtin_shuffle(a, b, Vector{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
}

inline Vector bases_of(Vector calls) {
  constexpr Vector letters = {'A', 'C', 'G', 'T', 'A', 'C', 'G', 'T', 'A', 'C', 'G', 'T', 'A', 'C', 'G', 'T'};
  const Vector none = reinterpret_cast<Vector>(calls == 0);
  return (__builtin_shuffle(letters, calls & 3) & ~none) | (none & 'N');
}
inline Vector qualities_of(Vector calls) {
  return (calls >> 2) | (reinterpret_cast<Vector>(calls == 0) & kNoCallQuality);
}

// How many of many bytes a test holds for. A test gives 255 for yes and 0 for no.
class Counter {
 public:
  void add(Vector yes) {
    lanes_ -= yes;
    if (++added_ == 255) flush();
  }
  uint64_t total() {
    flush();
    return total_;
  }

 private:
  void flush() {
    for (size_t lane = 0; lane < kLanes; ++lane) total_ += lanes_[lane];
    lanes_ = Vector{};
    added_ = 0;
  }

  Vector lanes_{};
  int added_ = 0;
  uint64_t total_ = 0;
};

// A call with a base but with the lowest quality, which instruments do not write: bytes or nibbles 1 to 3.
inline Vector is_anomaly(Vector calls) { return reinterpret_cast<Vector>((calls - 1) < 3); }

// For each byte of eight flags, the positions of those that are set, then zeros.
struct Compaction {
  std::array<std::array<uint8_t, 8>, 256> order{};
  std::array<uint8_t, 256> count{};

  constexpr Compaction() {
    for (size_t flags = 0; flags < 256; ++flags)
      for (uint8_t bit = 0; bit < 8; ++bit)
        if ((flags >> bit) & 1) order[flags][count[flags]++] = bit;
  }
};
inline constexpr Compaction kCompaction;

// Copies the bytes whose flag is set, eight at a time; `to` has room for `wanted` + 8 bytes. `flags` has one bit to
// a byte, the least significant first, and none is set from `count` on. Returns how many were copied.
inline size_t compact(const uint8_t* from, size_t count, const uint8_t* flags, uint8_t* to, size_t wanted) {
  size_t copied = 0;
  for (size_t begin = 0; begin < count && copied <= wanted; begin += 8) {
    const uint8_t chosen = flags[begin / 8];
    uint64_t bytes = 0;
    std::memcpy(&bytes, from + begin, std::min<size_t>(8, count - begin));
    uint64_t order;
    std::memcpy(&order, kCompaction.order[chosen].data(), sizeof order);
    const Vector packed =
        __builtin_shuffle(reinterpret_cast<Vector>(Halves{bytes, 0}), reinterpret_cast<Vector>(Halves{order, 0}));
    std::memcpy(to + copied, &packed, 8);
    copied += kCompaction.count[chosen];
  }
  return copied;
}

}  // namespace baselake::illumina
