// The records of VCF text or BCF, from bytes that come in pieces, as columns of the lake's tables.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ingest/vcf/bcf.h"
#include "ingest/vcf/rows.h"
#include "ingest/vcf/text.h"
#include "lake/arrow_columns.h"

namespace py = pybind11;

namespace baselake::vcf {
namespace {

// Key, type, number, and whether it is one of the specification's.
using Declared = std::vector<std::tuple<std::string, std::string, int, bool>>;

Definitions definitions(const Declared& declared) {
    Definitions known;
    for (const auto& [key, type, number, reserved] : declared) {
        const Kind kind = type == "Integer" ? Kind::integer
                          : type == "Float" ? Kind::floating
                          : type == "Flag"  ? Kind::flag
                                            : Kind::text;
        known.emplace(key, Definition{kind, number, reserved});
    }
    return known;
}

class Reader {
  public:
    Reader(const Declared& info, const Declared& format, const std::vector<std::pair<std::string, py::array_t<std::uint8_t>>>& contigs,
           std::vector<std::uint32_t> order, std::size_t block, std::size_t part_sites, bool has_format, std::int64_t lines_before,
           std::size_t part_bytes,
           const std::optional<std::pair<std::vector<std::string>, std::vector<std::string>>>& bcf, bool skip_unknown)
        : info_(definitions(info)), format_(definitions(format)), line_(lines_before), part_sites_(part_sites), part_bytes_(part_bytes),
          skip_unknown_(skip_unknown) {
        for (const auto& [name, bases] : contigs) {
            contigs_.push_back({name, {reinterpret_cast<const char*>(bases.data()), static_cast<std::size_t>(bases.size())}});
            index_.emplace(name, static_cast<std::int32_t>(contigs_.size()) - 1);
            held_.push_back(bases);
        }
        const std::size_t samples = order.size();
        rows_ = std::make_unique<Rows>(contigs_, format_, std::move(order), block);
        if (bcf) {
            std::vector<std::pair<std::string, std::int32_t>> order;
            for (const auto& name : bcf->second) {
                const auto found = index_.find(name);
                order.emplace_back(name, found == index_.end() ? -1 : found->second);
            }
            bcf_ = std::make_unique<BcfParser>(info_, format_, bcf->first, std::move(order), samples);
        } else {
            text_ = std::make_unique<TextParser>(info_, format_, index_, samples, has_format);
        }
    }

    // The parts that are finished: each of one contig.
    py::list feed(const py::bytes& bytes, bool last) {
        std::string_view piece(bytes);
        {
            py::gil_scoped_release free;
            try {
                take(piece, last);
            } catch (const Fault&) {
                // What came before is of no use: the file is refused.
                pending_.clear();
                throw;
            }
        }
        py::list parts;
        for (auto& [contig, part] : finished_) parts.append(handed(contig, std::move(part)));
        finished_.clear();
        return parts;
    }

    std::int64_t line() const { return line_; }
    std::int64_t records() const { return records_; }
    std::int64_t skipped() const { return skipped_; }
    const std::vector<std::string>& genotypes() const { return rows_->genotypes(); }
    std::int64_t misfits() const { return text_ ? text_->misfits() : 0; }
    std::string misfit() const { return text_ ? text_->misfit() : std::string(); }

  private:
    void take(std::string_view piece, bool last) {
        if (!pending_.empty()) {
            pending_.append(piece);
            piece = pending_;
        }
        std::size_t used = 0;
        while (used < piece.size()) {
            const std::size_t size = bcf_ ? take_bcf(piece.substr(used)) : take_line(piece.substr(used), last);
            if (!size) break;
            used += size;
        }
        std::string rest(piece.substr(used));
        pending_ = std::move(rest);
        if (!last) return;
        if (!pending_.empty()) fail("the file ends inside a record");
        finish();
    }

    std::size_t take_bcf(std::string_view bytes) {
        ++line_;
        const std::size_t size = BcfParser::record_bytes(bytes);
        if (!size || size > bytes.size()) {
            --line_;
            return 0;
        }
        if (skip_unknown_ && bcf_->is_elsewhere(bytes)) {
            ++skipped_;
            return size;
        }
        bcf_->parse(bytes.substr(0, size), record_);
        add();
        return size;
    }

    std::size_t take_line(std::string_view bytes, bool last) {
        const auto* end = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
        if (!end && !last) return 0;
        std::string_view line = end ? bytes.substr(0, static_cast<std::size_t>(end - bytes.data())) : bytes;
        const std::size_t size = line.size() + (end ? 1 : 0);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        ++line_;
        if (line.empty()) {
            // Blank lines at the end of a file are common.
            blank_ = true;
            return size;
        }
        if (blank_) fail("a blank line stands before this one");
        if (line[0] == '#') fail("a line of the header stands among the records");
        if (skip_unknown_ && index_.find(line.substr(0, line.find('\t'))) == index_.end()) {
            ++skipped_;
            return size;
        }
        text_->parse(line, record_);
        add();
        return size;
    }

    void add() {
        if (record_.contig != contig_) {
            finish();
            if (std::find(seen_.begin(), seen_.end(), record_.contig) != seen_.end())
                fail("records of " + contigs_[static_cast<std::size_t>(record_.contig)].name + " do not stand together; run: bcftools sort");
            seen_.push_back(record_.contig);
            contig_ = record_.contig;
            last_start_ = -1;
        }
        if (record_.start < last_start_) fail("the position is before that of the last record; run: bcftools sort");
        if (records_ == INT32_MAX) fail("the file has over 2^31 records");
        last_start_ = record_.start;
        rows_->add(record_, static_cast<std::int32_t>(records_++));
        if (rows_->sites() >= part_sites_) finish();
        // Adding up bytes takes a look at every column.
        if (++since_ >= 256 && (since_ = 0, rows_->bytes() >= part_bytes_)) finish();
    }

