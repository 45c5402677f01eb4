// baselake.lake.columns._entropy: the coders of entropy.h, numbers.h and bases.h.
#include <functional>

#include "lake/columns/bases.h"
#include "lake/columns/strings.h"

namespace py = pybind11;

namespace baselake::columns {
namespace {

Bytes coded(const std::function<Bytes()>& work) {
    const py::gil_scoped_release release;
    return work();
}

std::string_view view(const py::buffer_info& info) {
    return {static_cast<const char*>(info.ptr), static_cast<size_t>(info.size * info.itemsize)};
}

}  // namespace
}  // namespace baselake::columns

PYBIND11_MODULE(_entropy, module) {
    using namespace baselake::columns;
    module.doc() = "Entropy coding of bytes, numbers and bases; lake/columns drives it.";
    module.def("pack_bytes", [](const py::buffer& bytes) {
        const py::buffer_info info = bytes.request();
        return py::bytes(coded([&] { return pack_bytes(view(info)); }));
    });
    module.def("unpack_bytes", [](const py::buffer& packed) {
        const py::buffer_info info = packed.request();
        return py::bytes(coded([&] {
            Reader in(view(info));
            return unpack_bytes(in);
        }));
    });
    module.def("unpacked_size", [](const py::buffer& packed) {
        const py::buffer_info info = packed.request();
        Reader in(view(info));
        in.byte();
        return checked_length(in.number());
    });
    module.def("coded_parts", [](const py::buffer& packed) -> py::object {
        const py::buffer_info info = packed.request();
        const std::string_view whole = view(info);
        Reader in(whole);
        const uint8_t method = in.byte();
        const uint64_t n = checked_length(in.number());
        if (method == kRaw || method == kRun) return py::none();
        const Coded coded = read_coded(in, method);
        const Frequencies& f = coded.frequencies;
        std::vector<std::uint16_t> starts(f.of.size());
        const size_t width = size_t{1} << f.bits;
        for (size_t at = 0; at < starts.size(); ++at)
            starts[at] = static_cast<std::uint16_t>(at % width ? starts[at - 1] + f.of[at - 1] : 0);
        const size_t words = in.left();
        return py::make_tuple(method == kJoined, n, py::bytes(coded.symbols.data(), coded.symbols.size()), f.bits,
                              f.order, f.shift, baselake::to_numpy(std::vector<std::int32_t>(f.table_of)),
                              baselake::to_numpy(std::move(starts)), whole.size() - words);
    });
    module.def("pack_bases", [](const py::buffer& bases) {
        const py::buffer_info info = bases.request();
        return py::bytes(coded([&] { return pack_bases(view(info)); }));
    });
    module.def("unpack_bases", [](const py::buffer& packed) {
        const py::buffer_info info = packed.request();
        return py::bytes(coded([&] { return unpack_bases(view(info)); }));
    });
    module.def("bases_parts", [](const py::buffer& packed) {
        const py::buffer_info info = packed.request();
        const std::string_view whole = view(info);
        PackedBases found = read_bases(whole);
        return py::make_tuple(found.n, found.quads.data() - whole.data(), baselake::to_numpy(std::move(found.places)),
                              py::bytes(found.others));
    });
    module.def("pack_numbers", [](const baselake::In<std::int64_t>& numbers) {
        const Numbers values(numbers.data(), numbers.data() + numbers.size());
        return py::bytes(coded([&] { return pack_numbers(values); }));
    });
    module.def("unpack_numbers", [](const py::buffer& packed) {
        const py::buffer_info info = packed.request();
        Numbers values;
        {
            const py::gil_scoped_release release;
            values = unpack_numbers(view(info));
        }
        return baselake::to_numpy(std::move(values));
    });
}
