// baselake.ingest._bam: an uncompressed BAM record stream becomes columns of `alignments` and `read_records`.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <deque>
#include <map>
#include <optional>
#include <tuple>

#include "ingest/bam_collate.h"
#include "ingest/bam_sort.h"

namespace py = pybind11;

namespace baselake::bam {
namespace {

constexpr size_t kBatchRows = 65536;
// Of decoded rows over all unfinished batches. A decoded 150-base record takes about the 3 times its raw bytes
// counted here, for alignment and read together.
constexpr size_t kHeldBytes = 64u << 20;
constexpr size_t kDecodedPerRaw = 3;

struct Group {
    std::string read_group_id;
    uint32_t sample;
};

struct Problem {
    std::string kind;  // invalid, contig, unsorted or truncated
    uint64_t record;   // 1-based; of the file
    std::string name, reason;
    int32_t ref_id;
};

// Which files a row of `alignments` goes to.
struct Shelf {
    uint32_t sample;
    int32_t ref_id;
    int32_t bin;
    bool operator==(const Shelf&) const = default;
};

// Which files a row of `read_records` goes to, and its read group.
struct Lane {
    uint32_t group;
    std::string run_id;
    int lane;  // -1: the name does not tell
    auto operator<=>(const Lane&) const = default;
};

struct IlluminaName {
    std::string_view prefix;  // with the colon after the lane
    std::string run_id;
    int lane;
};

// `instrument:run:flowcell:lane:tile:x:y[:umi]`, as Illumina's software names reads since CASAVA 1.8. Run and lane
// become names of folders, so that only plain characters count as a name.
std::optional<IlluminaName> parse_illumina(std::string_view name) {
    std::array<std::string_view, 8> fields;
    size_t count = 0;
    for (size_t begin = 0; begin <= name.size(); ++count) {
        if (count == fields.size()) return std::nullopt;
        const size_t colon = std::min(name.find(':', begin), name.size());
        fields[count] = name.substr(begin, colon - begin);
        if (fields[count].empty()) return std::nullopt;
        begin = colon + 1;
    }
    const auto all = [](std::string_view text, auto legal) { return std::all_of(text.begin(), text.end(), legal); };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto plain = [&](char c) {
        return digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
    };
    const bool illumina = count >= 7 && all(fields[0], plain) && all(fields[1], digit) && all(fields[2], plain) &&
                          all(fields[3], digit) && fields[3].size() <= 2 && all(fields[4], digit);
    if (!illumina) return std::nullopt;
    return IlluminaName{
        .prefix = name.substr(0, static_cast<size_t>(fields[4].data() - name.data())),
        .run_id = std::string(fields[0]) + "_" + std::string(fields[1]) + "_" + std::string(fields[2]),
        .lane = std::stoi(std::string(fields[3])),
    };
}

class Decoder {
  public:
    using NamedGroups = std::vector<std::tuple<std::string, std::string, uint32_t>>;  // ID, read_group_id, sample

    Decoder(std::vector<std::string> contigs, std::vector<bool> placeable, const NamedGroups& groups,
            const std::vector<std::string>& aligner_tags, const std::string& order, int bin_shift,
            const std::string& scratch, size_t memory, const py::object& cipher)
        : contigs_(std::move(contigs)), placeable_(std::move(placeable)), aligner_tags_(aligner_tags),
          bin_shift_(bin_shift), collator_(scratch + "/mates", spill_cipher(cipher), memory / 2) {
        if (placeable_.size() != contigs_.size()) throw std::invalid_argument("placeable must have one entry a contig");
        if (order == "sort")
            sorter_ = std::make_unique<Sorter>(scratch + "/records", spill_cipher(cipher), memory / 2);
        else if (order != "stream") throw std::invalid_argument("order must be stream or sort");
        for (const auto& [id, read_group_id, sample] : groups) {
            by_id_.emplace(id, static_cast<uint32_t>(groups_.size()));
            groups_.push_back({read_group_id, sample});
        }
    }

