// Banded alignment for a CPU: flat arrays of queries, targets and pairs in, scores and CIGARs out.
#include "compute/smithwaterman/smithwaterman.h"

#include "lake/arrow_columns.h"

namespace py = pybind11;
using namespace baselake;

namespace {

py::tuple align(const In<int32_t>& query_offsets, const In<uint8_t>& query_bases, const In<int32_t>& target_offsets,
                const In<uint8_t>& target_bases, const In<int32_t>& query, const In<int32_t>& target, int32_t slack,
                const std::array<int32_t, 4>& scores) {
    std::vector<smithwaterman::Alignment> found;
    {
        py::gil_scoped_release release;
        found = smithwaterman::align({query_offsets.data(), query_bases.data(), target_offsets.data(), target_bases.data(),
                                      query.size(), query.data(), target.data(), slack, {scores[0], scores[1], scores[2], scores[3]}});
    }
    std::vector<int32_t> score;
    std::vector<std::string> cigars;
    for (const smithwaterman::Alignment& one : found) {
        score.push_back(one.score);
        cigars.push_back(smithwaterman::cigar(one.ops));
    }
    return py::make_tuple(to_numpy(std::move(score)), cigars);
}

}  // namespace

PYBIND11_MODULE(_twin, module) {
    const smithwaterman::Scores& s = smithwaterman::HAPLOTYPE_SCORES;
    module.attr("HAPLOTYPE_SCORES") = py::make_tuple(s.match, s.mismatch, s.open, s.extend);
    module.def("align", &align);
}
