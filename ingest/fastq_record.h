// The records of one FASTQ file, from text that comes in pieces.
//
// The format is that of Cock et al. 2010 (doi:10.1093/nar/gkp1137): four lines to a record as a rule, sequence
// and quality wrapped over several lines as the exception. Quality lines are taken by length, never by looking
// for the next '@', which is a legal quality. Bad input is reported as a Fault; the caller words it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ingest/fastq_buffer.h"

namespace baselake::fastq {

// A record larger than this is taken for a file that is not FASTQ: the longest nanopore reads are below 10 MB.
// It also keeps the int32 offsets of a batch from overflowing.
constexpr size_t kMaxRecordBytes = size_t{512} << 20;

using Vector = uint8_t __attribute__((vector_size(16)));
using Halves = uint64_t __attribute__((vector_size(16)));

// IUPAC nucleotide codes of either case, U, and '.', Illumina's old no-call. A byte is legal where the entries
// of its low and high nibble share a bit: 1 for '.', 2 for @..O and `..o, 4 for P..Z and p..z.
constexpr Vector kLowNibble = {0, 2, 6, 6, 6, 4, 4, 6, 2, 4, 0, 2, 0, 2, 3, 0};
constexpr Vector kHighNibble = {0, 0, 1, 0, 2, 4, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0};

inline bool is_base(uint8_t byte) { return (kLowNibble[byte & 15] & kHighNibble[byte >> 4]) != 0; }
constexpr auto is_quality = [](uint8_t byte) { return static_cast<uint8_t>(byte - '!') <= '~' - '!'; };
constexpr auto is_header = [](uint8_t byte) { return (static_cast<uint8_t>(byte - ' ') <= '~' - ' ') | (byte == '\t'); };

// Index of the first byte that is not a base, or the length.
inline size_t first_non_base(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  size_t i = 0;
  for (; i + sizeof(Vector) <= text.size(); i += sizeof(Vector)) {
    Vector chunk;
    std::memcpy(&chunk, bytes + i, sizeof chunk);
    const Vector shared = __builtin_shuffle(kLowNibble, chunk & 15) & __builtin_shuffle(kHighNibble, chunk >> 4);
    const auto bad = reinterpret_cast<Halves>(shared == 0);
    if ((bad[0] | bad[1]) != 0) break;
  }
  while (i < text.size() && is_base(bytes[i])) ++i;
  return i;
}

// Index of the first byte that is not `legal`, or the length. The first loop has no exit, so it is vectorised.
template <typename Legal>
size_t first_not(std::string_view text, Legal legal) {
  uint8_t bad = 0;
  for (const char byte : text) bad |= static_cast<uint8_t>(!legal(static_cast<uint8_t>(byte)));
  return bad == 0 ? text.size() : std::find_if_not(text.begin(), text.end(), legal) - text.begin();
}

struct Fault {
  std::string kind;  // the key of the caller's table of messages
  size_t stream = 0;
  int64_t record = 0;  // 1-based
  int64_t line = 0;    // 1-based
  int64_t column = 0;  // 1-based; 0 where the whole line is meant
  int64_t expected = 0;
  int64_t found = 0;  // a length, a mate number or the offending byte
  std::string name;
  std::string other_name;
};

struct Record {
  std::string_view name;  // without '@', comment and mate suffix
  std::string_view comment;
  bool has_comment = false;
  int suffix = 0;  // 1 or 2 where the name ended in /1 or /2
  std::string_view seq;
  std::string_view qual;
  std::string joined_seq;  // what seq and qual view where the record is wrapped
  std::string joined_qual;

  // The read number of a CASAVA 1.8 comment, "1:N:0:ATCACG": 0 where the comment is not of that form.
  int casava_read() const {
    const bool casava = comment.size() >= 4 && comment[0] >= '1' && comment[0] <= '9' && comment[1] == ':' &&
                        (comment[2] == 'Y' || comment[2] == 'N') && comment[3] == ':';
    return casava ? comment[0] - '0' : 0;
  }
  bool filtered() const { return casava_read() != 0 && comment[2] == 'Y'; }
};

enum class Scan { record, need_input, end, fault };

class Stream {
 public:
  // A place between two records. Copied, so that a template is taken whole or not at all.
  struct Cursor {
    size_t offset = 0;
    int64_t records = 0;
    int64_t lines = 0;
    int64_t blank_line = 0;  // the first of the blank lines just before; 0: none
  };

  Cursor cursor;
  bool finished = false;

  void feed(const void* bytes, size_t count) {
    if (finished) throw std::invalid_argument("feed after finish");
    text_.drop_front(cursor.offset);
    cursor.offset = 0;
    text_.append(bytes, count);
  }

  // Reads the record at `at` and moves `at` behind it. Views in `record` hold until the next feed.
  Scan scan(Cursor& at, Record& record, Fault& fault) const {
    Cursor next = at;
    const Scan result = scan_record(next, record, fault);
    if (result == Scan::record) {
      at = next;
      ++at.records;
    } else if (result == Scan::need_input && text_.size() - at.offset > kMaxRecordBytes) {
      return fail(fault, "record_too_long", at, at.lines + 1);
    } else if (result == Scan::end) {
      at = next;
    }
    return result;
  }

 private:
  enum class Ending { newline, end_of_file, none };

  // Takes the next line, without its LF or CR LF.
  Ending take_line(Cursor& at, std::string_view& line) const {
    const char* begin = text_.data() + at.offset;
    const size_t left = text_.size() - at.offset;
    if (left == 0) return Ending::none;
    const auto* newline = static_cast<const char*>(std::memchr(begin, '\n', left));
    if (newline == nullptr && !finished) return Ending::none;
    size_t length = newline == nullptr ? left : newline - begin;
    at.offset += length + (newline != nullptr);
    ++at.lines;
    if (length > 0 && begin[length - 1] == '\r') --length;
    line = {begin, length};
    return newline == nullptr ? Ending::end_of_file : Ending::newline;
  }

