// Clusters told apart by their index reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ingest/illumina/call_text.h"

namespace baselake::illumina {

// Numbers distinct pairs of index sequences in the order they are first seen.
class Groups {
 public:
  Groups(Range first, Range second)
      : ranges_{first, second},
        length_(first.length + second.length),
        words_((length_ + 7) / 8),
        slots_(1024, Slot{0, -1}) {}

  void add(const Matrix& matrix, int32_t* code) {
    std::vector<uint64_t> key(words_ + kSlack / 8);
    auto* const bytes = reinterpret_cast<uint8_t*>(key.data());
    for (size_t row = 0; row < matrix.rows(); ++row) {
      const uint8_t* const calls = matrix.row(row);
      write_bases(calls + ranges_[0].begin, ranges_[0].length, bytes);
      write_bases(calls + ranges_[1].begin, ranges_[1].length, bytes + ranges_[0].length);
      std::memset(bytes + length_, 0, words_ * 8 - length_);
      code[row] = number(key.data());
    }
  }

  size_t count() const { return count_; }
  // The ASCII bases of one index read (0 or 1) of every group, row after row.
  void keys(size_t index, uint8_t* out) const {
    const size_t offset = index == 0 ? 0 : ranges_[0].length;
    for (size_t group = 0; group < count_; ++group)
      std::memcpy(out + group * ranges_[index].length,
                  reinterpret_cast<const uint8_t*>(keys_.data() + group * words_) + offset, ranges_[index].length);
  }
  Range range(size_t index) const { return ranges_[index]; }

 private:
  struct Slot {
    uint32_t hash;
    int32_t code;  // -1: empty
  };

  int32_t number(const uint64_t* key) {
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
      if (slots_[slot].hash == short_hash &&
          std::memcmp(keys_.data() + slots_[slot].code * words_, key, words_ * 8) == 0)
        return slots_[slot].code;
    }
  }

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

  Range ranges_[2];
  size_t length_, words_;
  std::vector<Slot> slots_;
  std::vector<uint64_t> keys_;
  size_t count_ = 0;
};

}  // namespace baselake::illumina
