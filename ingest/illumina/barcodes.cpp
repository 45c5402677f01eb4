// Observed index sequences to samples: Hamming distance to each expected index, some cycles of which may be open; and
// which expected indexes are too much alike for that.
//
// The rule stands in ingest/illumina/lane_plan.py. An index is held as bit planes, one bit for a cycle, so that a
// distance is a few logical operations and a count of bits however long the index is.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace py = pybind11;

namespace {

using Letters = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;
using Allowed = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>;

constexpr py::ssize_t MAX_CYCLES = 64;

// A, C, G, T differ in bits 1 and 2 of their ASCII codes; any other letter is neither of them.
struct Planes {
    std::uint64_t first = 0, second = 0;
    std::uint64_t known = 0;  // the cycles that have a base
    bool operator==(const Planes&) const = default;
};

bool is_base(std::uint8_t letter) { return letter == 'A' || letter == 'C' || letter == 'G' || letter == 'T'; }

Planes planes(const std::uint8_t* letters, py::ssize_t cycles) {
    Planes result;
    for (py::ssize_t i = 0; i < cycles; ++i) {
        if (!is_base(letters[i])) continue;
        const std::uint64_t bit = std::uint64_t{1} << i;
        result.known |= bit;
        if (letters[i] & 2) result.first |= bit;
        if (letters[i] & 4) result.second |= bit;
    }
    return result;
}

// The used cycles of an expected index in which an observed one has another base, or none.
int distance(const Planes& expected, const Planes& observed) {
    const std::uint64_t differ =
        (expected.first ^ observed.first) | (expected.second ^ observed.second) | ~observed.known;
    return std::popcount(differ & expected.known);
}

struct Pair {
    Planes index1, index2;
    bool operator==(const Pair&) const = default;
};

struct PairHash {
    std::size_t operator()(const Pair& pair) const {
        std::uint64_t hash = 0;
        for (std::uint64_t part : {pair.index1.first, pair.index1.second, pair.index2.first, pair.index2.second}) {
            hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
            hash ^= hash >> 32;
        }
        return hash;
    }
};

void check(const Letters& index1, const Letters& index2) {
    if (index1.ndim() != 2 || index2.ndim() != 2 || index1.shape(0) != index2.shape(0))
        throw std::invalid_argument("two arrays of as many indexes");
    if (index1.shape(1) > MAX_CYCLES || index2.shape(1) > MAX_CYCLES)
        throw std::invalid_argument("an index of more than 64 cycles");
}

std::tuple<py::array_t<std::int32_t>, py::array_t<std::int8_t>, py::array_t<std::int8_t>> match(
    const Letters& expected1, const Letters& expected2, const Allowed& allowed1, const Allowed& allowed2,
    const Letters& index1, const Letters& index2) {
    check(expected1, expected2);
    check(index1, index2);
    const py::ssize_t entries = expected1.shape(0), keys = index1.shape(0);
    const py::ssize_t cycles1 = index1.shape(1), cycles2 = index2.shape(1);
    if (expected1.shape(1) != cycles1 || expected2.shape(1) != cycles2)
        throw std::invalid_argument("expected and observed indexes of different lengths");
    if (allowed1.ndim() != 1 || allowed2.ndim() != 1 || allowed1.shape(0) != entries || allowed2.shape(0) != entries)
        throw std::invalid_argument("mismatches allowed for each expected index");
    py::array_t<std::int32_t> entry(keys);
    py::array_t<std::int8_t> mismatches1(keys), mismatches2(keys);
    const std::uint8_t *e1 = expected1.data(), *e2 = expected2.data(), *o1 = index1.data(), *o2 = index2.data();
    const std::int32_t *m1 = allowed1.data(), *m2 = allowed2.data();
    std::int32_t* to = entry.mutable_data();
    std::int8_t *to1 = mismatches1.mutable_data(), *to2 = mismatches2.mutable_data();
    py::gil_scoped_release released;

    std::vector<Pair> expected(static_cast<std::size_t>(entries));
    // Most clusters of a good run have an index without mismatches, which a table finds at once. One that leaves
    // cycles open cannot be looked up so.
    std::unordered_map<Pair, std::int32_t, PairHash> exact;
    const auto full = [](py::ssize_t cycles) { return cycles == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << cycles) - 1; };
    bool all_closed = true;
    for (py::ssize_t i = 0; i < entries; ++i) {
        expected[i] = {planes(e1 + i * cycles1, cycles1), planes(e2 + i * cycles2, cycles2)};
        exact.try_emplace(expected[i], static_cast<std::int32_t>(i));
        all_closed &= expected[i].index1.known == full(cycles1) && expected[i].index2.known == full(cycles2);
    }
    for (py::ssize_t k = 0; k < keys; ++k) {
        const Pair observed{planes(o1 + k * cycles1, cycles1), planes(o2 + k * cycles2, cycles2)};
        std::int32_t best = -1;
        int best1 = -1, best2 = -1;
        const auto found = all_closed ? exact.find(observed) : exact.end();
        if (found != exact.end()) {
            best = found->second;
            best1 = best2 = 0;
        } else {
            for (py::ssize_t i = 0; i < entries; ++i) {
                const int in1 = distance(expected[i].index1, observed.index1);
                if (in1 > m1[i]) continue;
                const int in2 = distance(expected[i].index2, observed.index2);
                if (in2 > m2[i] || (best >= 0 && in1 + in2 >= best1 + best2)) continue;
                best = static_cast<std::int32_t>(i);
                best1 = in1;
                best2 = in2;
                if (in1 + in2 == 0) break;
            }
        }
        to[k] = best;
        to1[k] = static_cast<std::int8_t>(best1);
        to2[k] = static_cast<std::int8_t>(best2);
    }
    return {entry, mismatches1, mismatches2};
}

