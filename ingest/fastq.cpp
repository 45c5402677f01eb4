// Several FASTQ files at a time to Arrow buffers, so that mates come out in adjacent rows.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ingest/fastq_buffer.h"
#include "ingest/fastq_record.h"
#include "ingest/fastq_rows.h"

namespace py = pybind11;
using namespace baselake::fastq;

namespace {

// One flow cell has at most 8 lanes (NovaSeq X); a file merged from hundreds of flow cells still fits.
constexpr size_t kMaxGroups = 4096;
// Batches under construction, all groups together, hold at most this many full ones.
constexpr size_t kMaxFullBatchesHeld = 8;

class Parser {
 public:
  Parser(std::vector<size_t> segment_streams, std::vector<size_t> index_streams, size_t batch_rows, size_t batch_bytes)
      : segments_(std::move(segment_streams)),
        indexes_(std::move(index_streams)),
        records_(segments_.size() + indexes_.size()),
        batch_rows_(batch_rows),
        batch_bytes_(std::min(batch_bytes, kMaxRecordBytes)) {
    if (segments_.empty() || segments_.size() > 2 || indexes_.size() > 2 || batch_rows_ == 0)
      throw std::invalid_argument("one or two segments, at most two index reads, at least one row to a batch");
    roles_ = segments_;
    roles_.insert(roles_.end(), indexes_.begin(), indexes_.end());
    streams_.resize(*std::max_element(roles_.begin(), roles_.end()) + 1);
  }

  void feed(size_t stream, const py::buffer& bytes) {
    const py::buffer_info view = bytes.request();
    const size_t count = static_cast<size_t>(view.size) * static_cast<size_t>(view.itemsize);
    py::gil_scoped_release release;
    streams_.at(stream).feed(view.ptr, count);
  }
  void finish(size_t stream) { streams_.at(stream).finished = true; }

  // Parses what has been fed. Returns the stream that must be fed next, or nothing at the end or at a fault.
  std::optional<size_t> parse() {
    while (!fault_) {
      cursors_.clear();
      for (const Stream& stream : streams_) cursors_.push_back(stream.cursor);
      size_t ended = 0;
      for (size_t role = 0; role < roles_.size(); ++role) {
        Fault fault;
        fault.stream = roles_[role];
        const Scan result = streams_[roles_[role]].scan(cursors_[roles_[role]], records_[role], fault);
        if (result == Scan::need_input) return roles_[role];
        if (result == Scan::end) ++ended;
        if (result == Scan::fault) fault_ = fault;
        if (fault_ || (ended != 0 && ended != role + 1)) break;
      }
      if (fault_) break;
      if (ended == roles_.size()) {
        flush();
        break;
      }
      if (ended != 0) {
        fault_missing_mate();
      } else if (belong_together()) {
        push_template();
        for (size_t i = 0; i < streams_.size(); ++i) streams_[i].cursor = cursors_[i];
      }
    }
    return std::nullopt;
  }

  std::vector<Batch> take() { return std::exchange(ready_, {}); }
  const std::optional<Fault>& fault() const { return fault_; }
  const std::vector<std::string>& groups() const { return groups_; }
  int64_t records(size_t stream) const { return streams_.at(stream).cursor.records; }
  int64_t lines(size_t stream) const { return streams_.at(stream).cursor.lines; }

 private:
  // Some roles have a record and some are at their end. The fault names the file that ended first.
  void fault_missing_mate() {
    for (size_t role = 0; role < roles_.size(); ++role) {
      Record record;
      Fault fault;
      Stream::Cursor at = streams_[roles_[role]].cursor;
      const bool odd_interleaved = role == 1 && roles_[1] == roles_[0];
      if (!odd_interleaved && streams_[roles_[role]].scan(at, record, fault) != Scan::end) continue;
      fault.kind = odd_interleaved ? "odd_interleaved" : "mate_missing";
      fault.stream = roles_[role];
      fault.record = streams_[roles_[role]].cursor.records + (odd_interleaved ? 1 : 0);
      fault.line = at.lines + (odd_interleaved ? 1 : 0);
      fault_ = fault;
      return;
    }
  }