    void begin_file(const std::string& read_group_id, uint32_t sample, std::string run_id) {
        default_group_ = static_cast<uint32_t>(groups_.size());
        groups_.push_back({read_group_id, sample});
        default_run_ = std::move(run_id);
        last_prefix_.clear();
        last_rg_.reset();
        record_ = 0;
        ungrouped_ = false;
        last_place_ = 0;
        carry_.clear();
    }

    std::optional<Problem> feed(const uint8_t* data, size_t bytes) {
        size_t at = 0;
        if (!carry_.empty()) {
            for (size_t need = needed(); carry_.size() < need; need = needed()) {
                const size_t take = std::min(need - carry_.size(), bytes - at);
                carry_.insert(carry_.end(), data + at, data + at + take);
                at += take;
                if (at == bytes && carry_.size() < needed()) return check_size(carry_.data(), carry_.size());
                if (auto problem = check_size(carry_.data(), carry_.size())) return problem;
            }
            if (auto problem = take_record(carry_.data() + 4, load<uint32_t>(carry_.data()))) return problem;
            carry_.clear();
        }
        while (bytes - at >= 4) {
            if (auto problem = check_size(data + at, bytes - at)) return problem;
            const uint32_t size = load<uint32_t>(data + at);
            if (bytes - at - 4 < size) break;
            if (auto problem = take_record(data + at + 4, size)) return problem;
            at += 4 + size_t{size};
        }
        carry_.assign(data + at, data + bytes);
        return std::nullopt;
    }

    std::optional<Problem> end_file() const {
        if (carry_.empty()) return std::nullopt;
        return Problem{"truncated", record_ + 1, "", "the stream ends inside a record", -1};
    }

    // After the last file: does a bounded part of what is left (mates far apart, the sorted merge); true while
    // there is more.
    bool finish_part() {
        if (!mates_done_) {
            mates_done_ = !collator_.drain(
                [this](const Waiting& entry) {
                    const Record record = reread(entry.raw, entry.size);
                    collate(record, entry.group);
                },
                [this](const Waiting& entry) { add_read(reread(entry.raw, entry.size), entry.group); });
            return true;
        }
        Waiting entry;
        while (sorter_ && ready_alignments_.empty() && sorter_->next(entry)) {
            const Record record = reread(entry.raw, entry.size);
            add_alignment(record, entry.group);
        }
        if (!ready_alignments_.empty()) return true;
        flush_all();
        return false;
    }

    auto take_alignments() { return std::exchange(ready_alignments_, {}); }
    auto take_reads() { return std::exchange(ready_reads_, {}); }
    // Of the file being read.
    uint64_t records() const { return record_; }
    bool ungrouped() const { return ungrouped_; }
    const Group& group(uint32_t index) const { return groups_[index]; }

  private:
    size_t needed() const { return carry_.size() < 4 ? 4 : 4 + size_t{load<uint32_t>(carry_.data())}; }

    std::optional<Problem> check_size(const uint8_t* data, size_t bytes) const {
        if (bytes < 4) return std::nullopt;
        const uint32_t size = load<uint32_t>(data);
        if (size >= kFixedBytes && size <= kMaxRecordBytes) return std::nullopt;
        const std::string reason = "block_size " + std::to_string(size) + " is no size of a record";
        return Problem{"invalid", record_ + 1, "", reason, -1};
    }

    // A record that was checked when it first came.
    Record reread(const uint8_t* raw, uint32_t size) const {
        Record record;
        parse(raw, size, static_cast<int32_t>(contigs_.size()), record);
        return record;
    }

    std::optional<Problem> take_record(const uint8_t* raw, uint32_t size) {
        ++record_;
        Record record;
        const char* reason = parse(raw, size, static_cast<int32_t>(contigs_.size()), record);
        if (reason) return problem("invalid", "", reason, -1);
        if (record.ref_id >= 0 && !placeable_[static_cast<size_t>(record.ref_id)])
            return problem("contig", record.name, "", record.ref_id);
        const uint32_t group = group_of(record);
        if (sorter_) {
            sorter_->add({group, size, raw});
        } else {
            const uint64_t place = place_of(raw);
            if (place < last_place_) return problem("unsorted", record.name, "", record.ref_id);
            last_place_ = place;
            add_alignment(record, group);
        }
        if (record.primary()) collate(record, group);
        return std::nullopt;
    }

