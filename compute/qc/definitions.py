"""What the metrics of quality control are called in a report, how their values are written, and how each is defined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselake.compute.qc.sex import observed_sex

# From here on VerifyBamID's documentation calls a sample likely to be contaminated.
CONTAMINATED = 0.03
# At 15 reads about two heterozygotes in a hundred show the alternate in no more than three.
LOW_COVERAGE = 15.0
UNMAPPED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A metric.

    Attributes:
        label: what a reader calls it.
        form: `count`, `share`, `ratio` or `bases`.
        text: how it is defined.
    """

    label: str
    form: str
    text: str


def _of(label: str, form: str, text: str) -> Definition:
    return Definition(label=label, form=form, text=text)


DEFINITIONS: Mapping[str, Definition] = {
    "reads": _of(
        "Reads",
        "count",
        "Primary records, those that failed the instrument's filter too (samtools flagstat).",
    ),
    "mapped": _of("Mapped", "count", "Primary records that are mapped (samtools flagstat)."),
    "mapped_rate": _of(
        "Mapped share", "share", "Mapped of all reads (Picard CollectAlignmentSummaryMetrics)."
    ),
    "properly_paired": _of("Properly paired", "count", "Mapped reads with flag 0x2 (samtools flagstat)."),
    "properly_paired_rate": _of("Properly paired share", "share", "Properly paired of all paired reads."),
    "duplicates": _of(
        "Duplicates", "count", "Primary records marked as copies of another template (samtools flagstat)."
    ),
    "duplicate_rate": _of(
        "Duplicate rate", "share", "Duplicates of all mapped reads (Picard MarkDuplicates)."
    ),
    "insert_median": _of(
        "Insert size, median",
        "bases",
        "Length of properly paired templates (Picard CollectInsertSizeMetrics).",
    ),
    "insert_mad": _of(
        "Insert size, MAD", "bases", "Median distance from the median (Picard CollectInsertSizeMetrics)."
    ),
    "mean_coverage": _of(
        "Mean coverage",
        "ratio",
        "Reads over a base of the contigs that have alignments; no duplicates, secondary or filtered records"
        " (samtools coverage).",
    ),
    "mean_coverage_covered": _of(
        "Mean coverage where covered", "ratio", "The same, of bases with at least one read."
    ),
    "median_coverage_covered": _of(
        "Median coverage where covered", "count", "Of bases with at least one read; over 1000 counts as 1000."
    ),
    "covered_1": _of(
        "Bases with 1 read", "share", "Share of bases with at least 1 read (samtools coverage)."
    ),
    "covered_10": _of("Bases with 10 reads", "share", "Share of bases with at least 10 reads."),
    "covered_20": _of("Bases with 20 reads", "share", "Share of bases with at least 20 reads."),
    "covered_30": _of("Bases with 30 reads", "share", "Share of bases with at least 30 reads."),
    "callable_fraction": _of(
        "Callable fraction",
        "share",
        "Of the called bases whose reference is known, those in a reference block, or a call that passed, of genotype"
        " quality 20 and more.",
    ),
    "snvs": _of("SNVs", "count", "Alleles of single bases in calls that passed (bcftools stats)."),
    "indels": _of("Indels", "count", "Insertions and deletions in calls that passed (bcftools stats)."),
    "insertions": _of("Insertions", "count", "Of these, insertions."),
    "deletions": _of("Deletions", "count", "Of these, deletions."),
    "other_alleles": _of(
        "Other alleles", "count", "Alleles of several bases of equal length, and complex ones."
    ),
    "transitions": _of("Transitions", "count", "SNVs between A and G, or C and T."),
    "transversions": _of("Transversions", "count", "All other SNVs."),
    "ti_tv": _of(
        "Ti/tv", "ratio", "Transitions by transversions (bcftools stats); about 2.0 to 2.1 in a human genome."
    ),
    "het_snvs": _of("Heterozygous SNVs", "count", "Diploid; the two alternates of one site count half each."),
    "hom_alt_snvs": _of("Homozygous SNVs", "count", "Diploid, both copies the alternate."),
    "het_hom": _of(
        "Het/hom",
        "ratio",
        "Heterozygous by homozygous alternate SNVs (bcftools stats, PSC); 1.4 to 2.0 by ancestry, Wang et al. 2015.",
    ),
    "x_copies": _of(
        "Copies of X",
        "ratio",
        "Twice the median coverage of X outside the pseudo-autosomal regions, by that of the autosomes, in windows"
        " with reads.",
    ),
    "y_copies": _of("Copies of Y", "ratio", "Likewise of Y."),
    "x_het": _of(
        "Heterozygous on X",
        "share",
        "Of diploid SNVs on X outside the pseudo-autosomal regions; where X was called as haploid there is none.",
    ),
    "contamination": _of(
        "Contamination",
        "share",
        "2 (r - 0.001): r, share of reads that show the reference at homozygous alternate SNVs. Assumes that another"
        " person has the reference in half of the copies there; without a population's frequencies it is rough, and"
        " says nothing below 0.5%.",
    ),
    "contamination_het": _of(
        "Contamination, upper bound",
        "share",
        "sqrt(8 (v - b)): v, mean square distance of the alternate's share from 1/2 at heterozygous SNVs; b, what"
        " sampling alone gives. Bias to the reference and copy number add to it.",
    ),
}


def written(name: str, value: float) -> str:
    """A metric's value as a reader expects it."""
    form = DEFINITIONS[name].form
    if form == "share":
        return f"{100 * value:.2f}%"
    if form == "ratio":
        return f"{value:.2f}"
    return f"{value:,.0f} bp" if form == "bases" else f"{value:,.10g}"


def warnings_of(metrics: Mapping[str, float], sex: str | None) -> Sequence[str]:
    """What a reader has to know first, a sentence each.

    Args:
        metrics: of `sample_qc`, those without a bin.
        sex: as stated: `male`, `female` or None.
    """
    told = []
    seen = observed_sex(metrics)
    if sex in ("male", "female"):
        clues = {name: metrics[name] for name in ("x_copies", "y_copies", "x_het") if name in metrics}
        said = ", ".join(f"{DEFINITIONS[name].label} {written(name, value)}" for name, value in clues.items())
        if seen is not None and seen != sex:
            told.append(f"Sex mismatch: stated {sex}, the data say {seen} ({said}).")
        elif clues and seen is None:
            told.append(f"Sex is not clear: stated {sex}, the data do not agree with one another ({said}).")
    if metrics.get("contamination", 0.0) >= CONTAMINATED:
        share = written("contamination", metrics["contamination"])
        told.append(f"Contamination: about {share} of the reads are another person's.")
    depth = metrics.get("mean_coverage_covered", 0.0)
    if depth < LOW_COVERAGE:
        told.append(
            f"Low coverage: {depth:.1f} reads over a base where there are any; {LOW_COVERAGE:.0f} are needed."
        )
    if metrics.get("mapped_rate", 1.0) < UNMAPPED:
        told.append(f"Only {written('mapped_rate', metrics['mapped_rate'])} of the reads are mapped.")
    if "snvs" not in metrics:
        told.append("Not called: there are no figures of variants.")
    return told
