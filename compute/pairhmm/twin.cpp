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

// Costs from sums that a device gives, and which of them its precision cannot tell (these have the greatest cost).
template <typename Real> py::tuple costs_of(const In<double>& sums) {
    std::vector<float> out;
    std::vector<int64_t> weak;
    for (py::ssize_t i = 0; i < sums.size(); ++i) {
        const bool tells = sums.at(i) >= Range<Real>::LEAST;
        if (!tells) weak.push_back(i);
        out.push_back(tells ? cost_of<Real>(sums.at(i)) : static_cast<float>(MAX_COST));
    }
    return py::make_tuple(to_numpy(std::move(out)), to_numpy(std::move(weak)));
}

}  // namespace

PYBIND11_MODULE(_twin, module) {
    module.def("costs_of_float", &costs_of<float>);
    module.def("costs_of_double", &costs_of<double>);
    module.def("error_rates", [] { return to_numpy(std::vector<double>(error_rates().begin(), error_rates().end())); });
    module.def("costs", &costs);
    module.def("gap_open_qualities", [](const std::string& bases) { return to_numpy(gap_open_qualities(bases)); });
    module.def("pcr_gap_open_qualities", [](const std::string& bases) { return to_numpy(pcr_gap_open_qualities(bases)); });
}
