// Columns of whole numbers: as they are, as differences or by a dictionary, whichever is smallest, byte by byte.
//
//   column     := kind, n, signed, planes, that many bytes(stream): the lowest byte of all numbers, the next, ...
//   dictionary := 2, n, entries, each entry's difference from the one before (zigzag), bytes(stream of their places)
//
// `signed`: numbers are zigzag coded. Differences: of each number from the one before it, the first from 0.
#pragma once

#include <unordered_map>

#include "lake/columns/entropy.h"

namespace baselake::columns {

using Numbers = std::vector<int64_t>;

enum Kind : uint8_t { kPlain, kDelta, kDictionary };

inline Bytes pack_planes(const Numbers& values, Kind kind) {
    const bool negative = std::any_of(values.begin(), values.end(), [](int64_t v) { return v < 0; });
    std::vector<uint64_t> coded(values.size());
    uint64_t all = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        coded[i] = negative ? zigzag(values[i]) : static_cast<uint64_t>(values[i]);
        all |= coded[i];
    }
    Bytes out(1, static_cast<char>(kind));
    put_number(out, values.size());
    out.push_back(negative);
    const int planes = (std::bit_width(all) + 7) / 8;
    out.push_back(static_cast<char>(planes));
    Bytes plane(values.size(), 0);
    for (int p = 0; p < planes; ++p) {
        for (size_t i = 0; i < values.size(); ++i) plane[i] = static_cast<char>(coded[i] >> 8 * p);
        put_bytes(out, pack_bytes(plane));
    }
    return out;
}

inline Bytes pack_dictionary(const Numbers& values) {
    std::unordered_map<int64_t, uint8_t> places;
    constexpr size_t most = 256;
    Numbers entries;
    for (const int64_t value : values) {
        if (!places.emplace(value, 0).second) continue;
        entries.push_back(value);
        if (entries.size() > most) return {};
    }
    std::sort(entries.begin(), entries.end());
    Bytes out(1, static_cast<char>(kDictionary));
    put_number(out, values.size());
    put_number(out, entries.size());
    uint64_t before = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
        places[entries[i]] = static_cast<uint8_t>(i);
        put_number(out, zigzag(static_cast<int64_t>(static_cast<uint64_t>(entries[i]) - before)));
        before = static_cast<uint64_t>(entries[i]);
    }
    Bytes ranks(values.size(), 0);
    for (size_t i = 0; i < values.size(); ++i) ranks[i] = static_cast<char>(places[values[i]]);
    put_bytes(out, pack_bytes(ranks));
    return out;
}

inline Bytes pack_numbers(const Numbers& values) {
    Bytes best = pack_planes(values, kPlain);
    const auto offer = [&](Bytes&& other) {
        if (!other.empty() && other.size() < best.size()) best = std::move(other);
    };
    constexpr size_t small = 16;
    if (best.size() <= small) return best;
    Numbers differences(values.size());
    uint64_t before = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        differences[i] = static_cast<int64_t>(static_cast<uint64_t>(values[i]) - before);
        before = static_cast<uint64_t>(values[i]);
    }
    offer(pack_planes(differences, kDelta));
    offer(pack_dictionary(values));
    return best;
}

inline Numbers unpack_numbers(std::string_view packed) {
    Reader in(packed);
    const uint8_t kind = in.byte();
    const uint64_t n = in.number();
    constexpr uint64_t most = uint64_t{1} << 36;
    if (n > most) damaged("a column is too long");
    Numbers values(n);
    const auto stream = [&] {
        Reader inner(in.bytes());
        Bytes bytes = unpack_bytes(inner);
        if (bytes.size() != n) damaged("a column's bytes are not as many as its numbers");
        return bytes;
    };
    if (kind == kDictionary) {
        Numbers entries(in.number());
        if (entries.size() > 256) damaged("a dictionary is too large");
        uint64_t before = 0;
        for (int64_t& entry : entries) {
            before += static_cast<uint64_t>(unzigzag(in.number()));
            entry = static_cast<int64_t>(before);
        }
        const Bytes ranks = stream();
        for (size_t i = 0; i < n; ++i) {
            const auto rank = static_cast<uint8_t>(ranks[i]);
            if (rank >= entries.size()) damaged("a dictionary has no such entry");
            values[i] = entries[rank];
        }
        return values;
    }
    if (kind > kDelta) damaged("a column of unknown kind");
    const bool negative = in.byte();
    const uint8_t planes = in.byte();
    if (planes > 8) damaged("a column of unknown shape");
    std::vector<uint64_t> coded(n);
    for (int p = 0; p < planes; ++p) {
        const Bytes bytes = stream();
        for (size_t i = 0; i < n; ++i) coded[i] |= uint64_t{static_cast<uint8_t>(bytes[i])} << 8 * p;
    }
    uint64_t before = 0;
    for (size_t i = 0; i < n; ++i) {
        const auto value = negative ? static_cast<uint64_t>(unzigzag(coded[i])) : coded[i];
        before = kind == kDelta ? before + value : value;
        values[i] = static_cast<int64_t>(before);
    }
    return values;
}

}  // namespace baselake::columns
