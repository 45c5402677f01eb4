"""Inheritance on every combination of genotypes, against a slow reading of the same VCF."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.pedigree import add_pedigree, set_cohort
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf

DIPLOID = ("0/0", "0/1", "1/1", "./.")
HAPLOID = ("0", "1", ".")
# Son and daughter of the same parents; cousins whose father is not in the lake; an orphan of whom nothing is known.
PED = """\
F son dad mom 1 2
F girl dad mom 2 1
F dad 0 0 1 1
F mom 0 0 2 1
D child gone mom2 1 2
D mom2 0 0 2 1
S orphan nobody noone 2 2
"""
SAMPLES = ("son", "girl", "dad", "mom", "child", "mom2", "orphan")
LENGTH = 4000


class Site(NamedTuple):
    """One record: contig, position and the GT of each sample."""

    contig: str
    position: int
    gt: dict[str, str]

    def copies(self, sample: str) -> int | None:
        """Copies of the alternate; None where it is not called, or the sample is none."""
        gt = self.gt.get(sample, ".")
        return None if "." in gt else gt.count("1")

    @property
    def name(self) -> str:
        return f"{self.contig}-{self.position}-A-C"


def sites() -> list[Site]:
    made = []
    for contig, male, female in (("1", DIPLOID, DIPLOID), ("X", HAPLOID, DIPLOID), ("Y", HAPLOID, (".",))):
        combinations = product(male if contig != "1" else DIPLOID, female, male, female)
        for place, (son, girl, dad, mom) in enumerate(combinations):
            gt = {"son": son, "girl": girl, "dad": dad, "mom": mom}
            gt |= {"child": son, "mom2": mom, "orphan": girl}
            made.append(Site(contig, 10 * place + 5, gt))
    return made


SITES = sites()


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Catalog]:
    folder = tmp_path_factory.mktemp("family")
    create(folder / "lake", config)
    (folder / "r.fa").write_text("".join(f">{name}\n{'A' * LENGTH}\n" for name in ("1", "X", "Y")))
    records = [
        f"{site.contig} {site.position} . A C . . . GT {' '.join(site.gt[sample] for sample in SAMPLES)}"
        for site in SITES
    ]
    (folder / "family.ped").write_text(PED)
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, folder / "r.fa", "flat")
        ingest_vcf(catalog, [write_vcf(folder / "a.vcf", records, SAMPLES)])
        add_pedigree(catalog, folder / "family.ped")
        set_cohort(catalog, "parents", ["dad", "mom", "mom2"])
        yield catalog


def found(catalog: Catalog, macro: str) -> set[tuple[str, str]]:
    rows = catalog.query(f"SELECT variant_id, child FROM {macro}").to_pylist()
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    return {(row["variant_id"], row["child"]) for row in rows}


def test_de_novo_needs_every_parent_who_could_have_passed_it_on(family: Catalog) -> None:
    wanted = set()
    for site in SITES:
        for child, parents in (
            ("son", {"1": ("dad", "mom"), "X": ("mom",), "Y": ("dad",)}),
            ("girl", {"1": ("dad", "mom"), "X": ("dad", "mom"), "Y": None}),
        ):
            passing = parents[site.contig]
            if passing is not None and site.copies(child) and all(site.copies(p) == 0 for p in passing):
                wanted.add((site.name, child))
    assert found(family, "de_novo('F')") == wanted
    assert {name[0] for name, _ in wanted} == {"1", "X", "Y"}


def test_without_the_father_only_a_sons_x_can_be_told(family: Catalog) -> None:
    wanted = {
        (site.name, "child")
        for site in SITES
        if site.contig == "X" and site.copies("child") and site.copies("mom2") == 0
    }
    assert found(family, "de_novo('D')") == wanted
    assert wanted
    assert found(family, "de_novo('S')") == set()


def unless_known(copies: int | None, *allowed: int) -> bool:
    return copies is None or copies in allowed


def test_recessive_is_two_copies_in_the_child_and_one_in_each_parent(family: Catalog) -> None:
    wanted = {
        (site.name, "son")
        for site in SITES
        if site.contig == "1"
        and site.copies("son") == 2
        and unless_known(site.copies("dad"), 1)
        and unless_known(site.copies("mom"), 1)
        and site.copies("girl") != 2
    }
    assert found(family, "recessive('F')") == wanted
    duo = {
        (site.name, "child")
        for site in SITES
        if site.contig == "1" and site.copies("child") == 2 and unless_known(site.copies("mom2"), 1)
    }
    assert found(family, "recessive('D')") == duo
    alone = {(site.name, "orphan") for site in SITES if site.contig == "1" and site.copies("orphan") == 2}
    assert found(family, "recessive('S')") == alone


def test_x_linked_is_of_x_only(family: Catalog) -> None:
    wanted = {
        (site.name, "son")
        for site in SITES
        if site.contig == "X"
        and site.copies("son") == 1
        and unless_known(site.copies("mom"), 1)
        and site.copies("dad") != 1
    }
    assert found(family, "x_linked('F')") == wanted
    assert wanted
    alone = {(site.name, "orphan") for site in SITES if site.contig == "X" and site.copies("orphan") == 2}
    assert found(family, "x_linked('S')") == alone


def test_states_tell_what_is_known_of_each_parent(family: Catalog) -> None:
    rows = family.query("SELECT DISTINCT father_state, mother_state FROM inheritance('D')").to_pylist()
    assert {row["father_state"] for row in rows} == {"no_sample"}
    assert {row["mother_state"] for row in rows} == {"carrier", "reference", "no_call"}


def test_frequencies_count_who_was_seen(family: Catalog) -> None:
    rows = family.query("FROM allele_frequency('parents')").to_pylist()
    assert {row["variant_id"] for row in rows} == {site.name for site in SITES}
    by_name = {row["variant_id"]: row for row in rows}
    for site in SITES:
        gts = [site.gt[sample] for sample in ("dad", "mom", "mom2")]
        called = [gt for gt in gts if "." not in gt]
        ac, an = sum(gt.count("1") for gt in called), sum(len(gt.split("/")) for gt in called)
        row = by_name[site.name]
        assert (row["ac"], row["an"], row["not_seen"]) == (ac, an, len(gts) - len(called)), site
        assert row["af"] == (ac / an if an else None)
        assert row["het"] == gts.count("0/1")
        assert row["hom_alt"] == gts.count("1/1")
        assert row["hemi"] == gts.count("1")
    rare = {row["variant_id"] for row in family.query("FROM rare(0.3, cohort => 'parents')").to_pylist()}
    assert rare == {row["variant_id"] for row in rows if row["ac"] and row["af"] <= 0.3}


def test_a_region_of_a_question_is_as_people_type_it(family: Catalog) -> None:
    inside = [s.name for s in SITES if s.contig == "1" and 95 <= s.position <= 1205]
    rows = family.query("SELECT variant_id FROM allele_frequency('parents', place => '1:95-1,205')")
    assert sorted(rows["variant_id"].to_pylist()) == sorted(inside)
    matrix = family.query("FROM genotype_matrix('1:95-1,205', 'parents')").to_pylist()
    assert [row["variant_id"] for row in matrix] == inside
    for row in matrix:
        site = next(s for s in SITES if s.name == row["variant_id"])
        assert row["sample_ids"] == ["dad", "mom", "mom2"]
        assert row["copies"] == [site.copies(sample) for sample in row["sample_ids"]]


def test_carriers_are_those_with_the_allele(family: Catalog) -> None:
    for site in SITES[::37]:
        rows = family.query("FROM carriers(?)", [site.name]).to_pylist()
        assert {row["sample_id"]: row["alt_copies"] for row in rows} == {
            sample: site.copies(sample) for sample in SAMPLES if site.copies(sample)
        }


def test_sex_is_told_by_heterozygous_x(family: Catalog) -> None:
    rows = {row["sample_id"]: row for row in family.query("FROM sex_check()").to_pylist()}
    assert {name: row["inferred"] for name, row in rows.items()} == {
        **dict.fromkeys(("son", "dad", "child"), "male"),
        **dict.fromkeys(("girl", "mom", "mom2", "orphan"), "female"),
    }
    assert all(row["declared"] == row["inferred"] for row in rows.values())


def test_the_lineage_of_an_imported_genotype_is_its_file(family: Catalog) -> None:
    site = next(site for site in SITES if site.copies("mom") == 1)
    (row,) = family.query("FROM lineage_of(?, 'mom')", [site.name]).to_pylist()
    assert (row["operation"], row["source_format"]) == ("ingest", "vcf")
    assert row["source_path"].endswith("a.vcf")
