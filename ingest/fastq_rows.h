// FASTQ records as columns of the table read_records.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ingest/fastq_buffer.h"
#include "ingest/fastq_record.h"

namespace baselake::fastq {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_plain(char c) {
  return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}
template <typename Legal>
bool all_of(std::string_view text, Legal&& legal) {
  return std::all_of(text.begin(), text.end(), legal);
}

// "instrument:run:flowcell:lane" of a read name "instrument:run:flowcell:lane:tile:x:y[:umi]", empty for any other.
// Illumina's runs are numbers; Element's have names, and tiles of five digits. Only characters that are safe in a path
// are taken, since run and lane become folders.
inline std::string_view colon_prefix(std::string_view name) {
  std::array<std::string_view, 8> fields;
  size_t count = 0;
  for (size_t begin = 0;; ++count) {
    if (count == fields.size()) return {};
    const size_t colon = name.find(':', begin);
    fields[count] = name.substr(begin, colon == std::string_view::npos ? colon : colon - begin);
    if (fields[count].empty()) return {};
    if (colon == std::string_view::npos) {
      ++count;
      break;
    }
    begin = colon + 1;
  }
  if (count < 7) return {};
  const bool run = all_of(fields[1], is_digit) || (all_of(fields[1], is_plain) && fields[4].size() == 5);
  const bool known = run && all_of(fields[0], is_plain) && all_of(fields[2], is_plain) && all_of(fields[3], is_digit) &&
                     fields[3].size() <= 2 && all_of(fields[4], is_digit);
  return known ? name.substr(0, fields[3].data() + fields[3].size() - name.data()) : std::string_view();
}

// "FLOWCELLL1" of a DNBSEQ read name such as V300012345L1C001R0020000003: flow cell, lane, column and row of the field,
// number of the read in it; empty for any other.
inline std::string_view dnbseq_prefix(std::string_view name) {
  size_t at = 0;
  const auto run_of = [&](auto&& legal) {
    const size_t begin = at;
    while (at < name.size() && legal(name[at])) ++at;
    return at - begin;
  };
  const auto letter = [&](char wanted) { return at < name.size() && name[at++] == wanted; };
  const size_t letters = run_of([](char c) { return c >= 'A' && c <= 'Z'; });
  if (letters < 1 || letters > 4 || run_of(is_digit) < 6) return {};
  if (!letter('L') || run_of(is_digit) != 1) return {};
  const std::string_view prefix = name.substr(0, at);
  if (!letter('C') || run_of(is_digit) != 3 || !letter('R') || run_of(is_digit) < 6) return {};
  return prefix;
}

// What tells the lane of a read by its name; empty where nothing does.
inline std::string_view lane_prefix(std::string_view name) {
  const std::string_view prefix = colon_prefix(name);
  return prefix.empty() ? dnbseq_prefix(name) : prefix;
}

// Bases and qualities of one read or index read; their lengths are equal, so one offsets buffer serves both.
struct Bases {
  Buffer offsets, seq, qual;

  Bases() { offsets.push<int32_t>(0); }
  void push(const Record& record) {
    seq.append(record.seq.data(), record.seq.size());
    qual.append(record.qual.data(), record.qual.size());
    offsets.push(static_cast<int32_t>(seq.size()));
  }
};

struct Rows {
  int64_t count = 0;
  Buffer name_offsets, name, comment_offsets, comment, segment;
  Bits has_comment, filtered;
  Bases bases;
  std::vector<Bases> indexes;

  explicit Rows(size_t index_reads) : indexes(index_reads) {
    name_offsets.push<int32_t>(0);
    comment_offsets.push<int32_t>(0);
  }
  void push(const Record& record, int segment_number) {
    ++count;
    name.append(record.name.data(), record.name.size());
    name_offsets.push(static_cast<int32_t>(name.size()));
    comment.append(record.comment.data(), record.comment.size());
    comment_offsets.push(static_cast<int32_t>(comment.size()));
    has_comment.push(record.has_comment);
    filtered.push(record.filtered());
    segment.push(static_cast<int8_t>(segment_number));
    bases.push(record);
  }
  size_t bytes() const { return name.size() + comment.size() + 2 * bases.seq.size(); }
};

struct Batch {
  size_t group;  // index into Parser::groups
  Rows rows;
};

}  // namespace baselake::fastq
