// Where something may vary, and where simple sites end and complex regions begin.
#pragma once

#include <cmath>

#include "compute/pairhmm/gaps.h"
#include "events.h"
#include "genotype.h"

namespace baselake::pileup {

// An allele that enough fragments carry to be worth a genotype.
struct Candidate {
    Allele allele;
    int32_t fragments;
    int32_t from, to;  // footprint: everywhere the same change could have been written
    size_t first_event, last_event;
};

struct ActiveRegion {
    int32_t start, end;
    size_t first, last;  // candidates [first, last), in order of footprint
    bool simple;         // substitutions at one position, nothing else near: plain base likelihoods suffice
    int32_t low = 0, high = 0;  // its territory: half-way to its neighbours; what is found beyond is theirs
};

// A germline allele has half of the fragments; with 30 of them, 0.08 is 4.6 standard deviations under that.
// Indels lose support to misalignment near read ends, so they need less to be looked at.
constexpr int MIN_SUPPORT = 2;
constexpr double MIN_FRACTION_SNV = 0.08;
constexpr double MIN_FRACTION_INDEL = 0.05;
// Substitutions further apart are told apart by the alignments as they are. An insertion or deletion also shifts
// bases as far away as a read can end, so what lies within its realignment flank is judged together with it.
constexpr int32_t MERGE_GAP = 10;
constexpr int32_t INDEL_MERGE_GAP = 30;
constexpr int32_t MAX_REGION = 200;
constexpr int32_t GRID = 64;  // a longer run of candidates is cut at multiples of this
constexpr int32_t MAX_REPEAT = 150;
constexpr int32_t MAX_CLIP_GAP = 100;
constexpr int32_t MAX_CLIPPED = 256;

// Where alleles have fractions: phred by which the allele at the fraction seen must explain better than errors what the
// fragments show. A fifth of what a call must gain, for what counts as an error is told better later.
constexpr double MIN_MIXED_GAIN = 10;

// Phred that errors of some cost, all told, are less likely than an allele of k of n fragments.
inline double mixed_gain(double errors, int k, int n) {
    const double f = static_cast<double>(k) / n;
    return errors + 10 * k * std::log10(f) + (k < n ? 10 * (n - k) * std::log10(1 - f) : 0);
}

// What the allele's events cost as errors: base qualities, or how readily its repeat slips.
inline double errors_cost(const Pileup& pileup, const Window& reference, size_t first, size_t last, int fragments) {
    const Allele& allele = pileup.events[first].allele;
    if (allele.indel()) {
        const Repeat repeat = repeat_of(allele, reference);
        return static_cast<double>(fragments) * (allele.ref_length && !allele.alt.empty() ? pairhmm::GAP_OPEN : std::max(pairhmm::MIN_GAP_OPEN, pairhmm::repeat_slip(repeat.unit, repeat.units)));
    }
    double sum = 0;
    for (size_t i = first; i < last; ++i) sum += pileup.events[i].quality;
    return sum;
}

// The alleles that enough fragments carry, in order of footprint. `min_fraction` is 0 where copies are counted, else
// the least fraction of them that is of interest: half of it is looked at.
inline std::vector<Candidate> candidates(const Pileup& pileup, const Window& reference, double min_fraction) {
    std::vector<Candidate> found;
    std::vector<int32_t> fragments;
    for (size_t i = 0, j = 0; i < pileup.events.size(); i = j) {
        const Allele& allele = pileup.events[i].allele;
        fragments.clear();
        for (j = i; j < pileup.events.size() && pileup.events[j].allele == allele; ++j)
            fragments.push_back(pileup.reads[static_cast<size_t>(pileup.events[j].read)].fragment);
        if (fragments.size() < MIN_SUPPORT) continue;
        std::sort(fragments.begin(), fragments.end());
        const auto support = static_cast<int32_t>(std::unique(fragments.begin(), fragments.end()) - fragments.begin());
        const int32_t at = std::clamp(allele.position, reference.begin(), reference.end() - 1);
        const int32_t depth = pileup.depth[static_cast<size_t>(at - reference.begin())];
        const double least = min_fraction > 0 ? min_fraction / 2 : allele.indel() ? MIN_FRACTION_INDEL : MIN_FRACTION_SNV;
        if (support < MIN_SUPPORT || support < least * depth) continue;
        if (min_fraction > 0 && mixed_gain(errors_cost(pileup, reference, i, j, support), support, std::max(depth, support)) < MIN_MIXED_GAIN) continue;
        const int32_t to = allele.end() + (allele.indel() ? right_extent(allele, reference, MAX_REPEAT) + 1 : 0);
        found.push_back({allele, support, allele.position - (allele.indel() ? 1 : 0), to, i, j});
    }
    std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) { return a.from < b.from; });
    return found;
}

// Whether soft clips of good quality pile up at a position: an insertion or deletion too long for the aligner.
inline bool clip_pile(const Pileup& pileup, const Window& reference, int32_t position) {
    const auto i = static_cast<size_t>(position - reference.begin());
    return pileup.clips[i] > MIN_SUPPORT && pileup.clips[i] > MIN_FRACTION_SNV * pileup.depth[i];
}

inline bool simple_site(const std::vector<Candidate>& all, size_t first, size_t last, const Pileup& pileup,
                        const Window& reference) {
    for (size_t i = first; i < last; ++i)
        if (all[i].allele.indel() || all[i].allele.position != all[first].allele.position) return false;
    const int32_t at = all[first].allele.position;
    for (int32_t p = std::max(at - MERGE_GAP, reference.begin()); p < std::min(at + MERGE_GAP + 1, reference.end()); ++p)
        if (clip_pile(pileup, reference, p)) return false;
    return true;
}

