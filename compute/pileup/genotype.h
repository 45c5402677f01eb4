// Genotype likelihoods from a table of costs: how badly each fragment fits each allele or haplotype.
//
// Costs are phred-scaled (-10 log10 of a likelihood) throughout.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "model.h"

namespace baselake::pileup {

inline double dependency_weight(int rank) {
    return (1 - DEPENDENCY_FLOOR) * std::pow(DEPENDENCY, rank) + DEPENDENCY_FLOOR;
}

inline double add_costs(double a, double b) {  // -10 log10 of a sum of likelihoods
    const double low = std::min(a, b), high = std::max(a, b);
    return std::isinf(high) ? low : low - 10 * std::log10(1 + std::pow(10.0, (low - high) / 10));
}

constexpr size_t MAX_GENOTYPES = 4000;  // of one region: what a ploidy leaves of its haplotypes is bounded by it

// One genotype: the haplotype or allele of each copy, none before a smaller one.
struct Genotype {
    std::array<int16_t, MAX_PLOIDY> copies;
    int ploidy;
    double cost;   // of the reads given the genotype
    double prior;  // of the genotype

    const int16_t* begin() const { return copies.data(); }
    const int16_t* end() const { return copies.data() + ploidy; }
};

// The number of ways to choose k of n.
inline size_t choose(size_t n, size_t k) {
    size_t out = 1;
    for (size_t i = 1; i <= k; ++i) out = out * (n - k + i) / i;
    return out;
}

// How many haplotypes may be genotyped: as many as give MAX_GENOTYPES.
inline size_t most_haplotypes(int ploidy) {
    const auto p = static_cast<size_t>(ploidy);
    size_t n = 2;
    while (n < 64 && choose(n + p, p) <= MAX_GENOTYPES) ++n;
    return n;
}

// Fragments by alleles. A row's costs are relative to its best allele and at most its cap: what is left is the
// chance that the fragment belongs elsewhere.
struct CostTable {
    int alleles = 0;
    std::vector<float> costs;      // fragments x alleles, row by row
    std::vector<float> fit;        // by fragment: cost of its best allele, before it was taken off
    std::vector<uint8_t> reverse;  // by fragment

    size_t fragments() const { return reverse.size(); }
    const float* row(size_t f) const { return costs.data() + f * static_cast<size_t>(alleles); }
    void add(const float* raw, float cap, bool is_reverse) {
        float best = std::numeric_limits<float>::infinity();
        for (int a = 0; a < alleles; ++a) best = std::min(best, raw[a]);
        for (int a = 0; a < alleles; ++a) costs.push_back(std::min(raw[a] - best, cap));
        fit.push_back(best);
        reverse.push_back(is_reverse);
    }
};

inline double log_choose_cost(int n, int k) {  // 10 log10 of the binomial coefficient
    return 10 / std::log(10.0) * (std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0));
}

// The same of the multinomial coefficient: of n fragments some are struck towards each of several alleles.
inline double ways_cost(int n, const std::vector<int>& struck) {
    double ways = std::lgamma(n + 1.0);
    int left = n;
    for (int k : struck) {
        ways -= std::lgamma(k + 1.0);
        left -= k;
    }
    return 10 / std::log(10.0) * (ways - std::lgamma(left + 1.0));
}

// 10 log10 of how unlikely k errors among n fragments are, where a systematic error strikes an unknown share of
// them: the share has a Beta(1, ARTEFACT_SHAPE) prior, small ones being likelier.
inline double artefact_cost(int n, int k) {
    auto log_beta = [](double x, double y) { return std::lgamma(x) + std::lgamma(y) - std::lgamma(x + y); };
    return 10 / std::log(10.0) * (log_beta(1, ARTEFACT_SHAPE) - log_beta(1 + k, ARTEFACT_SHAPE + n - k));
}

