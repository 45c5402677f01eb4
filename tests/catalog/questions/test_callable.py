"""A missing genotype is a reference one only where the sample was seen."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.pedigree import add_pedigree
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf

CHILD = [
    "1 11 . A C . . . GT:DP 0/1:30",  # seen as reference in both parents
    "1 21 . A C . . . GT:DP 0/1:30",  # father: few reads
    "1 31 . A C . . . GT:DP 0/1:30",  # father: a gap
    "1 41 . ACGT A . . . GT:DP 0/1:30",  # over two blocks and a call of the mother
    "1 61 . A C . . . GT:DP 0/1:30",  # mother: nothing at all
]
FATHER = [
    "1 1 . A <NON_REF> . . END=20 GT:DP:GQ:MIN_DP 0/0:30:90:25",
    "1 21 . A <NON_REF> . . END=30 GT:DP:GQ:MIN_DP 0/0:9:20:4",
    "1 31 . A <NON_REF> . . END=35 GT:DP:GQ:MIN_DP ./.:0:0:0",
    "1 36 . A <NON_REF> . . END=42 GT:DP:GQ:MIN_DP 0/0:30:90:25",
    "1 43 . G <NON_REF> . . END=70 GT:DP:GQ:MIN_DP 0/0:30:60:22",
]
MOTHER = [
    "1 1 . A <NON_REF> . . END=41 GT:DP:GQ:MIN_DP 0/0:30:90:25",
    "1 42 . C G,<NON_REF> . . . GT:DP 0/1:28",
    "1 43 . G <NON_REF> . . END=50 GT:DP:GQ:MIN_DP 0/0:30:90:25",
]


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Catalog]:
    folder = tmp_path_factory.mktemp("trio")
    # Positions 42 to 44 are CGT, so that the deletion after 41 is not moved left.
    (folder / "r.fa").write_text(">1\n" + "A" * 41 + "CGT" + "A" * 60 + "\n")
    (folder / "f.ped").write_text("F child dad mom 1 2\nF dad 0 0 1 1\nF mom 0 0 2 1\n")
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, folder / "r.fa", "flat")
        for name, records in (("child", CHILD), ("dad", FATHER), ("mom", MOTHER)):
            ingest_vcf(catalog, [write_vcf(folder / f"{name}.vcf", records, (name,))])
        add_pedigree(catalog, folder / "f.ped")
        yield catalog


def places(catalog: Catalog, sql: str) -> list[int]:
    return sorted(start + 1 for start in catalog.query(sql)["start"].to_pylist())


def test_a_parent_who_was_not_seen_makes_nothing_de_novo(trio: Catalog) -> None:
    assert places(trio, "SELECT start FROM de_novo('F')") == [11, 21, 41]
    assert places(trio, "SELECT start FROM de_novo('F', min_depth => 10)") == [11, 41]
    assert places(trio, "SELECT start FROM de_novo('F', min_depth => 27)") == []


def test_stretches_are_joined_and_cut_to_the_region(trio: Catalog) -> None:
    sql = "SELECT start, \"end\", ploidy FROM callable('{}', place => '{}', min_depth => {}) ORDER BY start"

    def stretches(sample: str, place: str, depth: int) -> list[tuple]:
        return [tuple(row.values()) for row in trio.query(sql.format(sample, place, depth)).to_pylist()]

    assert stretches("mom", "", 0) == [(0, 50, 2)]
    assert stretches("mom", "1:6-45", 10) == [(5, 45, 2)]
    assert stretches("mom", "", 26) == [(41, 42, 2)]
    assert stretches("dad", "", 0) == [(0, 30, 2), (35, 70, 2)]
    assert stretches("dad", "", 10) == [(0, 20, 2), (35, 70, 2)]


def test_frequencies_have_those_in_the_denominator_who_were_seen(trio: Catalog) -> None:
    rows = trio.query(
        "SELECT start + 1 AS pos, ac, an, not_seen FROM allele_frequency('F') ORDER BY start"
    ).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (11, 1, 6, 0),
        (21, 1, 6, 0),
        (31, 1, 4, 1),
        (41, 1, 6, 0),
        (42, 1, 6, 0),  # the child was called there, and has another allele
        (61, 1, 4, 1),
    ]
    rows = trio.query(
        "SELECT ac, an FROM allele_frequency('F', place => '1:21', min_depth => 10)"
    ).to_pylist()
    assert {"ac": 1, "an": 4} in rows


@pytest.mark.parametrize(
    ("sample", "gt", "state"),
    [("child", "0/1", "carrier"), ("mom", "0/0", "reference"), ("dad", None, "not_seen")],
)
def test_one_genotype_tells_reference_from_not_seen(
    trio: Catalog, sample: str, gt: str | None, state: str
) -> None:
    (row,) = trio.query("SELECT gt, state FROM genotype_of('1-31-A-C', ?)", [sample]).to_pylist()
    assert (row["gt"], row["state"]) == (gt, state)


@pytest.mark.parametrize("seed", range(3))
def test_one_genotype_is_what_the_cohort_says_of_it(tmp_path: Path, config: Config, seed: int) -> None:
    """Blocks, gaps, deletions over them, no-calls, haploid stretches: `genotype_of` is `observed` of one pair."""
    chance = random.Random(seed)
    bases = "".join(chance.choice("ACGT") for _ in range(120))
    (tmp_path / "r.fa").write_text(f">1\n{bases}\n")

    def records() -> list[str]:
        lines, at = [], 0
        while at < 100:
            span = chance.randint(1, 6)
            depth, ref = chance.choice((3, 20)), bases[at]
            # One copy behind the middle, and nothing around it: ploidies do not overlap.
            reference, carried = ("0", "1") if at > 55 else ("0/0", chance.choice(("0/1", "1/1")))
            match chance.randrange(6) if not 45 < at <= 55 else None:
                case 0 | 1:  # a block
                    form = f"END={at + span} GT:DP:GQ:MIN_DP {reference}:{depth}:50:{depth}"
                    lines.append(f"1 {at + 1} . {ref} <NON_REF> . . {form}")
                case 2:  # a substitution, perhaps called to be unknown
                    gt = chance.choice((carried, carried, reference, "./."))
                    other = "A" if ref != "A" else "C"
                    lines.append(f"1 {at + 1} . {ref} {other} . . . GT:DP {gt}:{depth}")
                    span = 1
                case 3:  # a deletion
                    deleted = bases[at : at + span + 1]
                    lines.append(f"1 {at + 1} . {deleted} {ref} . . . GT:DP {carried}:{depth}")
                    span = chance.randint(1, span + 1)  # what follows may lie within it
            at += span
        return lines

    create(tmp_path / "lake", config)
    with connect(tmp_path / "lake", config) as catalog:
        add_reference(catalog, tmp_path / "r.fa", "random")
        names = ("S1", "S2", "S3")
        for name in names:
            ingest_vcf(catalog, [write_vcf(tmp_path / f"{name}.vcf", records(), (name,))])
        for depth in (0, 10):
            sql = "SELECT variant_id, sample_id, state, alleles, gt FROM observed('all', min_depth => ?)"
            expected = catalog.query(sql, [depth]).to_pylist()
            assert {"carrier", "reference", "not_seen"} <= {row["state"] for row in expected}
            for row in chance.sample(expected, 30):
                asked = [row["variant_id"], row["sample_id"], depth]
                (found,) = catalog.query(
                    "SELECT state, gt FROM genotype_of(?, ?, min_depth => ?)", asked
                ).to_pylist()
                gt = row["gt"] if row["state"] != "not_seen" else None
                if gt is None and row["state"] == "reference":
                    gt = "/".join("0" * row["alleles"])
                assert (found["state"], found["gt"]) == (row["state"], gt), asked