// Regions of soft clips without a candidate near. The clips on both sides of a deletion belong together; a run of them
// longer than MAX_CLIPPED is cut on an absolute grid.
inline std::vector<ActiveRegion> clipped_regions(const std::vector<ActiveRegion>& active, const Pileup& pileup, const Window& reference) {
    std::vector<int32_t> piles;
    size_t next = 0;
    for (int32_t p = reference.begin(); p < reference.end(); ++p) {
        if (!clip_pile(pileup, reference, p)) continue;
        while (next < active.size() && active[next].end + INDEL_MERGE_GAP <= p) ++next;
        if (next == active.size() || active[next].start - INDEL_MERGE_GAP > p) piles.push_back(p);
    }
    std::vector<ActiveRegion> regions;
    for (size_t i = 0, j = 0; i < piles.size(); i = j) {
        for (j = i + 1; j < piles.size() && piles[j] - piles[j - 1] < MAX_CLIP_GAP; ++j) {}
        const bool whole = piles[j - 1] - piles[i] < MAX_CLIPPED;
        for (size_t a = i, b = i; a < j; a = b) {
            for (b = a + 1; b < j && (whole || piles[b] / MAX_CLIPPED == piles[a] / MAX_CLIPPED); ++b) {}
            regions.push_back({piles[a], piles[b - 1] + 1, 0, 0, false, 0, 0});
        }
    }
    return regions;
}

// Candidates closer than their merge gap are genotyped together. A run longer than MAX_REGION is cut on an absolute
// grid, so that the cuts do not depend on where a caller's region begins.
inline std::vector<ActiveRegion> active_regions(const std::vector<Candidate>& all, const Pileup& pileup,
                                                const Window& reference) {
    std::vector<ActiveRegion> regions;
    auto close = [&](size_t first, size_t last) {
        int32_t end = all[first].to;
        for (size_t i = first; i < last; ++i) end = std::max(end, all[i].to);
        regions.push_back({all[first].from, end, first, last, simple_site(all, first, last, pileup, reference), 0, 0});
    };
    for (size_t i = 0, j = 0; i < all.size(); i = j) {
        int32_t end = all[i].to, reach = -1;
        for (j = i; j < all.size(); ++j) {
            const int32_t gap = all[j].allele.indel() ? INDEL_MERGE_GAP : MERGE_GAP;
            if (j > i && all[j].from >= std::max(end + gap, reach)) break;
            end = std::max(end, all[j].to);
            reach = std::max(reach, all[j].to + gap);
        }
        if (end - all[i].from <= MAX_REGION) {
            close(i, j);
            continue;
        }
        for (size_t a = i, b = i; a < j; a = b) {
            for (b = a + 1; b < j && all[b].from / GRID == all[a].from / GRID; ++b) {}
            close(a, b);
        }
    }
    const std::vector<ActiveRegion> clipped = clipped_regions(regions, pileup, reference);
    regions.insert(regions.end(), clipped.begin(), clipped.end());
    std::stable_sort(regions.begin(), regions.end(), [](const ActiveRegion& a, const ActiveRegion& b) { return a.start < b.start; });
    for (size_t i = 0; i < regions.size(); ++i) {
        regions[i].low = i ? std::min(regions[i].start, (regions[i - 1].end + regions[i].start) / 2) : reference.begin();
        regions[i].high = i + 1 < regions.size() ? std::max(regions[i].end, (regions[i].end + regions[i + 1].start) / 2) : reference.end();
    }
    return regions;
}

// Probability that a position varies, from the fragments that differ there in any way against the rest: two
// hypotheses, all of it errors or one copy in two, with the prior of a heterozygous site. Errors have the accounts
// of `ErrorAccount`, but for the strand's.
inline std::vector<float> activity(const Pileup& pileup, const Window& reference, const Parameters& parameters) {
    constexpr double CLIP_COST = 20;
    const size_t n = pileup.depth.size();
    std::vector<double> independent(n, 0), shared(n, 0);
    std::vector<int> count(n, 0);
    auto add = [&](size_t i, double cost) {
        independent[i] += cost;
        shared[i] += cost * dependency_weight(count[i]++);
    };
    for (const Event& event : pileup.events) {
        const int32_t at = event.allele.position - (event.allele.indel() ? 1 : 0);
        if (at >= reference.begin() && at < reference.end()) add(static_cast<size_t>(at - reference.begin()), event.quality);
    }
    for (size_t i = 0; i < n; ++i)
        for (int32_t c = 0; c < pileup.clips[i]; ++c) add(i, CLIP_COST);
    std::vector<float> out(n, 0);
    const double prior = -10 * std::log10(parameters.heterozygosity);
    for (size_t i = 0; i < n; ++i) {
        if (count[i] == 0) continue;
        const int depth = std::max(pileup.depth[i], count[i]);
        const double errors = std::min(independent[i], shared[i] + log_choose_cost(depth, count[i]));
        const double variant = std::min(HALF_COST * depth, MIN_ERROR_COST * (depth - count[i])) + prior;
        out[i] = static_cast<float>(1 / (1 + std::pow(10.0, (variant - errors) / 10)));
    }
    return out;
}

}  // namespace baselake::pileup
