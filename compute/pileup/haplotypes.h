// The sequences a complex region may spell, taken from what its own reads carry together.
#pragma once

#include <bit>
#include <map>

#include "compute/pairhmm/gaps.h"
#include "triage.h"

namespace baselake::pileup {

constexpr size_t MAX_CANDIDATES = 48;  // of one region, by support; a mask of them fits 64 bits
constexpr size_t MAX_HAPLOTYPES = 16;
constexpr int32_t READ_FLANK = 30;     // aligned bases kept on either side of a region to anchor a read

// A haplotype as the set of alleles it carries: bit i is alleles[i].
struct CandidateHaplotype {
    uint64_t mask;
    std::vector<Allele> own;  // the same alleles, in order
    std::string bases;
    std::vector<uint8_t> open;  // phred of a gap at each base
    int32_t shift_min, shift_max;  // running sum of insertions minus deletions
};

struct RegionHaplotypes {
    std::vector<Allele> alleles;  // sorted by position
    std::vector<CandidateHaplotype> haplotypes;  // the reference first
    int32_t begin, end;  // the stretch of the reference that every haplotype stands for
};

// Writes the masked alleles into the reference over [begin, end). False where two of them overlap.
inline bool spell(const std::vector<Allele>& alleles, uint64_t mask, const Window& reference, int32_t begin, int32_t end,
                  CandidateHaplotype& out) {
    out = {mask, {}, {}, {}, 0, 0};
    int32_t at = begin, shift = 0;
    for (size_t i = 0; i < alleles.size(); ++i) {
        if (!(mask >> i & 1)) continue;
        const Allele& a = alleles[i];
        if (a.position < at) return false;
        out.bases += reference.slice(at, a.position);
        out.bases += a.alt;
        out.own.push_back(a);
        at = a.end();
        shift += a.shift();
        out.shift_min = std::min(out.shift_min, shift);
        out.shift_max = std::max(out.shift_max, shift);
    }
    out.bases += reference.slice(at, end);
    return true;
}

// What reads say together: of the alleles they cover, which they carry.
struct Pattern {
    uint64_t carried, covered;
    int32_t reads;

