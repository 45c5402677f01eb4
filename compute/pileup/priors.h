// How likely alleles and genotypes are before any read is seen.
#pragma once

#include <cmath>

#include "alleles.h"

namespace baselake::pileup {

// Insertions and deletions of a whole unit are commoner the more units a repeat has. Counted in the high-confidence
// calls of HG001 (GIAB 3.3.2, chromosome 20): from 3 to 10 units the rate rises by 3.7 (one-base units) to 6 phred
// a unit, and a repeat of 12 or more varies in one to three genomes of ten. Half of that rise is used.
constexpr double REPEAT_GAIN = 3;
constexpr int32_t REPEAT_UNITS = 3;
constexpr double MIN_INDEL_COST = 15;
// Variants cluster (a haplotype that differs here differs nearby; a repeat that varies has many lengths): one
// region in thirty that varies varies twice.
constexpr double LINKED_COST = 15;

// Phred of the rate of heterozygotes for one allele.
inline double allele_prior(const Allele& allele, const Window& reference, const Parameters& parameters) {
    if (!allele.indel()) return -10 * std::log10(parameters.heterozygosity);
    const double base = -10 * std::log10(parameters.indel_heterozygosity);
    if (allele.ref_length && !allele.alt.empty()) return base;
    const int32_t beyond = std::max(0, repeat_units(allele, reference) - REPEAT_UNITS);
    return std::max(std::min(base, MIN_INDEL_COST), base - REPEAT_GAIN * beyond);
}

// Prior of the genotype of some haplotypes, as sets of alleles: the rarest allele costs its rate, k copies of it being k
// times rarer than one (an infinite-sites population), and each further one LINKED_COST.
template <typename Masks> double genotype_prior(const Masks& masks, const std::vector<double>& rates) {
    double rarest = 0;
    int count = 0;
    for (size_t i = 0; i < rates.size(); ++i) {
        int copies = 0;
        for (uint64_t mask : masks) copies += static_cast<int>(mask >> i & 1);
        if (copies == 0) continue;
        rarest = std::max(rarest, rates[i] + (copies > 1 ? 10 * std::log10(static_cast<double>(copies)) : 0));
        ++count;
    }
    return count ? rarest + LINKED_COST * (count - 1) : 0;
}

}  // namespace baselake::pileup
