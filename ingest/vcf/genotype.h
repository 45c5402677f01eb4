// A sample's GT, taken apart.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
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

// The GT of rows, each kept once: a row has its number.
class RowGenotypes {
  public:
    const std::vector<std::string>& texts() const { return texts_; }

    std::int32_t number_of(std::string_view gt) {
        if (last_ < texts_.size() && texts_[last_] == gt) return static_cast<std::int32_t>(last_);
        const auto known = numbers_.find(gt);
        if (known != numbers_.end()) {
            last_ = known->second;
        } else {
            last_ = texts_.size();
            texts_.emplace_back(gt);
            numbers_.emplace(std::string(gt), last_);
        }
        return static_cast<std::int32_t>(last_);
    }

    // What a GT means where there is one alternate.
    struct Simple {
        std::uint64_t key = 0;  // its letters
        std::size_t size = 0;   // how many; 0: nothing is known
        std::int32_t number = 0;
        std::int32_t ploidy = 0;
        std::int8_t copies = 0;  // of the alternate; kMissingCopies: that cannot be told
        bool missing = false;    // an allele is
    };
    static constexpr std::int8_t kMissingCopies = -1;

    // nullptr: it is too long to be looked up, no genotype, or names another allele.
    const Simple* simple(std::string_view gt) {
        if (gt.empty() || gt.size() > sizeof(std::uint64_t)) return nullptr;
        const std::uint64_t key = short_key(gt.data(), gt.size());
        Simple& found = simple_[(key * 0x9E3779B97F4A7C15u) >> 56];
        if (found.key == key && found.size == gt.size()) return &found;
        try {
            parse_genotype(gt, 1, parsed_);
        } catch (const Fault&) {
            return nullptr;  // whoever looks at each sample says what is wrong
        }
        found = {key, gt.size(), number_of(gt), static_cast<std::int32_t>(parsed_.alleles.size()), 0, parsed_.missing()};
        for (const int allele : parsed_.alleles) found.copies = static_cast<std::int8_t>(found.copies + (allele == 1));
        if (!found.copies && found.missing) found.copies = kMissingCopies;
        return &found;
    }

  private:
    std::vector<std::string> texts_;
    std::unordered_map<std::string, std::size_t, StringHash, std::equal_to<>> numbers_;
    std::size_t last_ = 0;
    std::array<Simple, 256> simple_{};
    Genotype parsed_;
};

}  // namespace baselake::vcf
