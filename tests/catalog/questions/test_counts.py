"""Counts that are kept are what counting all genotypes gives, whatever was done to them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.counting import Membership, count_cohort, count_files, memberships
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.catalog.pedigree import set_cohort
from baselake.catalog.references import add_reference
from baselake.catalog.upkeep.compact import compact
from baselake.errors import ConflictError
from baselake.ingest.vcf import imports, tallies
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf

# What `allele_frequency` says where no counts are kept.
SLOW = """
SELECT
    variant_id, sum(coalesce(copies, 0)) AS ac, sum(alleles) AS an,
    count(*) FILTER (copies > 0 AND copies < alleles) AS het,
    count(*) FILTER (copies = alleles AND copies > 1) AS hom_alt,
    count(*) FILTER (copies = 1 AND alleles = 1 AND NOT contains(gt, '.')) AS hemi,
    count(*) FILTER (copies IS NULL) AS not_seen
FROM copies('{cohort}') GROUP BY reference, variant_id ORDER BY variant_id
"""
KEPT = """
SELECT variant_id, ac, an, het, hom_alt, hemi, not_seen FROM counted_alleles('{cohort}') ORDER BY variant_id
"""
TOLD = """
SELECT variant_id, ac, an, het, hom_alt, hemi, not_seen FROM allele_frequency('{cohort}') ORDER BY variant_id
"""
BASES = "A" * 41 + "CGT" + "A" * 160
# One sample after the other: blocks, gaps, haploid calls within blocks, no-calls, deletions over blocks and calls.
SINGLE = {
    "a": [
        "1 11 . A C . . . GT:DP 0/1:30",
        "1 41 . ACGT A . . . GT:DP 0/1:30",
        "1 61 . A C . . . GT:DP 1/1:9",
    ],
    "b": [
        "1 1 . A <NON_REF> . . END=20 GT:DP:GQ:MIN_DP 0/0:30:90:25",
        "1 21 . A <NON_REF> . . END=30 GT:DP:GQ:MIN_DP 0/0:9:20:4",
        "1 31 . A <NON_REF> . . END=35 GT:DP:GQ:MIN_DP ./.:0:0:0",
        "1 36 . A <NON_REF> . . END=42 GT:DP:GQ:MIN_DP 0/0:30:90:25",
        "1 43 . G T,<NON_REF> . . . GT:DP 0/1:28",
        "1 44 . T <NON_REF> . . END=70 GT:DP:GQ:MIN_DP 0/0:30:60:22",
    ],
    "c": [
        "1 1 . A <NON_REF> . . END=41 GT:DP:GQ:MIN_DP 0:30:90:25",
        "1 42 . C G,<NON_REF> . . . GT:DP 1:28",
        "1 43 . G <NON_REF> . . END=50 GT:DP:GQ:MIN_DP 0/0:30:90:25",
        "1 61 . A C . . . GT ./.",
    ],
    "d": [
        "1 11 . A C,G . . . GT 1/2",
        "1 61 . A T . . . GT .|1",
        "1 61 . A C . . . GT 0|0",
        "1 90 . A C . . . GT 0/1",
    ],
}
MANY = [
    "1 11 . A C . . . GT 0/1 0/0 ./. 1",
    "1 41 . ACGT A . . . GT 0/0 0/1 1/1 0",
    "1 42 . C T,G . . . GT 1/2 0/2 0/0 .",
    "1 43 . G T . . . GT 0/0 0/0 0/1 0",
    "1 90 . A C . . . GT 1/1 0/1 ./1 1",
    "1 100 . A <DEL> . . END=130 GT 0/1 0/0 0/0 0",
    "1 110 . A G . . . GT 0/1 0/0 0/0 0",
    "1 120 . A G . . . GT 0/1 0/0 0/0 0",
    "1 120 . A G,T . . . GT 0/2 0/1 0/0 0",
]


def check(catalog: Catalog, *cohorts: str) -> None:
    for cohort in cohorts:
        slow = catalog.query(SLOW.format(cohort=cohort)).to_pylist()
        assert slow, cohort
        assert catalog.query(KEPT.format(cohort=cohort)).to_pylist() == slow, cohort
        assert catalog.query(TOLD.format(cohort=cohort)).to_pylist() == slow, cohort


@pytest.fixture
def flat(catalog: Catalog, tmp_path: Path) -> Catalog:
    (tmp_path / "r.fa").write_text(f">1\n{BASES}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    return catalog


def test_counts_follow_what_samples_have(flat: Catalog, tmp_path: Path) -> None:
    for name in ("a", "b"):
        ingest_vcf(flat, [write_vcf(tmp_path / f"{name}.vcf", SINGLE[name], (name,))])
        check(flat, "all")
    set_cohort(flat, "some", ["a", "b"])
    ingest_vcf(flat, [write_vcf(tmp_path / "many.vcf", MANY, ("e", "f", "g", "h"))])
    check(flat, "all", "some")
    # The N+1st sample brings alleles that nobody had: the others were seen there, or were not.
    for name in ("c", "d"):
        ingest_vcf(flat, [write_vcf(tmp_path / f"{name}.vcf", SINGLE[name], (name,))])
        check(flat, "all")
    set_cohort(flat, "some", ["b", "c", "e", "h"])
    check(flat, "some")
    # More calls of samples that are there, which meet those that they have.
    ingest_vcf(flat, [write_vcf(tmp_path / "more.vcf", ["1 71 . A G . . . GT 0/1 0/1"], ("b", "h"))])
    ingest_vcf(
        flat,
        [
            write_vcf(
                tmp_path / "deletion.vcf", ["1 69 . AAAA A . . . GT 0/1", "1 69 . A C . . . GT 0/1"], ("z",)
            )
        ],
    )
    check(flat, "all", "some")
    many = flat.query("SELECT count(*) AS n FROM allele_counts")["n"][0].as_py()
    compact(flat, ["allele_counts", "seen_counts", "genotypes"], min_files=2)
    keys = "SELECT count(*) AS n FROM (SELECT DISTINCT cohort, variant_id FROM allele_counts)"
    left = flat.query("SELECT count(*) AS n FROM allele_counts")["n"][0].as_py()
    assert left == flat.query(keys)["n"][0].as_py() < many
    check(flat, "all", "some")
    erase_sample(flat, "b", open_keys(tmp_path / "keys", tmp_path / "lake"), "the test")
    check(flat, "all", "some")
    ingest_vcf(flat, [write_vcf(tmp_path / "again.vcf", SINGLE["b"], ("b",))])
    check(flat, "all", "some")


def test_a_cohort_that_is_not_counted_is_answered_all_the_same(flat: Catalog, tmp_path: Path) -> None:
    ingest_vcf(flat, [write_vcf(tmp_path / "many.vcf", MANY, ("e", "f", "g", "h"))])
    with flat.record() as tx:
        tx.execute("DELETE FROM counted_cohorts")
    slow = flat.query(SLOW.format(cohort="all")).to_pylist()
    assert flat.query(KEPT.format(cohort="all")).num_rows == 0
    assert flat.query(TOLD.format(cohort="all")).to_pylist() == slow
    count_cohort(flat, "all")
    check(flat, "all")


def meanwhile(
    monkeypatch: pytest.MonkeyPatch,
    what: Callable[[], object],
    after: Callable[..., frozenset[Membership]] = count_files,
) -> None:
    """Have something happen once, after an import has counted its files and before it takes the lock."""
    left = [what]

    def counted(*arguments: Any) -> frozenset[Membership]:
        found = after(*arguments)
        if left:
            left.pop()()
        return found

    monkeypatch.setattr(imports, after.__name__, counted)


def test_a_cohort_that_changes_while_an_import_counts_its_files_is_counted_right(
    flat: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = write_vcf(tmp_path / "many.vcf", MANY, ("e", "f", "g", "h"))
    ingest_vcf(flat, [write_vcf(tmp_path / "a.vcf", SINGLE["a"], ("a",))])
    ingest_vcf(flat, [write_vcf(tmp_path / "b.vcf", SINGLE["b"], ("b",))])
    set_cohort(flat, "gains", ["a", "b"])
    set_cohort(flat, "stays", ["a", "b"])
    meanwhile(monkeypatch, lambda: count_cohort(flat, "all"))
    ingest_vcf(flat, [many])
    check(flat, "all", "gains", "stays")
    meanwhile(monkeypatch, lambda: set_cohort(flat, "gains", ["b", "e", "f"]))
    ingest_vcf(flat, [write_vcf(tmp_path / "c.vcf", SINGLE["c"], ("c",))])
    check(flat, "all", "gains", "stays")


def test_what_changes_while_an_import_reads_its_files_is_counted_right(
    flat: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Genotypes of several samples are added up for cohorts as they were before."""
    many = write_vcf(tmp_path / "many.vcf", MANY, ("e", "f", "g", "h"))
    more = write_vcf(tmp_path / "more.vcf", ["1 150 . A G . . . GT 0/1 1/1"], ("i", "f"))
    meanwhile(monkeypatch, lambda: ingest_vcf(flat, [more]), memberships)
    ingest_vcf(flat, [many])
    assert flat.query("SELECT count(*) AS n FROM genotypes")["n"][0].as_py() == 11 * 4 + 2
    check(flat, "all")
    last = write_vcf(tmp_path / "last.vcf", ["1 12 . A G . . . GT 0/1 1/1"], ("k", "l"))
    meanwhile(monkeypatch, lambda: count_cohort(flat, "all"), memberships)
    ingest_vcf(flat, [last])
    check(flat, "all")


