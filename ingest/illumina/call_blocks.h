// Rows of calls as the coded streams that the tables of reads hold, without their text ever leaving a cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/illumina/call_text.h"
#include "lake/columns/bases.h"

namespace baselake::illumina {

using QualityTable = std::array<uint8_t, 256>;  // what each character of qualities as text is stored as

// Bases at two bits and entropy-coded qualities of each `step` rows, as lake/columns has them.
inline std::vector<std::pair<std::string, std::string>> code(const Matrix& matrix, std::span<const int64_t> order,
                                                             std::span<const Range> ranges, size_t step,
                                                             const QualityTable& table) {
  size_t length = 0;
  bool same = true;
  for (const Range& range : ranges) length += range.length;
  for (size_t i = 0; i < table.size(); ++i) same &= table[i] == i;
  std::vector<uint8_t> bases(std::min(step, order.size()) * length + kSlack), quals(bases.size());
  std::vector<std::pair<std::string, std::string>> blocks;
  for (size_t begin = 0; begin < order.size(); begin += step) {
    const std::span<const int64_t> part = order.subspan(begin, std::min(step, order.size() - begin));
    emit(matrix, part, ranges, bases.data(), quals.data());
    const size_t size = part.size() * length;
    if (!same)
      for (size_t i = 0; i < size; ++i) quals[i] = table[quals[i]];
    const auto text = [&](const std::vector<uint8_t>& bytes) {
      return std::string_view(reinterpret_cast<const char*>(bytes.data()), size);
    };
    blocks.emplace_back(columns::pack_bases(text(bases)),
                        columns::pack_bytes(text(quals), columns::kContextBits));
  }
  return blocks;
}

}  // namespace baselake::illumina
