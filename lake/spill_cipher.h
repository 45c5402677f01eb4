// Hides what is spilled to disk, by a function of Python that knows the keys.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <functional>
#include <string>

namespace baselake {

// Encrypts or decrypts, in place, the bytes of a file from an offset on; empty where nothing is to be hidden.
using SpillCipher = std::function<void(const std::string& path, uint64_t offset, uint8_t* data, size_t bytes)>;

// Of a callable that takes path, offset and a memoryview, or None. Made, copied and destroyed with the GIL held.
inline SpillCipher spill_cipher(pybind11::object given) {
    if (given.is_none()) return {};
    return [given = std::move(given)](const std::string& path, uint64_t offset, uint8_t* data, size_t bytes) {
        const pybind11::gil_scoped_acquire held;
        given(path, offset, pybind11::memoryview::from_memory(data, static_cast<pybind11::ssize_t>(bytes)));
    };
}

}  // namespace baselake
