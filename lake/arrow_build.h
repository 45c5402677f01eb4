// Arrow columns built in C++ and handed to Python by the Arrow C data interface.
// https://arrow.apache.org/docs/format/CDataInterface.html defines the two structures.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lake/arrow_interface.h"

namespace baselake {

// A column being built, of any type: what a type does not need stays empty. Values are appended by the functions below.
// NULLs at the end are only counted, until a value follows or the column is handed over: most columns of most records
// have nothing else. A column without a NULL has no bitmap.
struct Column {
    std::string name;
    std::string format;
    bool nullable = true;
    std::int64_t length = 0;
    std::int64_t nulls = 0;
    std::int64_t stored = 0;            // rows that the vectors hold; those after them are NULL
    std::size_t width = 0;              // bytes of a number
    std::vector<std::uint8_t> valid;    // a bit for each row, from the first NULL on that is stored
    std::vector<std::int32_t> offsets;  // of text, lists and maps
    std::vector<std::uint8_t> data;     // of text and numbers
    std::vector<std::unique_ptr<Column>> children;

    Column(std::string name, std::string format, bool nullable = true)
        : name(std::move(name)), format(std::move(format)), nullable(nullable) {
        if (has_offsets()) offsets.push_back(0);
        width = this->format == "c" ? 1 : this->format == "i" || this->format == "f" ? 4 : 0;
    }
    Column(Column&&) noexcept = default;
    Column& operator=(Column&&) noexcept = default;
    Column(const Column&) = delete;
    Column& operator=(const Column&) = delete;

    bool has_offsets() const { return format == "u" || format == "+l" || format == "+m"; }

    // Takes the memory that another column of the kind has needed.
    void reserve_as(const Column& other) {
        valid.reserve(other.valid.size());
        offsets.reserve(other.offsets.size());
        data.reserve(other.data.size());
        for (std::size_t i = 0; i < children.size(); ++i) children[i]->reserve_as(*other.children[i]);
    }

    // Stores the NULLs that were counted.
    void catch_up() {
        if (stored == length) return;
        if (valid.empty()) {
            valid.assign(static_cast<std::size_t>((stored + 7) / 8), 0xff);
            if (stored % 8) valid.back() = static_cast<std::uint8_t>((1 << (stored % 8)) - 1);
        }
        valid.resize(static_cast<std::size_t>((length + 7) / 8), 0);
        data.resize(data.size() + static_cast<std::size_t>(length - stored) * width);
        if (has_offsets()) offsets.insert(offsets.end(), static_cast<std::size_t>(length - stored), offsets.back());
        stored = length;
    }
    // A row whose value was appended.
    void finish() {
        if (nulls) {
            const auto byte = static_cast<std::size_t>(length / 8);
            if (byte == valid.size()) valid.push_back(0);
            valid[byte] = static_cast<std::uint8_t>(valid[byte] | 1 << (length % 8));
        }
        stored = ++length;
    }
    void add_null() {
        ++length;
        ++nulls;
    }

