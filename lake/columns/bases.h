// Bases at two bits.
#pragma once

#include "lake/columns/numbers.h"

namespace baselake::columns {

inline constexpr char kFour[] = "ACGT";
constexpr uint8_t kOther = 4;
inline constexpr std::array<uint8_t, 256> kCodes = [] {
    std::array<uint8_t, 256> codes{};
    codes.fill(kOther);
    for (uint8_t code = 0; code < 4; ++code) codes[static_cast<uint8_t>(kFour[code])] = code;
    return codes;
}();

inline void pack_one(char base, size_t place, Bytes& packed, Numbers& places, Bytes& others) {
    const uint8_t code = kCodes[static_cast<uint8_t>(base)];
    if (code == kOther) {
        places.push_back(static_cast<int64_t>(place));
        others.push_back(base);
    } else {
        packed[place / 4] = static_cast<char>(packed[place / 4] | code << place % 4 * 2);
    }
}

// Eight bases at two bits, the first lowest; -1 where one is not A, C, G or T.
inline int pack_eight(const char* bases) {
    uint64_t text;
    std::memcpy(&text, bases, 8);
    constexpr uint64_t ones = 0x0101010101010101;
    // Bits 1 and 2 of A, C, G, T are 0, 1, 3, 2.
    const uint64_t low = text >> 1 & ones, high = text >> 2 & ones, codes = (low ^ high) | high << 1;
    // What these spell: A is 0x41, C 2 more, G 6 more, T 19 more.
    const uint64_t spelled = 0x41 * ones + 2 * (low & ~high) + 6 * (low & high) + 19 * (high & ~low);
    if (spelled != text) return -1;
    // Four bytes of two bits each, moved together into the highest of them.
    constexpr uint32_t together = 1u << 24 | 1u << 18 | 1u << 12 | 1u << 6;
    const uint32_t first = static_cast<uint32_t>(codes) * together >> 24;
    const uint32_t second = static_cast<uint32_t>(codes >> 32) * together >> 24;
    return static_cast<int>(first | second << 8);
}

// Bases at two bits, four to a byte from its low end, and what is not A, C, G or T set apart: number of bases, the
// bytes, bytes(the places of the others as numbers), the others.
inline Bytes pack_bases(std::string_view bases) {
    Bytes packed((bases.size() + 3) / 4, 0), others;
    Numbers places;
    size_t i = 0;
    for (; i + 8 <= bases.size(); i += 8) {
        if (const int quads = pack_eight(bases.data() + i); quads >= 0) {
            packed[i / 4] = static_cast<char>(quads);
            packed[i / 4 + 1] = static_cast<char>(quads >> 8);
        } else {
            for (size_t at = i; at < i + 8; ++at) pack_one(bases[at], at, packed, places, others);
        }
    }
    for (; i < bases.size(); ++i) pack_one(bases[i], i, packed, places, others);
    Bytes out;
    put_number(out, bases.size());
    out.append(packed);
    put_bytes(out, pack_numbers(places));
    put_bytes(out, pack_bytes(others));
    return out;
}

// Packed bases as they stand: `quads` are the bytes of four.
struct PackedBases {
    uint64_t n;
    std::string_view quads;
    Numbers places;
    Bytes others;
};

inline PackedBases read_bases(std::string_view packed) {
    Reader in(packed);
    PackedBases found{};
    found.n = in.number();
    if (found.n / 4 > in.left()) damaged("bases end early");
    found.quads = in.take((found.n + 3) / 4);
    found.places = unpack_numbers(in.bytes());
    Reader inner(in.bytes());
    found.others = unpack_bytes(inner);
    if (found.others.size() != found.places.size()) damaged("bases have too few others");
    for (const int64_t place : found.places)
        if (place < 0 || static_cast<uint64_t>(place) >= found.n) damaged("a base lies outside");
    return found;
}

inline Bytes unpack_bases(std::string_view packed) {
    static const auto kQuads = [] {
        std::array<std::array<char, 4>, 256> quads{};
        for (size_t byte = 0; byte < 256; ++byte)
            for (size_t i = 0; i < 4; ++i) quads[byte][i] = kFour[byte >> 2 * i & 3];
        return quads;
    }();
    const auto [n, quads, places, others] = read_bases(packed);
    Bytes out(quads.size() * 4, 0);
    for (size_t i = 0; i < quads.size(); ++i) std::memcpy(out.data() + 4 * i, kQuads[static_cast<uint8_t>(quads[i])].data(), 4);
    out.resize(n);
    for (size_t i = 0; i < places.size(); ++i) out[static_cast<size_t>(places[i])] = others[i];
    return out;
}

}  // namespace baselake::columns
