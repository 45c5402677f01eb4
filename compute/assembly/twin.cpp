// Local assembly for a CPU: a reference and flat arrays of reads in, haplotypes out.
#include "compute/assembly/assembly.h"

#include "lake/arrow_columns.h"

namespace py = pybind11;
using namespace baselake;

namespace {

py::tuple assemble(const std::string& reference, const In<int32_t>& offsets, const In<uint8_t>& bases, const In<uint8_t>& quality,
                   int min_quality, int min_count, int max_haplotypes, int64_t max_bases) {
    std::vector<assembly::Assembled> found;
    {
        py::gil_scoped_release release;
        found = assembly::assemble(reference, {offsets.size() - 1, offsets.data(), bases.data(), quality.data()},
                                   {min_quality, min_count, max_haplotypes, max_bases});
    }
    std::vector<std::string> haplotypes;
    std::vector<double> costs;
    for (assembly::Assembled& one : found) {
        haplotypes.push_back(std::move(one.bases));
        costs.push_back(one.cost);
    }
    return py::make_tuple(haplotypes, costs);
}

}  // namespace

PYBIND11_MODULE(_twin, module) { module.def("assemble", &assemble); }
