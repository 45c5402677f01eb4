// The calling of one stretch of a contig: on the CPU region by region, or in stages for a device that computes what all
// regions need at once. Both ways give the same calls.
#pragma once

#include "blocks.h"
#include "mixture.h"
#include "walked.h"

namespace baselake::pileup {

constexpr int32_t LONGEST_READ = 1000;  // longer ones have errors of another kind
constexpr int32_t REACH = 500;           // how far from an active region what is found in it may lie
constexpr int32_t PADDING = 2000;        // reads this far outside a region still shape what is called inside

struct Contig {
    const char* bases;
    int32_t length;
};

struct Prepared {
    Pileup pileup;
    Window reference;
};

// The reference of a region and of all of its reads.
inline Window window_of(const std::vector<Read>& reads, const Contig& contig, const Region& region) {
    int32_t begin = region.start, end = region.end;
    for (const Read& read : reads) {
        begin = std::min(begin, read.start);
        end = std::max(end, read.end);
    }
    return {contig.bases, contig.length, begin - PADDING, end + PADDING};
}

inline Prepared prepare(const Alignments& rows, const Contig& contig, const Region& region, const Parameters& parameters) {
    std::vector<Read> reads = usable_reads(rows, parameters, contig.length, region.start - PADDING, region.end + PADDING, region.mixed);
    Window reference = window_of(reads, contig, region);
    Pileup pileup = pile_up(std::move(reads), reference, parameters);
    return {std::move(pileup), std::move(reference)};
}

struct Called {
    std::vector<Call> calls;
    std::vector<Block> blocks;
    std::array<int64_t, 3> regions{};  // simple, realigned, assembled
};

class Calling {
  public:
    Calling(const Alignments& rows, const Contig& contig, const Region& region, const Parameters& parameters)
        : Calling(prepare(rows, contig, region, parameters), region, parameters) {}

    // Of a pileup that a device made: reads are without bases and qualities until `bring`.
    Calling(Prepared prepared, const Region& region, const Parameters& parameters)
        : region_(region), parameters_(parameters), most_(most_haplotypes(region.ploidy)), prepared_(std::move(prepared)),
          found_(candidates(prepared_.pileup, prepared_.reference, region.mixed ? parameters.min_fraction : 0)) {
        for (const ActiveRegion& active : active_regions(found_, prepared_.pileup, prepared_.reference)) {
            const int32_t reach = active.simple ? 1 : REACH;
            if (active.start - reach < region.end && active.end + reach > region.start) active_.push_back(active);
        }
    }

    // The reads whose bases and qualities the calling looks at, in order: those near a region, and where it may be assembled
    // near the reference of its assembly.
    std::vector<int32_t> needed() const {
        std::vector<uint8_t> marked(pileup().reads.size(), 0);
        for (ActiveRegion around : active_) {
            if (!around.simple) {
                int32_t grown = 0;
                for (size_t i = around.first; i < around.last; ++i) grown = std::max(grown, std::abs(found_[i].allele.shift()));
                const int32_t flank = flank_of(ASSEMBLY_FLANK, grown);
                around.start -= flank;
                around.end += flank;
            }
            each_read_near(pileup(), around, [&](int32_t r) { marked[static_cast<size_t>(r)] = 1; });
        }
        return places_of(marked);
    }
    void bring(const std::vector<int32_t>& which, const uint8_t* bases, const uint8_t* quality) { baselake::pileup::bring(prepared_.pileup, which, bases, quality); }

    // Region by region.
    Called on_cpu() const {
        Called out;
        for (const ActiveRegion& active : active_) {
            bool assembled = false;
            Evidence evidence = active.simple ? simple_evidence(active, found_, pileup(), reference())
                                              : complex_evidence(active, found_, pileup(), reference(), parameters_.min_base_quality, most_, assembled);
            call(active, evidence, assembled, out);
        }
        return finished(std::move(out));
    }

    // In stages: pairs, costs, sequences, their alignments, further pairs, their costs.
    Pairs pairs() {
        for (const ActiveRegion& active : active_)
            if (!active.simple) complex_.emplace_back(active, found_, pileup(), reference(), most_);
        Pairs out;
        for (const ComplexRegion& one : complex_) out.add(one.comparison, one.haplotypes, pileup());
        return out;
    }
    Sequences compared(const float* costs) {
        Sequences out;
        for (ComplexRegion& one : complex_) {
            one.compared(costs, found_, pileup(), reference(), parameters_.min_base_quality, most_);
            costs += one.comparison.stretches.size() * one.haplotypes.haplotypes.size();
            if (!one.fresh.empty()) out.add(one.fresh, one.more, reference());
        }
        return out;
    }
    Pairs aligned(const int32_t* offsets, const int32_t* ops) {
        Pairs out;
        for (ComplexRegion& one : complex_) {
            if (one.fresh.empty()) continue;
            std::vector<Ops> own;
            for (size_t i = 0; i < one.fresh.size(); ++i, ++offsets) {
                Ops& here = own.emplace_back();
                for (int32_t k = offsets[0]; k < offsets[1]; ++k) here.push_back(smithwaterman::unpacked(ops[k]));
            }
            if (!one.aligned(own, found_, pileup(), reference(), most_)) continue;
            out.add(one.comparison, one.haplotypes, pileup());
            again_.push_back(&one);
        }
        return out;
    }
    Called compared_again(const float* costs) {
        for (ComplexRegion* one : again_) {
            one->compared_again(costs, pileup());
            costs += one->comparison.stretches.size() * one->haplotypes.haplotypes.size();
        }
        Called out;
        auto next = complex_.begin();
        for (const ActiveRegion& active : active_) {
            if (active.simple) {
                Evidence evidence = simple_evidence(active, found_, pileup(), reference());
                call(active, evidence, false, out);
            } else {
                call(active, next->evidence, next->assembled, out);
                ++next;
            }
        }
        return finished(std::move(out));
    }

  private:
    const Pileup& pileup() const { return prepared_.pileup; }
    const Window& reference() const { return prepared_.reference; }

    void call(const ActiveRegion& active, Evidence& evidence, bool assembled, Called& out) const {
        if (region_.mixed) call_mixture(evidence, active.simple, pileup(), reference(), parameters_, out.calls);
        else call_evidence(evidence, active.simple, pileup(), reference(), region_.ploidy, parameters_, out.calls);
        if (active.start >= region_.start && active.start < region_.end) ++out.regions[active.simple ? 0 : assembled ? 2 : 1];
    }
    Called finished(Called out) const {
        out.blocks = reference_blocks(pileup(), reference(), region_, out.calls);
        std::erase_if(out.calls, [&](const Call& c) { return c.start < region_.start || c.start >= region_.end; });
        std::stable_sort(out.calls.begin(), out.calls.end(), [](const Call& a, const Call& b) {
            return std::tie(a.start, a.ref, a.alt) < std::tie(b.start, b.ref, b.alt);
        });
        return out;
    }

    Region region_;
    Parameters parameters_;
    size_t most_;
    Prepared prepared_;
    std::vector<Candidate> found_;
    std::vector<ActiveRegion> active_;
    std::vector<ComplexRegion> complex_;  // of active_, in order
    std::vector<ComplexRegion*> again_;
};

}  // namespace baselake::pileup