// Cost of the fragments that fit neither copy of a genotype. There are three accounts of them, and the likeliest
// holds:
// - independent errors, each in full;
// - one error shared by many: the k-th of a strand and an allele weighs dependency_weight(k), and any set of
//   fragments of those sizes are as likely to be struck towards each allele;
// - one strand misread at this place, as some motifs are: errors towards one allele on one strand cost the rate of
//   such places and the share struck, all others count in full.
class ErrorAccount {
  public:
    explicit ErrorAccount(const CostTable& table) : groups_(static_cast<size_t>(2 * table.alleles)) {
        for (size_t k = 0; k < weight_.size(); ++k) weight_[k] = dependency_weight(static_cast<int>(k));
        for (uint8_t reverse : table.reverse) ++fragments_[reverse];
    }
    void clear() {
        for (std::vector<float>& costs : groups_) costs.clear();
    }
    void add(int best_allele, bool reverse, float cost) {
        groups_[static_cast<size_t>(2 * best_allele + reverse)].push_back(cost);
    }
    double total() {
        double independent = 0, shared = 0, saved = 0;
        std::vector<int> by_allele(groups_.size() / 2, 0);
        for (size_t g = 0; g < groups_.size(); ++g) {
            std::vector<float>& costs = groups_[g];
            std::sort(costs.begin(), costs.end(), std::greater<>());
            double sum = 0, good = 0;
            int here = 0;
            for (size_t k = 0; k < costs.size(); ++k) {
                sum += costs[k];
                good += ARTEFACT_GOOD_SHARE * std::max(0.0f, costs[k] - ARTEFACT_TYPICAL_COST);
                shared += weight_[std::min(k, weight_.size() - 1)] * costs[k];
                here += costs[k] >= CLEAR_ERROR;
            }
            independent += sum;
            by_allele[g / 2] += here;
            if (here > 1) saved = std::max(saved, sum - good - STRAND_ARTEFACT_COST - artefact_cost(fragments_[g % 2], here));
        }
        return std::min(independent - saved, shared + ways_cost(fragments_[0] + fragments_[1], by_allele));
    }

  private:
    std::vector<std::vector<float>> groups_;  // errors by allele and strand
    std::array<double, RANKS> weight_;
    std::array<int, 2> fragments_{};
};

// Cost of all fragments under each genotype, in lexicographic order.
inline std::vector<Genotype> genotype_costs(const CostTable& table, int ploidy) {
    const int n = table.alleles;
    std::vector<int> best(table.fragments());
    for (size_t f = 0; f < table.fragments(); ++f)
        best[f] = static_cast<int>(std::min_element(table.row(f), table.row(f) + n) - table.row(f));
    ErrorAccount errors(table);
    std::vector<Genotype> out;
    Genotype g{};
    g.ploidy = ploidy;
    for (;;) {
        errors.clear();
        double cost = 0;
        const bool same = g.copies[0] == g.copies[static_cast<size_t>(ploidy) - 1];
        for (size_t f = 0; f < table.fragments(); ++f) {
            const float* row = table.row(f);
            float low = row[g.copies[0]];
            for (int16_t h : g) low = std::min(low, row[h]);
            if (!same) {
                // What the copies that fit worse add: the fragment comes from each with equal chance.
                double likelihood = 0;
                for (int16_t h : g) likelihood += std::pow(10.0f, (low - row[h]) / 10);
                cost -= 10 * std::log10(likelihood / ploidy);
            }
            if (low > 0) errors.add(best[f], table.reverse[f], low);
        }
        g.cost = cost + errors.total();
        out.push_back(g);
        int at = ploidy - 1;
        while (at >= 0 && g.copies[static_cast<size_t>(at)] == n - 1) --at;
        if (at < 0) return out;
        const auto next = static_cast<int16_t>(g.copies[static_cast<size_t>(at)] + 1);
        for (int i = at; i < ploidy; ++i) g.copies[static_cast<size_t>(i)] = next;
    }
}

}  // namespace baselake::pileup
