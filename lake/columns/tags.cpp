// baselake.lake.columns._tags: auxiliary fields (SAMv1, section 4.2.4), a column for each tag and type.
//
// A row is a template, the tags and types it has in their order, and a value in the column of each. MD and NM that
// say what follows from the bases and the reference are in the template but have no value. Rows that are no fields,
// or have none of the first 255 templates, are kept whole.
//
// Four bytes are a field's key: its tag, its type (the highest bit set: it follows from the bases) and, of an array,
// the type of its elements, else 0. The streams: the templates (number of fields, keys), the bytes of whole rows,
// the templates of rows, the lengths of whole rows, the columns in the order in which keys first stand in templates.
// A column of numbers is one; of texts (Z, H) its texts, each with a NUL, and their places where they are at most
// 255; of arrays the lengths and all elements. A float is the number of the same bits.
#include <optional>

#include "lake/bam_format.h"
#include "lake/columns/strings.h"

namespace py = pybind11;

namespace baselake::columns {
namespace {

using bam::load;
using bam::next_field;
using bam::store;
using bam::tag_code;
using bam::value_bytes;

constexpr uint8_t kVerbatim = 255;
constexpr uint32_t kDerived = 0x80 << 16;
constexpr size_t kFewTexts = 255;

using Key = uint32_t;  // tag in the low 16 bits, type, element type

char type_of(Key key) { return static_cast<char>(key >> 16 & 0x7f); }
char element_of(Key key) { return static_cast<char>(key >> 24); }
bool is_text(char type) { return type == 'Z' || type == 'H'; }

Key key_of(const uint8_t* field) {
    return load<uint16_t>(field) | Key{field[2]} << 16 | (field[2] == 'B' ? Key{field[3]} << 24 : 0);
}

int64_t load_value(const uint8_t* at, char type) {
    switch (type) {
        case 'c': return load<int8_t>(at);
        case 's': return load<int16_t>(at);
        case 'S': return load<uint16_t>(at);
        case 'i': return load<int32_t>(at);
        case 'I': case 'f': return load<uint32_t>(at);
        default: return *at;  // A, C
    }
}

void put_value(std::vector<uint8_t>& out, int64_t value, char type) {
    uint8_t bytes[8];
    store(bytes, value);
    out.insert(out.end(), bytes, bytes + value_bytes(type));
}

struct Column {
    Key key;
    Numbers values;   // of arrays the elements
    Numbers lengths;  // of arrays
    std::vector<std::string_view> texts;
};

// What follows from the bases, by row.
struct Derived {
    StringView md;
    const int64_t* nm;