@pytest.mark.parametrize("counts", [0, 1 << 22])
def test_samples_that_are_new_are_told_from_those_that_are_known(
    flat: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: int
) -> None:
    monkeypatch.setattr(tallies, "_COUNTS", counts)  # groups of samples at a time
    for name in ("a", "b"):
        ingest_vcf(flat, [write_vcf(tmp_path / f"{name}.vcf", SINGLE[name], (name,))])
    set_cohort(flat, "some", ["a", "b"])
    # Of other genotypes than the file before has, in another order of the alphabet.
    mixed = [
        "1 95 . A C . . . GT 0/1 1/1 ./1 1|0",
        "1 101 . A C,G . . . GT 1/2 0/2 1/1 .",
        "1 130 . A G . . . GT 1 1 0 1",
    ]
    ingest_vcf(
        flat,
        [
            write_vcf(tmp_path / "mixed.vcf", mixed, ("b", "z", "a", "f")),
            write_vcf(tmp_path / "alone.vcf", ["1 180 . A G . . . GT 1/1"], ("z",)),
        ],
    )
    check(flat, "all", "some")


def test_a_sample_that_two_imports_bring_at_once_is_refused_to_the_second(
    flat: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls were counted as if it had no others."""
    first = write_vcf(tmp_path / "a.vcf", SINGLE["a"], ("a",))
    second = write_vcf(tmp_path / "more.vcf", ["1 71 . A G . . . GT 0/1"], ("a",))
    meanwhile(monkeypatch, lambda: ingest_vcf(flat, [first]))
    with pytest.raises(ConflictError, match="sample a came by another import meanwhile"):
        ingest_vcf(flat, [second])
    check(flat, "all")
    ingest_vcf(flat, [second])
    check(flat, "all")
