// Gene models from GFF3 or GTF that comes in pieces.
#include <pybind11/stl.h>

#include <cstring>

#include "ingest/genes/models.h"

namespace py = pybind11;

namespace baselake::genes {
namespace {

class Reader {
  public:
    explicit Reader(const std::vector<std::pair<std::string, std::int64_t>>& contigs) : models_(listed(contigs)) {}

    void feed(const py::bytes& bytes, bool last) {
        const std::string_view piece(bytes);
        py::gil_scoped_release free;
        pending_.append(piece);
        std::size_t used = 0;
        try {
            while (used < pending_.size() && !ended_) {
                const auto end = pending_.find('\n', used);
                if (end == std::string::npos && !last) break;
                const std::size_t stop = std::min(end, pending_.size());
                take(std::string_view(pending_).substr(used, stop - used));
                used = stop + 1;
            }
        } catch (const Fault& fault) {
            line_ = fault.line;
            throw;
        }
        pending_.erase(0, ended_ ? pending_.size() : std::min(used, pending_.size()));
    }

    py::tuple finish() {
        std::pair<std::vector<Column>, std::vector<Column>> rows;
        try {
            py::gil_scoped_release free;
            rows = models_.finish();
        } catch (const Fault& fault) {
            line_ = fault.line;
            throw;
        }
        return py::make_tuple(BuiltBatch(std::move(rows.first)), BuiltBatch(std::move(rows.second)));
    }

    std::int64_t line() const { return line_; }
    std::int64_t features() const { return models_.features; }
    std::int64_t elsewhere() const { return models_.elsewhere; }
    std::string format() const { return flavour_ == Flavour::gtf ? "gtf" : "gff3"; }
    const std::vector<std::string>& comments() const { return comments_; }

  private:
    static std::vector<Contig> listed(const std::vector<std::pair<std::string, std::int64_t>>& contigs) {
        std::vector<Contig> out;
        for (const auto& [name, length] : contigs) out.push_back({name, length});
        return out;
    }

    void take(std::string_view line) {
        ++line_;
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (line.empty()) return;
        if (line[0] == '#') {
            // Sequences follow, and no features any more.
            if (line == "##FASTA") ended_ = true;
            // The release stands there, where it does anywhere.
            if (!models_.features && comments_.size() < 100) comments_.emplace_back(line);
            return;
        }
        if (line[0] == '>') {
            ended_ = true;
            return;
        }
        parse(line, flavour_, parsed_, line_);
        models_.add(parsed_, flavour_, line_);
    }

    Models models_;
    Flavour flavour_ = Flavour::unknown;
    Line parsed_;
    std::string pending_;
    std::vector<std::string> comments_;
    std::int64_t line_ = 0;
    bool ended_ = false;
};

}  // namespace
}  // namespace baselake::genes

PYBIND11_MODULE(_reader, m) {
    using namespace baselake;
    using namespace baselake::genes;
    py::register_exception<Fault>(m, "Fault", PyExc_ValueError);
    bind_built_batch(m);
    py::class_<Reader>(m, "Reader")
        .def(py::init<const std::vector<std::pair<std::string, std::int64_t>>&>(), py::arg("contigs"))
        .def("feed", &Reader::feed, py::arg("piece"), py::arg("last"))
        .def("finish", &Reader::finish)
        .def_property_readonly("line", &Reader::line)
        .def_property_readonly("features", &Reader::features)
        .def_property_readonly("elsewhere", &Reader::elsewhere)
        .def_property_readonly("format", &Reader::format)
        .def_property_readonly("comments", &Reader::comments);
}
