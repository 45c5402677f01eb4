// Columns between NumPy and C++: string columns as Arrow lays them out, read and built.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace baselake {

template <typename T>
using In = pybind11::array_t<T, pybind11::array::c_style>;

// Hands a vector to NumPy without a copy.
template <typename T>
pybind11::array_t<T> to_numpy(std::vector<T>&& values) {
    auto owned = std::make_unique<std::vector<T>>(std::move(values));
    T* data = owned->data();
    const auto size = static_cast<pybind11::ssize_t>(owned->size());
    pybind11::capsule owner(owned.release(), [](void* p) { delete static_cast<std::vector<T>*>(p); });
    return pybind11::array_t<T>(size, data, owner);
}

// A string or binary column: offsets has one entry more than there are rows; bytes may be empty.
class StringView {
public:
    StringView(const In<std::int32_t>& offsets, const In<std::uint8_t>& bytes)
        : offsets_(offsets.data()), bytes_(reinterpret_cast<const char*>(bytes.data())), rows_(offsets.size() - 1) {
        if (rows_ < 0 || offsets_[rows_] > bytes.size()) throw std::invalid_argument("offsets reach past the bytes");
    }
    std::int64_t rows() const { return rows_; }
    std::string_view operator[](std::int64_t row) const {
        return {bytes_ + offsets_[row], static_cast<std::size_t>(offsets_[row + 1] - offsets_[row])};
    }

private:
    const std::int32_t* offsets_;
    const char* bytes_;
    std::int64_t rows_;
};

// A string or binary column being built; NULL is told from empty by a validity bitmap, as in Arrow.
class StringBuilder {
public:
    void append(std::string_view value) {
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        finish(true);
    }
    void append_null() { finish(false); }

    // The row being written, for values made in place; call `finish` when it is whole.
    std::vector<std::uint8_t>& bytes() { return bytes_; }
    void finish(bool valid) {
        const std::size_t row = offsets_.size() - 1;
        if (row % 8 == 0) valid_.push_back(0);
        valid_.back() = static_cast<std::uint8_t>(valid_.back() | (valid ? 1 << (row % 8) : 0));
        if (bytes_.size() > INT32_MAX) throw std::length_error("a string column of one batch is over 2 GiB");
        offsets_.push_back(static_cast<std::int32_t>(bytes_.size()));
    }

    // (offsets int32, bytes uint8, validity bitmap uint8)
    pybind11::tuple release() {
        return pybind11::make_tuple(to_numpy(std::move(offsets_)), to_numpy(std::move(bytes_)),
                                    to_numpy(std::move(valid_)));
    }

private:
    std::vector<std::int32_t> offsets_{0};
    std::vector<std::uint8_t> bytes_;
    std::vector<std::uint8_t> valid_;
};

}  // namespace baselake
