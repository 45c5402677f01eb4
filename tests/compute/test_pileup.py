"""The pileup caller: each part equals its oracle, and calls obey what any caller must."""

import random
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.compute import pileup
from baselake.compute.pileup import (
    DEFAULT_PARAMETERS,
    FILTERS,
    _twin,
    active_regions,
    activity,
    call_region,
    reference,
)
from tests.compute.reads import as_bases, as_table, random_contig, reads_with

CONTIG = random_contig(3000)
MIDDLE = 1500


def other(base: str) -> str:
    return "ACGT"["ACGT".index(base) - 1]


def heterozygous(contig: str, changes: list[tuple[int, int, str]], **options: int) -> pa.Table:
    """Reads of a reference chromosome and of one with changes, 30x each."""
    starts = range(MIDDLE - 160, MIDDLE + 100, 3)
    return as_table(
        reads_with(contig, [], starts=starts, label="ref", **options)
        + reads_with(contig, changes, starts=starts, label="alt", **options)
    )


def homozygous(contig: str, changes: list[tuple[int, int, str]]) -> pa.Table:
    return as_table(reads_with(contig, changes, starts=range(MIDDLE - 160, MIDDLE + 100, 3)))


def alleles(calls: pa.Table) -> list[tuple[int, str, str, str]]:
    return [(r["start"], r["ref"], r["alt"], r["gt"]) for r in calls.to_pylist() if not r["filters"]]


def call(table: pa.Table, contig: str = CONTIG, ploidy: int = 2) -> pa.Table:
    return call_region(table, as_bases(contig), 0, len(contig), ploidy=ploidy)