  Scan fail(Fault& fault, const char* kind, const Cursor& at, int64_t line, int64_t column = 0, int64_t expected = 0,
            int64_t found = 0) const {
    fault.kind = kind;
    fault.record = at.records + 1;
    fault.line = line;
    fault.column = column;
    fault.expected = expected;
    fault.found = found;
    return Scan::fault;
  }
  Scan fail_at_byte(Fault& fault, const char* kind, const Cursor& at, std::string_view line, size_t index) const {
    return fail(fault, kind, at, at.lines, index + 1, 0, static_cast<uint8_t>(line[index]));
  }
  Scan unfinished(Fault& fault, const Cursor& at) const {
    return finished ? fail(fault, "truncated_record", at, at.lines) : Scan::need_input;
  }

  Scan scan_record(Cursor& at, Record& record, Fault& fault) const {
    std::string_view header;
    do {
      if (take_line(at, header) == Ending::none) return finished ? Scan::end : Scan::need_input;
      if (header.empty() && at.blank_line == 0) at.blank_line = at.lines;
    } while (header.empty());
    if (at.blank_line != 0) return fail(fault, "blank_line", at, at.blank_line);
    if (header[0] != '@') return fail_at_byte(fault, "no_at_sign", at, header, 0);
    header.remove_prefix(1);
    if (const Scan bad = split_header(at, header, record, fault); bad != Scan::record) return bad;

    std::string_view line;
    if (take_line(at, line) == Ending::none) return unfinished(fault, at);
    const bool no_seq_line = !line.empty() && line[0] == '+';
    if (no_seq_line) return fail(fault, "no_sequence", at, at.lines);
    record.seq = line;
    if (const size_t bad = first_non_base(line); bad < line.size())
      return fail_at_byte(fault, "bad_base", at, line, bad);

    Ending ending = take_line(at, line);
    bool wrapped = false;
    while (ending != Ending::none && (line.empty() || line[0] != '+')) {
      if (line.empty() || first_non_base(line) < line.size() || record.seq.empty())
        return fail(fault, "no_plus_line", at, at.lines);
      if (!wrapped) record.joined_seq = record.seq;
      wrapped = true;
      record.joined_seq += line;
      ending = take_line(at, line);
    }
    if (ending == Ending::none) return unfinished(fault, at);
    if (wrapped) record.seq = record.joined_seq;
    line.remove_prefix(1);
    // The '+' line repeats the header, or its name alone, or nothing.
    if (!line.empty() && line != header && line != header.substr(0, header.find_first_of(" \t")))
      return fail(fault, ending == Ending::newline ? "plus_line_differs" : "truncated_record", at, at.lines);
    return scan_quality(at, ending, wrapped, record, fault);
  }

  Scan scan_quality(Cursor& at, Ending plus_ending, bool wrapped, Record& record, Fault& fault) const {
    std::string_view line;
    record.qual = {};
    record.joined_qual.clear();
    Ending ending = take_line(at, line);
    if (ending == Ending::none) {
      // An empty read's empty quality, without the last newline of the file, is no line at all.
      const bool empty_read = record.seq.empty() && finished && plus_ending == Ending::newline;
      return empty_read ? Scan::record : unfinished(fault, at);
    }
    const int64_t first_line = at.lines;
    size_t first_length = 0;
    while (true) {
      if (const size_t bad = first_not(line, is_quality); bad < line.size()) {
        if (!wrapped && at.lines > first_line) break;  // not more quality but the next record
        return fail_at_byte(fault, "bad_quality", at, line, bad);
      }
      if (at.lines == first_line) {
        record.qual = line;
        first_length = line.size();
      } else {
        if (record.joined_qual.empty()) record.joined_qual = record.qual;
        record.joined_qual += line;
        record.qual = record.joined_qual;
      }
      if (record.qual.size() >= record.seq.size() || line.empty() || ending == Ending::end_of_file) break;
      ending = take_line(at, line);
      if (ending == Ending::none && !finished) return Scan::need_input;
      if (ending == Ending::none) break;
    }
    if (record.qual.size() == record.seq.size()) return Scan::record;
    if (ending == Ending::end_of_file && record.qual.size() < record.seq.size())
      return fail(fault, "truncated_record", at, at.lines);
    // Where the sequence was not wrapped, the first line is what should have been the whole quality.
    return fail(fault, "length_differs", at, wrapped ? at.lines : first_line, 0, record.seq.size(),
                wrapped ? record.qual.size() : first_length);
  }

  Scan split_header(const Cursor& at, std::string_view header, Record& record, Fault& fault) const {
    if (const size_t bad = first_not(header, is_header); bad < header.size())
      return fail(fault, "bad_header", at, at.lines, bad + 2, 0, static_cast<uint8_t>(header[bad]));
    const size_t blank = header.find_first_of(" \t");
    record.name = header.substr(0, blank);
    record.has_comment = blank != std::string_view::npos;
    record.comment = record.has_comment ? header.substr(blank + 1) : std::string_view();
    record.suffix = 0;
    if (record.name.ends_with("/1") || record.name.ends_with("/2")) {
      record.suffix = record.name.back() - '0';
      record.name.remove_suffix(2);
    }
    return record.name.empty() ? fail(fault, "no_name", at, at.lines) : Scan::record;
  }

  Buffer text_;
};

}  // namespace baselake::fastq
