// Alleles in their normal form: one alternate, trimmed, as far left as the reference allows.
// Tan, Abecasis, Kang 2015, doi:10.1093/bioinformatics/btv112.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "ingest/vcf/record.h"

namespace baselake::vcf {

enum class AlleleKind : std::uint8_t {
    bases,
    symbolic,     // <DEL>
    breakend,     // G]17:198982], also the single ones of VCF 4.3, section 5.4.9
    overlapped,   // *: missing for an overlapping deletion
    unspecified,  // <*> or <NON_REF>: any alternate that was not called
};

inline bool is_base(char c) {
    switch (c) {
        case 'A': case 'C': case 'G': case 'T': case 'N':
        case 'a': case 'c': case 'g': case 't': case 'n':
            return true;
        default:
            return false;
    }
}
inline char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
inline bool all_bases(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_base); }

// A breakend, as VCF 4.3, section 5.4, spells it: t[p[, t]p], ]p]t or [p[t; p is CONTIG:POS, and t is bases.
inline bool is_breakend(std::string_view alt) {
    const auto first = alt.find_first_of("[]");
    if (first == std::string_view::npos) {
        // Single: '.' before or after bases.
        return alt.size() > 1 && ((alt.front() == '.' && all_bases(alt.substr(1))) ||
                                  (alt.back() == '.' && all_bases(alt.substr(0, alt.size() - 1))));
    }
    const auto second = alt.find(alt[first], first + 1);
    if (second == std::string_view::npos) return false;
    const auto before = alt.substr(0, first), after = alt.substr(second + 1), place = alt.substr(first + 1, second - first - 1);
    const auto inserted = [](std::string_view t) {
        if (!t.empty() && t.front() == '.') t.remove_prefix(1);
        if (!t.empty() && t.back() == '.') t.remove_suffix(1);
        return all_bases(t);
    };
    if (before.empty() == after.empty() || !inserted(before.empty() ? after : before)) return false;
    const auto colon = place.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const auto digits = place.substr(colon + 1);
    return !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

inline AlleleKind kind_of(std::string_view alt) {
    if (all_bases(alt)) return AlleleKind::bases;
    if (alt == "*") return AlleleKind::overlapped;
    if (alt == "<*>" || alt == "<NON_REF>") return AlleleKind::unspecified;
    if (alt.size() > 2 && alt.front() == '<' && alt.back() == '>' &&
        alt.substr(1, alt.size() - 2).find_first_of("<> ,\t") == std::string_view::npos)
        return AlleleKind::symbolic;
    if (is_breakend(alt)) return AlleleKind::breakend;
    fail("an alternate is neither bases, '*', <ID> nor a breakend: " + shown(alt));
}

struct Allele {
    std::int64_t start = 0;
    std::string ref, alt;
    std::string_view type;
};

inline std::string_view type_of(std::string_view ref, std::string_view alt) {
    if (ref.size() == alt.size()) return ref.size() == 1 ? "snv" : "mnv";
    if (ref[0] == alt[0] && ref.size() == 1) return "insertion";
    if (ref[0] == alt[0] && alt.size() == 1) return "deletion";
    return "complex";
}

// The normal form of bases at `start` (0-based) of a contig whose bases are given, upper case.
inline void normalise(std::string_view ref, std::string_view alt, std::int64_t start, std::string_view contig, Allele& out) {
    out.start = start;
    out.ref.assign(ref);
    out.alt.assign(alt);
    std::transform(out.ref.begin(), out.ref.end(), out.ref.begin(), upper);
    std::transform(out.alt.begin(), out.alt.end(), out.alt.begin(), upper);
    if (out.ref.size() > 1 || out.alt.size() > 1) {
        // How many bases are to be taken off the end, of both alleles with what is put before them.
        std::string before;  // reference bases put before both alleles, the nearest first
        std::size_t off = 0;
        const auto at = [&](const std::string& allele, std::size_t from_end) {
            const std::size_t size = allele.size();
            return from_end < size ? allele[size - 1 - from_end] : before[from_end - size];
        };
        for (;;) {
            const std::size_t shorter = std::min(out.ref.size(), out.alt.size()) + before.size() - off;
            if (shorter == 0) {
                if (out.start - static_cast<std::int64_t>(before.size()) <= 0) {
                    off -= 1;  // at the contig's first base there is nothing to put before it
                    break;
                }
                before.push_back(contig[static_cast<std::size_t>(out.start - static_cast<std::int64_t>(before.size()) - 1)]);
                continue;
            }
            if (at(out.ref, off) != at(out.alt, off)) break;
            ++off;
        }
        if (off) {
            std::reverse(before.begin(), before.end());
            out.start -= static_cast<std::int64_t>(before.size());
            out.ref = before + out.ref;
            out.alt = before + out.alt;
            out.ref.resize(out.ref.size() - off);
            out.alt.resize(out.alt.size() - off);
        }
        std::size_t same = 0;
        const std::size_t shorter = std::min(out.ref.size(), out.alt.size());
        while (same + 1 < shorter && out.ref[same] == out.alt[same]) ++same;
        out.ref.erase(0, same);
        out.alt.erase(0, same);
        out.start += static_cast<std::int64_t>(same);
    }
    out.type = type_of(out.ref, out.alt);
}

}  // namespace baselake::vcf
