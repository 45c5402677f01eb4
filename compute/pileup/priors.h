// How likely alleles and genotypes are before any read is seen.
#pragma once

#include <array>
#include <cmath>

#include "alleles.h"

namespace baselake::pileup {

// Insertions and deletions of whole units are commoner the more units a repeat has. The share of repeats that vary in
// one person, phred, as counted in HG001 (GIAB 3.3.2, chromosome 20): for units of one, two, and three or more bases it
// is `first` at `units` copies, falls by `drop` a copy, and stays at `last` where repeats are long. Of alleles 40% gain
// one unit, as many lose one; each further unit is 0.3 times as frequent.
struct RepeatRates {
    int units;
    double first, drop, last;
};
constexpr std::array<RepeatRates, 3> REPEAT_RATES{{{5, 32, 4.5, 7.5}, {4, 27, 3.8, 3.5}, {3, 22, 4.4, 5}}};
constexpr double ONE_UNIT_COST = 3.98, FURTHER_UNIT_COST = 5.23;  // 10 log10 of 1/0.4 and of 1/0.3
// Variants cluster (a haplotype that differs here differs nearby; a repeat that varies has many lengths): one
// region in thirty that varies varies twice.
constexpr double LINKED_COST = 15;

// Phred of the rate of heterozygotes for one allele.
inline double allele_prior(const Allele& allele, const Window& reference, const Parameters& parameters) {
    if (!allele.indel()) return -10 * std::log10(parameters.heterozygosity);
    const double base = -10 * std::log10(parameters.indel_heterozygosity);
    if (allele.ref_length && !allele.alt.empty()) return base;
    const Repeat repeat = repeat_of(allele, reference);
    const RepeatRates& rates = REPEAT_RATES[static_cast<size_t>(std::min(repeat.unit, 3) - 1)];
    if (repeat.units < rates.units) return base;
    const double varies = std::max(rates.last, rates.first - rates.drop * (repeat.units - rates.units));
    return std::min(base, varies + ONE_UNIT_COST + FURTHER_UNIT_COST * (repeat.changed - 1));
}

// Prior of the genotype of some haplotypes, as sets of alleles: the rarest allele costs its rate, k copies of it being k
// times rarer than one (an infinite-sites population), and each further one LINKED_COST, or its own rate where that is less.
template <typename Masks> double genotype_prior(const Masks& masks, const std::vector<double>& rates) {
    double rarest = 0, of_rarest = 0, further = 0;
    for (size_t i = 0; i < rates.size(); ++i) {
        int copies = 0;
        for (uint64_t mask : masks) copies += static_cast<int>(mask >> i & 1);
        if (copies == 0) continue;
        const double cost = rates[i] + (copies > 1 ? 10 * std::log10(static_cast<double>(copies)) : 0);
        const double linked = std::min(LINKED_COST, rates[i]);
        further += linked;
        if (cost > rarest) rarest = cost, of_rarest = linked;
    }
    return rarest + further - of_rarest;
}

}  // namespace baselake::pileup
