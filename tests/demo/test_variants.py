"""Planted haplotypes spell what the truth says."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselake.demo.genome import ACGT, Bases, synthetic_genome, write_fasta
from baselake.demo.tracts import repeat_tracts
from baselake.demo.variants import (
    Allele,
    VariantRates,
    haplotype,
    normalise,
    plant,
    read_vcf,
    without_overlaps,
    write_vcf,
)

MANY = VariantRates(snv=0.01, indel=0.003, tract=0.5)


def bases_of(text: str) -> Bases:
    return np.frombuffer(text.encode(), dtype=np.uint8)


@pytest.fixture(scope="module")
def genome() -> dict[str, Bases]:
    return synthetic_genome({"chr1": 60_000, "chrM": 5_000}, seed=3)


@pytest.fixture(scope="module")
def planted(genome: dict[str, Bases]) -> list[Allele]:
    return plant("chr1", genome["chr1"], ploidy=2, rates=MANY, seed=1)


def test_every_sort_of_variant_is_planted(planted: list[Allele]) -> None:
    assert {allele.kind for allele in planted} == {"snv", "insertion", "deletion"}
    assert {allele.copies for allele in planted} == {(0, 1), (1, 0), (1, 1)}
    starts = [allele.start for allele in planted]
    assert len(starts) > len(set(starts)), "no multi-allelic site"
    gaps = np.diff(sorted(set(starts)))
    assert (gaps < 12).any(), "no cluster"


def test_alleles_are_in_normal_form(genome: dict[str, Bases], planted: list[Allele]) -> None:
    for allele in planted:
        normal = normalise(genome["chr1"], allele.start, allele.ref, allele.alt)
        assert normal == (allele.start, allele.ref, allele.alt)


def test_bcftools_spells_the_same_haplotypes(
    tmp_path: Path, genome: dict[str, Bases], planted: list[Allele], peer: Callable[[str], str]
) -> None:
    write_fasta(tmp_path / "ref.fa", genome)
    write_vcf(tmp_path / "truth.vcf.gz", planted, {name: bases.size for name, bases in genome.items()}, "S")
    for copy in (0, 1):
        command = [peer("bcftools"), "consensus", "-H", str(copy + 1), "-f", tmp_path / "ref.fa"]
        done = subprocess.run([*command, tmp_path / "truth.vcf.gz"], capture_output=True, check=True)
        spelled = done.stdout.split(b">")[1].partition(b"\n")[2].replace(b"\n", b"")
        assert spelled == haplotype(genome["chr1"], planted, copy).tobytes()


def test_alleles_come_back_from_vcf(tmp_path: Path, genome: dict[str, Bases], planted: list[Allele]) -> None:
    path = tmp_path / "truth.vcf.gz"
    write_vcf(path, planted, {name: bases.size for name, bases in genome.items()}, "S")
    assert read_vcf(path, "chr1", 0, genome["chr1"].size, genome["chr1"]) == planted
    start, end = 20_000, 40_000
    window = read_vcf(path, "chr1", start, end, genome["chr1"][start:end])
    inside = [allele for allele in planted if start <= allele.start < end - 200]
    assert [allele for allele in window if allele.start < end - 200] == inside


def test_haploid_contigs_get_one_copy(genome: dict[str, Bases]) -> None:
    assert {allele.copies for allele in plant("chrM", genome["chrM"], ploidy=1, rates=MANY, seed=1)} == {(1,)}


def test_alleles_that_touch_on_one_copy_are_dropped() -> None:
    def snv(start: int, *copies: int) -> Allele:
        return Allele(contig="c", start=start, ref="A", alt="C", copies=copies)

    deletion = Allele(contig="c", start=10, ref="AAAA", alt="A", copies=(1, 0))
    # The anchor is not deleted; an SNV on the other copy does not touch.
    apart = [deletion, snv(12, 0, 1), snv(8, 1, 1), snv(20, 1, 1)]
    assert without_overlaps(apart) == sorted(apart, key=lambda allele: allele.start)
    assert without_overlaps([deletion, snv(12, 1, 0)]) == [deletion]
    assert without_overlaps([deletion, snv(14, 1, 0)]) == [deletion]


def test_an_allele_of_another_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="reference has A, allele C"):
        haplotype(bases_of("AAAA"), [Allele(contig="c", start=1, ref="C", alt="T", copies=(1,))], 0)


def test_indels_move_to_their_leftmost_place() -> None:
    assert normalise(bases_of("GCACACAT"), 4, "ACA", "A") == (0, "GCA", "G")
    assert normalise(bases_of("GCACACAT"), 6, "A", "ACA") == (0, "G", "GCA")
    assert normalise(bases_of("TTAAAG"), 4, "A", "AA") == (1, "T", "TA")
    assert normalise(bases_of("ACGT"), 0, "ACGT", "AGGT") == (1, "C", "G")


@given(st.text("AC", min_size=8, max_size=30), st.data())
def test_normal_form_spells_the_same_and_is_one(text: str, data: st.DataObject) -> None:
    bases = bases_of("G" + text)
    start = data.draw(st.integers(1, len(text) - 2))
    length = data.draw(st.integers(1, min(4, len(text) - start)))
    alt = data.draw(st.text("AC", min_size=1, max_size=4))
    ref = bases[start : start + length].tobytes().decode()
    if ref == alt:
        return
    place, normal_ref, normal_alt = normalise(bases, start, ref, alt)
    one = Allele(contig="c", start=start, ref=ref, alt=alt, copies=(1,))
    two = Allele(contig="c", start=place, ref=normal_ref, alt=normal_alt, copies=(1,))
    assert haplotype(bases, [one], 0).tobytes() == haplotype(bases, [two], 0).tobytes()
    assert normalise(bases, place, normal_ref, normal_alt) == (place, normal_ref, normal_alt)


def test_tracts_are_found_once_under_their_shortest_unit() -> None:
    tracts = repeat_tracts(bases_of("GC" + "A" * 7 + "G" + "CT" * 5 + "GG" + "ACGT" * 4 + "NNNNNNNN"))
    found = set(zip(tracts.start.tolist(), tracts.unit.tolist(), tracts.copies.tolist(), strict=True))
    assert found == {(2, 1, 7), (10, 2, 5), (22, 4, 4)}


def test_the_genome_looks_like_one(genome: dict[str, Bases]) -> None:
    bases = genome["chr1"]
    assert set(np.unique(bases)) == set(ACGT)
    strong = np.isin(bases, bases_of("CG"))
    assert 0.35 < strong.mean() < 0.5
    cpg = ((bases[:-1] == ord("C")) & (bases[1:] == ord("G"))).mean()
    assert cpg < 0.4 * (strong.mean() / 2) ** 2, "CpG is not rare"
    assert set(repeat_tracts(bases).unit) >= {1, 2, 4}
    assert synthetic_genome({"chr1": 60_000, "chrM": 5_000}, seed=3)["chr1"].tobytes() == bases.tobytes()


def test_fasta_is_what_samtools_reads(
    tmp_path: Path, genome: dict[str, Bases], peer: Callable[[str], str]
) -> None:
    write_fasta(tmp_path / "ref.fa", genome)
    done = subprocess.run(
        [peer("samtools"), "faidx", tmp_path / "ref.fa", "chrM:4990-5000"], capture_output=True, check=True
    )
    assert done.stdout.split(b"\n")[1] == genome["chrM"][4_989:].tobytes()
