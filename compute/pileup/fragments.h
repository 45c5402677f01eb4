// How well each fragment of a region fits each of its alleles or haplotypes.
#pragma once

#include "stutter.h"

namespace baselake::pileup {

// A region's reads compared with its haplotypes. At a simple site a haplotype is one base.
struct Evidence {
    std::vector<Allele> alleles;
    std::vector<double> rates;    // prior cost of each
    std::vector<uint64_t> masks;  // haplotype -> alleles it carries; the reference first
    std::vector<std::vector<Allele>> own;  // of each haplotype of a complex region, its alleles as spelled
    CostTable table;
    size_t misfits = 0;           // reads left out because they fit no haplotype
    std::vector<int32_t> reads;  // row of the table -> the read of the fragment that tells most
};

constexpr int MISMATCH_EXTRA = 5;       // a wrong base is one of three: 10 log10 3
constexpr float MAX_FRAGMENT_COST = 45;  // one molecule never says more than this (PCR and library errors)
constexpr int32_t MAX_ALIGNED = 320;   // bases of a read that a region is judged by
constexpr float POOR_FIT = 100;          // fits no haplotype: belongs elsewhere

// Adds up the costs of one fragment's reads.
class FragmentSums {
  public:
    explicit FragmentSums(size_t alleles) : alleles_(alleles) {}
    void add(const Pileup& pileup, int32_t read, const float* costs) {
        auto [place, fresh] = places_.try_emplace(pileup.reads[static_cast<size_t>(read)].fragment, reads_.size());
        const auto [low, high] = std::minmax_element(costs, costs + alleles_);
        if (fresh) {
            reads_.push_back(read);
            telling_.push_back(*high - *low);
            sums_.insert(sums_.end(), alleles_, 0.0f);
        } else if (*high - *low > telling_[place->second]) {
            reads_[place->second] = read;
            telling_[place->second] = *high - *low;
        }
        for (size_t a = 0; a < alleles_; ++a) sums_[place->second * alleles_ + a] += costs[a];
    }
    void write(const Pileup& pileup, Evidence& out) const {
        out.table.alleles = static_cast<int>(alleles_);
        out.reads = reads_;
        for (size_t f = 0; f < reads_.size(); ++f) {
            const Read& read = pileup.reads[static_cast<size_t>(reads_[f])];
            const float cap = std::min<float>(MAX_FRAGMENT_COST, std::max<int>(read.mapq, 1));
            out.table.add(sums_.data() + f * alleles_, cap, read.reverse());
        }
    }

