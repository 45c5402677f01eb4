// One record of a VCF or BCF file, as either parser fills it and the row builders read it.
//
// Views point into the parser's own buffers and are good until the next record is parsed. A record is refused by
// throwing Fault, whose text says what is wrong; the caller knows the line.
#pragma once

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baselake::vcf {

struct Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] inline void fail(const std::string& what) { throw Fault(what); }

inline std::string shown(std::string_view text) {
    std::string out = "'";
    for (const char c : text.substr(0, 40)) out += c >= ' ' && c <= '~' ? c : '?';
    return out + (text.size() > 40 ? "...'" : "'");
}

// VCF is UTF-8 since 4.3, as text in Parquet is (RFC 3629, section 4).
inline bool is_utf8(std::string_view text) {
    const auto* at = reinterpret_cast<const unsigned char*>(text.data());
    const auto* const end = at + text.size();
    while (at < end) {
        std::uint64_t eight;
        if (end - at >= 8 && (std::memcpy(&eight, at, 8), (eight & 0x8080808080808080) == 0)) {
            at += 8;
            continue;
        }
        const unsigned char lead = *at++;
        if (lead < 0x80) continue;
        const int more = lead >= 0xC2 && lead <= 0xDF ? 1 : (lead & 0xF0) == 0xE0 ? 2 : lead >= 0xF0 && lead <= 0xF4 ? 3 : 0;
        if (!more || end - at < more) return false;
        if ((lead == 0xE0 && at[0] < 0xA0) || (lead == 0xED && at[0] > 0x9F) || (lead == 0xF0 && at[0] < 0x90) ||
            (lead == 0xF4 && at[0] > 0x8F))
            return false;
        for (int i = 0; i < more; ++i)
            if ((*at++ & 0xC0) != 0x80) return false;
    }
    return true;
}

// Missing elements, as BCF2 marks them (VCF 4.3, section 6.3.3).
constexpr std::int32_t kMissingInt = std::numeric_limits<std::int32_t>::min();
constexpr std::uint32_t kMissingFloatBits = 0x7F800001;
inline float missing_float() { return std::bit_cast<float>(kMissingFloatBits); }
inline bool is_missing(float value) { return std::bit_cast<std::uint32_t>(value) == kMissingFloatBits; }
inline bool is_missing(std::int32_t value) { return value == kMissingInt; }
inline bool is_missing(std::string_view value) { return value == "."; }

enum class Kind : std::uint8_t { flag, integer, floating, text };

// How the header declares a key of INFO or FORMAT. `number`: how many values it says; -1 A, -2 R, -3 G, -4 any.
struct Definition {
    Kind kind = Kind::text;
    int number = -4;
    bool reserved = false;  // the specification says it too
};
constexpr int kPerAlternate = -1, kPerAllele = -2, kPerGenotype = -3, kAnyNumber = -4;

struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using Definitions = std::unordered_map<std::string, Definition, StringHash, std::equal_to<>>;

inline Definition definition_of(const Definitions& known, std::string_view key) {
    const auto found = known.find(key);
    return found == known.end() ? Definition{} : found->second;
}

// Values of all keys of a record, of each kind in one pool.
// A key of up to 8 bytes, as a number. Of the sizes that genotypes have, without a call.
inline std::uint64_t short_key(const char* at, std::size_t size) {
    std::uint64_t key = 0;
    switch (size) {
        case 1: return static_cast<unsigned char>(*at);
        case 2: std::memcpy(&key, at, 2); return key;
        case 3: std::memcpy(&key, at, 2); return key | std::uint64_t{static_cast<unsigned char>(at[2])} << 16;
        default: std::memcpy(&key, at, size); return key;
    }
}

struct Pools {
    std::vector<std::int32_t> integers;
    std::vector<float> floats;
    std::vector<std::string_view> texts;
    void clear() {
        integers.clear();
        floats.clear();
        texts.clear();
    }
};

// One key of INFO: `count` values of the pool of its kind from `first` on; none: missing, or a flag.
struct Info {
    std::string_view key;
    Kind kind;
    std::size_t first;
    std::size_t count;
};