    Problem problem(const char* kind, std::string_view name, const char* reason, int32_t ref_id) const {
        return {kind, record_, std::string(name), reason, ref_id};
    }

    uint32_t group_of(const Record& record) {
        if (!record.rg.data()) return ungrouped_ = true, default_group_;
        if (!last_rg_ || *last_rg_ != record.rg) {
            last_rg_ = std::string(record.rg);
            const auto found = by_id_.find(*last_rg_);
            last_group_ = found == by_id_.end() ? default_group_ : found->second;
        }
        ungrouped_ |= last_group_ == default_group_;
        return last_group_;
    }

    void collate(const Record& record, uint32_t group) {
        if (!(record.flag & kPaired)) return add_read(record, group);
        const Collator::Held held = collator_.match(record, group);
        if (!held) return;
        const Waiting mate = Waiting::read(held.get());
        const Record other = reread(mate.raw, mate.size);
        const bool first = record.segment() == 1;
        add_read(first ? record : other, group);
        add_read(first ? other : record, group);
    }

    void add_read(const Record& record, uint32_t group) {
        if (last_prefix_.empty() || group != last_lane_.group || !record.name.starts_with(last_prefix_)) {
            const auto illumina = parse_illumina(record.name);
            last_prefix_ = illumina ? std::string(illumina->prefix) : "";
            last_lane_ = illumina ? Lane{group, illumina->run_id, illumina->lane} : Lane{group, default_run_, -1};
            last_reads_ = &reads_[last_lane_];
        }
        last_reads_->add(record, aligner_tags_);
        hold(record);
    }

    void add_alignment(const Record& record, uint32_t group) {
        const uint32_t sample = groups_[group].sample;
        if (sample >= alignments_.size()) alignments_.resize(sample + 1);
        auto& [shelf, rows] = alignments_[sample];
        const Shelf wanted{sample, record.ref_id, record.pos < 0 ? 0 : record.pos >> bin_shift_};
        if (!(shelf == wanted) || rows.rows() == kBatchRows) flush(alignments_[sample]);
        shelf = wanted;
        const auto next = static_cast<size_t>(record.next_ref_id);
        const std::string_view next_contig = record.next_ref_id < 0 ? std::string_view{} : contigs_[next];
        rows.add(record, groups_[group].read_group_id, next_contig);
        hold(record);
    }

    void hold(const Record& record) {
        held_ += kDecodedPerRaw * record.size;
        if (held_ > kHeldBytes) flush_all();
    }
    void flush(std::pair<Shelf, AlignmentRows>& open) {
        if (open.second.rows()) ready_alignments_.emplace_back(open.first, take_rows(open.second));
    }
    void flush_all() {
        for (auto& open : alignments_) flush(open);
        for (auto& [lane, rows] : reads_)
            if (rows.rows()) ready_reads_.emplace_back(lane, take_rows(rows));
        held_ = 0;
    }

    std::vector<std::string> contigs_;
    std::vector<bool> placeable_;
    std::vector<Group> groups_;
    std::unordered_map<std::string, uint32_t> by_id_;
    TagSet aligner_tags_;
    int bin_shift_;
    Collator collator_;
    std::unique_ptr<Sorter> sorter_;