  private:
    size_t alleles_;
    std::map<int32_t, size_t> places_;
    std::vector<int32_t> reads_;
    std::vector<float> telling_;  // how far that read alone tells the alleles apart
    std::vector<float> sums_;
};

// Plain base likelihoods at the one position of a simple region.
inline Evidence simple_evidence(const ActiveRegion& region, const std::vector<Candidate>& all, const Pileup& pileup,
                                const Window& reference) {
    Evidence out;
    const int32_t at = all[region.first].allele.position;
    out.masks = {0};
    std::string bases(1, reference[at]);
    for (size_t i = region.first; i < region.last; ++i) {
        out.masks.push_back(uint64_t{1} << out.alleles.size());
        out.alleles.push_back(all[i].allele);
        bases += all[i].allele.alt;
    }
    FragmentSums sums(bases.size());
    std::vector<float> costs(bases.size());
    for (size_t r = pileup.first_reaching(at); r < pileup.reads.size() && pileup.reads[r].start <= at; ++r) {
        const Read& read = pileup.reads[r];
        const int32_t offset = read.end > at ? read.offset_at(at) : -1;
        if (offset < 0 || read.qual[static_cast<size_t>(offset)] == 0) continue;
        const char base = plain_base(read.seq[static_cast<size_t>(offset)]);
        for (size_t a = 0; a < bases.size(); ++a)
            costs[a] = base == bases[a] ? 0.0f : static_cast<float>(read.qual[static_cast<size_t>(offset)] + MISMATCH_EXTRA);
        sums.add(pileup, static_cast<int32_t>(r), costs.data());
    }
    sums.write(pileup, out);
    return out;
}

// The stretch of a read that a complex region is judged by, and where its first base would lie on the reference.
struct Stretch {
    int32_t read, offset, length, position;
};

inline bool touches(const Read& read, const ActiveRegion& region) {
    return read.start - read.clip_left() < region.end && read.end + read.clip_right() > region.start;
}

// The read's bases between two places of the reference; soft clips, which an undetected insertion or deletion causes,
// are taken as if they were aligned. Length 0: the read has none there.
inline Stretch stretch(const Read& read, int32_t index, int32_t from, int32_t to) {
    const auto length = static_cast<int32_t>(read.seq.size());
    int32_t first = -1, last = -1, first_position = 0;
    read.each_match([&](int32_t position, int32_t offset, int32_t n) {
        const int32_t a = std::max(position, from), b = std::min(position + n, to);
        if (a >= b) return;
        if (first < 0) first = offset + a - position, first_position = a;
        last = offset + b - position;
    });
    if (first < 0) return {index, 0, 0, 0};
    if (first == read.clip_left() && first_position == read.start) {
        const int32_t extra = std::min(read.clip_left(), std::max(0, read.start - from));
        first -= extra;
        first_position -= extra;
    }
    if (last == length - read.clip_right()) last += std::min(read.clip_right(), std::max(0, to - read.end));
    return {index, first, last - first, first_position};
}

// Calls visit(index) for every read that may touch a region, soft clips included, in order.
template <typename Visit> void each_read_near(const Pileup& pileup, const ActiveRegion& region, Visit visit) {
    constexpr int32_t CLIPS = 200;
    for (size_t r = pileup.first_reaching(region.start - CLIPS); r < pileup.reads.size(); ++r) {
        if (pileup.reads[r].start - pileup.reads[r].clip_left() >= region.end + CLIPS) break;
        if (touches(pileup.reads[r], region)) visit(static_cast<int32_t>(r));
    }
}

constexpr int32_t SLACK = 5;  // a read may be misplaced by an indel of its own that no haplotype has

// Places of other regions' substitutions in the stretch that a region's haplotypes stand for, in order. No haplotype has
// them, so what reads show there is no reason against any.
inline std::vector<int32_t> foreign_places(const ActiveRegion& region, const RegionHaplotypes& haplotypes, const std::vector<Candidate>& all) {
    std::vector<int32_t> places;
    auto at = std::lower_bound(all.begin(), all.end(), haplotypes.begin, [](const Candidate& c, int32_t p) { return c.from < p; });
    for (; at != all.end() && at->from < haplotypes.end; ++at) {
        const auto i = static_cast<size_t>(at - all.begin());
        if (!at->allele.indel() && (i < region.first || i >= region.last)) places.push_back(at->allele.position);
    }
    return places;
}

// A region's stretches beside its haplotypes: every one is compared with each.
struct Comparison {
    std::vector<Stretch> stretches;
    int32_t left = 0, right = 0;  // the band of all of them
    std::vector<int32_t> silent;  // places where they say nothing
};

// A read that begins right of an insertion lies its length further on in the haplotype: the band covers both.
inline Comparison comparison_of(const ActiveRegion& region, const RegionHaplotypes& haplotypes, const std::vector<Candidate>& all,
                                const Pileup& pileup, const Window& reference) {
    Comparison out;
    for (const CandidateHaplotype& h : haplotypes.haplotypes) {
        out.left = std::max(out.left, -h.shift_min);
        out.right = std::max(out.right, h.shift_max);
    }
    const int32_t around = READ_FLANK + std::max(out.left, out.right);
    // Beyond the contig's ends no haplotype has a base.
    const int32_t from = std::max(region.start - around, reference.begin()), to = std::min(region.end + around, reference.end());
    each_read_near(pileup, region, [&](int32_t r) {
        Stretch s = stretch(pileup.reads[static_cast<size_t>(r)], r, from, to);
        s.length = std::min(s.length, MAX_ALIGNED);
        if (s.length > 0) out.stretches.push_back(s);
    });
    out.left += SLACK;
    out.right += SLACK;
    out.silent = foreign_places(region, haplotypes, all);
    return out;
}

// Comparisons as the PairHMM takes them, a region's after another's; its pairs stand row by row of the stretches.
struct Pairs {
    std::vector<int32_t> read_offsets{0}, haplotype_offsets{0}, read, haplotype, diagonal, left, right;
    std::vector<uint8_t> read_bases, quality, haplotype_bases, open;

