// Maps templates with mappy and lays their hits out as flat arrays.
//
// The loop over templates is here, so that of Python only mappy's own call is left in it; that call releases
// the GIL while it searches and aligns.

#include <algorithm>
#include <string>
#include <unordered_map>

#include "lake/arrow_columns.h"

namespace py = pybind11;
using baselake::In;
using baselake::StringView;
using baselake::to_numpy;

namespace {

struct Hits {
    std::vector<std::int32_t> read;     // row of the read in its batch
    std::vector<std::int32_t> contig;   // index in the reference
    std::vector<std::int32_t> start;    // 0-based
    std::vector<std::int32_t> lead;     // bases of the read before the cigar, in the cigar's direction
    std::vector<std::uint8_t> reverse;  // 1: the read is reverse-complemented to match
    std::vector<std::uint8_t> mapq;
    std::vector<std::int64_t> cigar_offsets{0};
    std::vector<std::uint32_t> cigar;  // BAM's encoding: length << 4 | operation
};

// Attribute names of mappy.Alignment, made once a batch.
struct Names {
    py::str is_primary{"is_primary"}, read_num{"read_num"}, ctg{"ctg"}, r_st{"r_st"}, q_st{"q_st"}, q_en{"q_en"},
        strand{"strand"}, mapq{"mapq"}, cigar{"cigar"};
};

// Unaligned bases at an end that are worth a search of their own: bwa mem's least score (-T 30) in matches.
constexpr std::int32_t MIN_SPLIT = 30;

long number(const py::handle& object, const py::str& name) { return py::cast<long>(object.attr(name)); }

// The part of a read that a hit aligns, on the read as it was sequenced.
struct Part {
    std::int32_t first, last;
    std::int32_t overlap(const Part& other) const { return std::min(last, other.last) - std::max(first, other.first); }
};

class Collector {
public:
    Collector(const py::object& map, const py::object& buffer, const StringView& seq,
              std::unordered_map<std::string, std::int32_t> contigs)
        : map_(map), buffer_(buffer), seq_(seq), contigs_(std::move(contigs)) {}

    void add_single(std::int32_t row) {
        parts_.clear();
        for (const py::handle& hit : map_(bases(row), py::none(), py::none(), buffer_)) add(hit, row, false);
    }

    void add_pair(std::int32_t row) {
        const py::object hits = map_(bases(row), bases(row + 1), py::none(), buffer_);
        bool second = false;
        parts_.clear();
        for (const py::handle& hit : hits) {
            if (!second && number(hit, names_.read_num) == 2) {
                add_split(row);
                second = true;
            }
            // mappy maps the reverse complement of a pair's second read and turns back the strand of its hits,
            // but not their place in the read (mm_map_aux of mappy 2.31).
            add(hit, second ? row + 1 : row, second);
        }
        add_split(second ? row + 1 : row);
    }

    Hits hits;

private:
    py::bytes bases(std::int32_t row) const { return {seq_[row].data(), seq_[row].size()}; }

    // Mapping mates together, minimap2 gives one hit a read: the rest of a chimeric read is looked for alone.
    void add_split(std::int32_t row) {
        const auto length = static_cast<std::int32_t>(seq_[row].size());
        const bool split = parts_.size() == 1 &&
                           std::max(parts_[0].first, length - parts_[0].last) >= MIN_SPLIT;
        if (split) {
            const Part whole = parts_[0];
            for (const py::handle& hit : map_(bases(row), py::none(), py::none(), buffer_)) {
                const Part part = part_of(hit, row, false);
                if (2 * whole.overlap(part) < part.last - part.first) add(hit, row, false);
            }
        }
        parts_.clear();
    }

    Part part_of(const py::handle& hit, std::int32_t row, bool turned) const {
        const auto length = static_cast<std::int32_t>(seq_[row].size());
        const auto first = static_cast<std::int32_t>(number(hit, names_.q_st));
        const auto last = static_cast<std::int32_t>(number(hit, names_.q_en));
        return turned ? Part{length - last, length - first} : Part{first, last};
    }

    void add(const py::handle& hit, std::int32_t row, bool turned) {
        if (!py::cast<bool>(hit.attr(names_.is_primary))) return;
        const Part part = part_of(hit, row, turned);
        parts_.push_back(part);
        const bool reverse = number(hit, names_.strand) < 0;
        hits.read.push_back(row);
        hits.contig.push_back(contigs_.at(py::cast<std::string>(hit.attr(names_.ctg))));
        hits.start.push_back(static_cast<std::int32_t>(number(hit, names_.r_st)));
        hits.lead.push_back(reverse ? static_cast<std::int32_t>(seq_[row].size()) - part.last : part.first);
        hits.reverse.push_back(reverse);
        hits.mapq.push_back(static_cast<std::uint8_t>(number(hit, names_.mapq)));
        for (const py::handle& step : py::reinterpret_borrow<py::list>(hit.attr(names_.cigar))) {
            const auto pair = py::reinterpret_borrow<py::list>(step);
            hits.cigar.push_back(py::cast<std::uint32_t>(pair[0]) << 4 | py::cast<std::uint32_t>(pair[1]));
        }
        hits.cigar_offsets.push_back(static_cast<std::int64_t>(hits.cigar.size()));
    }

    const py::object &map_, &buffer_;
    const StringView& seq_;
    std::unordered_map<std::string, std::int32_t> contigs_;
    Names names_;
    std::vector<Part> parts_;  // of the read whose hits are being added
};

py::dict map_templates(const py::object& map, const py::object& buffer, const std::vector<std::string>& contig_names,
                       const In<std::int32_t>& seq_offsets, const In<std::uint8_t>& seq_bytes,
                       const In<std::int32_t>& first_rows) {
    const StringView seq(seq_offsets, seq_bytes);
    std::unordered_map<std::string, std::int32_t> contigs;
    for (std::size_t i = 0; i < contig_names.size(); ++i) contigs.emplace(contig_names[i], i);
    Collector collector(map, buffer, seq, std::move(contigs));
    for (py::ssize_t i = 0; i + 1 < first_rows.size(); ++i) {
        const std::int32_t row = first_rows.at(i);
        if (first_rows.at(i + 1) - row == 2) {
            collector.add_pair(row);
        } else {
            collector.add_single(row);
        }
    }
    Hits& hits = collector.hits;
    py::dict out;
    out["read"] = to_numpy(std::move(hits.read));
    out["contig"] = to_numpy(std::move(hits.contig));
    out["start"] = to_numpy(std::move(hits.start));
    out["lead"] = to_numpy(std::move(hits.lead));
    out["reverse"] = to_numpy(std::move(hits.reverse));
    out["mapq"] = to_numpy(std::move(hits.mapq));
    out["cigar_offsets"] = to_numpy(std::move(hits.cigar_offsets));
    out["cigar"] = to_numpy(std::move(hits.cigar));
    return out;
}

}  // namespace

PYBIND11_MODULE(_mapping, module) {
    module.doc() = "The loop around mappy's call; see compute/align/mapping.py.";
    module.def("map_templates", &map_templates, py::arg("map"), py::arg("buffer"), py::arg("contig_names"),
               py::arg("seq_offsets"), py::arg("seq_bytes"), py::arg("first_rows"));
}
