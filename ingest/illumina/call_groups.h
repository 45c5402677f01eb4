// Clusters told apart by their index reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "ingest/illumina/call_text.h"

namespace baselake::illumina {

// Numbers distinct texts of one length in the order they are first seen.
class Texts {
 public:
  explicit Texts(size_t length) : length_(length), words_((length + 7) / 8), slots_(1024, Slot{0, -1}) {}

  size_t length() const { return length_; }
  size_t count() const { return count_; }
  const uint8_t* text(size_t number) const { return reinterpret_cast<const uint8_t*>(keys_.data() + number * words_); }

  // Room for a text and what vector loops write past its end.
  std::vector<uint64_t> room() const { return std::vector<uint64_t>(words_ + kSlack / 8); }

  // Of the text at the begin of a `room`.
  int32_t number(uint64_t* key) {
    std::memset(reinterpret_cast<uint8_t*>(key) + length_, 0, words_ * 8 - length_);
    uint64_t hash = 0;
    for (size_t i = 0; i < words_; ++i) {
      hash = (hash ^ key[i]) * 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio, Knuth's multiplicative hash
      hash ^= hash >> 32;
    }
    const auto short_hash = static_cast<uint32_t>(hash);
    for (size_t slot = short_hash & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot].code < 0) {
        slots_[slot] = {short_hash, static_cast<int32_t>(count_)};
        keys_.insert(keys_.end(), key, key + words_);
        if (2 * ++count_ > slots_.size()) grow();
        return static_cast<int32_t>(count_ - 1);
      }
      if (slots_[slot].hash == short_hash && std::equal(key, key + words_, keys_.data() + slots_[slot].code * words_))
        return slots_[slot].code;
    }
  }

 private:
  struct Slot {
    uint32_t hash;
    int32_t code;  // -1: empty
  };

  void grow() {
    std::vector<Slot> old(slots_.size() * 2, Slot{0, -1});
    old.swap(slots_);
    for (const Slot& full : old) {
      if (full.code < 0) continue;
      size_t slot = full.hash & (slots_.size() - 1);
      while (slots_[slot].code >= 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = full;
    }
  }

  size_t length_, words_;
  std::vector<Slot> slots_;
  std::vector<uint64_t> keys_;
  size_t count_ = 0;
};

// Distinct pairs of index sequences.
class Groups {
 public:
  Groups(Range first, Range second) : ranges_{first, second}, texts_(first.length + second.length) {}

  void add(const Matrix& matrix, int32_t* code) {
    std::vector<uint64_t> key = texts_.room();
    auto* const bytes = reinterpret_cast<uint8_t*>(key.data());
    for (size_t row = 0; row < matrix.rows(); ++row) {
      const uint8_t* const calls = matrix.row(row);
      write_bases(calls + ranges_[0].begin, ranges_[0].length, bytes);
      write_bases(calls + ranges_[1].begin, ranges_[1].length, bytes + ranges_[0].length);
      code[row] = texts_.number(key.data());
    }
  }

  size_t count() const { return texts_.count(); }
  // The ASCII bases of one index read (0 or 1) of every group, row after row.
  void keys(size_t index, uint8_t* out) const {
    const size_t offset = index == 0 ? 0 : ranges_[0].length;
    for (size_t group = 0; group < count(); ++group)
      std::memcpy(out + group * ranges_[index].length, texts_.text(group) + offset, ranges_[index].length);
  }
  Range range(size_t index) const { return ranges_[index]; }

 private:
  Range ranges_[2];
  Texts texts_;
};

// Bases and qualities of a range of cycles, each distinct text once.
struct Dictionaries {
  explicit Dictionaries(Range cycles) : range(cycles), bases(range.length), quals(range.length) {}

  // Every row's numbers, `repeat` times.
  void add(const Matrix& matrix, std::span<const int64_t> order, size_t repeat, int32_t* base_codes,
           int32_t* quality_codes) {
    std::vector<uint64_t> base_key = bases.room(), quality_key = quals.room();
    for (size_t i = 0; i < order.size(); ++i) {
      if (i + kRowsAhead < order.size())
        __builtin_prefetch(matrix.row(static_cast<size_t>(order[i + kRowsAhead])) + range.begin);
      const uint8_t* const row = matrix.row(static_cast<size_t>(order[i])) + range.begin;
      write_both(row, range.length, reinterpret_cast<uint8_t*>(base_key.data()),
                 reinterpret_cast<uint8_t*>(quality_key.data()));
      base_codes = std::fill_n(base_codes, repeat, bases.number(base_key.data()));
      quality_codes = std::fill_n(quality_codes, repeat, quals.number(quality_key.data()));
    }
  }

  Range range;
  Texts bases, quals;
};

}  // namespace baselake::illumina
