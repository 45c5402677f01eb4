// The reference blocks of a region: every base that no call covers, with how sure it is that nothing varies there.
#pragma once

#include "caller.h"

namespace baselake::pileup {

// Why nothing can be said of a base; `GAPS` in __init__.py names them.
enum class Gap : uint8_t { NONE, NO_USABLE_READS, UNKNOWN_REFERENCE };

struct Block {
    int32_t start, end;
    Gap gap;
    int32_t gq, min_dp;  // the least of its bases
    int64_t dp_sum;
};

// Bases of one band of GQ make a block: the bands of the Broad Institute's reblocked gVCFs. Finer ones would be broken by
// every sequencing error.
constexpr std::array<int, 3> GQ_BANDS{20, 30, 40};

inline int gq_band(int gq) {
    return static_cast<int>(std::upper_bound(GQ_BANDS.begin(), GQ_BANDS.end(), gq) - GQ_BANDS.begin());
}

// Blocks of [start, end) between the bases that calls cover. GQ is how much likelier the reference is than one copy of
// something else: each fragment is of another copy (or, where there is one copy, errs), what differs speaks
// against it by its quality.
inline std::vector<Block> reference_blocks(const Pileup& pileup, const Window& reference, const Region& region, const std::vector<Call>& calls) {
    const std::vector<int32_t>& depth = pileup.informative;
    const auto n = static_cast<size_t>(region.end - region.start);
    std::vector<float> against(n, 0);
    std::vector<int32_t> differing(n, 0);
    for (const Event& event : pileup.events) {
        const int32_t at = event.allele.position - (event.allele.indel() ? 1 : 0) - region.start;
        if (at < 0 || at >= static_cast<int32_t>(n)) continue;
        against[static_cast<size_t>(at)] += event.quality;
        ++differing[static_cast<size_t>(at)];
    }
    std::vector<uint8_t> called(n, 0);
    for (const Call& call : calls) {
        const int32_t from = std::max(call.start, region.start), to = std::min(call.start + static_cast<int32_t>(call.ref.size()), region.end);
        for (int32_t p = from; p < to; ++p) called[static_cast<size_t>(p - region.start)] = 1;
    }
    const double elsewhere = region.ploidy == 1 ? 0 : -10 * std::log10(1 - 1.0 / region.ploidy);  // a fragment not of that copy
    std::vector<Block> blocks;
    for (size_t i = 0; i < n; ++i) {
        if (called[i]) continue;
        const int32_t position = region.start + static_cast<int32_t>(i);
        const int32_t dp = position < reference.begin() || position >= reference.end() ? 0 : depth[static_cast<size_t>(position - reference.begin())];
        const Gap gap = reference[position] == 'N' ? Gap::UNKNOWN_REFERENCE : dp == 0 ? Gap::NO_USABLE_READS : Gap::NONE;
        const double other = region.ploidy == 1 ? MIN_ERROR_COST * (dp - differing[i]) : elsewhere * dp;
        const int32_t gq = gap == Gap::NONE ? static_cast<int32_t>(std::clamp(std::floor(other - against[i]), 0.0, double{MAX_GQ})) : 0;
        Block* last = blocks.empty() ? nullptr : &blocks.back();
        if (last && last->end == position && last->gap == gap && gq_band(last->gq) == gq_band(gq)) {
            last->end = position + 1;
            last->gq = std::min(last->gq, gq);
            last->min_dp = std::min(last->min_dp, dp);
            last->dp_sum += dp;
        } else {
            blocks.push_back({position, position + 1, gap, gq, dp, dp});
        }
    }
    return blocks;
}

}  // namespace baselake::pileup
