// From the evidence of a region to genotyped alleles.
#pragma once

#include "bias.h"
#include "assembled.h"
#include "priors.h"

namespace baselake::pileup {

// Bits of Call::filters; `FILTERS` in lake/variants.py names and explains them.
enum Filter : uint32_t {
    LOW_QUAL = 1,
    STRAND_BIAS = 2,
    ALLELE_BALANCE = 4,
    LOW_MAPPING_QUALITY = 8,
    READ_POSITION = 16,
    LOW_BASE_QUALITY = 32,
    UNEXPLAINED_READS = 64,
};

// One alternate allele of one site, as GENOTYPES has it. Genotypes are the site's: 0 reference, 1.. alternates.
struct Call {
    int32_t start;
    std::string ref, alt;
    int allele_index, site_alleles;  // alternates are counted from 1
    std::vector<int8_t> gt;          // of each copy: in the order of the haplotypes where phased, else sorted
    int32_t ps;                      // phase set: 1-based start of its first site; 0: unphased
    int gq, dp, ad_ref, ad_alt;
    std::vector<int32_t> pl, site_pl;
    float fraction;  // of the copies; NaN where they are counted
    float qual, mq;
    std::array<int32_t, 4> sb;
    float fs, read_pos_rank_sum, base_q_rank_sum;
    uint32_t filters;
    bool simple;
};

constexpr float TELLING = 3;  // costs must differ by this for a fragment to count towards an allele
constexpr int MAX_GQ = 99;
constexpr double MAX_QUAL = 10000;
constexpr double EMIT_QUAL = 3;  // a site more likely absent than present is not reported at all
// Filters fire where a true site would land less than once in about ten thousand.
constexpr double MAX_FISHER_STRAND = 60;
constexpr double MIN_RANK_SUM = -6;
constexpr double LEAST_STRAND_RATIO = 5;
constexpr double MIN_RANK_CORRELATION = -0.5;
constexpr double MIN_MEAN_MAPQ = 30;
constexpr double MIN_BALANCE_LOG10_P = -5;
constexpr double MAX_UNEXPLAINED_SHARE = 0.2;  // more: the region holds something that no candidate says
constexpr double BALANCE_OVERDISPERSION = 0.02;  // of the beta-binomial: capture and mapping favour one allele a little

// log10 of the chance of at most k alternates of n, one copy in two, overdispersed (beta-binomial).
inline double balance_log10_p(int k, int n) {
    const double shape = 0.5 * (1 / BALANCE_OVERDISPERSION - 1);
    auto log_beta = [](double x, double y) { return std::lgamma(x) + std::lgamma(y) - std::lgamma(x + y); };
    double p = 0;
    for (int i = 0; i <= k; ++i)
        p += std::exp(std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) +
                      log_beta(i + shape, n - i + shape) - log_beta(shape, shape));
    return std::log10(std::max(p, 1e-300));
}

// A VCF site: the alleles of one start and one kind that the best genotype carries.
struct Site {
    int32_t start;
    bool indel;
    std::vector<size_t> alleles;  // into Evidence::alleles
};

inline std::vector<Site> sites_of(uint64_t called, const Evidence& evidence, const Window& reference) {
    std::vector<Site> sites;
    for (size_t i = 0; i < evidence.alleles.size(); ++i) {
        if (!(called >> i & 1)) continue;
        const int32_t start = vcf_spelling(evidence.alleles[i], reference).start;
        const bool indel = evidence.alleles[i].indel();
        auto same = std::find_if(sites.begin(), sites.end(), [&](const Site& s) { return s.start == start && s.indel == indel; });
        if (same == sites.end()) sites.push_back({start, indel, {i}});
        else same->alleles.push_back(i);
    }
    return sites;
}

// Which allele of a site a haplotype has: 0 none of them, 1.. its alternates.
inline int site_allele(uint64_t mask, const Site& site) {
    for (size_t k = 0; k < site.alleles.size(); ++k)
        if (mask >> site.alleles[k] & 1) return static_cast<int>(k) + 1;
    return 0;
}

// Place of a genotype, its alleles sorted, among all of its ploidy (VCF 4.3, section 1.6.2, GL).
inline size_t pl_index(const std::vector<int8_t>& sorted) {
    size_t index = 0;
    for (size_t m = 0; m < sorted.size(); ++m) index += choose(static_cast<size_t>(sorted[m]) + m, m + 1);
    return index;
}

// What a genotype is at a site, its alleles sorted.
inline std::vector<int8_t> at_site(const Genotype& g, const Evidence& evidence, const Site& site) {
    std::vector<int8_t> alleles;
    for (int16_t h : g) alleles.push_back(static_cast<int8_t>(site_allele(evidence.masks[static_cast<size_t>(h)], site)));
    std::sort(alleles.begin(), alleles.end());
    return alleles;
}