// Where the values of one sample lie in the pool of their kind; none: missing.
struct Range {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

// One key of FORMAT, with a range for each sample.
struct Format {
    std::string_view key;
    Kind kind = Kind::text;
    std::vector<Range> samples;
};

enum class Filter : std::uint8_t { missing, pass, failed };

struct Record {
    std::int32_t contig = -1;  // index among the reference's
    std::int64_t start = 0;    // POS - 1; -1 is VCF's telomere
    std::string_view id;       // empty: missing
    std::string_view ref;
    std::vector<std::string_view> alts;  // none: '.'
    float qual = missing_float();
    Filter filter = Filter::missing;
    std::vector<std::string_view> filters;
    std::vector<Info> infos;
    std::vector<Format> formats;  // the first `format_count` are this record's; the rest keep their memory
    std::size_t format_count = 0;
    Pools pools;

    void clear() {
        id = ref = {};
        alts.clear();
        filters.clear();
        infos.clear();
        format_count = 0;
        pools.clear();
        qual = missing_float();
        filter = Filter::missing;
    }
    Format& add_format(std::string_view key, Kind kind) {
        if (format_count == formats.size()) formats.emplace_back();
        Format& format = formats[format_count++];
        format.key = key;
        format.kind = kind;
        format.samples.clear();
        return format;
    }
    const Format* format(std::string_view key) const {
        for (std::size_t i = 0; i < format_count; ++i)
            if (formats[i].key == key) return &formats[i];
        return nullptr;
    }
    const Info* info(std::string_view key) const {
        for (const Info& info : infos)
            if (info.key == key) return &info;
        return nullptr;
    }
};

inline std::int32_t parse_integer(std::string_view text, std::string_view key) {
    std::int64_t value = 0;
    const char* begin = text.data() + (text.size() > 1 && text[0] == '+');
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || stop != end) fail(std::string(key) + " is declared an Integer and is " + shown(text));
    // The least eight numbers are BCF's marks (VCF 4.3, section 1.3).
    if (value < std::int64_t{kMissingInt} + 8 || value > std::numeric_limits<std::int32_t>::max())
        fail(std::string(key) + " is " + shown(text) + ", beyond 32 bits");
    return static_cast<std::int32_t>(value);
}

// Numbers, Infinity and NaN in any case, as VCF 4.3 spells them (section 1.3). What is too small for a float is 0.
inline float parse_float(std::string_view text, std::string_view key) {
    double value = 0;
    const char* begin = text.data() + (text.size() > 1 && text[0] == '+');
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (stop != end || error == std::errc::invalid_argument)
        fail(std::string(key) + " is declared a Float and is " + shown(text));
    if (error == std::errc::result_out_of_range) {
        // from_chars does not say which way.
        const auto exponent = text.find_first_of("eE");
        const bool tiny = exponent != std::string_view::npos && exponent + 1 < text.size() && text[exponent + 1] == '-';
        value = tiny ? 0.0 : std::numeric_limits<double>::infinity();
        if (!tiny && text[0] == '-') value = -value;
    }
    const auto narrow = static_cast<float>(value);
    // The one NaN that marks a missing value is not one that text can name.
    return std::isnan(narrow) ? std::numeric_limits<float>::quiet_NaN() : narrow;
}

// Calls `each` with every piece of `text` between separators.
template <class Each>
void split(std::string_view text, char separator, Each each) {
    for (;;) {
        const auto at = text.find(separator);
        each(text.substr(0, at));
        if (at == std::string_view::npos) return;
        text.remove_prefix(at + 1);
    }
}

// Parses the comma-separated values of a key into the pool of its kind; a lone '.' gives none.
inline void parse_values(std::string_view text, Kind kind, std::string_view key, Pools& pools) {
    if (text == ".") return;
    split(text, ',', [&](std::string_view value) {
        switch (kind) {
            case Kind::integer:
                pools.integers.push_back(value == "." ? kMissingInt : parse_integer(value, key));
                break;
            case Kind::floating:
                pools.floats.push_back(value == "." ? missing_float() : parse_float(value, key));
                break;
            default:
                pools.texts.push_back(value);
        }
    });
}

inline std::size_t pool_size(const Pools& pools, Kind kind) {
    return kind == Kind::integer ? pools.integers.size()
           : kind == Kind::floating ? pools.floats.size()
                                    : pools.texts.size();
}

}  // namespace baselake::vcf
