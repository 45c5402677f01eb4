// Alleles of a genome that has thousands of copies, not all alike: what fraction of the copies has each, in place of
// genotypes. The fragments of a region are a mixture over its haplotypes; how likely an allele is told by how much
// worse the best mixture without it explains them, as Mutect2 does for mitochondria (Benjamin and others 2019,
// doi:10.1101/861054; Laricchia and others 2022, doi:10.1101/gr.276013.121).
#pragma once

#include "caller.h"

namespace baselake::pileup {

constexpr size_t MAX_MIXED = 8;         // haplotypes of one mixture
constexpr int MAX_ROUNDS = 100;         // of expectation and maximisation
constexpr double SETTLED = 1e-3;        // phred: rounds end where they gain less
// A mitochondrion differs from its reference at twenty to forty of 16,569 places and has one or two further alleles on
// some copies: a tenth of what is taken for a heterozygote.
constexpr double RARER_THAN_HETEROZYGOTES = 10;

// Haplotypes and the fraction of each.
struct Mixture {
    std::vector<size_t> haplotypes;  // in order
    std::vector<double> fractions;   // of each of them
    double cost = std::numeric_limits<double>::infinity();  // of the fragments, and of what the mixture supposes
};

// Looks for the mixture that explains a region's fragments best.
class Mixing {
  public:
    explicit Mixing(const Evidence& evidence) : evidence_(evidence), n_(evidence.table.alleles), errors_(evidence.table) {
        for (float cost : evidence.table.costs) likelihood_.push_back(std::pow(10.0, -cost / 10));
        for (size_t f = 0; f < evidence.table.fragments(); ++f) {
            const float* row = evidence.table.row(f);
            nearest_.push_back(static_cast<int>(std::min_element(row, row + n_) - row));
        }
    }

    // Of haplotypes without any of some alleles: begins with the best one, and adds what explains most as long as that
    // gains more than it supposes.
    Mixture best(uint64_t without) {
        Mixture found;
        for (;;) {
            Mixture next;
            for (size_t h = 0; h < evidence_.masks.size(); ++h) {
                if ((evidence_.masks[h] & without) || !may_gain(found, h)) continue;
                Mixture tried = fitted(found, h);
                if (tried.cost < next.cost) next = std::move(tried);
            }
            if (next.cost >= found.cost) return found;
            found = std::move(next);
            if (found.haplotypes.size() == MAX_MIXED) return found;
        }
    }

  private:
    // Whether the fragments that fit a further haplotype better gain anything by it at all.
    bool may_gain(const Mixture& mixture, size_t h) const {
        if (mixture.haplotypes.empty()) return true;
        double gain = 0;
        for (size_t f = 0; f < nearest_.size(); ++f) {
            const float* row = evidence_.table.row(f);
            gain += std::max(0.0f, lowest(mixture, row) - row[h]);
        }
        return gain > RARER_THAN_HETEROZYGOTES;
    }
    static float lowest(const Mixture& mixture, const float* row) {
        float low = std::numeric_limits<float>::infinity();
        for (size_t h : mixture.haplotypes) low = std::min(low, row[h]);
        return low;
    }