    bool agrees(const Pattern& other) const { return ((carried ^ other.carried) & covered & other.covered) == 0; }
    int informative() const { return std::popcount(covered); }
};

// The patterns of a region's reads, those that cover most alleles first.
inline std::vector<Pattern> read_patterns(const ActiveRegion& region, const std::vector<const Candidate*>& chosen, const Pileup& pileup) {
    std::map<int32_t, uint64_t> carried;  // by read
    for (size_t i = 0; i < chosen.size(); ++i)
        for (size_t e = chosen[i]->first_event; e < chosen[i]->last_event; ++e) carried[pileup.events[e].read] |= uint64_t{1} << i;
    std::map<std::pair<uint64_t, uint64_t>, int32_t> counted;
    for (size_t r = pileup.first_reaching(region.start); r < pileup.reads.size() && pileup.reads[r].start < region.end; ++r) {
        const Read& read = pileup.reads[r];
        const auto found = carried.find(static_cast<int32_t>(r));
        const uint64_t mask = found == carried.end() ? 0 : found->second;
        uint64_t covered = mask;
        for (size_t i = 0; i < chosen.size(); ++i)
            if (read.start < chosen[i]->from && read.end > chosen[i]->to) covered |= uint64_t{1} << i;
        if (covered) ++counted[{mask, covered}];
    }
    std::vector<Pattern> patterns;
    for (const auto& [key, reads] : counted) patterns.push_back({key.first, key.second, reads});
    std::stable_sort(patterns.begin(), patterns.end(), [](const Pattern& a, const Pattern& b) {
        return std::pair(a.informative(), a.reads) > std::pair(b.informative(), b.reads);
    });
    return patterns;
}

// Sets of alleles that may stand on one chromosome, best supported first. Reads that cover everything settle it;
// where a region is longer than that, a pattern is prolonged by those that agree with it where they overlap.
inline std::vector<uint64_t> allele_sets(const std::vector<const Candidate*>& chosen, const std::vector<Pattern>& patterns) {
    constexpr size_t MAX_PARTIAL = 64;
    const uint64_t everything = chosen.size() == 64 ? ~uint64_t{0} : (uint64_t{1} << chosen.size()) - 1;
    std::vector<Pattern> sets;
    for (const Pattern& p : patterns) {
        bool placed = false;
        for (size_t k = 0, n = sets.size(); k < n; ++k) {
            if (!sets[k].agrees(p) || !(sets[k].covered & p.covered)) continue;
            if ((p.covered & ~sets[k].covered) == 0) {
                sets[k].reads += p.reads;
            } else if (p.reads >= MIN_SUPPORT && sets.size() < MAX_PARTIAL) {
                sets.push_back({sets[k].carried | p.carried, sets[k].covered | p.covered, std::min(sets[k].reads, p.reads)});
            }
            placed = true;
        }
        if (!placed && sets.size() < MAX_PARTIAL) sets.push_back(p);
    }
    std::map<uint64_t, int32_t> support;
    for (const Pattern& s : sets)
        if (s.reads >= MIN_SUPPORT) support[s.carried] = std::max(support[s.carried], s.reads * (s.covered == everything ? 2 : 1));
    for (size_t i = 0; i < chosen.size(); ++i) support.try_emplace(uint64_t{1} << i, chosen[i]->fragments / 2);
    std::vector<std::pair<int32_t, uint64_t>> ordered;
    for (const auto& [mask, reads] : support)
        if (mask) ordered.push_back({-reads, mask});
    std::sort(ordered.begin(), ordered.end());
    std::vector<uint64_t> out{0};
    for (const auto& [reads, mask] : ordered) out.push_back(mask);
    return out;
}

// Bases of the reference on either side of a region whose alleles change its length by so much at most.
inline int32_t flank_of(int32_t least, int32_t grown) { return std::max(least, READ_FLANK + 2 * grown + 20); }

// The haplotypes of a region, with at least `least_flank` bases of the reference on either side of it. The same
// sequence spelled twice keeps the spelling with fewer alleles. At most MAX_HAPLOTYPES, and `most`.
inline RegionHaplotypes region_haplotypes(const ActiveRegion& region, const std::vector<Candidate>& all,
                                          const Pileup& pileup, const Window& reference, int32_t least_flank, size_t most) {
    std::vector<const Candidate*> chosen;
    for (size_t i = region.first; i < region.last; ++i) chosen.push_back(&all[i]);
    if (chosen.size() > MAX_CANDIDATES) {
        std::stable_sort(chosen.begin(), chosen.end(), [](const Candidate* a, const Candidate* b) { return a->fragments > b->fragments; });
        chosen.resize(MAX_CANDIDATES);
    }
    std::sort(chosen.begin(), chosen.end(), [](const Candidate* a, const Candidate* b) { return a->allele < b->allele; });
    RegionHaplotypes out;
    int32_t grown = 0;
    for (const Candidate* c : chosen) {
        out.alleles.push_back(c->allele);
        grown = std::max(grown, std::abs(c->allele.shift()));
    }
    const int32_t flank = flank_of(least_flank, grown);
    out.begin = std::max(region.start - flank, reference.begin());
    out.end = std::min(region.end + flank, reference.end());
    for (uint64_t mask : allele_sets(chosen, read_patterns(region, chosen, pileup))) {
        CandidateHaplotype next;
        if (!spell(out.alleles, mask, reference, out.begin, out.end, next)) continue;
        auto same = std::find_if(out.haplotypes.begin(), out.haplotypes.end(),
                                 [&](const CandidateHaplotype& h) { return h.bases == next.bases; });
        if (same == out.haplotypes.end()) {
            if (out.haplotypes.size() == std::min(MAX_HAPLOTYPES, most)) break;
            next.open = pairhmm::gap_open_qualities(next.bases);
            out.haplotypes.push_back(std::move(next));
        } else if (std::popcount(mask) < std::popcount(same->mask)) {
            same->mask = mask;
            same->own = next.own;
        }
    }
    return out;
}

constexpr int32_t MAX_EXTENT = 500;  // bases an indel is followed along its repeat
constexpr size_t MAX_ALLELES = 64;   // bits of a mask

// Whether an insertion or deletion, written as far right as it goes, meets a substitution that follows it, or
// follows one at once. Changes of adjacent bases are one deletion-insertion (HGVS recommendations, DNA: delins), and
// only that is spelled one way: apart, the substitution's place would depend on where the repeat was aligned.
inline bool touches(const Allele& left, const Allele& right, const Window& reference) {
    if (left.indel() == right.indel()) return false;
    const int32_t reach = left.indel() ? right_extent(left, reference, MAX_EXTENT) : 0;
    return left.end() + reach >= right.position;
}

inline Allele joined(const Allele& left, const Allele& right, const Window& reference) {
    const std::string between = reference.slice(left.end(), right.position);
    return left_aligned({left.position, right.end() - left.position, left.alt + between + right.alt}, reference);
}

using Pair = std::pair<Allele, Allele>;

// The alleles of a haplotype as they are called: an insertion or deletion and a substitution that touch are one, but for
// pairs that are to stay apart.
inline std::vector<Allele> as_called(const std::vector<Allele>& own, const std::vector<Pair>& apart, const Window& reference) {
    std::vector<Allele> out;
    const Allele* before = nullptr;  // as spelled
    for (const Allele& next : own) {
        const bool one = before && touches(out.back(), next, reference) && std::find(apart.begin(), apart.end(), Pair{*before, next}) == apart.end();
        if (one) out.back() = joined(out.back(), next, reference);
        else out.push_back(next);
        before = &next;
    }
    return out;
}

constexpr int32_t FAR_APART = 20;  // bases: what is nearer, comparisons of haplotypes find the same however it is written

// Pairs of a haplotype that touch over a long repeat, of which another one has one allele without the other, or another
// insertion or deletion at its place: each is an event by itself.
inline void seen_apart(const std::vector<Allele>& own, const std::vector<Allele>& other, const Window& reference, std::vector<Pair>& apart) {
    auto has = [&](const Allele& a) { return std::find(other.begin(), other.end(), a) != other.end(); };
    auto varies = [&](const Allele& a) {
        return has(a) || (a.indel() && std::any_of(other.begin(), other.end(), [&](const Allele& o) { return o.indel() && o.position == a.position; }));
    };
    for (size_t i = 1; i < own.size(); ++i) {
        const Allele &left = own[i - 1], &right = own[i];
        if (right.position - left.end() >= FAR_APART && touches(left, right, reference) && (has(left) != has(right) || varies(left) != varies(right))) apart.push_back({left, right});
    }
}

// Numbers alleles of haplotypes, those of each in order, as they are called: the alleles, and the set that each haplotype
// has. False where they are too many for a mask, of that haplotype.
struct Numbering {
    std::vector<Allele> alleles;

    bool add(const std::vector<Allele>& called, uint64_t& mask) {
        const size_t before = alleles.size();
        mask = 0;
        for (const Allele& allele : called) {
            const auto i = static_cast<size_t>(std::find(alleles.begin(), alleles.end(), allele) - alleles.begin());
            if (i == alleles.size()) alleles.push_back(allele);
            if (i < MAX_ALLELES) mask |= uint64_t{1} << i;
        }
        if (alleles.size() <= MAX_ALLELES) return true;
        alleles.resize(before);
        return false;
    }
};

// Numbers the alleles of a region's haplotypes anew. A haplotype whose alleles are too many is left out.
inline void number_alleles(RegionHaplotypes& region, const Window& reference) {
    Numbering numbering;
    std::erase_if(region.haplotypes, [&](CandidateHaplotype& h) { return !numbering.add(as_called(h.own, {}, reference), h.mask); });
    region.alleles = std::move(numbering.alleles);
}

}  // namespace baselake::pileup