    bool has(int64_t row, const uint8_t* field, const uint8_t* next) const {
        const uint16_t tag = load<uint16_t>(field);
        const auto type = static_cast<char>(field[2]);
        if (nm[row] < 0) return false;
        if (tag == tag_code('M', 'D') && type == 'Z') {
            const std::string_view text{reinterpret_cast<const char*>(field + 3), static_cast<size_t>(next - field) - 4};
            return text == md[row];
        }
        return tag == tag_code('N', 'M') && value_bytes(type) && type != 'A' && type != 'f' &&
               load_value(field + 3, type) == nm[row];
    }
};

Streams text_streams(const Column& column) {
    std::unordered_map<std::string_view, size_t> places;
    std::vector<std::string_view> known;
    Bytes ranks;
    for (const std::string_view text : column.texts) {
        const auto [found, fresh] = places.try_emplace(text, known.size());
        if (fresh) known.push_back(text);
        if (known.size() > kFewTexts) break;
        ranks.push_back(static_cast<char>(found->second));
    }
    const bool few = known.size() <= kFewTexts;
    Bytes all;
    for (const std::string_view text : few ? known : column.texts) all.append(text).push_back('\0');
    if (!few) ranks.clear();
    return {{true, all}, {false, pack_bytes(ranks)}};
}

Streams encode(const StringView& rows, const Derived& derived) {
    std::unordered_map<Bytes, uint8_t> templates;
    std::unordered_map<Key, size_t> column_of;
    std::vector<Column> columns;
    Bytes all_templates, whole, ids, keys;
    Numbers lengths;
    std::vector<std::pair<Key, const uint8_t*>> fields;
    for (int64_t row = 0; row < rows.rows(); ++row) {
        const std::string_view bytes = rows[row];
        const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
        const uint8_t* const end = at + bytes.size();
        fields.clear();
        keys.clear();
        while (at && at != end) {
            const uint8_t* const next = next_field(at, end);
            if (next) {
                const Key key = key_of(at) | (derived.has(row, at, next) ? kDerived : 0);
                fields.emplace_back(key, at);
                keys.append(reinterpret_cast<const char*>(&key), 4);
            }
            at = next;
        }
        uint8_t id = kVerbatim;
        if (at) {
            const auto known = templates.find(keys);
            if (known != templates.end()) {
                id = known->second;
            } else if (templates.size() < kVerbatim) {
                id = static_cast<uint8_t>(templates.size());
                templates.emplace(keys, id);
                put_number(all_templates, fields.size());
                all_templates.append(keys);
            }
        }
        ids.push_back(static_cast<char>(id));
        if (id == kVerbatim) {
            lengths.push_back(static_cast<int64_t>(bytes.size()));
            whole.append(bytes);
            continue;
        }
        for (const auto& [key, field] : fields) {
            if (key & kDerived) continue;
            const auto [found, fresh] = column_of.try_emplace(key, columns.size());
            if (fresh) columns.push_back({key, {}, {}, {}});
            Column& column = columns[found->second];
            const char type = type_of(key);
            if (is_text(type)) {
                column.texts.emplace_back(reinterpret_cast<const char*>(field + 3));
            } else if (type == 'B') {
                const uint32_t count = load<uint32_t>(field + 4), each = value_bytes(element_of(key));
                column.lengths.push_back(count);
                for (uint32_t i = 0; i < count; ++i)
                    column.values.push_back(load_value(field + 8 + size_t{i} * each, element_of(key)));
            } else {
                column.values.push_back(load_value(field + 3, type));
            }
        }
    }
    Streams streams{{true, all_templates}, {true, whole}, {false, pack_bytes(ids)}, {false, pack_numbers(lengths)}};
    for (const Column& column : columns) {
        if (is_text(type_of(column.key))) {
            for (Stream& stream : text_streams(column)) streams.push_back(std::move(stream));
            continue;
        }
        if (type_of(column.key) == 'B') streams.push_back({false, pack_numbers(column.lengths)});
        streams.push_back({false, pack_numbers(column.values)});
    }
    return streams;
}

// The values of a column, row after row.
class Values {
  public:
    Values(Key key, StreamReader& in) : type_(type_of(key)), element_(element_of(key)) {
        if (is_text(type_)) {
            texts_ = in.next();
            ranks_ = in.bytes();
            for (size_t at = 0; !ranks_.empty() && at < texts_.size();) known_.push_back(text_at(at));
            return;
        }
        if (type_ == 'B') lengths_.emplace(in.numbers());
        values_.emplace(in.numbers());
    }
    void put(std::vector<uint8_t>& out) {
        if (is_text(type_)) {
            const std::string_view text = ranks_.empty() ? text_at(at_) : ranked();
            out.insert(out.end(), text.begin(), text.end());
            out.push_back(0);
        } else if (type_ == 'B') {
            const int64_t count = lengths_->next();
            out.push_back(static_cast<uint8_t>(element_));
            put_value(out, count, 'I');
            for (int64_t i = 0; i < count; ++i) put_value(out, values_->next(), element_);
        } else {
            put_value(out, values_->next(), type_);
        }
    }

