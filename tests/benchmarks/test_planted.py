"""The planted truth set: what is planted, what its reads are like, and how calls of it are counted."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pysam
import pytest

from baselake.demo.fragments import Library
from baselake.demo.genome import ACGT, write_fasta
from baselake.demo.reads import Run, simulate_reads
from baselake.demo.tracts import repeat_tracts
from baselake.demo.variants import Allele, haplotype, normalise, write_vcf
from tests.benchmarks.modules import benchmark

human_variants = benchmark("human_variants")
observed_reads = benchmark("observed_reads")
contexts = benchmark("contexts")
datasets = benchmark("datasets")
benchmark("accuracy")
recalibration = benchmark("recalibration")


def sequence(length: int, *, seed: int) -> np.ndarray:
    """Random bases with a run of 14 A and one of 12 CA every 2,000."""
    bases = np.random.default_rng(seed).choice(ACGT, length)
    for start in range(1_000, length - 1_000, 2_000):
        bases[start : start + 14] = ord("A")
        bases[start + 500 : start + 524] = np.frombuffer(b"CA" * 12, np.uint8)
    return bases


def test_what_is_planted_is_normal_spells_haplotypes_and_leaves_the_real_alleles_alone() -> None:
    bases = sequence(200_000, seed=1)
    real = [
        Allele(
            contig="20", start=at, ref=chr(bases[at]), alt="ACGT"["CGTA".index(chr(bases[at]))], copies=(1, 0)
        )
        for at in range(300, 200_000 - 300, 1_000)
    ]
    planted = human_variants.add_missing("20", bases, real, seed=3)
    assert set(real) <= set(planted)
    assert planted == human_variants.add_missing("20", bases, real, seed=3)
    for allele in planted:
        assert normalise(bases, allele.start, allele.ref, allele.alt) == (
            allele.start,
            allele.ref,
            allele.alt,
        )
    for copy in (0, 1):
        grown = sum(len(one.alt) - len(one.ref) for one in planted if one.copies[copy])
        assert haplotype(bases, planted, copy).size == bases.size + grown


def test_repeats_vary_as_often_as_missing_and_some_on_both_copies() -> None:
    bases = sequence(2_000_000, seed=2)
    planted = human_variants.add_missing("20", bases, [], seed=4)
    starts = {int(start) - 1 for start in repeat_tracts(bases).start}
    at_tracts = {one.start for one in planted if one.start in starts and one.kind != "snv"}
    # 1,000 homopolymers of which 0.10 vary, 1,000 dinucleotide repeats of which 0.15 do.
    assert 190 < len(at_tracts) < 310
    both = [start for start in at_tracts if sum(one.start == start for one in planted) == 2]
    assert 0.1 < len(both) / len(at_tracts) < 0.3


def test_long_indels_and_clusters_are_there() -> None:
    bases = sequence(2_000_000, seed=5)
    planted = human_variants.add_missing("20", bases, [], seed=6)
    long = [one for one in planted if abs(len(one.alt) - len(one.ref)) > 15]
    assert 10 <= len(long) <= 35
    assert {one.kind for one in long} == {"insertion", "deletion"}
    assert sum(after.start - one.start <= 20 for one, after in pairwise(planted)) > 60


@pytest.fixture
def sequenced(tmp_path: Path) -> tuple[Path, Path]:
    """A BAM of pairs of qualities 20 and 35 whose bases of quality 20 are wrong once in ten, and its reference."""
    rng = np.random.default_rng(7)
    bases = rng.choice(ACGT, 20_000)
    fasta = tmp_path / "reference.fa"
    write_fasta(fasta, {"20": bases})
    pysam.faidx(str(fasta))
    header = pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6"}, "SQ": [{"SN": "20", "LN": bases.size}]})
    records = []
    for number, start in enumerate(rng.integers(0, 19_600, 4_000).tolist()):
        for segment in (1, 2):
            record = pysam.AlignedSegment(header)
            place = start + 200 * (segment - 1)
            quality = np.full(100, 35, np.uint8)
            # As sequenced the last 50 of segment 1 and the first 20 of segment 2 (here reversed) are bad.
            bad = slice(50, 100) if segment == 1 else slice(80, 100)
            quality[bad] = 20
            seq = bases[place : place + 100].copy()
            wrong = np.flatnonzero((quality == 20) & (rng.random(100) < 0.1))
            seq[wrong] = ACGT[(np.searchsorted(ACGT, seq[wrong]) + 1) % 4]
            record.query_name = f"pair{number}"
            record.flag = 0x1 | 0x2 | (0x40 | 0x20 if segment == 1 else 0x80 | 0x10)
            record.reference_id, record.reference_start, record.mapping_quality = 0, place, 60
            record.cigarstring = "100M"
            record.next_reference_id, record.next_reference_start = 0, start + 200 * (2 - segment)
            record.template_length = 300 if segment == 1 else -300
            record.query_sequence = seq.tobytes().decode()
            record.query_qualities = pysam.qualitystring_to_array("".join(chr(q + 33) for q in quality))
            records.append(record)
    bam = tmp_path / "reads.bam"
    with pysam.AlignmentFile(str(bam), "wb", header=header) as out:
        for record in sorted(records, key=lambda one: one.reference_start):
            out.write(record)
    pysam.index(str(bam))
    return bam, fasta


def test_qualities_error_rates_and_inserts_are_learnt(sequenced: tuple[Path, Path]) -> None:
    bam, fasta = sequenced
    observed = observed_reads.observe([(bam, "20")], fasta)
    assert observed.read_length == 100
    assert observed.insert_mean == 300
    assert (observed.qualities[0] == [35] * 50 + [20] * 50).all()
    assert (observed.qualities[1] == [20] * 20 + [35] * 80).all()
    # Of the places with 8 reads or more, where 15% or more differ are left out, which lowers the rate.
    assert 0.06 < observed.errors[20] < 0.1
    assert observed.errors[35] < 1e-5
    assert observed.errors[30] == pytest.approx(1e-3), "no base has it: its label is believed"


def test_recalibrated_qualities_say_how_often_bases_are_wrong(
    sequenced: tuple[Path, Path], tmp_path: Path
) -> None:
    bam, fasta = sequenced
    dataset = datasets.Dataset(
        name="reads", sample="S", fasta=fasta, reads=(), bam=bam, truth=tmp_path / "none.vcf", beds=()
    )
    output = tmp_path / "recalibrated.bam"
    recalibration.recalibrate(dataset, output)
    with pysam.AlignmentFile(str(bam)) as before, pysam.AlignmentFile(str(output)) as after:
        for one, other in zip(before.fetch(until_eof=True), after.fetch(until_eof=True), strict=True):
            assert (other.query_name, other.query_sequence) == (one.query_name, one.query_sequence)
            was, now = np.array(one.query_qualities), np.array(other.query_qualities)
            # Reported as 1 in 100, wrong 7 to 10 times as often; those of 35 are never wrong.
            assert set(now[was == 20]) <= {10, 11, 12}
            assert now[was == 35].min() > 35


def test_simulated_reads_have_the_observed_errors(sequenced: tuple[Path, Path]) -> None:
    bam, fasta = sequenced
    observed = observed_reads.observe([(bam, "20")], fasta)
    genome = np.random.default_rng(9).choice(ACGT, 20_000)
    run = Run(read_length=100, quality=observed, library=Library(slippage=0, gc_bias=0, mean_length=300))
    wrong = total = 0
    for chunk in simulate_reads([genome], [40.0], run=run, seed=1):
        forward = ~chunk.fragments.reverse & (chunk.fragments.length >= 100) & (chunk.fragments.slip == 0)
        expected = genome[chunk.fragments.start[forward, None] + np.arange(100)]
        seq = chunk.seq[0][forward]
        bad = (chunk.quality[0][forward] == 20) & (seq != ord("N"))
        total += bad.sum()
        wrong += (bad & (seq != expected)).sum()
    assert abs(wrong / total - observed.errors[20]) < 0.01


@pytest.mark.parametrize(
    ("bases", "at", "before", "expected"),
    [
        ("CCGTACGTTC", 3, False, "none"),
        ("CG" + "A" * 6 + "CG", 2, False, "homopolymer 6-9"),
        ("CG" + "A" * 12 + "CG", 2, False, "homopolymer 10-14"),
        ("CG" + "A" * 15 + "CG", 2, False, "homopolymer 15+"),
        ("CG" + "A" * 15 + "CG", 9, True, "homopolymer 15+"),
        ("CG" + "A" * 15 + "CG", 9, False, "homopolymer 6-9"),
        ("GG" + "CA" * 4 + "TT", 2, False, "repeat of 2"),
        ("GG" + "CA" * 4 + "TT", 6, True, "repeat of 2"),
        ("GG" + "CAT" * 4 + "GG", 2, False, "repeat of 3-6"),
        ("GG" + "CAT" * 3 + "GG", 2, False, "none"),
    ],
)
def test_contexts(tmp_path: Path, bases: str, at: int, before: bool, expected: str) -> None:
    fasta = tmp_path / "reference.fa"
    write_fasta(fasta, {"20": np.frombuffer(bases.encode(), np.uint8)})
    with pysam.FastaFile(str(fasta)) as reference:
        assert contexts.context(reference, "20", at, before=before) == expected


def test_shares_count_what_is_missed_and_what_is_false(tmp_path: Path, compare_vcf: Path) -> None:
    bases = np.random.default_rng(8).choice(ACGT, 3_000)
    bases[1_000:1_012] = ord("A")
    bases[999], bases[1_012] = ord("C"), ord("G")
    fasta = tmp_path / "reference.fa"
    write_fasta(fasta, {"20": bases})
    pysam.faidx(str(fasta))
    bed = tmp_path / "all.bed"
    bed.write_text("20\t0\t3000\n")

    def substitution(start: int) -> Allele:
        ref = chr(bases[start])
        return Allele(contig="20", start=start, ref=ref, alt="ACGT"["CGTA".index(ref)], copies=(1, 0))

    slip = Allele(contig="20", start=999, ref="CA", alt="C", copies=(1, 0))
    gain = Allele(contig="20", start=999, ref="C", alt="CAA", copies=(0, 1))
    truth = [substitution(100), substitution(110), substitution(500), slip, gain]
    calls = [substitution(100), substitution(110), substitution(2_000), slip]
    for name, alleles in (("truth", truth), ("calls", calls)):
        write_vcf(tmp_path / f"{name}.vcf.gz", alleles, {"20": 3_000}, "S")
    found = contexts.by_class(
        compare_vcf, fasta, tmp_path / "truth.vcf.gz", bed, tmp_path / "calls.vcf.gz", None
    )
    assert found["kind", "SNV"] == contexts.Share(truth=3, missed=1, false=1)
    assert found["kind", "SNV"].f1 == pytest.approx(2 / 3)
    # The two lengths are one record, which is wrong as a whole.
    assert found["kind", "indel"] == contexts.Share(truth=1, missed=1, false=1)
    assert found["indel in", "homopolymer 10-14"] == contexts.Share(truth=1, missed=1, false=1)
    assert found["other", "multi-allelic"] == contexts.Share(truth=1, missed=1, false=0)
    assert found["other", "clustered"] == contexts.Share(truth=2, missed=0, false=0)
    assert found["size", "2-4"].truth == 1
