// baselake.lake.columns._names: read names as what they have in common and the numbers that tell them apart.
//
// A name that stood before in the block is the distance to it, in rows. Any other is a shape, with a mark in the
// place of each run of digits, and the digits' values, a column for every place of every shape.
#include <bit>
#include <utility>

#include "lake/columns/strings.h"

namespace py = pybind11;

namespace baselake::columns {
namespace {

constexpr size_t kMostDigits = 18;  // of a number in 63 bits
constexpr char kPlainDigits = 1;    // in a shape: a number without leading zeros
// A number of fixed width: the width in digits, from 2, comes after it.
constexpr char kPaddedDigits = 2;
constexpr uint8_t kVerbatim = 255;  // the shape of names that have none of the first 255

bool digit(char c) { return c >= '0' && c <= '9'; }

struct Shape {
    Bytes text;
    Numbers values;
};

// False where the name has characters that stand for something else in a shape.
bool read_shape(std::string_view name, Shape& shape) {
    shape.text.clear();
    shape.values.clear();
    for (size_t i = 0; i < name.size();) {
        if (static_cast<uint8_t>(name[i]) < ' ') return false;
        size_t end = i;
        while (end < name.size() && digit(name[end]) && end - i < kMostDigits) ++end;
        if (end == i) {
            shape.text.push_back(name[i++]);
            continue;
        }
        int64_t value = 0;
        for (size_t at = i; at < end; ++at) value = value * 10 + (name[at] - '0');
        if (name[i] == '0' && end - i > 1) {
            shape.text.push_back(kPaddedDigits);
            shape.text.push_back(static_cast<char>(end - i));
        } else {
            shape.text.push_back(kPlainDigits);
        }
        shape.values.push_back(value);
        i = end;
    }
    return true;
}

size_t fields_of(std::string_view shape) {
    size_t fields = 0;
    for (size_t i = 0; i < shape.size(); ++i) {
        fields += shape[i] == kPlainDigits || shape[i] == kPaddedDigits;
        i += shape[i] == kPaddedDigits;
    }
    return fields;
}

void put_digits(int64_t value, size_t width, Bytes& out) {
    if (value < 0) damaged("a number in a name is negative");
    char digits[20];
    char* first = digits + sizeof digits;
    do *--first = static_cast<char>('0' + value % 10);
    while (value /= 10);
    const auto length = static_cast<size_t>(digits + sizeof digits - first);
    if (length < width) out.append(width - length, '0');
    out.append(first, length);
}

// The last row of each name.
class LastRows {
  public:
    explicit LastRows(const StringView& names)
        : names_(names), slots_(std::bit_ceil(static_cast<size_t>(2 * names.rows() + 1)), kNone) {}

    // The row before this one of the same name; this one itself where there is none.
    int64_t note(int64_t row) {
        const std::string_view name = names_[row];
        for (size_t at = std::hash<std::string_view>{}(name);; ++at) {
            int64_t& slot = slots_[at & (slots_.size() - 1)];
            if (slot == kNone) return slot = row;
            if (names_[slot] == name) return std::exchange(slot, row);
        }
    }

