// Rows of calls as the text and the numbers that the tables of reads hold.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "ingest/illumina/call_matrix.h"

namespace baselake::illumina {

struct Range {
  size_t begin, length;  // cycles, 0-based
};

constexpr size_t kRowsAhead = 8;  // rows in any order come from memory, not from a cache

inline void prefetch(const Matrix& matrix, std::span<const int64_t> order, size_t i) {
  if (i + kRowsAhead >= order.size()) return;
  const uint8_t* const row = matrix.row(static_cast<size_t>(order[i + kRowsAhead]));
  for (size_t byte = 0; byte < matrix.stride(); byte += 64) __builtin_prefetch(row + byte);
}

// Writes up to kLanes - 1 bytes past the length.
inline void write_bases(const uint8_t* calls, size_t length, uint8_t* out) {
  for (size_t i = 0; i < length; i += kLanes) store(out + i, bases_of(load(calls + i)));
}

// Bases and phred+33 qualities; likewise.
inline void write_both(const uint8_t* calls, size_t length, uint8_t* bases, uint8_t* quals) {
  for (size_t at = 0; at < length; at += kLanes) {
    const Vector some = load(calls + at);
    store(bases + at, bases_of(some));
    store(quals + at, qualities_of(some) + '!');
  }
}

// Bases and phred+33 qualities of each row, range after range; both texts have kSlack bytes to spare.
inline void emit(const Matrix& matrix, std::span<const int64_t> order, std::span<const Range> ranges, uint8_t* bases,
                 uint8_t* quals) {
  for (size_t i = 0; i < order.size(); ++i) {
    prefetch(matrix, order, i);
    const uint8_t* const row = matrix.row(static_cast<size_t>(order[i]));
    for (const Range& range : ranges) {
      write_both(row + range.begin, range.length, bases, quals);
      bases += range.length;
      quals += range.length;
    }
  }
}

// Adds to what the row's `code` has: the bases of at least Q30 over a range, and the sum of qualities; rows whose
// `chosen` is 0 are passed over.
inline void add_quality(const Matrix& matrix, Range range, const int32_t* code, const uint8_t* chosen, int64_t* q30,
                        int64_t* sum) {
  // A window of 16 bytes that begins 16 - k bytes in keeps the first k lanes.
  constexpr auto keep = [] {
    std::array<uint8_t, 2 * kLanes> bytes{};
    for (size_t i = 0; i < kLanes; ++i) bytes[i] = 255;
    return bytes;
  }();
  using Shorts = uint16_t __attribute__((vector_size(kLanes)));
  for (size_t row = 0; row < matrix.rows(); ++row) {
    if (!chosen[row]) continue;
    const uint8_t* const calls = matrix.row(row) + range.begin;
    Shorts high{}, sums{};
    for (size_t at = 0; at < range.length; at += kLanes) {
      Vector q = qualities_of(load(calls + at));
      if (range.length - at < kLanes) q &= load(keep.data() + kLanes - (range.length - at));
      const auto pairs = reinterpret_cast<Shorts>(q), good = reinterpret_cast<Shorts>((q >= 30) & 1);
      sums += (pairs & 255) + (pairs >> 8);
      high += (good & 255) + (good >> 8);
    }
    uint32_t all = 0, good = 0;
    for (size_t lane = 0; lane < kLanes / 2; ++lane) {
      all += sums[lane];
      good += high[lane];
    }
    sum[code[row]] += all;
    q30[code[row]] += good;
  }
}

// "prefix:x:y" of each row, `repeat` times; offsets has one entry more than there are names.
inline std::vector<char> names(std::span<const int64_t> order, const int32_t* x, const int32_t* y,
                               std::string_view prefix, size_t repeat, int32_t* offsets) {
  constexpr size_t kNumbers = 2 * (1 + 11);  // ":-2147483648" twice
  std::vector<char> text(order.size() * repeat * (prefix.size() + kNumbers));
  char* end = text.data();
  *offsets++ = 0;
  for (const int64_t row : order) {
    const char* const name = end;
    std::memcpy(end, prefix.data(), prefix.size());
    end += prefix.size();
    for (const int32_t value : {x[row], y[row]}) {
      *end++ = ':';
      end = std::to_chars(end, end + kNumbers, value).ptr;
    }
    const size_t length = end - name;
    *offsets++ = static_cast<int32_t>(end - text.data());
    for (size_t copy = 1; copy < repeat; ++copy) {
      std::memcpy(end, name, length);
      end += length;
      *offsets++ = static_cast<int32_t>(end - text.data());
    }
  }
  text.resize(end - text.data());
  return text;
}

// Where in a range of cycles an adapter begins: the first place where the share of its bases that agree, up to the
// end of the range, is at least `stringency`. Ns of the read agree with nothing.
class AdapterSearch {
 public:
  AdapterSearch(std::string_view adapter, double stringency, size_t min_overlap)
      : length_(adapter.size()),
        min_overlap_(std::max<size_t>(min_overlap, 1)),
        adapter_((adapter.size() + kLanes - 1) / kLanes * kLanes) {
    std::memcpy(adapter_.data(), adapter.data(), length_);
    // 0.9 of 10 is 9 bases, though 0.9 * 10 may come out a hair above.
    for (size_t overlap = 0; overlap <= length_; ++overlap)
      needed_.push_back(static_cast<int>(std::ceil(stringency * static_cast<double>(overlap) - 1e-9)));
  }

  // `read` holds `length` bases, then at least the adapter's length and kLanes zeros.
  int find(const uint8_t* read, size_t length) const {
    for (size_t begin = 0; begin + min_overlap_ <= length; ++begin) {
      const int needed = needed_[std::min(length_, length - begin)];
      int agree = 0;
      for (size_t at = 0; at < adapter_.size(); at += kLanes) {
        // The zeros after the adapter meet bases, those after the read meet the adapter: only at the very end do
        // zeros meet, and are not counted.
        const Vector ours = load(adapter_.data() + at);
        const auto same = reinterpret_cast<Halves>(reinterpret_cast<Vector>(load(read + begin + at) == ours) & 1 &
                                                   reinterpret_cast<Vector>(ours != 0));
        agree += __builtin_popcountll(same[0]) + __builtin_popcountll(same[1]);
      }
      if (agree >= needed) return static_cast<int>(begin);
    }
    return -1;
  }

 private:
  size_t length_, min_overlap_;
  std::vector<uint8_t> adapter_;
  std::vector<int> needed_;
};

}  // namespace baselake::illumina
