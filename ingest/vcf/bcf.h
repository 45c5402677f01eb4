// The records of BCF2: VCF 4.3, section 6.3, little-endian.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>

#include "ingest/vcf/record.h"

namespace baselake::vcf {

class BcfParser {
  public:
    // `strings`: the dictionary of FILTER, INFO and FORMAT by IDX; `contigs`: the reference's contig of each contig of
    // the header, -1 where it has none, and its name.
    BcfParser(const Definitions& info, const Definitions& format, std::vector<std::string> strings,
              std::vector<std::pair<std::string, std::int32_t>> contigs, std::size_t samples)
        : info_(info), format_(format), strings_(std::move(strings)), contigs_(std::move(contigs)), samples_(samples) {}

    // Bytes of the record that begins there; 0: not even its lengths are there yet.
    static std::size_t record_bytes(std::string_view bytes) {
        if (bytes.size() < 8) return 0;
        std::uint32_t shared, individual;
        std::memcpy(&shared, bytes.data(), 4);
        std::memcpy(&individual, bytes.data() + 4, 4);
        if (shared < 24) fail("a record's length is impossible");
        return std::size_t{8} + shared + individual;
    }

    // Whether a whole record is on a contig that the header has and the reference has not.
    bool is_elsewhere(std::string_view bytes) const {
        std::int32_t contig;
        std::memcpy(&contig, bytes.data() + 8, 4);
        return contig >= 0 && static_cast<std::size_t>(contig) < contigs_.size() && contigs_[static_cast<std::size_t>(contig)].second < 0;
    }

    // Parses one whole record; views point into `bytes` or into this parser.
    void parse(std::string_view bytes, Record& record) {
        record.clear();
        std::uint32_t shared;
        std::memcpy(&shared, bytes.data(), 4);
        at_ = bytes.data() + 8;
        end_ = at_ + shared;
        const char* const all = bytes.data() + bytes.size();
        const auto contig = take<std::int32_t>();
        if (contig < 0 || static_cast<std::size_t>(contig) >= contigs_.size()) fail("CHROM is not in the header");
        record.contig = contigs_[static_cast<std::size_t>(contig)].second;
        if (record.contig < 0)
            fail("contig " + shown(contigs_[static_cast<std::size_t>(contig)].first) + " is not in the reference");
        record.start = take<std::int32_t>();
        take<std::int32_t>();  // rlen: REF and END say it
        const auto qual = take<float>();
        record.qual = qual;
        const auto n_info = take<std::uint16_t>();
        const auto n_allele = take<std::uint16_t>();
        const auto n_sample_format = take<std::uint32_t>();
        if ((n_sample_format & 0xffffff) != samples_) fail("a record has other samples than the header");
        const std::string_view id = take_text();
        if (!id.empty() && id != ".") record.id = id;
        if (!n_allele) fail("REF is not there");
        record.ref = take_text();
        for (int i = 1; i < n_allele; ++i) {
            record.alts.push_back(take_text());
            if (record.alts.back().empty()) fail("an alternate is empty");
        }
        if (record.alts.size() == 1 && record.alts[0] == ".") record.alts.clear();
        parse_filters(record);
        for (int i = 0; i < n_info; ++i) parse_info(record);
        end_ = all;
        for (std::uint32_t i = 0; i < n_sample_format >> 24; ++i) parse_format(record);
    }

  private:
    struct Type {
        std::size_t count;
        int code;  // 0 missing, 1 int8, 2 int16, 3 int32, 5 float, 7 characters
    };

