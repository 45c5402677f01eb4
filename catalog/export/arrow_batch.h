// A record batch that Python hands over by the Arrow C data interface, column by column.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "lake/arrow_interface.h"

namespace baselake {

// One column of a batch; `format` is Arrow's letter for its type.
class ArrowColumn {
  public:
    ArrowColumn(const ArrowArray& array, const ArrowSchema& schema, std::string_view format)
        : array_(&array), schema_(&schema) {
        if (schema.format != format)
            throw std::invalid_argument(std::string(schema.name) + " is of Arrow type " + schema.format);
    }
    bool valid(int64_t row) const {
        const auto* bits = static_cast<const uint8_t*>(array_->buffers[0]);
        const int64_t at = array_->offset + row;
        return !bits || (bits[at / 8] >> (at % 8) & 1);
    }
    template <class T>
    T number(int64_t row) const {
        return static_cast<const T*>(array_->buffers[1])[array_->offset + row];
    }
    // Text or binary; empty for NULL.
    std::string_view text(int64_t row) const {
        const int32_t* offsets = static_cast<const int32_t*>(array_->buffers[1]) + array_->offset + row;
        if (!valid(row) || offsets[0] == offsets[1]) return {};
        const char* values = static_cast<const char*>(array_->buffers[2]);
        return {values + offsets[0], static_cast<size_t>(offsets[1] - offsets[0])};
    }

    // Of a list or map: the places of a row's items in its child; none for NULL.
    std::pair<int64_t, int64_t> items(int64_t row) const {
        if (!valid(row)) return {0, 0};
        const int32_t* offsets = static_cast<const int32_t*>(array_->buffers[1]) + array_->offset + row;
        return {offsets[0], offsets[1]};
    }
    // What a list or structure is made of.
    ArrowColumn child(int64_t place, std::string_view format) const {
        if (place >= array_->n_children) throw std::invalid_argument(std::string(schema_->name) + " has no such child");
        return {*array_->children[place], *schema_->children[place], format};
    }

  private:
    const ArrowArray* array_;
    const ArrowSchema* schema_;
};

// Keeps what `batch.__arrow_c_array__()` returned alive, and finds its columns by name.
class ArrowBatch {
  public:
    explicit ArrowBatch(const pybind11::object& batch) : capsules_(batch.attr("__arrow_c_array__")()) {
        schema_ = pybind11::reinterpret_borrow<pybind11::capsule>(capsules_[0]).get_pointer<ArrowSchema>();
        array_ = pybind11::reinterpret_borrow<pybind11::capsule>(capsules_[1]).get_pointer<ArrowArray>();
    }
    int64_t rows() const { return array_->length; }
    ArrowColumn column(std::string_view name, std::string_view format) const {
        for (int64_t i = 0; i < schema_->n_children; ++i)
            if (schema_->children[i]->name == name) return {*array_->children[i], *schema_->children[i], format};
        throw std::invalid_argument("no column " + std::string(name));
    }

  private:
    pybind11::tuple capsules_;
    const ArrowSchema* schema_;
    const ArrowArray* array_;
};

}  // namespace baselake