# The parts against their oracle


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_genotype_costs_equal_the_oracle(fragments: int, n: int, ploidy: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = rng.choice([0, 2, 10, 30, 42.5], size=(fragments, n)).astype(np.float32)
    caps = rng.choice([20, 45], size=fragments).astype(np.float32)
    reverse = rng.integers(0, 2, fragments).astype(np.uint8)
    copies, cost = _twin.genotypes(costs, caps, reverse, ploidy)
    expected = reference.genotype_costs(costs.tolist(), caps.tolist(), reverse.tolist(), ploidy)
    genotypes = map(tuple, copies.reshape(-1, ploidy).tolist())
    found = dict(zip(genotypes, cost.tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-3)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_substitution_events_equal_the_oracle(seed: int) -> None:
    rng = random.Random(seed)
    contig = "".join(rng.choices("ACGTacgtNR", weights=[20] * 8 + [1, 1], k=400))
    reads = []
    for number in range(30):
        start, clip, length = rng.randrange(300), rng.choice([0, 5]), rng.randrange(20, 90)
        reads.append(
            reference.Alignment(
                start=start,
                flag=rng.choice([0, 16, 0x400, 0x800, 0x200]),
                mapq=rng.choice([0, 19, 20, 60]),
                cigar=f"{clip}S{length}M" if clip else f"{length}M",
                seq="".join(rng.choices("ACGTN", k=clip + length)),
                qual="".join(chr(33 + rng.randrange(0, 60)) for _ in range(clip + length)),
                name=f"r{number}",
                duplicate=rng.random() < 0.1,
            )
        )
    found = _twin.events(_columns(reads), as_bases(contig), 0, len(contig), _parameters())
    offsets, data = found["alt"]
    bases = [bytes(data[i:j]).decode() for i, j in pairwise(offsets)]
    assert sorted(zip(found["position"], bases, found["quality"], strict=True)) == reference.substitutions(
        reads, contig
    )


def _columns(reads: list[reference.Alignment]) -> dict[str, object]:
    return pileup._columns(as_table(reads))


def _parameters() -> dict[str, object]:
    return asdict(DEFAULT_PARAMETERS)


# Normalisation

contigs = st.text("AC", min_size=8, max_size=40)


@given(contigs, st.data())
@settings(max_examples=300)
def test_alleles_are_parsimonious_and_leftmost(contig: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(contig) - 4))
    ref_length = data.draw(st.integers(0, 3))
    alt = data.draw(st.text("AC", max_size=3))
    if contig[position : position + ref_length] == alt:
        return
    start, ref, new = _twin.normalise(as_bases(contig), position, ref_length, alt)
    assert (start, ref, new) == reference.normalise(contig, position, ref_length, alt)
    spelled = contig[:start] + new + contig[start + len(ref) :]
    assert spelled == contig[:position] + alt + contig[position + ref_length :]


def test_bcftools_norm_leaves_normalised_alleles_as_they_are(
    tmp_path: Path, peer: Callable[[str], str]
) -> None:
    rng = random.Random(5)
    contig = "".join(rng.choice(["A", "CA", "T", "GTT"]) for _ in range(400))
    fasta = tmp_path / "c.fa"
    fasta.write_text(f">c\n{contig}\n")
    pysam.faidx(str(fasta))
    lines = set()
    for _ in range(300):
        position, deleted = rng.randrange(10, len(contig) - 10), rng.choice([0, 0, 1, 2, 3])
        alt = "".join(rng.choices("ACGT", k=rng.choice([1, 2, 4]))) if not deleted else ""
        lines.add(_twin.normalise(as_bases(contig), position, deleted, alt))
    header = f"##fileformat=VCFv4.2\n##contig=<ID=c,length={len(contig)}>\n"
    header += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    body = "".join(f"c\t{s + 1}\t.\t{r}\t{a}\t.\t.\t.\n" for s, r, a in sorted(lines))
    vcf = tmp_path / "c.vcf"
    vcf.write_text(header + body)
    normed = subprocess.run(
        [peer("bcftools"), "norm", "-f", str(fasta), str(vcf)], capture_output=True, text=True, check=True
    ).stdout
    kept = "".join(line + "\n" for line in normed.splitlines() if not line.startswith("#"))
    assert sorted(kept.splitlines()) == sorted(body.splitlines())


# What is called


def test_a_heterozygous_substitution() -> None:
    ref = CONTIG[MIDDLE]
    alt = other(ref)
    (row,) = call(heterozygous(CONTIG, [(MIDDLE, 1, alt)])).to_pylist()
    assert (row["start"], row["ref"], row["alt"], row["gt"]) == (MIDDLE, ref, alt, "0/1")
    assert row["simple"]
    assert row["filters"] == []
    assert row["pl"][1] == 0
    assert min(row["pl"][0], row["pl"][2]) > 99
    assert row["gq"] == 99
    assert row["dp"] == row["ad_ref"] + row["ad_alt"] == sum(row["sb"])
    assert row["mq"] == 60


def test_a_homozygous_deletion_in_a_homopolymer_is_leftmost() -> None:
    contig = CONTIG[:MIDDLE] + "G" + "A" * 9 + "C" + CONTIG[MIDDLE + 11 :]
    deletion = homozygous(contig, [(MIDDLE + 7, 2, "")])
    assert alleles(call(deletion, contig)) == [(MIDDLE, "GAA", "G", "1/1")]


def test_a_heterozygous_insertion() -> None:
    contig = CONTIG[:MIDDLE] + "GGTC" + CONTIG[MIDDLE + 4 :]
    assert alleles(call(heterozygous(contig, [(MIDDLE + 2, 0, "ACAC")]), contig)) == [
        (MIDDLE + 1, "G", "GACAC", "0/1")
    ]


def test_two_different_deletions_of_one_repeat_are_one_site() -> None:
    contig = CONTIG[:MIDDLE] + "GACACACACACACT" + CONTIG[MIDDLE + 14 :]
    starts = range(MIDDLE - 160, MIDDLE + 100, 3)
    reads = reads_with(contig, [(MIDDLE + 1, 2, "")], starts=starts, label="a") + reads_with(
        contig, [(MIDDLE + 1, 4, "")], starts=starts, label="b"
    )
    first, second = call(as_table(reads), contig).to_pylist()
    assert {(first["ref"], first["alt"]), (second["ref"], second["alt"])} == {("GAC", "G"), ("GACAC", "G")}
    assert [first["gt"], second["gt"]] == ["1/2", "1/2"]
    assert {first["allele_index"], second["allele_index"]} == {1, 2}
    assert first["site_pl"] == second["site_pl"]
    assert len(first["site_pl"]) == 6
    assert first["site_pl"][4] == 0
    assert first["alt_copies"] == 1


def test_three_bases_at_one_position() -> None:
    ref = CONTIG[MIDDLE]
    one, two = (base for base in "ACGT" if base != ref and base != other(ref))
    starts = range(MIDDLE - 90, MIDDLE, 3)
    reads = reads_with(CONTIG, [(MIDDLE, 1, one)], starts=starts, label="a") + reads_with(
        CONTIG, [(MIDDLE, 1, two)], starts=starts, label="b"
    )
    assert {(r[2], r[3]) for r in alleles(call(as_table(reads)))} == {(one, "1/2"), (two, "1/2")}


def test_a_haploid_sample_has_one_allele_and_two_likelihoods() -> None:
    alt = other(CONTIG[MIDDLE])
    (row,) = call(homozygous(CONTIG, [(MIDDLE, 1, alt)]), ploidy=1).to_pylist()
    assert row["gt"] == "1"
    assert row["alt_copies"] == 1
    assert row["pl"][1] == 0
    assert len(row["pl"]) == 2


def test_neighbouring_insertion_deletion_and_substitution_are_called_together() -> None:
    contig = CONTIG[:MIDDLE] + "GATTACAGGCTTCAGTACCGT" + CONTIG[MIDDLE + 21 :]
    changes = [(MIDDLE + 2, 1, "C"), (MIDDLE + 6, 0, "GG"), (MIDDLE + 12, 3, "")]
    table = heterozygous(contig, changes)
    called = alleles(call(table, contig))
    assert [gt for *_, gt in called] == ["0|1"] * 3
    spelled, shift = contig, 0
    for start, ref, alt, _ in called:
        spelled = spelled[: start + shift] + alt + spelled[start + shift + len(ref) :]
        shift += len(alt) - len(ref)
    expected, shift = contig, 0
    for position, replaced, new in changes:
        expected = expected[: position + shift] + new + expected[position + shift + replaced :]
        shift += len(new) - replaced
    assert spelled == expected
    assert active_regions(table, as_bases(contig), 0, len(contig))["simple"].to_pylist() == [False]


def test_mismatches_that_an_insertion_explains_are_not_called() -> None:
    """Reads that end just after an insertion are aligned without it, as mismatches."""
    contig = CONTIG[:MIDDLE] + "GATCCAGGTTACGT" + CONTIG[MIDDLE + 14 :]
    good = heterozygous(contig, [(MIDDLE + 4, 0, "TTG")]).to_pylist()
    truth = contig[: MIDDLE + 4] + "TTG" + contig[MIDDLE + 4 :]
    ends = [
        {**good[0], "start": MIDDLE + 10 - 100, "cigar": "100M", "seq": truth[MIDDLE + 10 - 100 : MIDDLE + 10],
         "name": f"end{k}", "flag": 16 * (k % 2)}
        for k in range(12)
    ]  # fmt: skip
    table = pa.Table.from_pylist(good + ends, heterozygous(contig, []).schema)
    assert [(r, a) for _, r, a, _ in alleles(call(table, contig))] == [("C", "CTTG")]


@pytest.mark.parametrize("qualities", [(30, 30), (30, 20)])
def test_overlapping_mates_are_one_observation(qualities: tuple[int, int]) -> None:
    alt = other(CONTIG[MIDDLE])
    pairs = []
    for number, start in enumerate(range(MIDDLE - 60, MIDDLE - 30, 6)):
        for mate, quality in enumerate(qualities):
            (read,) = reads_with(CONTIG, [(MIDDLE, 1, alt)], starts=[start + 5 * mate], quality=quality)
            flag = 0x1 | 0x2 | (0x40 if mate == 0 else 0x80 | 0x10)
            pairs.append(replace(read, name=f"pair{number}", flag=flag))
    (row,) = call(as_table(pairs)).to_pylist()
    assert row["dp"] == row["ad_alt"] == 5


def test_disagreeing_mates_say_nothing() -> None:
    alt = other(CONTIG[MIDDLE])
    pairs = []
    for number, start in enumerate(range(MIDDLE - 60, MIDDLE - 30, 3)):
        (one,) = reads_with(CONTIG, [(MIDDLE, 1, alt)], starts=[start])
        (two,) = reads_with(CONTIG, [], starts=[start + 5])
        pairs += [replace(one, name=f"p{number}", flag=0x43), replace(two, name=f"p{number}", flag=0x93)]
    assert call(as_table(pairs)).num_rows == 0


@pytest.mark.parametrize(("quality", "called"), [(15, False), (20, False), (30, True), (38, True)])
def test_an_allele_on_one_strand_only_is_a_variant_where_its_bases_are_good(
    quality: int, called: bool
) -> None:
    """What makes one strand misread also makes its bases bad."""
    alt = other(CONTIG[MIDDLE])
    starts = range(MIDDLE - 90, MIDDLE, 5)
    one = reads_with(CONTIG, [], starts=starts, label="r")
    two = reads_with(
        CONTIG,
        [(MIDDLE, 1, alt)],
        starts=range(MIDDLE - 90, MIDDLE, 9),
        label="a",
        reverse_every=1,
        quality=quality,
    )
    expected = [(MIDDLE, CONTIG[MIDDLE], alt, "0/1")]
    assert alleles(call(as_table(one + two))) == (expected if called else [])


def test_variants_at_the_ends_of_a_contig() -> None:
    contig = CONTIG[:300]
    for position, start in ((0, 0), (len(contig) - 1, len(contig) - 100)):
        alt = other(contig[position])
        # All reads begin together, as in an amplicon: that is no reason against the variant.
        table = as_table(reads_with(contig, [(position, 1, alt)], starts=[start] * 20))
        assert alleles(call(table, contig)) == [(position, contig[position], alt, "1/1")]


def test_a_change_of_the_first_base_has_its_anchor_behind_it() -> None:
    assert _twin.normalise(as_bases("AACGT"), 1, 1, "") == (0, "AA", "A")
    assert _twin.normalise(as_bases("GACGT"), 0, 1, "") == (0, "GA", "A")
    assert _twin.normalise(as_bases("GACGT"), 0, 0, "T") == (0, "G", "TG")


def test_lower_case_is_sequence_and_iupac_is_unknown() -> None:
    alt = other(CONTIG[MIDDLE])
    table = homozygous(CONTIG, [(MIDDLE, 1, alt)])
    assert alleles(call(table, CONTIG.lower())) == alleles(call(table))
    for unknown in "NRYn":
        contig = CONTIG[:MIDDLE] + unknown + CONTIG[MIDDLE + 1 :]
        assert call(table, contig).num_rows == 0


def test_nothing_aligned_nothing_called() -> None:
    empty = homozygous(CONTIG, []).slice(0, 0)
    assert call(empty).num_rows == 0
    assert call(homozygous(CONTIG, [])).num_rows == 0
    calls = call_region(empty, as_bases(CONTIG), 10, 10)
    assert calls.num_rows == 0
    assert calls.schema == call(heterozygous(CONTIG, [(MIDDLE, 1, "A")])).schema


@pytest.mark.parametrize(
    ("column", "value"),
    [("cigar", "*"), ("cigar", "50M"), ("cigar", "100"), ("cigar", "50M2S48M"), ("cigar", "100S"), ("cigar", None),
     ("qual", "##"), ("flag", 0x4), ("flag", 0x100), ("flag", 0x200), ("flag", 0x400), ("flag", 0x800),
     ("mapq", 10), ("mapq", 255), ("duplicate", True), ("start", None), ("start", 2950)],
)  # fmt: skip
def test_unusable_reads_take_no_part(column: str, value: object) -> None:
    table = homozygous(CONTIG, [(MIDDLE, 1, other(CONTIG[MIDDLE]))])
    broken = pa.Table.from_pylist([{**row, column: value} for row in table.to_pylist()], table.schema)
    assert call(broken).num_rows == 0


def test_an_impossible_request_is_refused() -> None:
    for ploidy in (0, pileup.MAX_PLOIDY + 1):
        with pytest.raises(ValueError, match=f"ploidy {ploidy} is not from 1 to 8"):
            call(homozygous(CONTIG, []), ploidy=ploidy)
    with pytest.raises(ValueError, match="not within"):
        call_region(homozygous(CONTIG, []), as_bases(CONTIG), 0, len(CONTIG) + 1)


# What calls must not depend on


def noisy_sample(seed: int) -> tuple[str, list[reference.Alignment]]:
    """A contig with variants of all kinds and reads of it with errors."""
    rng = random.Random(seed)
    contig = "".join(rng.choice(["A", "C", "G", "T", "CACACA", "TTTTTT"]) for _ in range(2200))
    reads = []
    for copy in range(2):
        changes = []
        for position in range(200, len(contig) - 200, rng.randrange(60, 140)):
            kind = rng.randrange(4)
            if kind == 0:
                changes.append((position, 1, other(contig[position])))
            elif kind == 1:
                changes.append((position, rng.randrange(1, 5), ""))
            elif kind == 2:
                changes.append((position, 0, "".join(rng.choices("ACGT", k=rng.randrange(1, 6)))))
        bad = {at for position, replaced, _ in changes for at in range(position - 1, position + replaced + 2)}
        starts = [s for s in range(0, len(contig) - 120, 7) if s not in bad]
        reads += reads_with(contig, changes, starts=starts, label=f"c{copy}-")
    with_errors = []
    for read in reads:
        seq = "".join(rng.choice("ACGT") if rng.random() < 0.005 else base for base in read.seq)
        with_errors.append(replace(read, seq=seq))
    return contig, with_errors


@pytest.mark.parametrize("seed", [1, 2])
def test_calls_depend_neither_on_row_order_nor_on_how_the_contig_is_cut(seed: int) -> None:
    contig, reads = noisy_sample(seed)
    bases = as_bases(contig)
    whole = call_region(as_table(reads), bases, 0, len(contig))
    assert whole.num_rows > 20
    random.Random(seed).shuffle(reads)
    shuffled = as_table(reads)
    assert call_region(shuffled, bases, 0, len(contig)).equals(whole)
    for size in (333, 1000):
        cuts = range(0, len(contig), size)
        parts = [call_region(shuffled, bases, at, min(at + size, len(contig))) for at in cuts]
        assert pa.concat_tables(parts).equals(whole)


def test_active_regions_tile_as_calls_do() -> None:
    contig, reads = noisy_sample(3)
    table, bases = as_table(reads), as_bases(contig)
    whole = active_regions(table, bases, 0, len(contig))
    parts = [
        active_regions(table, bases, at, min(at + 500, len(contig))) for at in range(0, len(contig), 500)
    ]
    assert pa.concat_tables(parts).equals(whole)
    calls = call_region(table, bases, 0, len(contig))
    spans = list(zip(whole["start"].to_pylist(), whole["end"].to_pylist(), strict=True))
    assert all(any(a - 1 <= start < b + 1 for a, b in spans) for start in calls["start"].to_pylist())


def test_activity_is_high_where_something_varies() -> None:
    table = heterozygous(CONTIG, [(MIDDLE, 1, other(CONTIG[MIDDLE]))])
    found = activity(table, as_bases(CONTIG), 1000, 2000)
    assert found.activity.shape == found.depth.shape == (1000,)
    assert found.activity[MIDDLE - 1000] > 0.99
    assert np.delete(found.activity, MIDDLE - 1000).max() < 0.01
    assert found.depth[MIDDLE - 1000] == 66


def test_downsampling_bounds_the_depth_and_keeps_the_genotype() -> None:
    alt = other(CONTIG[MIDDLE])
    parameters = replace(DEFAULT_PARAMETERS, max_depth=50)
    starts = [s for s in range(MIDDLE - 95, MIDDLE - 5) for _ in range(10)]
    reads = reads_with(CONTIG, [], starts=starts, label="r") + reads_with(
        CONTIG, [(MIDDLE, 1, alt)], starts=starts, label="a"
    )
    depth = activity(as_table(reads), as_bases(CONTIG), 0, len(CONTIG), parameters=parameters).depth
    # Reads of 100 bases come from a window of 32 starts more than their length.
    assert 20 < depth.max() <= 50 * (1 + 32 / 100)
    (row,) = call_region(as_table(reads), as_bases(CONTIG), 0, len(CONTIG), parameters=parameters).to_pylist()
    assert row["gt"] == "0/1"
    random.Random(1).shuffle(reads)
    (again,) = call_region(
        as_table(reads), as_bases(CONTIG), 0, len(CONTIG), parameters=parameters
    ).to_pylist()
    assert again == row


def test_every_filter_has_a_reason() -> None:
    assert all(name.isidentifier() and reason for name, reason in FILTERS.items())
