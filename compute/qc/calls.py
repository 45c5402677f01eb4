"""What a sample's calls tell of it: kinds of variants, allele balance, contamination."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Longer indels are counted with these.
LONGEST_INDEL = 50
# Steps of the histogram of the alternate's share of reads, from 0 to 1.
BALANCE_STEPS = 50
# Reads that a genotype must rest on to tell of allele balance.
_LEAST_DEPTH = 10
# Genotypes that an estimate of contamination must rest on.
_LEAST_SITES = 100
# Reads at a homozygous alternate that show the reference by error: a base error of Q25 that gives that very base.
_ERROR = 0.001
_TRANSITIONS = ("AG", "GA", "CT", "TC")


def called(rows: pa.RecordBatch | pa.Table) -> pa.Table:
    """Rows of calls that passed all filters and have a copy of their allele.

    Args:
        rows: filters list of string, alt_copies int8, and any other columns.
    """
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    passed = pc.and_(pc.equal(pc.list_value_length(table["filters"]), 0), pc.greater(table["alt_copies"], 0))
    return table.filter(passed)


def count_calls(rows: pa.Table) -> dict[str, float]:
    """Counts of alleles, to be added up over tables and handed to `call_metrics`.

    Args:
        rows: of `called`: ref, alt, type, gt string.

    Returns:
        `snvs`, `insertions`, `deletions`, `other_alleles`: rows by type. `transitions`, `transversions`: SNVs.
        `het_snvs`, `hom_alt_snvs`: diploid genotypes; each of the two rows of a site with two alternates counts half.
    """
    kinds = rows["type"].to_numpy(zero_copy_only=False)
    snv = kinds == "snv"
    change = pc.binary_join_element_wise(rows["ref"], rows["alt"], "").to_numpy(zero_copy_only=False)
    transition = snv & np.isin(change, _TRANSITIONS)
    het, hom, weight = zygosity(rows)
    return {
        "snvs": float(snv.sum()),
        "insertions": float((kinds == "insertion").sum()),
        "deletions": float((kinds == "deletion").sum()),
        "other_alleles": float((~np.isin(kinds, ("snv", "insertion", "deletion"))).sum()),
        "transitions": float(transition.sum()),
        "transversions": float((snv & ~transition).sum()),
        "het_snvs": float(weight[snv & het].sum()),
        "hom_alt_snvs": float(weight[snv & hom].sum()),
    }


def zygosity(rows: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row: heterozygous, homozygous for the alternate (both diploid, bool), and its weight as a site."""
    unphased = pc.replace_substring(rows["gt"], "|", "/").to_numpy(zero_copy_only=False)
    two = np.isin(unphased, ("1/2", "2/1"))
    return np.isin(unphased, ("0/1", "1/0")) | two, unphased == "1/1", np.where(two, 0.5, 1.0)


def call_metrics(counts: dict[str, float]) -> dict[str, float]:
    """`count_calls` and what follows from it.

    `indels`; `ti_tv`, transitions to transversions (ts/tv of bcftools stats, by allele); `het_hom`, heterozygous to
    homozygous alternate SNVs (nHets and nNonRefHom of bcftools stats -s). A ratio to nothing is left out.
    """
    found = dict(counts) | {"indels": counts["insertions"] + counts["deletions"]}
    if counts["transversions"]:
        found["ti_tv"] = counts["transitions"] / counts["transversions"]
    if counts["hom_alt_snvs"]:
        found["het_hom"] = counts["het_snvs"] / counts["hom_alt_snvs"]
    return found


def indel_lengths(rows: pa.Table) -> np.ndarray:
    """Insertions and deletions by length.

    Args:
        rows: of `called`: ref, alt, type.

    Returns:
        int64 of 2 `LONGEST_INDEL` + 1: from deletions of that many bases or more to insertions of as many or more.
    """
    indel = np.isin(rows["type"].to_numpy(zero_copy_only=False), ("insertion", "deletion"))
    length = pc.subtract(pc.utf8_length(rows["alt"]), pc.utf8_length(rows["ref"])).to_numpy()[indel]
    places = np.clip(length, -LONGEST_INDEL, LONGEST_INDEL) + LONGEST_INDEL
    return np.bincount(places, minlength=2 * LONGEST_INDEL + 1)