    // A mixture with a further haplotype, at its likeliest fractions.
    Mixture fitted(const Mixture& before, size_t further) {
        Mixture out;
        out.haplotypes = before.haplotypes;
        out.haplotypes.insert(std::lower_bound(out.haplotypes.begin(), out.haplotypes.end(), further), further);
        const size_t k = out.haplotypes.size(), fragments = nearest_.size();
        out.fractions.assign(k, 1.0 / static_cast<double>(k));
        double cost = std::numeric_limits<double>::infinity();
        std::vector<double> counted(k);
        for (int round = 0; round < MAX_ROUNDS; ++round) {
            std::fill(counted.begin(), counted.end(), 0);
            double now = 0;
            for (size_t f = 0; f < fragments; ++f) {
                const double* likelihood = likelihood_.data() + f * static_cast<size_t>(n_);
                double all = 0;
                for (size_t i = 0; i < k; ++i) all += out.fractions[i] * likelihood[out.haplotypes[i]];
                for (size_t i = 0; i < k; ++i) counted[i] += out.fractions[i] * likelihood[out.haplotypes[i]] / all;
                now -= 10 * std::log10(all);
            }
            const bool settled = cost - now < SETTLED;
            cost = now;
            if (settled) break;
            if (k > 1)
                for (size_t i = 0; i < k; ++i) out.fractions[i] = counted[i] / static_cast<double>(fragments);
        }
        errors_.clear();
        for (size_t f = 0; f < fragments; ++f) {
            const float* row = evidence_.table.row(f);
            const float low = lowest(out, row);
            if (low == 0) continue;
            cost -= low;
            errors_.add(nearest_[f], evidence_.table.reverse[f], low);
        }
        out.cost = (fragments ? cost + errors_.total() : 0) + supposed(out);
        return out;
    }

    // What alleles and fractions cost before any read is seen; each further fraction as integrating it over a flat prior
    // would, about (Schwarz 1978, doi:10.1214/aos/1176344136).
    double supposed(const Mixture& mixture) const {
        uint64_t alleles = 0;
        for (size_t h : mixture.haplotypes) alleles |= evidence_.masks[h];
        double cost = 5 * std::log10(std::max<double>(1, static_cast<double>(nearest_.size()))) * static_cast<double>(mixture.haplotypes.size() - 1);
        for (size_t i = 0; i < evidence_.rates.size(); ++i)
            if (alleles >> i & 1) cost += evidence_.rates[i] + RARER_THAN_HETEROZYGOTES;
        return cost;
    }

    const Evidence& evidence_;
    int n_;
    ErrorAccount errors_;
    std::vector<double> likelihood_;  // fragments x haplotypes
    std::vector<int> nearest_;        // of each fragment
};

// Calls every allele of a region that a fraction of `min_fraction` of the copies has, each by itself: beside it stands all
// else, the reference or another allele.
inline void call_mixture(Evidence& evidence, bool simple, const Pileup& pileup, const Window& reference, const Parameters& parameters,
                         std::vector<Call>& out) {
    for (const Allele& allele : evidence.alleles) evidence.rates.push_back(allele_prior(allele, reference, parameters));
    Mixing mixing(evidence);
    const Mixture best = mixing.best(0);
    const bool unexplained = mostly_unexplained(best.haplotypes, evidence);
    for (size_t i = 0; i < evidence.alleles.size(); ++i) {
        double fraction = 0;
        for (size_t k = 0; k < best.haplotypes.size(); ++k)
            if (evidence.masks[best.haplotypes[k]] >> i & 1) fraction += best.fractions[k];
        if (fraction < parameters.min_fraction) continue;
        const double qual = std::min(mixing.best(uint64_t{1} << i).cost - best.cost, MAX_QUAL);
        if (qual < EMIT_QUAL) continue;
        Spelling spelled = vcf_spelling(left_aligned(evidence.alleles[i], reference), reference);
        const Site site{spelled.start, evidence.alleles[i].indel(), {i}};
        Call call{};
        call.start = spelled.start;
        call.ref = std::move(spelled.ref);
        call.alt = std::move(spelled.alt);
        call.allele_index = call.site_alleles = 1;
        call.gq = static_cast<int>(std::min(std::lround(qual), long{MAX_GQ}));
        call.fraction = static_cast<float>(fraction);
        call.qual = static_cast<float>(qual);
        describe(call, observe(site, evidence, pileup));
        call.simple = simple;
        call.filters = failed_filters(call, parameters) | (unexplained ? uint32_t{UNEXPLAINED_READS} : 0);
        out.push_back(std::move(call));
    }
}

}  // namespace baselake::pileup
