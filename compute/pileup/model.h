// The constants of base qualities and of genotype likelihoods, for the CPU's kernels and the GPU's.
#pragma once

namespace baselake::pileup {

// Illumina gives quality 2 to read tails it knows nothing about; below this a base takes no part.
constexpr int UNINFORMATIVE_QUALITY = 6;
// Two readings of one molecule cannot remove errors made before sequencing (PCR, damage: about 1e-4.5 a base).
constexpr int MAX_QUALITY = 45;
constexpr int MISSING_QUALITY = 20;  // where QUAL is '*'

// Errors at one place are not independent (the same motif trips the same chemistry), so the k-th one counts for
// (1 - 0.03) x 0.83^k + 0.03 of the first: MAQ's dependency model (Li, Ruan and Durbin 2008,
// doi:10.1101/gr.078212.108) with the constants bcftools has settled on.
constexpr double DEPENDENCY = 0.83;
constexpr double DEPENDENCY_FLOOR = 0.03;
constexpr double STRAND_ARTEFACT_COST = 50;  // one place in a hundred thousand misreads on one strand
constexpr int ARTEFACT_SHAPE = 4;
// An instrument sees that such a base is bad: of 105 misread bases at ten such places of the NA12878 slice 6% have
// quality 30 or more, where 94% of all bases do. That is 12 phred a good base; half of what it costs above the typical
// quality of 20 gives 5 at quality 30 and 10 at 40.
constexpr float ARTEFACT_TYPICAL_COST = 25;
constexpr float ARTEFACT_GOOD_SHARE = 0.5f;
constexpr float CLEAR_ERROR = 3;  // a misfit of less is as good as a fit
constexpr double HALF_COST = 3.0102999566398120;  // a fragment picks one of two copies
constexpr double MIN_ERROR_COST = 30;             // a typical error, where only a count of them is known

constexpr int MAX_PLOIDY = 8;
constexpr int RANKS = 64;  // errors beyond so many count as the last of them

}  // namespace baselake::pileup