  private:
    std::string_view text_at(size_t& at) const {
        const size_t end = texts_.find('\0', at);
        if (end == texts_.npos) damaged("a column of texts ends early");
        const std::string_view text = texts_.substr(at, end - at);
        at = end + 1;
        return text;
    }
    std::string_view ranked() {
        if (at_ == ranks_.size() || static_cast<uint8_t>(ranks_[at_]) >= known_.size()) damaged("a text that is not there");
        return known_[static_cast<uint8_t>(ranks_[at_++])];
    }
    char type_, element_;
    std::string_view texts_;
    Bytes ranks_;
    std::vector<std::string_view> known_;
    size_t at_ = 0;
    std::optional<NumberReader> lengths_, values_;
};

std::vector<std::vector<Key>> read_templates(std::string_view text) {
    std::vector<std::vector<Key>> templates;
    for (Reader in(text); !in.done();) {
        const uint64_t fields = in.number();
        if (fields > in.left() / 4) damaged("a template ends early");
        auto& keys = templates.emplace_back(fields);
        if (fields) std::memcpy(keys.data(), in.take(4 * fields).data(), 4 * fields);
    }
    return templates;
}

StringBuilder decode(const std::vector<std::string_view>& streams, const Derived& derived) {
    StreamReader in(streams);
    const auto templates = read_templates(in.next());
    Reader whole(in.next());
    const Bytes ids = in.bytes();
    NumberReader lengths(in.numbers());
    // Columns stand in the order of their first row, which is not that of templates where a derived tag came first.
    std::unordered_map<Key, Values> columns;
    std::vector<bool> seen(templates.size());
    for (const char id : ids) {
        const auto number = static_cast<uint8_t>(id);
        if (number >= templates.size() || seen[number]) continue;
        seen[number] = true;
        for (const Key key : templates[number])
            if (!(key & kDerived) && !columns.contains(key)) columns.emplace(key, Values(key, in));
    }
    if (derived.md.rows() != static_cast<int64_t>(ids.size())) damaged("a block has other rows than its tags");
    StringBuilder out;
    for (size_t row = 0; row < ids.size(); ++row) {
        std::vector<uint8_t>& bytes = out.bytes();
        const auto id = static_cast<uint8_t>(ids[row]);
        if (id == kVerbatim) {
            const std::string_view own = whole.take(static_cast<size_t>(lengths.next()));
            bytes.insert(bytes.end(), own.begin(), own.end());
            out.finish(true);
            continue;
        }
        if (id >= templates.size()) damaged("a template that is not there");
        for (const Key key : templates[id]) {
            const uint8_t head[3] = {static_cast<uint8_t>(key), static_cast<uint8_t>(key >> 8),
                                     static_cast<uint8_t>(type_of(key))};
            bytes.insert(bytes.end(), head, head + 3);
            if (!(key & kDerived)) {
                columns.at(key).put(bytes);
            } else if (type_of(key) == 'Z') {
                const std::string_view text = derived.md[static_cast<int64_t>(row)];
                bytes.insert(bytes.end(), text.begin(), text.end());
                bytes.push_back(0);
            } else {
                put_value(bytes, derived.nm[row], type_of(key));
            }
        }
        out.finish(true);
    }
    return out;
}

}  // namespace
}  // namespace baselake::columns

PYBIND11_MODULE(_tags, module) {
    using namespace baselake;
    using namespace baselake::columns;
    using Offsets = In<std::int32_t>;
    using Data = In<std::uint8_t>;
    module.doc() = "BAM auxiliary fields to streams and back; lake/columns/codecs.py drives it.";
    module.def("encode", [](const Offsets& offsets, const Data& bytes, const Offsets& md_offsets, const Data& md,
                            const In<std::int64_t>& nm) {
        const StringView rows(offsets, bytes);
        const Derived derived{StringView(md_offsets, md), nm.data()};
        if (rows.rows() != derived.md.rows() || rows.rows() != nm.size())
            throw std::invalid_argument("columns of different length");
        Streams streams;
        {
            const py::gil_scoped_release release;
            streams = encode(rows, derived);
        }
        return to_python(streams);
    });
    module.def("decode", [](const std::vector<std::string_view>& streams, const Offsets& md_offsets, const Data& md,
                            const In<std::int64_t>& nm) {
        const Derived derived{StringView(md_offsets, md), nm.data()};
        if (derived.md.rows() != nm.size()) throw std::invalid_argument("columns of different length");
        StringBuilder out;
        {
            const py::gil_scoped_release release;
            out = decode(streams, derived);
        }
        return out.release();
    });
    module.def("needs_bases", [](std::string_view templates) {
        for (const auto& keys : read_templates(templates))
            for (const Key key : keys)
                if (key & kDerived) return true;
        return false;
    });
}
