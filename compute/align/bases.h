// Bases as characters.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace baselake {

// IUPAC codes (SAMv1 section 1.5); what is none becomes N.
constexpr std::array<char, 256> complements() {
    std::array<char, 256> table{};
    for (int i = 0; i < 256; ++i) table[i] = 'N';
    constexpr std::string_view from = "ACGTUMRWSYKVHDBNacgtumrwsykvhdbn=";
    constexpr std::string_view to = "TGCAAKYWSRMBDHVNTGCAAKYWSRMBDHVN=";
    for (std::size_t i = 0; i < from.size(); ++i) table[static_cast<unsigned char>(from[i])] = to[i];
    return table;
}
inline constexpr auto COMPLEMENT = complements();

// 0 to 3 for A, C, G, T; -1 for anything else.
constexpr int base_code(char c) {
    switch (c) {
        case 'A': return 0;
        case 'C': return 1;
        case 'G': return 2;
        case 'T': return 3;
        default: return -1;
    }
}

inline void reverse_complement(std::string_view seq, std::string& out) {
    out.resize(seq.size());
    for (std::size_t i = 0; i < seq.size(); ++i) {
        out[i] = COMPLEMENT[static_cast<unsigned char>(seq[seq.size() - 1 - i])];
    }
}

}  // namespace baselake