    void finish() {
        if (!rows_->empty()) finished_.emplace_back(contig_, rows_->take());
        since_ = 0;
    }

    static bool always(const std::string& column) {
        return column == "gt" || column == "alt_copies" || column == "site" || column == "sample";
    }

    py::dict handed(std::int32_t contig, Rows::Part&& part) const {
        py::list genotypes;
        for (auto& columns : part.genotypes) {
            // What nobody has is no column.
            std::erase_if(columns, [](const Column& column) { return column.nulls == column.length && !always(column.name); });
            genotypes.append(BuiltBatch(std::move(columns)));
        }
        py::dict out;
        out["contig"] = contigs_[static_cast<std::size_t>(contig)].name;
        out["records"] = BuiltBatch(std::move(part.records));
        out["variants"] = BuiltBatch(std::move(part.variants));
        out["site"] = BuiltBatch(std::move(part.site));
        out["genotypes"] = genotypes;
        out["blocks"] = BuiltBatch(std::move(part.blocks));
        out["first"] = part.first;
        out["last"] = part.last;
        out["sorted"] = part.sorted;
        return out;
    }

    Definitions info_, format_;
    std::vector<Contig> contigs_;
    std::vector<py::array_t<std::uint8_t>> held_;
    std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>> index_;
    std::unique_ptr<TextParser> text_;
    std::unique_ptr<BcfParser> bcf_;
    std::unique_ptr<Rows> rows_;
    Record record_;
    std::string pending_;
    std::vector<std::pair<std::int32_t, Rows::Part>> finished_;
    std::vector<std::int32_t> seen_;
    std::int32_t contig_ = -1;
    std::int64_t last_start_ = -1;
    std::int64_t line_;
    std::int64_t records_ = 0;
    std::size_t part_sites_, part_bytes_;
    std::int64_t skipped_ = 0;
    int since_ = 0;
    bool skip_unknown_;
    bool blank_ = false;
};

// Adds 1 for each row to the count of its sample's group, its site and its kind; rows of groups that are not there are
// left out. `copies_of`: of each kind, what its rows have as `copies`.
void add_up(py::array_t<std::int64_t, py::array::c_style> counts, py::array_t<std::int8_t, py::array::c_style> copies_of,
            const In<std::int32_t>& group_of, const In<std::int32_t>& sites, const In<std::int32_t>& samples,
            const In<std::int32_t>& kinds, const In<std::int8_t>& copies) {
    const py::ssize_t rows = sites.size();
    if (counts.ndim() != 3 || copies_of.size() != counts.shape(2) || samples.size() != rows || kinds.size() != rows || copies.size() != rows)
        throw std::invalid_argument("columns of unequal length");
    const auto groups = counts.shape(0), all_sites = counts.shape(1), all_kinds = counts.shape(2), people = group_of.size();
    std::int64_t* const out = counts.mutable_data();
    std::int8_t* const copies_out = copies_of.mutable_data();
    const std::int32_t *site = sites.data(), *sample = samples.data(), *kind = kinds.data(), *group = group_of.data();
    const std::int8_t* const own = copies.data();
    const auto is_below = [](std::int32_t number, py::ssize_t end) { return number >= 0 && number < end; };
    py::gil_scoped_release free;
    for (py::ssize_t i = 0; i < rows; ++i) {
        if (!is_below(sample[i], people) || !is_below(site[i], all_sites) || !is_below(kind[i], all_kinds))
            throw std::out_of_range("a row is of no such sample, site or kind");
        copies_out[kind[i]] = own[i];
        const std::int32_t of = group[sample[i]];
        if (is_below(of, groups)) ++out[(of * all_sites + site[i]) * all_kinds + kind[i]];
    }
}

}  // namespace
}  // namespace baselake::vcf

PYBIND11_MODULE(_reader, m) {
    using namespace baselake;
    using namespace baselake::vcf;
    py::register_exception<Fault>(m, "Fault", PyExc_ValueError);
    bind_built_batch(m);
    m.def("add_up", &add_up, py::arg("counts").noconvert(), py::arg("copies_of").noconvert(), py::arg("group_of"), py::kw_only(),
          py::arg("sites"), py::arg("samples"), py::arg("kinds"), py::arg("alt_copies"));
    py::class_<Reader>(m, "Reader")
        .def(py::init<const Declared&, const Declared&, const std::vector<std::pair<std::string, py::array_t<std::uint8_t>>>&,
                      std::vector<std::uint32_t>, std::size_t, std::size_t, bool, std::int64_t, std::size_t,
                      const std::optional<std::pair<std::vector<std::string>, std::vector<std::string>>>&, bool>(),
             py::arg("info"), py::arg("format"), py::arg("contigs"), py::arg("order"), py::arg("block"), py::arg("part_sites"),
             py::arg("has_format"), py::arg("lines_before"), py::arg("part_bytes"), py::arg("bcf"), py::arg("skip_unknown") = false)
        .def("feed", &Reader::feed, py::arg("piece"), py::arg("last"))
        .def_property_readonly("line", &Reader::line)
        .def_property_readonly("genotypes", &Reader::genotypes)
        .def_property_readonly("records", &Reader::records)
        .def_property_readonly("skipped", &Reader::skipped)
        .def_property_readonly("misfits", &Reader::misfits)
        .def_property_readonly("misfit", &Reader::misfit);
}