  bool belong_together() {
    for (size_t role = 0; role < roles_.size(); ++role) {
      const Record& record = records_[role];
      const int expected = role < segments_.size() ? static_cast<int>(role) + 1 : 0;
      const bool wrong_mate = expected != 0 && record.suffix != 0 && record.suffix != expected;
      if (record.name == records_[0].name && !wrong_mate) continue;
      Fault fault;
      fault.kind = wrong_mate ? "mate_number" : "names_differ";
      fault.stream = roles_[role];
      fault.record = cursors_[roles_[role]].records;
      fault.line = streams_[roles_[role]].cursor.lines + 1;
      fault.expected = expected;
      fault.found = record.suffix;
      fault.name = record.name;
      fault.other_name = records_[0].name;
      fault_ = fault;
      return false;
    }
    return true;
  }

  void push_template() {
    const size_t group = group_of(records_[0].name);
    if (fault_) return;
    Rows& rows = building_[group];
    const size_t before = rows.bytes();
    for (size_t segment = 0; segment < segments_.size(); ++segment) {
      rows.push(records_[segment], static_cast<int>(segment) + 1);
      for (size_t i = 0; i < indexes_.size(); ++i) rows.indexes[i].push(records_[segments_.size() + i]);
    }
    held_bytes_ += rows.bytes() - before;
    if (static_cast<size_t>(rows.count) + segments_.size() > batch_rows_ || rows.bytes() >= batch_bytes_) {
      emit(group);
    } else if (held_bytes_ >= kMaxFullBatchesHeld * batch_bytes_) {
      emit(std::max_element(building_.begin(), building_.end(),
                            [](const Rows& a, const Rows& b) { return a.bytes() < b.bytes(); }) -
           building_.begin());
    }
  }

  size_t group_of(std::string_view name) {
    const std::string& last = last_prefix_;
    if (!last.empty() && name.size() > last.size() && name[last.size()] == after_prefix_ && name.starts_with(last))
      return last_group_;
    const std::string prefix(lane_prefix(name));
    const auto [found, added] = group_numbers_.try_emplace(prefix, groups_.size());
    if (added) {
      if (groups_.size() == kMaxGroups) {
        Fault fault;
        fault.kind = "too_many_lanes";
        fault.stream = roles_[0];
        fault.record = cursors_[roles_[0]].records;
        fault.line = streams_[roles_[0]].cursor.lines + 1;
        fault.expected = kMaxGroups;
        fault_ = fault;
        return 0;
      }
      groups_.push_back(prefix);
      building_.emplace_back(indexes_.size());
    }
    last_prefix_ = prefix;
    if (!prefix.empty()) after_prefix_ = name[prefix.size()];
    last_group_ = found->second;
    return last_group_;
  }

  void emit(size_t group) {
    held_bytes_ -= building_[group].bytes();
    Rows next(indexes_.size());
    std::swap(next, building_[group]);
    ready_.push_back({group, std::move(next)});
  }
  void flush() {
    for (size_t group = 0; group < building_.size(); ++group)
      if (building_[group].count > 0) emit(group);
  }

  std::vector<size_t> segments_, indexes_, roles_;
  std::vector<Stream> streams_;
  std::vector<Stream::Cursor> cursors_;
  std::vector<Record> records_;
  size_t batch_rows_, batch_bytes_;
  size_t held_bytes_ = 0;
  std::vector<std::string> groups_;
  std::unordered_map<std::string, size_t> group_numbers_;
  std::vector<Rows> building_;
  std::string last_prefix_;
  char after_prefix_ = 0;
  size_t last_group_ = 0;
  std::vector<Batch> ready_;
  std::optional<Fault> fault_;
};

// The first records of a file, to tell what it is.
struct Head {
  std::vector<std::string> names;
  std::vector<int> mates;  // 1 or 2 from a /1 or /2 suffix, else the read number of the comment; 0: neither
  std::optional<Fault> fault;
};

Head peek(const py::buffer& text, bool finished, size_t limit) {
  const py::buffer_info view = text.request();
  Stream stream;
  stream.feed(view.ptr, static_cast<size_t>(view.size));
  stream.finished = finished;
  Head head;
  Record record;
  while (head.names.size() < limit) {
    Fault fault;
    const Scan result = stream.scan(stream.cursor, record, fault);
    if (result == Scan::fault) head.fault = fault;
    if (result != Scan::record) break;
    head.names.emplace_back(record.name);
    head.mates.push_back(record.suffix != 0 ? record.suffix : record.casava_read());
  }
  return head;
}

}  // namespace

