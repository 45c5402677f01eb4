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
    module.def("pack_bases", [](const py::buffer& bases) {
        const py::buffer_info info = bases.request();
        return py::bytes(coded([&] { return pack_bases(view(info)); }));
    });
    module.def("unpack_bases", [](const py::buffer& packed) {
        const py::buffer_info info = packed.request();
        return py::bytes(coded([&] { return unpack_bases(view(info)); }));
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
