// The constants of the PairHMM, for the CPU's kernel and the GPU's.
#pragma once

namespace baselake::pairhmm {

constexpr int GAP_OPEN = 45;  // phred of an insertion or deletion error outside repeats (GATK's default)
constexpr int GAP_EXTEND = 10;
constexpr double EXTEND = 0.1;  // of GAP_EXTEND
constexpr double MAX_COST = 6000;  // what fits worse than float64 can tell

// What the first base's weight is multiplied by: room above for a few hundred equal paths; what ends under LEAST has
// lost paths that matter.
template <typename Real> struct Range;
template <> struct Range<float> {
    static constexpr double SCALE = 0x1p100, LEAST = 0x1p-90;
};
template <> struct Range<double> {
    static constexpr double SCALE = 0x1p1000, LEAST = 0x1p-980;
};

}  // namespace baselake::pairhmm
