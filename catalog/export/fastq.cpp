// baselake.catalog.export._fastq: rows of `read_records` become FASTQ text.
#include <pybind11/pybind11.h>

#include <array>

#include "catalog/export/arrow_batch.h"

namespace py = pybind11;

namespace baselake {
namespace {

// What a read without qualities gets: the lowest that `samtools fastq` writes, phred 1.
constexpr char kNoQuality = '"';

// Where a template's reads go.
enum Target : size_t { kFirst, kSecond, kAlone };

struct Columns {
    ArrowColumn name, comment, segment, seq, qual;

    explicit Columns(const ArrowBatch& batch)
        : name(batch.column("name", "u")), comment(batch.column("comment", "u")), segment(batch.column("segment", "c")),
          seq(batch.column("seq", "u")), qual(batch.column("qual", "u")) {}
};

// Rows come with the segments of a template side by side. A first segment is held back until the next row tells
// whether its mate follows.
class Writer {
  public:
    void add(const Columns& columns, int64_t rows) {
        for (int64_t row = 0; row < rows; ++row) {
            const std::string_view name = columns.name.text(row);
            const bool second = columns.segment.number<int8_t>(row) == 2;
            if (second && !held_.empty() && held_name_ == name) {
                texts[kFirst] += held_;
                held_.clear();
                write(columns, row, texts[kSecond]);
                ++pairs;
                continue;
            }
            flush();
            if (second) {
                write(columns, row, texts[kAlone]);
                ++alone;
            } else {
                held_name_ = name;
                write(columns, row, held_);
            }
        }
    }
    void flush() {
        alone += !held_.empty();
        texts[kAlone] += held_;
        held_.clear();
    }

    std::array<std::string, 3> texts;
    uint64_t pairs = 0, alone = 0;

  private:
    static void write(const Columns& columns, int64_t row, std::string& out) {
        const std::string_view seq = columns.seq.text(row), qual = columns.qual.text(row);
        out.append(1, '@').append(columns.name.text(row));
        if (columns.comment.valid(row)) out.append(1, ' ').append(columns.comment.text(row));
        out.append(1, '\n').append(seq).append("\n+\n");
        if (qual.empty()) out.append(seq.size(), kNoQuality); else out.append(qual);
        out.append(1, '\n');
    }
    std::string held_, held_name_;
};

py::tuple take(Writer& writer) {
    const auto bytes = [&](Target target) { return py::bytes(std::exchange(writer.texts[target], {})); };
    return py::make_tuple(bytes(kFirst), bytes(kSecond), bytes(kAlone));
}

}  // namespace
}  // namespace baselake

PYBIND11_MODULE(_fastq, module) {
    using namespace baselake;
    module.doc() = "Rows of read_records to FASTQ text; catalog/export/fastq.py drives it.";
    py::class_<Writer>(module, "Writer")
        .def(py::init<>())
        .def_readonly("pairs", &Writer::pairs)
        .def_readonly("alone", &Writer::alone)
        .def("add",
             [](Writer& self, const py::object& rows) {
                 const ArrowBatch batch(rows);
                 const Columns columns(batch);
                 {
                     const py::gil_scoped_release release;
                     self.add(columns, batch.rows());
                 }
                 return take(self);
             })
        .def("finish", [](Writer& self) {
            self.flush();
            return take(self);
        });
}