PYBIND11_MODULE(_fastq, m) {
  m.doc() = "FASTQ text to Arrow buffers; see baselake.ingest.fastq_reader for the columns.";

  py::class_<Buffer>(m, "Buffer", py::buffer_protocol()).def_buffer([](Buffer& buffer) {
    static const char nothing = 0;  // Arrow refuses a null pointer, even to no bytes
    const char* data = buffer.data() == nullptr ? &nothing : buffer.data();
    return py::buffer_info(reinterpret_cast<const uint8_t*>(data), static_cast<py::ssize_t>(buffer.size()));
  });
  py::class_<Fault>(m, "Fault")
      .def_readonly("kind", &Fault::kind)
      .def_readonly("stream", &Fault::stream)
      .def_readonly("record", &Fault::record)
      .def_readonly("line", &Fault::line)
      .def_readonly("column", &Fault::column)
      .def_readonly("expected", &Fault::expected)
      .def_readonly("found", &Fault::found)
      .def_readonly("name", &Fault::name)
      .def_readonly("other_name", &Fault::other_name);
  py::class_<Bases>(m, "Bases")
      .def_readonly("offsets", &Bases::offsets)
      .def_readonly("seq", &Bases::seq)
      .def_readonly("qual", &Bases::qual);
  py::class_<Rows>(m, "Rows")
      .def_readonly("count", &Rows::count)
      .def_readonly("name_offsets", &Rows::name_offsets)
      .def_readonly("name", &Rows::name)
      .def_readonly("comment_offsets", &Rows::comment_offsets)
      .def_readonly("comment", &Rows::comment)
      .def_readonly("segment", &Rows::segment)
      .def_readonly("bases", &Rows::bases)
      .def_property_readonly("has_comment", [](const Rows& rows) -> const Buffer& { return rows.has_comment.bytes(); })
      .def_property_readonly("without_comment", [](const Rows& rows) { return rows.has_comment.unset(); })
      .def_property_readonly("filtered", [](const Rows& rows) -> const Buffer& { return rows.filtered.bytes(); })
      .def_property_readonly("indexes", [](py::object self) {
        py::list indexes;
        for (const Bases& index : self.cast<const Rows&>().indexes)
          indexes.append(py::cast(index, py::return_value_policy::reference_internal, self));
        return indexes;
      });
  py::class_<Batch>(m, "Batch").def_readonly("group", &Batch::group).def_readonly("rows", &Batch::rows);
  py::class_<Parser>(m, "Parser")
      .def(py::init<std::vector<size_t>, std::vector<size_t>, size_t, size_t>(), py::arg("segment_streams"),
           py::arg("index_streams"), py::arg("batch_rows"), py::arg("batch_bytes"))
      .def("feed", &Parser::feed, py::arg("stream"), py::arg("text"))
      .def("finish", &Parser::finish, py::arg("stream"))
      .def("parse", &Parser::parse, py::call_guard<py::gil_scoped_release>())
      .def("take", &Parser::take)
      .def("records", &Parser::records, py::arg("stream"))
      .def("lines", &Parser::lines, py::arg("stream"))
      .def_property_readonly("fault", &Parser::fault)
      .def_property_readonly("groups", &Parser::groups);
  py::class_<Head>(m, "Head")
      .def_readonly("names", &Head::names)
      .def_readonly("mates", &Head::mates)
      .def_readonly("fault", &Head::fault);
  m.def("peek", &peek, py::arg("text"), py::arg("finished"), py::arg("limit"));
}
