// The PairHMM for a CPU: flat arrays of reads, haplotypes and pairs in, costs out.
#include "lake/arrow_columns.h"
#include "compute/pairhmm/gaps.h"

namespace py = pybind11;
using namespace baselake;
using namespace baselake::pairhmm;

namespace {

py::array_t<float> costs(const In<int32_t>& read_offsets, const In<uint8_t>& read_bases, const In<uint8_t>& base_quality,
                         const In<int32_t>& haplotype_offsets, const In<uint8_t>& haplotype_bases,
                         const In<uint8_t>& insertion_quality, const In<uint8_t>& deletion_quality, const In<int32_t>& read,
                         const In<int32_t>& haplotype, const In<int32_t>& diagonal, int32_t left, int32_t right) {
    std::vector<float> out(static_cast<size_t>(read.size()));
    const Batch batch{read_offsets.data(), read_bases.data(), base_quality.data(), haplotype_offsets.data(), haplotype_bases.data(),
                      insertion_quality.data(), deletion_quality.data(), read.size(), read.data(), haplotype.data(), diagonal.data(),
                      left, right, out.data()};
    {
        py::gil_scoped_release release;
        forward(batch);
    }
    return to_numpy(std::move(out));
}

}  // namespace

PYBIND11_MODULE(_twin, module) {
    module.def("costs", &costs);
    module.def("gap_open_qualities", [](const std::string& bases) { return to_numpy(gap_open_qualities(bases)); });
    module.def("pcr_gap_open_qualities", [](const std::string& bases) { return to_numpy(pcr_gap_open_qualities(bases)); });
}