// The sets of alleles of a genotype's copies, but for some.
inline std::vector<uint64_t> masks_of(const Genotype& g, const Evidence& evidence, uint64_t without) {
    std::vector<uint64_t> masks;
    for (int16_t h : g) masks.push_back(evidence.masks[static_cast<size_t>(h)] & ~without);
    return masks;
}

// What each fragment says at a site, from the haplotype it fits best.
inline std::vector<Observation> observe(const Site& site, const Evidence& evidence, const Pileup& pileup) {
    std::vector<Observation> seen;
    for (size_t f = 0; f < evidence.reads.size(); ++f) {
        std::vector<float> best(site.alleles.size() + 1, std::numeric_limits<float>::infinity());
        for (size_t h = 0; h < evidence.masks.size(); ++h) {
            float& b = best[static_cast<size_t>(site_allele(evidence.masks[h], site))];
            b = std::min(b, evidence.table.row(f)[h]);
        }
        const auto low = std::min_element(best.begin(), best.end());
        const float lowest = *low;
        const auto allele = static_cast<int>(low - best.begin());
        *low = std::numeric_limits<float>::infinity();
        const bool tells = *std::min_element(best.begin(), best.end()) >= lowest + TELLING;
        const Read& read = pileup.reads[static_cast<size_t>(evidence.reads[f])];
        const int32_t length = static_cast<int32_t>(read.seq.size());
        const int32_t offset = std::max(0, read.offset_at(std::clamp(site.start, read.start, read.end - 1)));
        seen.push_back({tells ? allele : -1, read.reverse(), read.mapq, read.qual[static_cast<size_t>(offset)],
                        std::min(offset, length - 1 - offset)});
    }
    return seen;
}

// Phred costs of a site's genotypes: the best the rest of the region allows for each.
inline std::vector<double> site_costs(const Site& site, const Evidence& evidence, const std::vector<Genotype>& genotypes,
                                      int ploidy) {
    const std::vector<int8_t> last(static_cast<size_t>(ploidy), static_cast<int8_t>(site.alleles.size()));
    std::vector<double> cost(pl_index(last) + 1, std::numeric_limits<double>::infinity());
    uint64_t own = 0;
    for (size_t i : site.alleles) own |= uint64_t{1} << i;
    for (const Genotype& g : genotypes) {
        double& c = cost[pl_index(at_site(g, evidence, site))];
        c = std::min(c, g.cost + genotype_prior(masks_of(g, evidence, own), evidence.rates));
    }
    return cost;
}

inline std::vector<int32_t> as_pl(const std::vector<double>& cost) {
    const double low = *std::min_element(cost.begin(), cost.end());
    std::vector<int32_t> pl;
    for (double c : cost) pl.push_back(static_cast<int32_t>(std::lround(std::min(c - low, MAX_QUAL))));
    return pl;
}

// Counts and statistics of what is seen at a call's site.
inline void describe(Call& call, const std::vector<Observation>& seen) {
    double mapq_squares = 0;
    for (const Observation& o : seen) {
        mapq_squares += o.mapq * o.mapq;
        if (o.allele != 0 && o.allele != call.allele_index) continue;
        ++call.sb[static_cast<size_t>(2 * (o.allele != 0) + o.reverse)];
    }
    call.dp = static_cast<int>(seen.size());
    call.ad_ref = call.sb[0] + call.sb[1];
    call.ad_alt = call.sb[2] + call.sb[3];
    call.mq = seen.empty() ? 0 : static_cast<float>(std::sqrt(mapq_squares / static_cast<double>(seen.size())));
    call.fs = static_cast<float>(fisher_strand(call.sb));
    call.read_pos_rank_sum = rank_sum(seen, call.allele_index, [](const Observation& o) { return o.distance; });
    call.base_q_rank_sum = rank_sum(seen, call.allele_index, [](const Observation& o) { return o.quality; });
}

// Tests grow with depth, what they tell does not: of thousands of reads a slight preference is beyond chance. So a filter
// asks also that the alternate's share on one strand is under a fifth of that on the other,
inline bool one_sided(const std::array<int32_t, 4>& sb) {
    const double forward = static_cast<double>(sb[2]) * (sb[1] + sb[3]), reverse = static_cast<double>(sb[3]) * (sb[0] + sb[2]);
    return std::min(forward, reverse) * LEAST_STRAND_RATIO < std::max(forward, reverse);
}

// or that of an alternate and a reference three times in four the alternate has the lower value: a rank-biserial
// correlation under -1/2, which follows from z and the counts.
inline bool mostly_lower(float z, const Call& call) {
    const double ref = call.ad_ref, alt = call.ad_alt;
    return z < MIN_RANK_SUM && z * std::sqrt((ref + alt + 1) / (3 * ref * alt)) < MIN_RANK_CORRELATION;
}