    void add(const Comparison& comparison, const RegionHaplotypes& haplotypes, const Pileup& pileup) {
        const auto first_read = static_cast<int32_t>(read_offsets.size()) - 1, first_haplotype = static_cast<int32_t>(haplotype_offsets.size()) - 1;
        for (const Stretch& s : comparison.stretches) {
            const Read& of = pileup.reads[static_cast<size_t>(s.read)];
            const auto from = static_cast<size_t>(s.offset), to = static_cast<size_t>(s.offset + s.length);
            for (size_t i = from; i < to; ++i) read_bases.push_back(static_cast<uint8_t>(plain_base(of.seq[i])));
            quality.insert(quality.end(), of.qual.begin() + s.offset, of.qual.begin() + s.offset + s.length);
            for (int32_t place : comparison.silent)
                if (const int32_t offset = of.offset_at(place) - s.offset; offset >= 0 && offset < s.length)
                    quality[quality.size() - static_cast<size_t>(s.length - offset)] = 0;
            read_offsets.push_back(static_cast<int32_t>(read_bases.size()));
        }
        for (const CandidateHaplotype& h : haplotypes.haplotypes) {
            haplotype_bases.insert(haplotype_bases.end(), h.bases.begin(), h.bases.end());
            open.insert(open.end(), h.open.begin(), h.open.end());
            haplotype_offsets.push_back(static_cast<int32_t>(haplotype_bases.size()));
        }
        const auto n = static_cast<int32_t>(haplotypes.haplotypes.size());
        for (size_t s = 0; s < comparison.stretches.size(); ++s) {
            for (int32_t h = 0; h < n; ++h) {
                read.push_back(first_read + static_cast<int32_t>(s));
                haplotype.push_back(first_haplotype + h);
                diagonal.push_back(comparison.stretches[s].position - haplotypes.begin);
                left.push_back(comparison.left);
                right.push_back(comparison.right);
            }
        }
    }
};

// Costs of stretches by haplotypes, row by row.
inline std::vector<float> haplotype_costs(const Comparison& comparison, const RegionHaplotypes& haplotypes, const Pileup& pileup) {
    Pairs pairs;
    pairs.add(comparison, haplotypes, pileup);
    std::vector<float> costs(pairs.read.size());
    pairhmm::forward({pairs.read_offsets.data(), pairs.read_bases.data(), pairs.quality.data(), pairs.haplotype_offsets.data(),
                      pairs.haplotype_bases.data(), pairs.open.data(), pairs.open.data(), static_cast<int64_t>(pairs.read.size()),
                      pairs.read.data(), pairs.haplotype.data(), pairs.diagonal.data(), comparison.left, comparison.right, costs.data()});
    return costs;
}

// What the costs of a comparison, row by row, say of the fragments.
inline Evidence evidence_of(const Comparison& comparison, const RegionHaplotypes& haplotypes, const float* costs, const Pileup& pileup) {
    Evidence out;
    out.alleles = haplotypes.alleles;
    for (const CandidateHaplotype& h : haplotypes.haplotypes) {
        out.masks.push_back(h.mask);
        out.own.push_back(h.own);
    }
    const size_t n = haplotypes.haplotypes.size();
    const Slips slips(haplotypes.haplotypes);
    FragmentSums sums(n);
    std::vector<float> mixed(n);
    for (size_t k = 0; k < comparison.stretches.size(); ++k) {
        slips.mix(costs + k * n, mixed.data());
        if (*std::min_element(mixed.begin(), mixed.end()) <= POOR_FIT) sums.add(pileup, comparison.stretches[k].read, mixed.data());
        else ++out.misfits;
    }
    sums.write(pileup, out);
    return out;
}

}  // namespace baselake::pileup
