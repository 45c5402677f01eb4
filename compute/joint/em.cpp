// Frequency of each allele from its samples' genotype likelihoods, by expectation maximization.
//
// With genotypes as Hardy and Weinberg have them, of m_i copies with frequency f, the step is (Li 2011,
// doi:10.1093/bioinformatics/btr509, equation 5)
//     f' = sum_i E[g_i | likelihoods_i, f] / sum_i m_i.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <tuple>

namespace py = pybind11;

namespace baselake::joint {
namespace {

constexpr int kMaxSteps = 100;
constexpr double kEnough = 1e-7;  // of f, between steps
constexpr int kWorst = 3000;      // phred; likelihoods beyond are no less
constexpr double kLeast = 1e-12;  // f of an allele that somebody may have

// Powers of ten by phred, as far as doubles go.
const std::array<double, kWorst + 1>& powers() {
    static const auto table = [] {
        std::array<double, kWorst + 1> made{};
        for (int phred = 0; phred <= kWorst; ++phred) made[static_cast<std::size_t>(phred)] = std::pow(10.0, -phred / 10.0);
        return made;
    }();
    return table;
}

double weight(std::int32_t phred) {
    return powers()[static_cast<std::size_t>(phred < 0 ? 0 : phred > kWorst ? kWorst : phred)];
}

struct Sums {
    double copies = 0;  // expected
    double ratio = 0;   // logarithm of the likelihood beside that of no copy
};

// rows: phred of 0, 1 and 2 copies; 2 is negative where there is one copy of the site.
Sums step(const std::int32_t* rows, std::int64_t n, double f, bool with_ratio) {
    Sums sums;
    const double none = 1 - f;
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int32_t* row = rows + 3 * i;
        if (row[0] == row[1] && (row[2] < 0 || row[1] == row[2])) continue;
        const double l0 = weight(row[0]), l1 = weight(row[1]);
        double all, copies;
        if (row[2] < 0) {
            copies = f * l1;
            all = none * l0 + copies;
        } else {
            const double one = 2 * f * none * l1, two = f * f * weight(row[2]);
            all = none * none * l0 + one + two;
            copies = one + 2 * two;
        }
        if (all > 0) sums.copies += copies / all;
        if (with_ratio) sums.ratio += std::log(all > 0 ? all : 1e-300) - std::log(l0 > 0 ? l0 : 1e-300);
    }
    return sums;
}

// offsets int64 [alleles + 1]: rows of each allele; likelihoods int32 [rows, 3]; others double [alleles]: copies of the
// site beside those rows, expected double [alleles]: of these, copies of the allele. Returns, of the rows alone, expected
// copies, logarithms of ratios, copies of the site.
std::tuple<py::array_t<double>, py::array_t<double>, py::array_t<double>> frequencies(
    const py::array_t<std::int64_t, py::array::c_style>& offsets, const py::array_t<std::int32_t, py::array::c_style>& likelihoods,
    const py::array_t<double, py::array::c_style>& others, const py::array_t<double, py::array::c_style>& expected) {
    const py::ssize_t n = others.size();
    if (offsets.size() != n + 1 || expected.size() != n || likelihoods.ndim() != 2 || likelihoods.shape(1) != 3)
        throw py::value_error("arrays of unequal length");
    py::array_t<double> copies(n), ratios(n), sites(n);
    const auto* bounds = offsets.data();
    if (bounds[0] < 0 || bounds[n] > likelihoods.shape(0)) throw py::value_error("offsets are beyond the rows");
    for (py::ssize_t i = 0; i < n; ++i)
        if (bounds[i] > bounds[i + 1]) throw py::value_error("offsets do not ascend");
    const auto* rows = likelihoods.data();
    const auto *beside = others.data(), *before = expected.data();
    auto *out_copies = copies.mutable_data(), *out_ratios = ratios.mutable_data(), *out_sites = sites.mutable_data();
    {
        py::gil_scoped_release free;
        for (py::ssize_t i = 0; i < n; ++i) {
            const std::int32_t* mine = rows + 3 * bounds[i];
            const std::int64_t count = bounds[i + 1] - bounds[i];
            double total = 0, best = 0;
            for (std::int64_t k = 0; k < count; ++k) {
                const std::int32_t* row = mine + 3 * k;
                const bool haploid = row[2] < 0;
                // All alike: nothing is known, and nothing is counted.
                if (row[0] == row[1] && (haploid || row[1] == row[2])) continue;
                total += haploid ? 1 : 2;
                best += haploid ? row[1] < row[0] : row[2] < row[1] && row[2] < row[0] ? 2 : row[1] < row[0];
            }
            const double alleles = total + beside[i];
            double f = alleles > 0 ? (best + before[i] + 0.5) / (alleles + 1) : 0;
            for (int turn = 0; turn < kMaxSteps && alleles > 0; ++turn) {
                double next = (step(mine, count, f, false).copies + before[i]) / alleles;
                next = std::min(std::max(next, kLeast), 1 - kLeast);
                const double moved = std::abs(next - f);
                f = next;
                if (moved < kEnough) break;
            }
            const Sums last = step(mine, count, f, true);
            out_copies[i] = last.copies;
            out_ratios[i] = last.ratio;
            out_sites[i] = total;
        }
    }
    return {copies, ratios, sites};
}

}  // namespace
}  // namespace baselake::joint

PYBIND11_MODULE(_em, m) {
    m.def("frequencies", &baselake::joint::frequencies, py::arg("offsets"), py::arg("likelihoods"), py::arg("others"),
          py::arg("expected"));
}