class Balance:
    """Allele balance of diploid SNVs with one alternate and at least 10 reads, added up over tables."""

    def __init__(self) -> None:
        self.het = np.zeros(BALANCE_STEPS + 1, np.int64)
        self.hom = np.zeros(BALANCE_STEPS + 1, np.int64)
        self._hom_ref = self._hom_reads = 0
        self._squares = self._chance = 0.0

    def add(self, rows: pa.Table) -> None:
        """Add rows of `called`: type, gt, ad_ref and ad_alt int32."""
        reference, alternate = (
            rows[name].fill_null(0).to_numpy().astype(np.int64) for name in ("ad_ref", "ad_alt")
        )
        het, hom, weight = zygosity(rows)
        told = (rows["type"].to_numpy(zero_copy_only=False) == "snv") & (weight == 1)
        told &= reference + alternate >= _LEAST_DEPTH
        for chosen, histogram in ((het & told, self.het), (hom & told, self.hom)):
            share = alternate[chosen] / (reference + alternate)[chosen]
            histogram += np.bincount(np.rint(share * BALANCE_STEPS).astype(int), minlength=BALANCE_STEPS + 1)
        self._hom_ref += int(reference[hom & told].sum())
        self._hom_reads += int((reference + alternate)[hom & told].sum())
        depth = (reference + alternate)[het & told]
        share = alternate[het & told] / depth
        self._squares += float(((share - 0.5) ** 2).sum())
        self._chance += float((0.25 / depth).sum())

    def metrics(self) -> dict[str, float]:
        """Estimates of the share of reads that are another person's.

        `contamination` is from homozygous alternates: c = (r - e) / (1 - f), not below 0. r is the share of all reads
        there that show the reference; e = 0.001 what base errors give; f the mean share of alternates that another
        person has where this one is homozygous for them, taken as 1/2. It is the idea of GATK's CalculateContamination
        (reference reads at homozygous alternates), which takes each site's f from a population's allele frequencies.
        This lake has none: where f is higher, as it is at common alleles, and the other is a relative, c is too low (at
        f = 3/4 by half); reads of paralogous sequence make it too high. Below 0.005 it tells nothing.

        `contamination_het` is from heterozygotes: another person's reads move the alternate's share from 1/2 by
        c (g - 1/2), where g is 0, 1/2 or 1 for that person's genotype, with variance 1/8 at f = 1/2. So
        c = sqrt(8 (v - b)): v the mean square distance from 1/2, b what binomial sampling gives, 1 / (4 n) at n reads.
        All else that spreads allele balance (bias to the reference, duplicates, copy number) adds to it: it is an upper
        bound.

        Each is left out with fewer than 100 genotypes to rest on.
        """
        found = {}
        if self.hom.sum() >= _LEAST_SITES:
            found["contamination"] = min(1.0, max(0.0, 2 * (self._hom_ref / self._hom_reads - _ERROR)))
        if (sites := int(self.het.sum())) >= _LEAST_SITES:
            excess = max(0.0, (self._squares - self._chance) / sites)
            found["contamination_het"] = min(1.0, (8 * excess) ** 0.5)
        return found


def union_length(starts: np.ndarray, ends: np.ndarray) -> int:
    """Bases that intervals [start, end) of one contig cover together, however they overlap."""
    if not len(starts):
        return 0
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order].astype(np.int64), np.maximum.accumulate(ends[order].astype(np.int64))
    before = np.concatenate(([starts[0]], ends[:-1]))
    return int(np.maximum(ends - np.maximum(starts, before), 0).sum())
