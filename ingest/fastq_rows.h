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

// "instrument:run:flowcell:lane" of an Illumina read name "instrument:run:flowcell:lane:tile:x:y[:umi]", empty
// for any other name. Only characters that are safe in a path are taken, since run and lane become folders.
inline std::string_view illumina_prefix(std::string_view name) {
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
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_plain = [&](char c) {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  };
  const auto all = [](std::string_view field, auto&& legal) { return std::all_of(field.begin(), field.end(), legal); };
  const bool illumina = all(fields[0], is_plain) && all(fields[1], is_digit) && all(fields[2], is_plain) &&
                        all(fields[3], is_digit) && fields[3].size() <= 2 && all(fields[4], is_digit);
  return illumina ? name.substr(0, fields[3].data() + fields[3].size() - name.data()) : std::string_view();
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