inline uint32_t failed_filters(const Call& call, const Parameters& parameters) {
    uint32_t failed = 0;
    const auto copies = std::count(call.gt.begin(), call.gt.end(), call.allele_index);
    if (call.qual < parameters.min_qual) failed |= LOW_QUAL;
    if (call.fs > MAX_FISHER_STRAND && one_sided(call.sb)) failed |= STRAND_BIAS;
    if (call.gt.size() == 2 && copies == 1 && balance_log10_p(call.ad_alt, call.ad_ref + call.ad_alt) < MIN_BALANCE_LOG10_P)
        failed |= ALLELE_BALANCE;
    if (call.mq < MIN_MEAN_MAPQ) failed |= LOW_MAPPING_QUALITY;
    if (mostly_lower(call.read_pos_rank_sum, call)) failed |= READ_POSITION;
    if (mostly_lower(call.base_q_rank_sum, call)) failed |= LOW_BASE_QUALITY;
    return failed;
}

// Whether many of a region's fragments fit no called haplotype, more than speak for it against the
// reference: then something else explains the region.
template <typename Haplotypes> bool mostly_unexplained(const Haplotypes& called, const Evidence& evidence) {
    const size_t fragments = evidence.table.fragments();
    size_t poor = evidence.misfits, carriers = 0;
    for (size_t f = 0; f < fragments; ++f) {
        const float* costs = evidence.table.row(f);
        float fit = costs[*called.begin()];
        for (auto h : called) fit = std::min(fit, costs[h]);
        poor += evidence.table.fit[f] + fit > UNEXPLAINED;
        carriers += costs[0] >= fit + TELLING;
    }
    return static_cast<double>(poor) > MAX_UNEXPLAINED_SHARE * static_cast<double>(fragments + evidence.misfits) && poor > carriers;
}

inline void call_site(const Site& site, const Genotype& best, const Evidence& evidence, const std::vector<Genotype>& genotypes,
                      const std::vector<Observation>& seen, int32_t ps, const Window& reference, int ploidy, const Parameters& parameters,
                      bool simple, bool unexplained, std::vector<Call>& out) {
    const auto n = static_cast<int>(site.alleles.size());
    double absent = std::numeric_limits<double>::infinity(), other = absent, all = absent;
    std::vector<int8_t> gt = at_site(best, evidence, site);
    for (const Genotype& g : genotypes) {
        const double posterior = g.cost + g.prior;
        const std::vector<int8_t> here = at_site(g, evidence, site);
        all = add_costs(all, posterior);
        if (here.back() == 0) absent = add_costs(absent, posterior);
        if (here != gt) other = add_costs(other, posterior);
    }
    const double qual = std::min(absent - all, MAX_QUAL);
    if (qual < EMIT_QUAL) return;
    const std::vector<double> cost = site_costs(site, evidence, genotypes, ploidy);
    if (ps) std::transform(best.begin(), best.end(), gt.begin(), [&](int16_t h) { return static_cast<int8_t>(site_allele(evidence.masks[static_cast<size_t>(h)], site)); });
    for (int k = 1; k <= n; ++k) {
        Spelling spelled = vcf_spelling(left_aligned(evidence.alleles[site.alleles[static_cast<size_t>(k - 1)]], reference), reference);
        Call call{};
        call.start = spelled.start;
        call.ref = std::move(spelled.ref);
        call.alt = std::move(spelled.alt);
        call.allele_index = k;
        call.site_alleles = n;
        call.ps = ps;
        call.gt = gt;
        call.gq = static_cast<int>(std::clamp(std::lround(other - all), 0L, long{MAX_GQ}));
        std::vector<double> own;  // of no copy of this allele beside the reference, of one, ...
        std::vector<int8_t> copies(static_cast<size_t>(ploidy), 0);
        for (size_t c = copies.size() + 1; c-- > 0;) {
            own.push_back(cost[pl_index(copies)]);
            if (c) copies[c - 1] = static_cast<int8_t>(k);
        }
        call.pl = as_pl(own);
        if (n > 1) call.site_pl = as_pl(cost);
        call.fraction = std::numeric_limits<float>::quiet_NaN();
        call.qual = static_cast<float>(qual);
        describe(call, seen);
        call.simple = simple;
        call.filters = failed_filters(call, parameters) | (unexplained ? uint32_t{UNEXPLAINED_READS} : 0);
        out.push_back(std::move(call));
    }
}

