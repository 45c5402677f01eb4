// All calls of a tile, one row to a cluster; filled from files that hold one cycle each.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <vector>

#include "ingest/illumina/call_bytes.h"

namespace baselake::illumina {

// What is read past the end of a row or written past the end of a text, so that loops need no tail.
constexpr size_t kSlack = 64;

// Zeroed memory from the system: large pages where it has them, since rows are visited in any order.
class Pages {
 public:
  explicit Pages(size_t bytes) : bytes_(bytes) {
    void* const mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<uint8_t*>(mapped);
#ifdef MADV_HUGEPAGE
    madvise(mapped, bytes, MADV_HUGEPAGE);
#endif
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { munmap(data_, bytes_); }
  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_;
  size_t bytes_;
};

// One cycle: call bytes, or nibbles where there is a table from nibble to call byte.
struct Plane {
  const uint8_t* data;
  bool packed;
  Vector table;
};

class Matrix {
 public:
  Matrix(size_t rows, size_t cycles)
      : rows_(rows),
        cycles_(cycles),
        stride_((cycles + kLanes - 1) / kLanes * kLanes),
        pages_((rows + kLanes - 1) / kLanes * kLanes * stride_ + kSlack) {}

  size_t rows() const { return rows_; }
  size_t cycles() const { return cycles_; }
  size_t stride() const { return stride_; }
  const uint8_t* row(size_t row) const { return pages_.data() + row * stride_; }
  bool complete() const { return filled_ == cycles_; }

  // Fills cycles [first, first + planes), 0-based; groups of cycles may be added at the same time. Returns the
  // number of anomalies among calls that were nibbles.
  uint64_t add(size_t first, std::span<const Plane> planes) {
    Counter anomalies;
    std::vector<uint8_t> block((planes.size() + kLanes - 1) / kLanes * kLanes * kBlockRows);
    for (size_t begin = 0; begin < rows_; begin += kBlockRows) {
      const size_t count = std::min(kBlockRows, rows_ - begin);
      for (size_t i = 0; i < planes.size(); ++i) {
        uint8_t* const calls = block.data() + i * kBlockRows;
        if (planes[i].packed)
          unpack(planes[i], begin, count, calls, anomalies);
        else
          std::memcpy(calls, planes[i].data + begin, count);
      }
      for (size_t row = 0; row < count; row += kLanes)
        for (size_t cycle = 0; cycle < planes.size(); cycle += kLanes)
          transpose(block.data() + cycle * kBlockRows + row, pages_.data() + (begin + row) * stride_ + first + cycle);
    }
    filled_ += planes.size();
    return anomalies.total();
  }

 private:
  static constexpr size_t kBlockRows = 128;  // times 64 cycles is 8 kB, a quarter of the smallest L1 cache

  static void unpack(const Plane& plane, size_t begin, size_t count, uint8_t* calls, Counter& anomalies) {
    std::array<uint8_t, kBlockRows / 2> padded;
    const uint8_t* bytes = plane.data + begin / 2;
    if (count < kBlockRows) {
      padded.fill(0);
      std::memcpy(padded.data(), bytes, (count + 1) / 2);
      if (count % 2 != 0) padded[count / 2] &= 15;
      bytes = padded.data();
    }
    for (size_t i = 0; i < kBlockRows / 2; i += kLanes) {
      const Vector pairs = load(bytes + i), low = pairs & 15, high = pairs >> 4;
      anomalies.add(is_anomaly(low));
      anomalies.add(is_anomaly(high));
      const Vector even = __builtin_shuffle(plane.table, low), odd = __builtin_shuffle(plane.table, high);
      store(calls + 2 * i, interleave_low(even, odd));
      store(calls + 2 * i + kLanes, interleave_high(even, odd));
    }
  }

  // 16 cycles of 16 rows. Each pass interleaves bytes that are half the block apart; four passes transpose.
  void transpose(const uint8_t* from, uint8_t* to) const {
    std::array<Vector, kLanes> a, b;
    for (size_t i = 0; i < kLanes; ++i) a[i] = load(from + i * kBlockRows);
    const auto pass = [](const std::array<Vector, kLanes>& in, std::array<Vector, kLanes>& out) {
      for (size_t i = 0; i < kLanes / 2; ++i) {
        out[2 * i] = interleave_low(in[i], in[i + kLanes / 2]);
        out[2 * i + 1] = interleave_high(in[i], in[i + kLanes / 2]);
      }
    };
    pass(a, b);
    pass(b, a);
    pass(a, b);
    pass(b, a);
    for (size_t i = 0; i < kLanes; ++i) store(to + i * stride_, a[i]);
  }

  size_t rows_, cycles_, stride_;
  Pages pages_;
  std::atomic<size_t> filled_ = 0;
};

}  // namespace baselake::illumina
