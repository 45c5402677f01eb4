// Alleles: how two sequences differ, spelled one way only.
#pragma once

#include "arrays.h"

namespace baselake::pileup {

// Replace `ref_length` reference bases from `position` by `alt`. An insertion has ref_length 0 and stands before
// `position`; a deletion has an empty alt.
struct Allele {
    int32_t position;
    int32_t ref_length;
    std::string alt;

    int32_t end() const { return position + ref_length; }
    bool indel() const { return static_cast<int32_t>(alt.size()) != ref_length; }
    int32_t shift() const { return static_cast<int32_t>(alt.size()) - ref_length; }  // of everything to its right
    auto key() const { return std::tie(position, ref_length, alt); }
    bool operator<(const Allele& other) const { return key() < other.key(); }
    bool operator==(const Allele& other) const { return key() == other.key(); }
};

// Trims shared bases and moves an insertion or deletion as far left as the reference repeats allow
// (Tan, Abecasis and Kang 2015, doi:10.1093/bioinformatics/btv112).
inline Allele left_aligned(Allele a, const Window& reference) {
    auto ref_base = [&](int32_t i) { return reference[a.position + i]; };
    while (a.ref_length > 0 && !a.alt.empty() && a.alt.back() == ref_base(a.ref_length - 1)) {
        a.alt.pop_back();
        --a.ref_length;
    }
    size_t shared = 0;
    while (a.ref_length > 0 && shared < a.alt.size() && a.alt[shared] == reference[a.position]) {
        ++shared;
        ++a.position;
        --a.ref_length;
    }
    a.alt.erase(0, shared);
    if (a.alt.empty() && a.ref_length > 0) {
        while (a.position > reference.begin() && reference[a.position - 1] == ref_base(a.ref_length - 1) &&
               reference[a.position - 1] != 'N')
            --a.position;
    } else if (a.ref_length == 0 && !a.alt.empty()) {
        const size_t n = a.alt.size();
        size_t turned = 0;  // the inserted sequence rotates right by one for every base it moves left
        while (a.position > reference.begin() && reference[a.position - 1] == a.alt[(n - 1 - turned % n)] &&
               reference[a.position - 1] != 'N') {
            --a.position;
            ++turned;
        }
        std::rotate(a.alt.begin(), a.alt.end() - static_cast<std::ptrdiff_t>(turned % n), a.alt.end());
    }
    return a;
}

// How far right of a.end() the same change could be written: the reference repeat an indel lies in.
inline int32_t right_extent(const Allele& a, const Window& reference, int32_t limit) {
    int32_t k = 0;
    if (a.alt.empty())
        while (k < limit && reference[a.position + k] == reference[a.end() + k] && reference[a.end() + k] != 'N') ++k;
    else if (a.ref_length == 0)
        while (k < limit && reference[a.position + k] == a.alt[static_cast<size_t>(k) % a.alt.size()]) ++k;
    return k;
}

// The tandem repeat that a left-aligned insertion or deletion of whole units changes.
struct Repeat {
    int32_t unit;     // bases
    int32_t units;    // of the reference
    int32_t changed;  // units gained or lost
};

inline Repeat repeat_of(const Allele& a, const Window& reference) {
    const std::string moved = a.alt.empty() ? reference.slice(a.position, a.end()) : a.alt;
    const auto n = static_cast<int32_t>(moved.size());
    int32_t unit = 1;
    while (unit < n && !(n % unit == 0 && moved.compare(static_cast<size_t>(unit), std::string::npos, moved, 0, static_cast<size_t>(n - unit)) == 0)) ++unit;
    int32_t length = 0;
    while (reference[a.position + length] == moved[static_cast<size_t>(length % unit)]) ++length;
    return {unit, length / unit, n / unit};
}

// As VCF spells it: 0-based start, and REF and ALT with an anchor base where one of them would be empty.
struct Spelling {
    int32_t start;
    std::string ref, alt;
};

inline Spelling vcf_spelling(const Allele& a, const Window& reference) {
    const std::string ref = reference.slice(a.position, a.end());
    if (!ref.empty() && !a.alt.empty()) return {a.position, ref, a.alt};
    if (a.position == 0) {  // VCF 4.3, section 1.6.1: at the first base the anchor follows
        const char anchor = reference[a.end()];
        return {0, ref + anchor, a.alt + anchor};
    }
    const char anchor = reference[a.position - 1];
    return {a.position - 1, anchor + ref, anchor + a.alt};
}

}  // namespace baselake::pileup
