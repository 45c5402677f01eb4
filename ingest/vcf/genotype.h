// A sample's GT, taken apart.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "ingest/vcf/record.h"

namespace baselake::vcf {

// Genotypes of `alleles` alleles in `copies` copies: C(alleles + copies - 1, copies). 0: too many to be meant.
inline std::size_t genotype_count(std::size_t alleles, std::size_t copies) {
    std::size_t count = 1;
    for (std::size_t i = 1; i <= copies; ++i) {
        count = count * (alleles + i - 1) / i;
        if (count > 1'000'000) return 0;
    }
    return count;
}

struct Genotype {
    bool there = false;
    std::string_view text;
    std::vector<int> alleles;  // -1: missing
    bool reference() const {
        return there && std::all_of(alleles.begin(), alleles.end(), [](int allele) { return allele == 0; });
    }
    bool missing() const {
        return !there || std::any_of(alleles.begin(), alleles.end(), [](int allele) { return allele < 0; });
    }
};

inline void parse_genotype(std::string_view text, std::size_t alternates, Genotype& out) {
    out.there = true;
    out.text = text;
    out.alleles.clear();
    std::size_t at = 0;
    for (;;) {
        if (at < text.size() && text[at] == '.') {
            out.alleles.push_back(-1);
            ++at;
        } else {
            int allele = 0;
            const auto [stop, error] = std::from_chars(text.data() + at, text.data() + text.size(), allele);
            if (error != std::errc() || text[at] == '-') fail("GT is not a genotype: " + shown(text));
            // What is called of a site without alternates is kept, and is no variant.
            if (alternates && static_cast<std::size_t>(allele) > alternates)
                fail("GT " + shown(text) + " names allele " + std::to_string(allele) + " of " + std::to_string(alternates));
            out.alleles.push_back(allele);
            at = static_cast<std::size_t>(stop - text.data());
        }
        if (at == text.size()) return;
        if (text[at] != '/' && text[at] != '|') fail("GT is not a genotype: " + shown(text));
        ++at;
    }
}

}  // namespace baselake::vcf