    template <class T>
    T take() {
        if (end_ - at_ < static_cast<std::ptrdiff_t>(sizeof(T))) fail("the record ends inside a value");
        T value;
        std::memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    const char* skip(std::size_t bytes) {
        if (static_cast<std::size_t>(end_ - at_) < bytes) fail("the record ends inside a value");
        const char* here = at_;
        at_ += bytes;
        return here;
    }
    Type take_type() {
        const auto byte = take<std::uint8_t>();
        Type type{static_cast<std::size_t>(byte >> 4), byte & 15};
        if (type.count == 15) {
            const auto count = take_integer();
            if (count < 0) fail("a value's length is negative");
            type.count = static_cast<std::size_t>(count);
        }
        return type;
    }
    std::int32_t take_integer() {
        const Type type = take_type();
        if (type.count != 1) fail("one integer is expected");
        return integer(skip(width(type.code)), type.code);
    }
    static std::size_t width(int code) {
        switch (code) {
            case 0: return 0;
            case 1: case 7: return 1;
            case 2: return 2;
            case 3: case 5: return 4;
            default: fail("a value has the unknown type " + std::to_string(code));
        }
    }
    static constexpr std::int32_t kEndInt = kMissingInt + 1;
    static constexpr std::uint32_t kEndFloat = 0x7F800002;
    // An integer of any width; marks of missing and of the vector's end are those of int32.
    static std::int32_t integer(const char* at, int code) {
        switch (code) {
            case 1: {
                std::int8_t value;
                std::memcpy(&value, at, 1);
                return value == INT8_MIN ? kMissingInt : value == INT8_MIN + 1 ? kEndInt : value;
            }
            case 2: {
                std::int16_t value;
                std::memcpy(&value, at, 2);
                return value == INT16_MIN ? kMissingInt : value == INT16_MIN + 1 ? kEndInt : value;
            }
            case 3: {
                std::int32_t value;
                std::memcpy(&value, at, 4);
                return value;
            }
            default: fail("an integer has the type " + std::to_string(code));
        }
    }
    std::string_view take_text() {
        const Type type = take_type();
        if (type.code != 7 && type.count) fail("text is expected");
        return characters(skip(type.count), type.count);
    }
    static std::string_view characters(const char* at, std::size_t count) {
        std::string_view text(at, count);
        text = text.substr(0, text.find('\0'));
        if (!is_utf8(text)) fail("text is not UTF-8: " + shown(text));
        return text;
    }
    std::string_view key(std::int32_t index) const {
        if (index < 0 || static_cast<std::size_t>(index) >= strings_.size() || strings_[static_cast<std::size_t>(index)].empty())
            fail("the header has no string of number " + std::to_string(index));
        return strings_[static_cast<std::size_t>(index)];
    }

    void parse_filters(Record& record) {
        const Type type = take_type();
        if (!type.count || !type.code) return;
        const char* at = skip(type.count * width(type.code));
        record.filter = Filter::failed;
        for (std::size_t i = 0; i < type.count; ++i) {
            const auto name = key(integer(at + i * width(type.code), type.code));
            if (name == "PASS" && type.count == 1)
                record.filter = Filter::pass;
            else
                record.filters.push_back(name);
        }
    }

    // Appends what one value holds to the pool of its kind.
    void values(const char* at, Type type, Kind kind, Pools& pools) {
        if (type.code == 7) {
            const auto text = characters(at, type.count);
            if (text.empty()) return;
            parse_values(text, kind == Kind::flag ? Kind::text : kind, "a value", pools);
            return;
        }
        std::size_t count = 0;
        if (type.code == 5) {
            for (; count < type.count; ++count) {
                float value;
                std::memcpy(&value, at + 4 * count, 4);
                if (std::bit_cast<std::uint32_t>(value) == kEndFloat) break;
                pools.floats.push_back(value);
            }
            if (count == 1 && is_missing(pools.floats.back())) pools.floats.pop_back();
            return;
        }
        for (; count < type.count; ++count) {
            const auto value = integer(at + count * width(type.code), type.code);
            if (value == kEndInt) break;
            pools.integers.push_back(value);
        }
        if (count == 1 && is_missing(pools.integers.back())) pools.integers.pop_back();
    }

    // What a typed value is: the record's own type, where it tells.
    static Kind kind_of(Type type, Kind declared) {
        return type.code == 0 ? (declared == Kind::flag ? Kind::text : declared)
               : type.code == 7 ? Kind::text
               : type.code == 5 ? Kind::floating
                                : Kind::integer;
    }

    void parse_info(Record& record) {
        const auto name = key(take_integer());
        const Type type = take_type();
        const Kind declared = definition_of(info_, name).kind;
        if (record.info(name)) fail("INFO has " + std::string(name) + " twice");
        const char* at = skip(type.count * width(type.code));
        if (declared == Kind::flag && type.code != 7) {
            record.infos.push_back({name, Kind::flag, 0, 0});
            return;
        }
        const Kind kind = kind_of(type, declared);
        const std::size_t first = pool_size(record.pools, kind);
        values(at, type, kind, record.pools);
        record.infos.push_back({name, kind, first, pool_size(record.pools, kind) - first});
    }

    void parse_format(Record& record) {
        const auto name = key(take_integer());
        const Type type = take_type();
        const std::size_t bytes = type.count * width(type.code);
        const char* at = skip(bytes * samples_);
        if (name == "GT") {
            genotypes(at, type, record.add_format(name, Kind::text), record.pools);
            return;
        }
        Format& format = record.add_format(name, kind_of(type, definition_of(format_, name).kind));
        if (format.kind == Kind::integer && type.code != 7) {
            integers(at, type, format, record.pools.integers);
            return;
        }
        for (std::size_t sample = 0; sample < samples_; ++sample) {
            const std::size_t first = pool_size(record.pools, format.kind);
            values(at + sample * bytes, type, format.kind, record.pools);
            format.samples.push_back({static_cast<std::uint32_t>(first),
                                      static_cast<std::uint32_t>(pool_size(record.pools, format.kind) - first)});
        }
    }

    // Integers of all samples, `type.count` each.
    void integers(const char* at, Type type, Format& format, std::vector<std::int32_t>& pool) {
        const std::size_t first = pool.size(), count = type.count, all = samples_ * count;
        if (!type.code && count) fail("an integer has the type 0");
        pool.resize(first + all);
        std::int32_t* const out = pool.data() + first;
        switch (type.code) {
            case 0: break;  // nobody has anything
            case 1: widen<std::int8_t>(at, all, out); break;
            case 2: widen<std::int16_t>(at, all, out); break;
            case 3: std::memcpy(out, at, all * sizeof *out); break;
            default: fail("an integer has the type " + std::to_string(type.code));
        }
        // Both marks are below every value.
        bool marks = false;
        for (std::size_t i = 0; i < all; ++i) marks |= out[i] <= kEndInt;
        format.samples.resize(samples_);
        for (std::size_t sample = 0; sample < samples_; ++sample)
            format.samples[sample] = {static_cast<std::uint32_t>(first + sample * count), static_cast<std::uint32_t>(count)};
        if (!marks) return;
        for (Range& range : format.samples) {
            const std::int32_t* values = pool.data() + range.first;
            const auto size = static_cast<std::size_t>(std::find(values, values + count, kEndInt) - values);
            range.count = size == 1 && is_missing(values[0]) ? 0 : static_cast<std::uint32_t>(size);
        }
    }
    template <class T>
    static void widen(const char* at, std::size_t count, std::int32_t* out) {
        constexpr T missing = std::numeric_limits<T>::min(), end = missing + 1;
        for (std::size_t i = 0; i < count; ++i) {
            T value;
            std::memcpy(&value, at + i * sizeof value, sizeof value);
            out[i] = value == missing ? kMissingInt : value == end ? kEndInt : value;
        }
    }

    // GT of all samples. Each is known by its bytes, where these are few; neighbours mostly have the same.
    void genotypes(const char* at, Type type, Format& format, Pools& pools) {
        const std::size_t bytes = type.count * width(type.code), first = pools.texts.size();
        const bool is_short = bytes && bytes <= sizeof(std::uint64_t);
        pools.texts.resize(first + samples_);
        format.samples.resize(samples_);
        const Seen* last = nullptr;
        for (std::size_t sample = 0; sample < samples_; ++sample, at += bytes) {
            std::string_view& text = pools.texts[first + sample];
            Range& range = format.samples[sample];
            range = {static_cast<std::uint32_t>(first + sample), 1};
            if (!is_short) {
                range.count = genotype(at, type, text);
                continue;
            }
            const std::uint64_t key = short_key(at, bytes);
            if (!last || last->key != key) {
                Seen& seen = seen_[(key * 0x9E3779B97F4A7C15u) >> 56];
                if (seen.key != key || seen.code != type.code || seen.count != type.count) {
                    seen = {key, type.code, type.count, {}};
                    if (!genotype(at, type, seen.text)) seen.text = {};
                }
                last = &seen;
            }
            text = last->text;
            range.count = !text.empty();
        }
    }

    // The text of one: (allele + 1) << 1 | phased, of each copy; 0 is a missing allele. Whether there is any.
    bool genotype(const char* at, Type type, std::string_view& found) {
        char text[512];
        char* out = text;
        std::size_t copies = 0;
        for (; copies < type.count; ++copies) {
            const auto value = integer(at + copies * width(type.code), type.code);
            if (value == kEndInt) break;
            if (out - text > 490) fail("GT has over 40 copies");
            if (copies) *out++ = value != kMissingInt && (value & 1) ? '|' : '/';
            const auto allele = value == kMissingInt ? -1 : (value >> 1) - 1;
            if (allele < 0)
                *out++ = '.';
            else
                out = std::to_chars(out, text + sizeof text, allele).ptr;
        }
        if (copies) found = kept({text, static_cast<std::size_t>(out - text)});
        return copies != 0;
    }

    // A text that lives as long as the record. Genotypes are few: each is kept once.
    std::string_view kept(std::string_view text) {
        const auto found = genotypes_.find(text);
        if (found != genotypes_.end()) return found->first;
        return genotypes_.emplace(std::string(text), 0).first->first;
    }

    const Definitions& info_;
    const Definitions& format_;
    std::vector<std::string> strings_;
    std::vector<std::pair<std::string, std::int32_t>> contigs_;
    std::size_t samples_;
    // Genotypes as they were last stored, and their text.
    struct Seen {
        std::uint64_t key = 0;
        int code = 0;  // of their type; 0: none is kept
        std::size_t count = 0;
        std::string_view text;
    };
    std::array<Seen, 256> seen_{};
    std::unordered_map<std::string, int, StringHash, std::equal_to<>> genotypes_;
    const char* at_ = nullptr;
    const char* end_ = nullptr;
};

}  // namespace baselake::vcf
