// Consequences of the alleles of one contig for its transcripts, as columns.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "compute/annotate/consequence.h"
#include "lake/arrow_build.h"
#include "lake/arrow_columns.h"

namespace py = pybind11;

namespace baselake::annotate {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

class Annotator {
  public:
    // Transcripts come by their start; exons ascend, those of transcript i are [offsets[i], offsets[i + 1]).
    Annotator(Array<std::uint8_t> bases, bool mitochondrial, const Array<std::int8_t>& forward, const Array<std::int64_t>& offsets,
              const Array<std::int32_t>& exon_starts, const Array<std::int32_t>& exon_ends, const Array<std::int32_t>& cds_starts,
              const Array<std::int32_t>& cds_ends, const Array<std::int8_t>& phases, const Array<std::int8_t>& whole_starts,
              const Array<std::int8_t>& whole_ends)
        : bases_(std::move(bases)) {
        const std::string_view contig(reinterpret_cast<const char*>(bases_.data()), static_cast<std::size_t>(bases_.size()));
        for (py::ssize_t i = 0; i < forward.size(); ++i) {
            Transcript t;
            t.forward = forward.at(i) != 0;
            t.coding = cds_starts.at(i) >= 0;
            t.phase = phases.at(i);
            t.whole_start = whole_starts.at(i) != 0;
            t.whole_end = whole_ends.at(i) != 0;
            t.code = mitochondrial ? kMitochondrial : kStandard;
            t.contig = contig;
            for (std::int64_t e = offsets.at(i); e < offsets.at(i + 1); ++e) {
                const std::int64_t start = exon_starts.at(e), end = exon_ends.at(e);
                if (start < 0 || end > static_cast<std::int64_t>(contig.size()) || start >= end) throw std::invalid_argument("an exon beyond the contig");
                t.exons.push_back(t.forward ? Exon{start, end, 0} : Exon{-end, -start, 0});
            }
            if (t.exons.empty()) throw std::invalid_argument("a transcript without exons");
            if (!t.forward) std::reverse(t.exons.begin(), t.exons.end());
            spans_.push_back(t.forward ? Span{t.start(), t.end()} : Span{-t.end(), -t.start()});
            std::int64_t offset = 0;
            for (Exon& exon : t.exons) {
                exon.offset = offset;
                offset += exon.end - exon.start;
            }
            if (t.coding) {
                const std::int64_t start = cds_starts.at(i), end = cds_ends.at(i);
                t.cds_start = t.forward ? start : -end;
                t.cds_end = t.forward ? end : -start;
            }
            transcripts_.push_back(std::move(t));
        }
    }

    // Alleles in the order of their starts.
    BuiltBatch annotate(const Array<std::int32_t>& starts, const Array<std::int32_t>& ref_offsets, const Array<std::uint8_t>& ref_bytes,
                        const Array<std::int32_t>& alt_offsets, const Array<std::uint8_t>& alt_bytes) {
        Output out;
        {
            py::gil_scoped_release free;
            const auto text = [](const Array<std::int32_t>& offsets, const Array<std::uint8_t>& bytes, std::int64_t i) {
                const std::int32_t* at = offsets.data() + i;
                return std::string_view(reinterpret_cast<const char*>(bytes.data()) + at[0], static_cast<std::size_t>(at[1] - at[0]));
            };
            for (std::int64_t i = 0; i < starts.size(); ++i)
                one(i, starts.data()[i], text(ref_offsets, ref_bytes, i), text(alt_offsets, alt_bytes, i), out);
        }
        return BuiltBatch(std::move(out.columns));
    }

  private:
    struct Span {
        std::int64_t start, end;
    };

