// Banded alignment for a CPU: flat arrays of queries, targets and pairs in, scores and CIGARs out.
#include "compute/smithwaterman/smithwaterman.h"

#include "lake/arrow_columns.h"

namespace py = pybind11;
using namespace baselake;

namespace {

struct Arrays {
    const In<int32_t>& query_offsets;
    const In<uint8_t>& query_bases;
    const In<int32_t>& target_offsets;
    const In<uint8_t>& target_bases;
    const In<int32_t>&query, &target;
};

std::vector<smithwaterman::Alignment> aligned(const Arrays& a, int32_t slack, const std::array<int32_t, 4>& scores) {
    const smithwaterman::Batch batch{a.query_offsets.data(), a.query_bases.data(), a.target_offsets.data(), a.target_bases.data(), a.query.size(),
                                     a.query.data(), a.target.data(), slack, {scores[0], scores[1], scores[2], scores[3]}};
    py::gil_scoped_release release;
    return smithwaterman::align(batch);
}

py::tuple align(const In<int32_t>& query_offsets, const In<uint8_t>& query_bases, const In<int32_t>& target_offsets,
                const In<uint8_t>& target_bases, const In<int32_t>& query, const In<int32_t>& target, int32_t slack,
                const std::array<int32_t, 4>& scores) {
    std::vector<int32_t> score;
    std::vector<std::string> cigars;
    for (const smithwaterman::Alignment& one : aligned({query_offsets, query_bases, target_offsets, target_bases, query, target}, slack, scores)) {
        score.push_back(one.score);
        cigars.push_back(smithwaterman::cigar(one.ops));
    }
    return py::make_tuple(to_numpy(std::move(score)), cigars);
}

// The same as flat arrays: scores, and operations with where each pair's begin.
py::tuple align_flat(const In<int32_t>& query_offsets, const In<uint8_t>& query_bases, const In<int32_t>& target_offsets,
                     const In<uint8_t>& target_bases, const In<int32_t>& query, const In<int32_t>& target, int32_t slack,
                     const std::array<int32_t, 4>& scores) {
    std::vector<int32_t> score, offsets{0}, ops;
    for (const smithwaterman::Alignment& one : aligned({query_offsets, query_bases, target_offsets, target_bases, query, target}, slack, scores)) {
        score.push_back(one.score);
        for (const smithwaterman::Op& op : one.ops) ops.push_back(smithwaterman::packed(op));
        offsets.push_back(static_cast<int32_t>(ops.size()));
    }
    return py::make_tuple(to_numpy(std::move(score)), to_numpy(std::move(offsets)), to_numpy(std::move(ops)));
}

}  // namespace

PYBIND11_MODULE(_twin, module) {
    const smithwaterman::Scores& s = smithwaterman::HAPLOTYPE_SCORES;
    module.attr("HAPLOTYPE_SCORES") = py::make_tuple(s.match, s.mismatch, s.open, s.extend);
    module.def("align", &align);
    module.def("align_flat", &align_flat);
}