// Phase sets of a diploid region's sites, in order; 0: unphased. A heterozygous site belongs to the set of the nearest one
// before it that reads link it to: LINKS more of those that cover both carry the two alleles as the called haplotypes do
// than otherwise, and at most one in five otherwise.
inline std::vector<int32_t> phase_sets(const std::vector<Site>& sites, const Genotype& best, const Evidence& evidence,
                                       const std::vector<std::vector<Observation>>& seen, const Pileup& pileup) {
    constexpr int LINKS = 2, AGAINST = 5;
    std::vector<int32_t> set(sites.size(), 0);
    if (best.ploidy != 2) return set;
    const uint64_t one = evidence.masks[static_cast<size_t>(best.copies[0])], two = evidence.masks[static_cast<size_t>(best.copies[1])];
    for (size_t i = 0; i < sites.size(); ++i) {
        const int a = site_allele(one, sites[i]), b = site_allele(two, sites[i]);
        if (a == b) continue;
        for (size_t j = i; j-- > 0;) {
            const int before_a = site_allele(one, sites[j]), before_b = site_allele(two, sites[j]);
            if (before_a == before_b) continue;
            int with = 0, against = 0;
            for (size_t f = 0; f < seen[i].size(); ++f) {
                const Read& read = pileup.reads[static_cast<size_t>(evidence.reads[f])];
                if (read.start - read.clip_left() > sites[j].start || read.end + read.clip_right() <= sites[i].start) continue;
                const int here = seen[i][f].allele, there = seen[j][f].allele;
                if ((here != a && here != b) || (there != before_a && there != before_b)) continue;
                ++((here == a) == (there == before_a) ? with : against);
            }
            if (with - against < LINKS || against * AGAINST > with + against) continue;
            if (!set[j]) set[j] = sites[j].start + 1;
            set[i] = set[j];
            break;
        }
    }
    return set;
}

// The likeliest genotype; fills in the priors of all.
inline Genotype likeliest(std::vector<Genotype>& genotypes, Evidence& evidence, const Window& reference, const Parameters& parameters) {
    evidence.rates.clear();
    for (const Allele& allele : evidence.alleles) evidence.rates.push_back(allele_prior(allele, reference, parameters));
    for (Genotype& g : genotypes) g.prior = genotype_prior(masks_of(g, evidence, 0), evidence.rates);
    return *std::min_element(genotypes.begin(), genotypes.end(), [](const Genotype& x, const Genotype& y) { return x.cost + x.prior < y.cost + y.prior; });
}

// Pairs of alleles that the haplotypes of a genotype have written as one, and not all of them together.
inline std::vector<Pair> called_apart(const Genotype& g, const Evidence& evidence, const Window& reference) {
    std::vector<Pair> apart;
    if (evidence.own.empty()) return apart;
    for (int16_t h : g)
        for (int16_t other : g)
            if (h != other) seen_apart(evidence.own[static_cast<size_t>(h)], evidence.own[static_cast<size_t>(other)], reference, apart);
    return apart;
}

// Numbers the alleles of all haplotypes anew, some pairs being apart. False, and nothing done, where they are too many.
inline bool number_apart(Evidence& evidence, const std::vector<Pair>& apart, const Window& reference) {
    Numbering numbering;
    std::vector<uint64_t> masks(evidence.own.size());
    for (size_t h = 0; h < masks.size(); ++h)
        if (!numbering.add(as_called(evidence.own[h], apart, reference), masks[h])) return false;
    evidence.alleles = std::move(numbering.alleles);
    evidence.masks = std::move(masks);
    return true;
}

// Calls every site of a region, wherever it lies, from the evidence of its reads.
inline void call_evidence(Evidence& evidence, bool simple, const Pileup& pileup, const Window& reference, int ploidy,
                          const Parameters& parameters, std::vector<Call>& out) {
    std::vector<Genotype> genotypes = genotype_costs(evidence.table, ploidy);
    Genotype best = likeliest(genotypes, evidence, reference, parameters);
    if (const std::vector<Pair> apart = called_apart(best, evidence, reference); !apart.empty() && number_apart(evidence, apart, reference))
        best = likeliest(genotypes, evidence, reference, parameters);
    uint64_t called = 0;
    for (int16_t h : best) called |= evidence.masks[static_cast<size_t>(h)];
    const bool unexplained = mostly_unexplained(best, evidence);
    std::vector<Site> sites = sites_of(called, evidence, reference);
    std::stable_sort(sites.begin(), sites.end(), [](const Site& x, const Site& y) { return x.start < y.start; });
    std::vector<std::vector<Observation>> seen;
    for (const Site& site : sites) seen.push_back(observe(site, evidence, pileup));
    const std::vector<int32_t> sets = phase_sets(sites, best, evidence, seen, pileup);
    for (size_t i = 0; i < sites.size(); ++i)
        call_site(sites[i], best, evidence, genotypes, seen[i], sets[i], reference, ploidy, parameters, simple, unexplained, out);
}

}  // namespace baselake::pileup