  private:
    static constexpr int64_t kNone = -1;
    const StringView& names_;
    std::vector<int64_t> slots_;
};

Streams encode(const StringView& names) {
    LastRows last(names);
    std::unordered_map<Bytes, uint8_t> known;
    std::vector<Bytes> shapes;
    std::vector<std::vector<Numbers>> columns;
    Numbers distances, lengths;
    Bytes ids, verbatim;
    Shape shape;
    for (int64_t row = 0; row < names.rows(); ++row) {
        const std::string_view name = names[row];
        // The segments of a template mostly stand together.
        const int64_t before = row && names[row - 1] == name ? row - 1 : last.note(row);
        distances.push_back(row - before);
        if (before != row) continue;
        uint8_t id = kVerbatim;
        if (read_shape(name, shape)) {
            const auto there = known.find(shape.text);
            if (there != known.end()) {
                id = there->second;
            } else if (shapes.size() < kVerbatim) {
                id = static_cast<uint8_t>(shapes.size());
                known.emplace(shape.text, id);
                shapes.push_back(shape.text);
                columns.emplace_back(shape.values.size());
            }
        }
        ids.push_back(static_cast<char>(id));
        if (id == kVerbatim) {
            lengths.push_back(static_cast<int64_t>(name.size()));
            verbatim.append(name);
        } else {
            for (size_t field = 0; field < shape.values.size(); ++field) columns[id][field].push_back(shape.values[field]);
        }
    }
    Bytes all;
    for (const Bytes& text : shapes) put_bytes(all, text);
    Streams streams{{true, all}, {true, verbatim}, {false, pack_numbers(distances)}, {false, pack_bytes(ids)},
                    {false, pack_numbers(lengths)}};
    for (const auto& fields : columns)
        for (const Numbers& field : fields) streams.push_back({false, pack_numbers(field)});
    return streams;
}

// Names that are a prefix, then a colon and a number for each of the columns; every name's streams but its distances.
Streams encode_numbered(std::string_view prefix, const std::vector<Numbers>& columns) {
    Shape shape;
    if (columns.empty() || !read_shape(prefix, shape)) throw std::invalid_argument("a prefix without control characters");
    const size_t names = columns.front().size();
    std::vector<Numbers> fields;
    for (const int64_t value : shape.values) fields.emplace_back(names, value);
    for (const Numbers& column : columns) {
        const auto negative = [](int64_t value) { return value < 0; };
        if (column.size() != names || std::any_of(column.begin(), column.end(), negative))
            throw std::invalid_argument("columns of one length, and no negative numbers");
        shape.text.push_back(':');
        shape.text.push_back(kPlainDigits);
    }
    Bytes all;
    put_bytes(all, shape.text);
    Streams streams{{true, all}, {true, {}}, {false, pack_bytes(Bytes(names, 0))}, {false, pack_numbers({})}};
    for (const Numbers& field : fields) streams.push_back({false, pack_numbers(field)});
    for (const Numbers& field : columns) streams.push_back({false, pack_numbers(field)});
    return streams;
}

Numbers distances_of(StreamReader& in) {
    Numbers distances = in.numbers();
    for (size_t row = 0; row < distances.size(); ++row)
        if (distances[row] < 0 || static_cast<uint64_t>(distances[row]) > row) damaged("a name refers to none");
    return distances;
}

StringBuilder decode(const std::vector<std::string_view>& streams) {
    StreamReader in(streams);
    std::vector<std::string_view> shapes;
    for (Reader all(in.next()); !all.done();) shapes.push_back(all.bytes());
    Reader verbatim(in.next());
    const Numbers distances = distances_of(in);
    const Bytes ids = in.bytes();
    NumberReader lengths(in.numbers());
    std::vector<std::vector<NumberReader>> columns(shapes.size());
    for (size_t shape = 0; shape < shapes.size(); ++shape)
        for (size_t field = 0; field < fields_of(shapes[shape]); ++field) columns[shape].emplace_back(in.numbers());
    StringBuilder out;
    std::vector<std::pair<size_t, size_t>> spans;  // of every name, in `texts`
    Bytes texts;
    size_t next = 0;
    for (size_t row = 0; row < distances.size(); ++row) {
        if (distances[row]) {
            spans.push_back(spans[row - static_cast<size_t>(distances[row])]);
        } else {
            if (next == ids.size()) damaged("names are too few");
            const auto id = static_cast<uint8_t>(ids[next++]);
            const size_t begin = texts.size();
            if (id == kVerbatim) {
                texts.append(verbatim.take(static_cast<size_t>(lengths.next())));
            } else {
                if (id >= shapes.size()) damaged("a name of no shape");
                const std::string_view shape = shapes[id];
                auto column = columns[id].begin();
                for (size_t i = 0; i < shape.size(); ++i) {
                    if (shape[i] == kPlainDigits) put_digits((column++)->next(), 1, texts);
                    else if (shape[i] == kPaddedDigits && i + 1 < shape.size())
                        put_digits((column++)->next(), static_cast<uint8_t>(shape[++i]), texts);
                    else texts.push_back(shape[i]);
                }
            }
            spans.emplace_back(begin, texts.size() - begin);
        }
        out.append(std::string_view(texts).substr(spans[row].first, spans[row].second));
    }
    return out;
}

}  // namespace
}  // namespace baselake::columns

PYBIND11_MODULE(_names, module) {
    using namespace baselake;
    using namespace baselake::columns;
    module.doc() = "Read names to streams and back; lake/columns/codecs.py drives it.";
    module.def("encode", [](const In<std::int32_t>& offsets, const In<std::uint8_t>& bytes) {
        const StringView names(offsets, bytes);
        Streams streams;
        {
            const py::gil_scoped_release release;
            streams = encode(names);
        }
        return to_python(streams);
    });
    module.def("encode_numbered", [](std::string_view prefix, const std::vector<In<std::int32_t>>& given) {
        std::vector<Numbers> columns;
        for (const auto& column : given) columns.emplace_back(column.data(), column.data() + column.size());
        Streams streams;
        {
            const py::gil_scoped_release release;
            streams = encode_numbered(prefix, columns);
        }
        return to_python(streams);
    });
    module.def("decode", [](const std::vector<std::string_view>& streams) {
        StringBuilder out;
        {
            const py::gil_scoped_release release;
            out = decode(streams);
        }
        return out.release();
    });
    module.def("distances", [](const std::vector<std::string_view>& streams) {
        StreamReader in(streams);
        in.next();
        in.next();
        return to_numpy(distances_of(in));
    });
}
