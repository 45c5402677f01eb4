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

// The edges that reads alone give a graph, as the kernel of a GPU gives them: the upper and lower word of a (k + 1)-mer of
// two bits a base, and how many reads have it.
py::tuple edges(int k, const In<int32_t>& offsets, const In<uint8_t>& bases, const In<uint8_t>& quality, int min_quality) {
    assembly::Graph graph(k);
    const assembly::Segments reads{offsets.size() - 1, offsets.data(), bases.data(), quality.data()};
    for (int64_t i = 0; i < reads.count; ++i) graph.add_read(reads[i], reads.quality + reads.offsets[i], min_quality);
    std::vector<uint64_t> high, low;
    std::vector<int32_t> count;
    for (const assembly::Edge& edge : graph.edges) {
        assembly::Kmer key = 0;
        for (const char base : graph.kmer(edge.from)) key = key << 2 | static_cast<assembly::Kmer>(assembly::base_number(base));
        key = key << 2 | graph.nodes[static_cast<size_t>(edge.to)].base;
        high.push_back(static_cast<uint64_t>(key >> 64));
        low.push_back(static_cast<uint64_t>(key));
        count.push_back(edge.count);
    }
    return py::make_tuple(to_numpy(std::move(high)), to_numpy(std::move(low)), to_numpy(std::move(count)));
}

}  // namespace

PYBIND11_MODULE(_twin, module) {
    module.def("assemble", &assemble);
    module.def("edges", &edges);
}