    uint32_t default_group_ = 0, last_group_ = 0;
    std::string default_run_, last_prefix_;
    std::optional<std::string> last_rg_;
    Lane last_lane_{};
    ReadRows* last_reads_ = nullptr;
    uint64_t record_ = 0, last_place_ = 0;
    bool mates_done_ = false, ungrouped_ = false;
    size_t held_ = 0;
    std::vector<uint8_t> carry_;
    std::vector<std::pair<Shelf, AlignmentRows>> alignments_;  // by sample
    std::map<Lane, ReadRows> reads_;
    std::deque<std::pair<Shelf, AlignmentRows>> ready_alignments_;
    std::deque<std::pair<Lane, ReadRows>> ready_reads_;
};

py::object hand_over(Buffer& buffer) {
    const size_t size = buffer.size();
    if (!size) return py::array_t<uint8_t>(0);
    uint8_t* data = buffer.release();
    return py::array_t<uint8_t>(static_cast<py::ssize_t>(size), data, py::capsule(data, std::free));
}

void pack_bits(Buffer& bytes) {
    Buffer bits;
    const size_t rows = bytes.size();
    uint8_t* out = bits.extend((rows + 7) / 8);
    std::memset(out, 0, bits.size());
    for (size_t i = 0; i < rows; ++i) out[i / 8] |= static_cast<uint8_t>((bytes.data()[i] & 1) << (i % 8));
    bytes = std::move(bits);
}

// {column name: (rows, NULLs, validity, offsets, values)}; None for the buffers a column has not.
template <class Rows>
py::dict columns_of(Rows& rows) {
    py::dict columns;
    for (Column* const at : rows.columns()) {
        Column& column = *at;
        if (column.truth) pack_bits(column.values);
        if (column.nulls) pack_bits(column.valid);
        py::object validity = column.nulls ? hand_over(column.valid) : py::none();
        py::object offsets = column.offsets.size() ? hand_over(column.offsets) : py::none();
        columns[column.name] = py::make_tuple(column.rows, column.nulls, validity, offsets, hand_over(column.values));
    }
    return columns;
}

py::object problem_tuple(const std::optional<Problem>& problem) {
    if (!problem) return py::none();
    return py::make_tuple(problem->kind, problem->record, problem->name, problem->reason, problem->ref_id);
}

}  // namespace
}  // namespace baselake::bam

PYBIND11_MODULE(_bam, module) {
    using namespace baselake::bam;
    module.doc() = "BAM records to Arrow buffers; ingest/bam_rows.py drives it.";
    // A full disk is an OSError with its errno, so that Python can say which file.
    py::register_exception_translator([](std::exception_ptr raised) {
        try {
            if (raised) std::rethrow_exception(raised);
        } catch (const std::system_error& error) {
            errno = error.code().value();
            PyErr_SetFromErrno(PyExc_OSError);
        }
    });
    py::class_<Decoder>(module, "Decoder")
        .def(py::init<std::vector<std::string>, std::vector<bool>, const Decoder::NamedGroups&,
                      const std::vector<std::string>&, const std::string&, int, const std::string&, size_t,
                      const py::object&>(),
             py::kw_only(), py::arg("contigs"), py::arg("placeable"), py::arg("groups"), py::arg("aligner_tags"),
             py::arg("order"), py::arg("bin_shift"), py::arg("scratch"), py::arg("memory_bytes"),
             py::arg("cipher") = py::none())
        .def("begin_file", &Decoder::begin_file, py::kw_only(), py::arg("read_group_id"), py::arg("sample"),
             py::arg("run_id"))
        .def("feed",
             [](Decoder& self, const py::buffer& chunk) {
                 const py::buffer_info info = chunk.request();
                 std::optional<Problem> problem;
                 {
                     const py::gil_scoped_release release;
                     const auto bytes = static_cast<size_t>(info.size * info.itemsize);
                     problem = self.feed(static_cast<const uint8_t*>(info.ptr), bytes);
                 }
                 return problem_tuple(problem);
             })
        .def("end_file", [](const Decoder& self) { return problem_tuple(self.end_file()); })
        .def("finish_part", &Decoder::finish_part, py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("records", &Decoder::records)
        .def_property_readonly("ungrouped", &Decoder::ungrouped)
        .def("take_alignments",
             [](Decoder& self) {
                 py::list batches;
                 for (auto& [shelf, rows] : self.take_alignments())
                     batches.append(py::make_tuple(shelf.sample, shelf.ref_id, shelf.bin, columns_of(rows)));
                 return batches;
             })
        .def("take_reads", [](Decoder& self) {
            py::list batches;
            for (auto& [lane, rows] : self.take_reads()) {
                py::object number = lane.lane < 0 ? py::none() : py::object(py::int_(lane.lane));
                const std::string& read_group_id = self.group(lane.group).read_group_id;
                batches.append(py::make_tuple(read_group_id, lane.run_id, number, columns_of(rows)));
            }
            return batches;
        });
}