    struct Output {
        std::vector<Column> columns;
        Output() {
            columns.emplace_back("variant", "i");
            columns.emplace_back("transcript", "i");
            columns.push_back(list_column("terms", "u"));
            columns.push_back(text_column("impact"));
            columns.emplace_back("distance", "i");
            for (const char* name : {"exon", "intron", "hgvs_c", "hgvs_p"}) columns.push_back(text_column(name));
            columns.emplace_back("cds_position", "i");
            columns.emplace_back("protein_position", "i");
            for (const char* name : {"codons", "amino_acids"}) columns.push_back(text_column(name));
            columns.emplace_back("lof", "c");
            columns.push_back(list_column("lof_doubts", "u"));
        }
        void add(std::int64_t variant, std::int64_t transcript, const Consequence& found) {
            columns[0].add(static_cast<std::int32_t>(variant));
            if (transcript < 0)
                columns[1].add_null();
            else
                columns[1].add(static_cast<std::int32_t>(transcript));
            found.terms.each([&](const TermEntry& term) { columns[2].children[0]->add_text(term.name); });
            columns[2].close_list(true);
            columns[3].add_text(found.terms.impact());
            positive(columns[4], found.distance);
            text(columns[5], found.exon);
            text(columns[6], found.intron);
            text(columns[7], found.coding_name);
            text(columns[8], found.protein_name);
            positive(columns[9], found.cds_position);
            positive(columns[10], found.protein_position);
            text(columns[11], found.codons);
            text(columns[12], found.amino_acids);
            columns[13].add(static_cast<std::int8_t>(found.loss));
            for (const std::string& doubt : found.doubts) columns[14].children[0]->add_text(doubt);
            columns[14].close_list(!found.doubts.empty());
        }
        static void positive(Column& column, std::int64_t value) {
            if (value > 0)
                column.add(static_cast<std::int32_t>(value));
            else
                column.add_null();
        }
        static void text(Column& column, const std::string& value) {
            if (value.empty())
                column.add_null();
            else
                column.add_text(value);
        }
    };

    void one(std::int64_t variant, std::int64_t start, std::string_view ref, std::string_view alt, Output& out) {
        if (start < last_start_) throw std::invalid_argument("alleles are not sorted");
        last_start_ = start;
        if (alt.empty() || alt.find_first_not_of("ACGTN") != std::string_view::npos) {
            Consequence unknown;
            unknown.terms.add(Term::sequence);
            out.add(variant, -1, unknown);
            return;
        }
        const std::int64_t end = start + static_cast<std::int64_t>(ref.size());
        while (next_ < spans_.size() && spans_[next_].start - kNear - 1 < end) active_.push_back(next_++);
        std::erase_if(active_, [&](std::size_t each) { return spans_[each].end + kNear + 1 < start; });
        bool any = false;
        for (const std::size_t each : active_) {
            Transcript& transcript = transcripts_[each];
            const Change change = change_of(start, ref, alt, transcript.forward);
            if (const auto found = Evaluation(transcript, change).run()) {
                out.add(variant, static_cast<std::int64_t>(each), *found);
                any = true;
            }
        }
        if (!any) {
            Consequence nothing;
            nothing.terms.add(Term::intergenic);
            out.add(variant, -1, nothing);
        }
    }

    Array<std::uint8_t> bases_;
    std::vector<Transcript> transcripts_;
    std::vector<Span> spans_;
    std::vector<std::size_t> active_;
    std::size_t next_ = 0;
    std::int64_t last_start_ = -1;
};

}  // namespace
}  // namespace baselake::annotate

PYBIND11_MODULE(_consequences, m) {
    using namespace baselake;
    using namespace baselake::annotate;
    bind_built_batch(m);
    py::class_<Annotator>(m, "Annotator")
        .def(py::init<Array<std::uint8_t>, bool, const Array<std::int8_t>&, const Array<std::int64_t>&, const Array<std::int32_t>&,
                      const Array<std::int32_t>&, const Array<std::int32_t>&, const Array<std::int32_t>&, const Array<std::int8_t>&,
                      const Array<std::int8_t>&, const Array<std::int8_t>&>(),
             py::arg("bases"), py::arg("mitochondrial"), py::arg("forward"), py::arg("offsets"), py::arg("exon_starts"),
             py::arg("exon_ends"), py::arg("cds_starts"), py::arg("cds_ends"), py::arg("phases"), py::arg("whole_starts"),
             py::arg("whole_ends"))
        .def("annotate", &Annotator::annotate, py::arg("starts"), py::arg("ref_offsets"), py::arg("ref_bytes"),
             py::arg("alt_offsets"), py::arg("alt_bytes"));
}
