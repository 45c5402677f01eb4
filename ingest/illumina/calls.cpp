// Base calls of a tile: one cycle to a file on the instrument, one row to a cluster here.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/illumina/call_blocks.h"
#include "ingest/illumina/call_groups.h"
#include "ingest/illumina/call_matrix.h"
#include "ingest/illumina/call_text.h"

namespace py = pybind11;
using namespace baselake::illumina;

namespace {

using Order = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;
using Positions = py::array_t<int32_t, py::array::c_style | py::array::forcecast>;
using Bytes = py::array_t<uint8_t>;
using Codes = py::array_t<int32_t, py::array::c_style>;
using Flags = py::array_t<bool, py::array::c_style>;
using CycleRange = std::pair<size_t, size_t>;

const uint8_t* bytes_of(const py::buffer_info& view, size_t least, const char* what) {
  if (view.ndim != 1 || view.itemsize != 1 || view.strides[0] != 1 || static_cast<size_t>(view.size) < least)
    throw std::invalid_argument(std::string(what) + " has not the length it must have");
  return static_cast<const uint8_t*>(view.ptr);
}

Vector table_of(const std::string& text) {
  if (text.size() != kLanes) throw std::invalid_argument("a table has 16 entries");
  return load(reinterpret_cast<const uint8_t*>(text.data()));
}

// A NumPy array that is the first `size` bytes of a larger one: vector loops write past the end.
Bytes trimmed(const Bytes& whole, size_t size) {
  return Bytes({static_cast<py::ssize_t>(size)}, {py::ssize_t{1}}, whole.data(), whole);
}

// NumPy takes the memory without a copy.
Bytes handed_over(std::vector<char>&& text) {
  auto owned = std::make_unique<std::vector<char>>(std::move(text));
  std::vector<char>* const kept = owned.release();
  const py::capsule owner(kept, [](void* pointer) { delete static_cast<std::vector<char>*>(pointer); });
  return Bytes({static_cast<py::ssize_t>(kept->size())}, {py::ssize_t{1}},
               reinterpret_cast<const uint8_t*>(kept->data()), owner);
}

// Clusters are unpacked, selected and mapped so many at a time: a multiple of 8, and they stay in the cache.
constexpr size_t kPiece = 8192;

// Calls whose flag is set, or all of them, each through `table`, which holds only what calls below its size become.
// `unpacked(begin, count)` gives the calls of some clusters, each in a byte. Returns them with the anomalies among them.
template <typename Unpacked>
std::pair<Bytes, uint64_t> select(const Unpacked& unpacked, const uint8_t* flags, size_t count, size_t wanted,
                                  Vector table, uint8_t table_size) {
  // A piece may be written whole before it is known that it is too much.
  Bytes out(static_cast<py::ssize_t>(wanted + kPiece + kSlack));
  uint8_t* const kept = out.mutable_data();
  Counter anomalies;
  {
    const py::gil_scoped_release release;
    size_t selected = 0;
    for (size_t begin = 0; begin < count; begin += kPiece) {
      const size_t some = std::min(kPiece, count - begin);
      const uint8_t* const calls = unpacked(begin, some);
      if (flags == nullptr) {
        std::memcpy(kept + selected, calls, some);
        selected += some;
      } else {
        selected += compact(calls, some, flags + begin / 8, kept + selected, some);
      }
      if (selected > wanted) break;
    }
    if (selected != wanted) throw std::invalid_argument("the flags do not choose that many clusters");
    std::memset(kept + wanted, 0, kSlack);
    for (size_t i = 0; i < wanted; i += kLanes) {
      const Vector bytes = load(kept + i);
      anomalies.add(is_anomaly(bytes));
      const Vector mapped = reinterpret_cast<Vector>(bytes < table_size);
      store(kept + i, (bytes & ~mapped) | (__builtin_shuffle(table, bytes & 15) & mapped));
    }
  }
  return {trimmed(out, wanted), anomalies.total()};
}

std::pair<Bytes, uint64_t> select_bytes(const py::buffer& plane, size_t clusters, const std::optional<py::buffer>& flags,
                                        size_t wanted, const std::string& table) {
  const py::buffer_info view = plane.request(), chosen = flags ? flags->request() : py::buffer_info();
  const uint8_t* const from = bytes_of(view, clusters, "the plane");
  const uint8_t* const bits = flags ? bytes_of(chosen, (clusters + 7) / 8, "the flags") : nullptr;
  if (bits == nullptr && wanted != clusters) throw std::invalid_argument("all clusters are wanted, or flags needed");
  return select([&](size_t begin, size_t) { return from + begin; }, bits, clusters, wanted, table_of(table), 4);
}

std::pair<Bytes, uint64_t> select_nibbles(const py::buffer& plane, size_t clusters, const py::buffer& flags,
                                          size_t wanted, const std::string& table) {
  const py::buffer_info view = plane.request(), chosen = flags.request();
  const uint8_t* const from = bytes_of(view, (clusters + 1) / 2, "the plane");
  std::array<uint8_t, kPiece> calls;
  const auto unpacked = [&](size_t begin, size_t count) {
    for (size_t i = 0; i < count; i += 2) {
      calls[i] = from[(begin + i) / 2] & 15;
      calls[i + 1] = from[(begin + i) / 2] >> 4;
    }
    return static_cast<const uint8_t*>(calls.data());
  };
  return select(unpacked, bytes_of(chosen, (clusters + 7) / 8, "the flags"), clusters, wanted, table_of(table), 16);
}

class Calls {
 public:
  Calls(size_t rows, size_t cycles) : matrix_(std::make_shared<Matrix>(rows, cycles)) {
    if (rows > static_cast<size_t>(std::numeric_limits<int32_t>::max()) || cycles > 10'000)
      throw std::invalid_argument("a tile of that size is not sequenced by any instrument");
  }

  size_t rows() const { return matrix_->rows(); }
  size_t cycles() const { return matrix_->cycles(); }

  uint64_t add(size_t first, const std::vector<py::buffer>& planes,
               const std::vector<std::optional<py::bytes>>& tables) {
    if (tables.size() != planes.size()) throw std::invalid_argument("as many tables as planes are needed");
    const size_t end = first + planes.size();
    if (end > cycles() || first % kLanes != 0 || (planes.size() % kLanes != 0 && end != cycles()))
      throw std::invalid_argument("cycles are added in groups of 16, or to the end");
    std::vector<py::buffer_info> views;
    std::vector<Plane> given;
    for (size_t i = 0; i < planes.size(); ++i) {
      views.push_back(planes[i].request());
      const bool packed = tables[i].has_value();
      const uint8_t* const data = bytes_of(views.back(), packed ? (rows() + 1) / 2 : rows(), "a plane");
      given.push_back({data, packed, packed ? table_of(*tables[i]) : Vector{}});
    }
    const py::gil_scoped_release release;
    return matrix_->add(first, given);
  }

  Bytes array() const {
    const auto* const kept = new std::shared_ptr<Matrix>(matrix_);
    const py::capsule owner(kept, [](void* pointer) { delete static_cast<std::shared_ptr<Matrix>*>(pointer); });
    Bytes out({static_cast<py::ssize_t>(rows()), static_cast<py::ssize_t>(cycles())},
              {static_cast<py::ssize_t>(matrix_->stride()), py::ssize_t{1}}, matrix_->row(0), owner);
    out.attr("setflags")(py::arg("write") = false);
    return out;
  }

  std::pair<Bytes, Bytes> emit(const Order& order, const std::vector<CycleRange>& given) const {
    const std::span<const int64_t> chosen = rows_of(order);
    std::vector<Range> ranges;
    size_t length = 0;
    for (const CycleRange& range : given) {
      ranges.push_back(range_of(range));
      length += range.second;
    }
    const size_t size = length * chosen.size();
    Bytes bases(static_cast<py::ssize_t>(size + kSlack)), quals(static_cast<py::ssize_t>(size + kSlack));
    uint8_t *const bases_out = bases.mutable_data(), *const quals_out = quals.mutable_data();
    {
      const py::gil_scoped_release release;
      baselake::illumina::emit(*matrix_, chosen, ranges, bases_out, quals_out);
    }
    return {trimmed(bases, size), trimmed(quals, size)};
  }

  py::tuple group(const CycleRange& first, const CycleRange& second) const {
    check_complete();
    Groups groups(range_of(first), range_of(second));
    py::array_t<int32_t> code(static_cast<py::ssize_t>(rows()));
    int32_t* const out = code.mutable_data();
    {
      const py::gil_scoped_release release;
      groups.add(*matrix_, out);
    }
    const auto keys = [&](size_t index) {
      Bytes array({static_cast<py::ssize_t>(groups.count()), static_cast<py::ssize_t>(groups.range(index).length)});
      groups.keys(index, array.mutable_data());
      return array;
    };
    return py::make_tuple(code, keys(0), keys(1));
  }

  // Of every code: bases of at least Q30, and the sum of qualities.
  std::pair<py::array_t<int64_t>, py::array_t<int64_t>> quality(const CycleRange& range, const Codes& code, size_t count,
                                                                const Flags& chosen) const {
    check_complete();
    const Range cycles = range_of(range);
    const int32_t* const codes = code.data();
    if (static_cast<size_t>(code.size()) != rows() || static_cast<size_t>(chosen.size()) != rows() ||
        std::any_of(codes, codes + rows(), [&](int32_t one) { return one < 0 || static_cast<size_t>(one) >= count; }))
      throw std::invalid_argument("a code below the count, and a flag, of every row are needed");
    const auto size = static_cast<py::ssize_t>(count);
    py::array_t<int64_t> q30(size), sum(size);
    int64_t *const q30_out = std::fill_n(q30.mutable_data(), size, 0) - size;
    int64_t *const sum_out = std::fill_n(sum.mutable_data(), size, 0) - size;
    const auto* const flags = reinterpret_cast<const uint8_t*>(chosen.data());
    {
      const py::gil_scoped_release release;
      add_quality(*matrix_, cycles, codes, flags, q30_out, sum_out);
    }
    return {q30, sum};
  }

  std::vector<std::pair<py::bytes, py::bytes>> code(const Order& order, const std::vector<CycleRange>& given, size_t step,
                                                    const std::string& table) const {
    const std::span<const int64_t> chosen = rows_of(order);
    std::vector<Range> ranges;
    for (const CycleRange& range : given) ranges.push_back(range_of(range));
    QualityTable qualities;
    if (step == 0 || table.size() != qualities.size()) throw std::invalid_argument("a step and 256 qualities are needed");
    std::copy(table.begin(), table.end(), qualities.begin());
    std::vector<std::pair<std::string, std::string>> blocks;
    {
      const py::gil_scoped_release release;
      blocks = baselake::illumina::code(*matrix_, chosen, ranges, step, qualities);
    }
    std::vector<std::pair<py::bytes, py::bytes>> out;
    for (const auto& [bases, quals] : blocks) out.emplace_back(bases, quals);
    return out;
  }

  py::tuple dictionaries(const Order& order, const CycleRange& given, size_t repeat) const {
    const std::span<const int64_t> chosen = rows_of(order);
    const auto size = static_cast<py::ssize_t>(chosen.size() * repeat);
    py::array_t<int32_t> bases(size), quals(size);
    int32_t *const base_codes = bases.mutable_data(), *const quality_codes = quals.mutable_data();
    Dictionaries found(range_of(given));
    {
      const py::gil_scoped_release release;
      found.add(*matrix_, chosen, repeat, base_codes, quality_codes);
    }
    const auto texts = [](const Texts& from) {
      Bytes array({static_cast<py::ssize_t>(from.count()), static_cast<py::ssize_t>(from.length())});
      uint8_t* out = array.mutable_data();
      for (size_t i = 0; i < from.count(); ++i) out = std::copy_n(from.text(i), from.length(), out);
      return array;
    };
    return py::make_tuple(bases, texts(found.bases), quals, texts(found.quals));
  }

  std::pair<py::array_t<int32_t>, Bytes> names(const Order& order, const Positions& x, const Positions& y,
                                               const std::string& prefix, size_t repeat) const {
    const std::span<const int64_t> chosen = rows_of(order);
    if (static_cast<size_t>(x.size()) != rows() || static_cast<size_t>(y.size()) != rows() || repeat == 0)
      throw std::invalid_argument("one position to a row and at least one name are needed");
    if (chosen.size() * repeat * (prefix.size() + 24) > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
      throw std::invalid_argument("names of fewer rows at a time are needed");
    py::array_t<int32_t> offsets(static_cast<py::ssize_t>(chosen.size() * repeat + 1));
    const int32_t *const xs = x.data(), *const ys = y.data();
    int32_t* const out = offsets.mutable_data();
    std::vector<char> text;
    {
      const py::gil_scoped_release release;
      text = baselake::illumina::names(chosen, xs, ys, prefix, repeat, out);
    }
    return {offsets, handed_over(std::move(text))};
  }

  py::array_t<int16_t> find_adapter(const Order& order, const CycleRange& range, const std::string& adapter,
                                    double stringency, size_t min_overlap) const {
    const std::span<const int64_t> chosen = rows_of(order);
    const Range cycles = range_of(range);
    if (adapter.empty() || !(stringency > 0 && stringency <= 1))
      throw std::invalid_argument("an adapter and a stringency above 0, at most 1, are needed");
    py::array_t<int16_t> found(static_cast<py::ssize_t>(chosen.size()));
    int16_t* const out = found.mutable_data();
    const py::gil_scoped_release release;
    const AdapterSearch search(adapter, stringency, min_overlap);
    std::vector<uint8_t> read(cycles.length + adapter.size() + kSlack);
    for (size_t i = 0; i < chosen.size(); ++i) {
      prefetch(*matrix_, chosen, i);
      write_bases(matrix_->row(static_cast<size_t>(chosen[i])) + cycles.begin, cycles.length, read.data());
      std::fill_n(read.data() + cycles.length, kLanes, 0);
      out[i] = static_cast<int16_t>(search.find(read.data(), cycles.length));
    }
    return found;
  }

 private:
  void check_complete() const {
    if (!matrix_->complete()) throw std::invalid_argument("cycles of the tile have not been added yet");
  }

  std::span<const int64_t> rows_of(const Order& order) const {
    check_complete();
    const std::span<const int64_t> chosen(order.data(), static_cast<size_t>(order.size()));
    const auto outside = [&](int64_t row) { return row < 0 || row >= static_cast<int64_t>(rows()); };
    if (std::any_of(chosen.begin(), chosen.end(), outside)) throw py::index_error("no such row in the tile");
    return chosen;
  }

  Range range_of(const CycleRange& range) const {
    if (range.first > cycles() || range.second > cycles() - range.first)
      throw std::invalid_argument("no such cycles in the tile");
    return {range.first, range.second};
  }

  std::shared_ptr<Matrix> matrix_;
};

}  // namespace

PYBIND11_MODULE(_calls, module) {
  module.def("select_bytes", &select_bytes);
  module.def("select_nibbles", &select_nibbles);
  py::class_<Calls>(module, "Calls")
      .def(py::init<size_t, size_t>())
      .def("__len__", &Calls::rows)
      .def_property_readonly("cycles", &Calls::cycles)
      .def_property_readonly("array", &Calls::array)
      .def("add", &Calls::add)
      .def("emit", &Calls::emit)
      .def("code", &Calls::code)
      .def("dictionaries", &Calls::dictionaries)
      .def("group", &Calls::group)
      .def("quality", &Calls::quality)
      .def("names", &Calls::names)
      .def("find_adapter", &Calls::find_adapter);
}