// The first two entries that one observed index could belong to: (-1, -1) where there are none.
std::tuple<py::ssize_t, py::ssize_t> collision(const Letters& expected1, const Letters& expected2,
                                               const Allowed& allowed1, const Allowed& allowed2, bool independent) {
    check(expected1, expected2);
    const py::ssize_t entries = expected1.shape(0);
    const py::ssize_t cycles1 = expected1.shape(1), cycles2 = expected2.shape(1);
    if (allowed1.ndim() != 1 || allowed2.ndim() != 1 || allowed1.shape(0) != entries || allowed2.shape(0) != entries)
        throw std::invalid_argument("mismatches allowed for each expected index");
    const std::uint8_t *e1 = expected1.data(), *e2 = expected2.data();
    const std::int32_t *m1 = allowed1.data(), *m2 = allowed2.data();
    py::gil_scoped_release released;

    std::vector<Planes> index1, index2;
    for (py::ssize_t i = 0; i < entries; ++i) {
        index1.push_back(planes(e1 + i * cycles1, cycles1));
        index2.push_back(planes(e2 + i * cycles2, cycles2));
    }
    const auto close = [independent](const Planes& one, const Planes& other, std::int32_t allowed) {
        const std::uint64_t both = one.known & other.known;
        // An index that only one of them has tells nothing, and is not asked to.
        if (independent && both == 0) return false;
        return std::popcount(((one.first ^ other.first) | (one.second ^ other.second)) & both) <= allowed;
    };
    for (py::ssize_t i = 0; i < entries; ++i) {
        for (py::ssize_t j = i + 1; j < entries; ++j) {
            const bool in1 = close(index1[i], index1[j], m1[i] + m1[j]);
            if (!in1 && !independent) continue;
            const bool in2 = close(index2[i], index2[j], m2[i] + m2[j]);
            if (independent ? in1 || in2 : in1 && in2) return {i, j};
        }
    }
    return {-1, -1};
}

}  // namespace

PYBIND11_MODULE(_barcodes, module) {
    module.doc() = "Observed index sequences to samples; see ingest/illumina/barcodes.py.";
    module.attr("MAX_CYCLES") = MAX_CYCLES;
    module.def("collision", &collision, py::arg("expected1"), py::arg("expected2"), py::arg("allowed1"),
               py::arg("allowed2"), py::arg("independent"));
    module.def("match", &match, py::arg("expected1"), py::arg("expected2"), py::arg("allowed1"), py::arg("allowed2"),
               py::arg("index1"), py::arg("index2"));
}