    template <typename T>
    void add(T value) {
        catch_up();
        const std::size_t size = data.size();
        data.resize(size + sizeof(T));
        std::memcpy(data.data() + size, &value, sizeof(T));
        finish();
    }
    void add_text(std::string_view value) {
        catch_up();
        data.insert(data.end(), value.begin(), value.end());
        if (data.size() > INT32_MAX) throw std::length_error("a column of one batch is over 2 GiB");
        offsets.push_back(static_cast<std::int32_t>(data.size()));
        finish();
    }
    // Numbers; those that are `missing` are NULL.
    template <typename T>
    void add_all(const T* values, std::size_t count, T missing) {
        std::size_t absent = 0;
        for (std::size_t i = 0; i < count; ++i) absent += values[i] == missing;
        if (absent == count) return add_nulls(count);
        add_validity(count, absent, [&](std::size_t i) { return values[i] != missing; });
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(values);
        data.insert(data.end(), bytes, bytes + count * sizeof(T));
    }
    // Lists whose items are appended to the child by themselves: how many each has; below 0: NULL.
    void add_lists(const std::int32_t* sizes, std::size_t count) {
        std::size_t absent = 0;
        for (std::size_t i = 0; i < count; ++i) absent += sizes[i] < 0;
        if (absent == count) return add_nulls(count);
        add_validity(count, absent, [&](std::size_t i) { return sizes[i] >= 0; });
        std::int64_t end = offsets.back();
        for (std::size_t i = 0; i < count; ++i) {
            end += sizes[i] > 0 ? sizes[i] : 0;
            if (end > INT32_MAX) throw std::length_error("a column of one batch has over 2^31 items");
            offsets.push_back(static_cast<std::int32_t>(end));
        }
    }
    void add_nulls(std::size_t count) {
        length += static_cast<std::int64_t>(count);
        nulls += static_cast<std::int64_t>(count);
    }
    // A list or map whose items were appended to its child since the last one was closed.
    void close_list(bool is_valid) {
        if (!is_valid) {
            add_null();
            return;
        }
        catch_up();
        const std::int64_t items = children[0]->length;
        if (items > INT32_MAX) throw std::length_error("a column of one batch has over 2^31 items");
        offsets.push_back(static_cast<std::int32_t>(items));
        finish();
    }
    // Rows whose values the caller appends: which of them are there.
    template <typename Is>
    void add_validity(std::size_t count, std::size_t absent, Is is_valid) {
        catch_up();
        if (absent && valid.empty()) {
            valid.assign(static_cast<std::size_t>((length + 7) / 8), 0xff);
            if (length % 8) valid.back() = static_cast<std::uint8_t>((1 << (length % 8)) - 1);
        }
        nulls += static_cast<std::int64_t>(absent);
        const auto first = static_cast<std::size_t>(length);
        if (nulls) {
            valid.resize((first + count + 7) / 8, 0);
            for (std::size_t i = 0; i < count; ++i)
                valid[(first + i) / 8] = static_cast<std::uint8_t>(valid[(first + i) / 8] | int{is_valid(i)} << ((first + i) % 8));
        }
        length += static_cast<std::int64_t>(count);
        stored = length;
    }
    std::size_t bytes() const {
        std::size_t sum = valid.size() + offsets.size() * sizeof(std::int32_t) + data.size();
        for (const auto& child : children) sum += child->bytes();
        return sum;
    }
};

inline Column text_column(std::string name, bool nullable = true) { return {std::move(name), "u", nullable}; }

inline Column list_column(std::string name, std::string item_format) {
    Column list(std::move(name), "+l");
    list.children.push_back(std::make_unique<Column>("element", std::move(item_format)));
    return list;
}

// MAP(VARCHAR, item[]): keys in the order in which they are appended.
inline Column map_column(std::string name, std::string item_format) {
    Column map(std::move(name), "+m");
    auto entries = std::make_unique<Column>("key_value", "+s", false);
    entries->children.push_back(std::make_unique<Column>("key", "u", false));
    entries->children.push_back(std::make_unique<Column>(list_column("value", std::move(item_format))));
    map.children.push_back(std::move(entries));
    return map;
}

namespace arrow_build {

struct Schema {
    std::string format, name;
    std::vector<ArrowSchema> children;
    std::vector<ArrowSchema*> pointers;
};
struct Array {
    Column column;
    std::vector<const void*> buffers;
    std::vector<ArrowArray> children;
    std::vector<ArrowArray*> pointers;
};

constexpr std::int64_t kNullable = 2;  // ARROW_FLAG_NULLABLE

inline void release_schema(ArrowSchema* schema) {
    auto* held = static_cast<Schema*>(schema->private_data);
    for (ArrowSchema& child : held->children)
        if (child.release) child.release(&child);
    schema->release = nullptr;
    delete held;
}
inline void release_array(ArrowArray* array) {
    auto* held = static_cast<Array*>(array->private_data);
    for (ArrowArray& child : held->children)
        if (child.release) child.release(&child);
    array->release = nullptr;
    delete held;
}

inline void export_schema(const Column& column, ArrowSchema* out) {
    auto* held = new Schema{column.format, column.name, {}, {}};
    held->children.resize(column.children.size());
    for (std::size_t i = 0; i < column.children.size(); ++i) {
        export_schema(*column.children[i], &held->children[i]);
        held->pointers.push_back(&held->children[i]);
    }
    *out = ArrowSchema{held->format.c_str(),
                       held->name.c_str(),
                       nullptr,
                       column.nullable ? kNullable : 0,
                       static_cast<std::int64_t>(held->children.size()),
                       held->pointers.data(),
                       nullptr,
                       release_schema,
                       held};
}

inline void export_array(Column&& column, ArrowArray* out) {
    column.catch_up();
    auto* held = new Array{std::move(column), {}, {}, {}};
    Column& own = held->column;
    held->buffers.push_back(own.nulls ? own.valid.data() : nullptr);
    // Arrow wants a pointer even where there is nothing.
    static const std::int64_t nothing[2] = {0, 0};
    if (own.has_offsets()) held->buffers.push_back(own.offsets.data());
    if (own.format == "u" || own.children.empty())
        held->buffers.push_back(own.data.empty() ? static_cast<const void*>(nothing) : own.data.data());
    held->children.resize(own.children.size());
    for (std::size_t i = 0; i < own.children.size(); ++i) {
        export_array(std::move(*own.children[i]), &held->children[i]);
        held->pointers.push_back(&held->children[i]);
    }
    *out = ArrowArray{own.length,
                      own.nulls,
                      0,
                      static_cast<std::int64_t>(held->buffers.size()),
                      static_cast<std::int64_t>(held->children.size()),
                      held->buffers.data(),
                      held->pointers.data(),
                      nullptr,
                      release_array,
                      held};
}

}  // namespace arrow_build

// Columns as a record batch: `pyarrow.record_batch(...)` takes it by `__arrow_c_array__`, once.
class BuiltBatch {
  public:
    explicit BuiltBatch(std::vector<Column>&& columns) : root_("", "+s", false) {
        root_.length = columns.empty() ? 0 : columns[0].length;
        for (Column& column : columns) {
            if (column.length != root_.length) throw std::logic_error("columns of unequal length: " + column.name);
            root_.children.push_back(std::make_unique<Column>(std::move(column)));
        }
    }
    BuiltBatch(BuiltBatch&&) noexcept = default;
    BuiltBatch(const BuiltBatch&) = delete;
    std::int64_t rows() const { return root_.length; }
    pybind11::tuple arrow_c_array(const pybind11::object&) {
        if (taken_) throw std::logic_error("a batch is handed over once");
        taken_ = true;
        auto schema = std::make_unique<ArrowSchema>();
        auto array = std::make_unique<ArrowArray>();
        arrow_build::export_schema(root_, schema.get());
        arrow_build::export_array(std::move(root_), array.get());
        pybind11::capsule schema_capsule(schema.release(), "arrow_schema", [](PyObject* capsule) {
            release<ArrowSchema>(capsule, "arrow_schema");
        });
        pybind11::capsule array_capsule(array.release(), "arrow_array", [](PyObject* capsule) {
            release<ArrowArray>(capsule, "arrow_array");
        });
        return pybind11::make_tuple(schema_capsule, array_capsule);
    }

  private:
    template <class T>
    static void release(PyObject* capsule, const char* name) {
        auto* held = static_cast<T*>(PyCapsule_GetPointer(capsule, name));
        if (!held) return;
        if (held->release) held->release(held);
        delete held;
    }
    Column root_;
    bool taken_ = false;
};

// Lets Python have the batches that a module builds; each module has a class of its own.
inline void bind_built_batch(pybind11::module_& m) {
    pybind11::class_<BuiltBatch>(m, "BuiltBatch", pybind11::module_local())
        .def("__arrow_c_array__", &BuiltBatch::arrow_c_array, pybind11::arg("requested_schema") = pybind11::none());
}

}  // namespace baselake
