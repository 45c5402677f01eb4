"""Compound heterozygotes on every combination of parents' genotypes and phases, against a slow reading of the same."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.pedigree import add_pedigree
from baselake.catalog.references import add_reference
from baselake.compute.annotate import annotate_variants
from baselake.config import Config
from baselake.ingest.genes import load_genes
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf

PED = """\
F son dad mom 1 2
F girl dad mom 2 1
F dad 0 0 1 1
F mom 0 0 2 1
D child gone mom2 1 2
D mom2 0 0 2 1
S orphan nobody noone 2 2
G daughter dad3 mom3 2 2
G dad3 0 0 1 1
G mom3 0 0 2 1
E only dad4 gone2 2 2
E dad4 0 0 1 1
"""
SAMPLES = ("son", "girl", "dad", "mom", "child", "mom2", "orphan", "daughter", "dad3", "mom3", "only", "dad4")
PARENT = ("0/0", "0/1", "1/1", "./.")
# The child's two genotypes, with their phase sets.
CHILD = (
    ("0/1:.", "0/1:."),
    ("0|1:7", "1|0:7"),
    ("0|1:7", "0|1:7"),
    ("0|1:7", "1|0:9"),
    ("0|1:.", "1|0:."),
    ("1/1:.", "0/1:."),
)
# A gene of four tryptophans: T to C is arginine. Two of them vary.
GENE = "ATGTGGTGGTGGTGGTAA"
SPACE = 40


class Case(NamedTuple):
    """Two alleles of one gene: the child's genotypes, and father's, mother's and sister's of each."""

    contig: str
    number: int
    child: tuple[str, str]
    father: tuple[str, str]
    mother: tuple[str, str]
    sister: tuple[str, str]

    @property
    def gene(self) -> str:
        return f"{self.contig}_{self.number}"

    @property
    def places(self) -> tuple[int, int]:
        """POS of the two."""
        start = self.number * SPACE + 10
        return start + 4, start + 10


def cases() -> list[Case]:
    made = []
    pairs = list(product(product(PARENT, PARENT), repeat=2))
    for number, ((father, mother), child) in enumerate(product(pairs, CHILD)):
        # The sister has both in one gene of seven.
        sister = ("0/1", "0/1") if number % 7 == 0 else ("0/1", "0/0") if number % 7 < 4 else ("0/0", "./.")
        made.append(Case("1", number, child, father, mother, sister))
    haploid = list(product(product(("0", "1", "."), ("0/0", "0/1")), repeat=2))
    for number, ((father, mother), child) in enumerate(
        product(haploid, (("1:.", "1:."), ("0/1:.", "0/1:.")))
    ):
        made.append(Case("X", number, child, father, mother, ("0/1", "0/0")))
    return made


CASES = cases()


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Catalog]:
    folder = tmp_path_factory.mktemp("families")
    genomes, gtf, records = {}, [], []
    for contig in ("1", "X"):
        mine = [case for case in CASES if case.contig == contig]
        genomes[contig] = "".join(("C" * 10 + GENE).ljust(SPACE, "C") for _ in mine)
        for case in mine:
            start = case.number * SPACE + 11
            for kind, phase in (("exon", "."), ("CDS", "0")):
                span = f"{start}\t{start + len(GENE) - 1}\t.\t+\t{phase}"
                gtf.append(
                    f'{contig}\tx\t{kind}\t{span}\tgene_id "{case.gene}"; transcript_id "T{case.gene}";'
                )
            for which, place in enumerate(case.places):
                gt = {"son": case.child[which], "girl": f"{case.sister[which]}:."}
                gt |= {"dad": f"{case.father[which]}:.", "mom": f"{case.mother[which]}:."}
                gt |= dict.fromkeys(("child", "orphan", "daughter", "only"), gt["son"])
                gt |= {"mom2": gt["mom"], "mom3": gt["mom"], "dad3": gt["dad"], "dad4": gt["dad"]}
                records.append(f"{contig} {place} . T C . . . GT:PS {' '.join(gt[name] for name in SAMPLES)}")
    (folder / "r.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in genomes.items()))
    (folder / "g.gtf").write_text("\n".join(gtf) + "\n")
    (folder / "p.ped").write_text(PED)
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, folder / "r.fa", "r")
        ingest_vcf(catalog, [write_vcf(folder / "a.vcf", records, SAMPLES)])
        add_pedigree(catalog, folder / "p.ped")
        load_genes(catalog, folder / "g.gtf")
        annotate_variants(catalog)
        yield catalog


def copies(gt: str) -> int | None:
    """Of the alternate; None where it is not called."""
    return None if "." in gt.split(":")[0] else gt.split(":")[0].count("1")


def parent_of(father: int | None, mother: int | None) -> tuple[str | None, bool]:
    """Whose allele it is, and whether both parents say so."""
    if father is not None and mother is not None:
        return ("father" if father else "mother", True) if bool(father) != bool(mother) else (None, False)
    if father is None and mother is None:
        return None, False
    if father is None:
        return ("mother" if mother else "father"), False
    return ("father" if father else "mother"), False


def evidence(case: Case, father: bool, mother: bool, *, sister: bool, male: bool) -> str | None:
    """What tells that the two are in trans; None: nothing does, or the pair is no answer."""
    for gt in case.child:
        called = gt.split(":")[0]
        if copies(gt) != 1 or len(called) != 3 or (case.contig == "X" and male):
            return None
    if sister and all(copies(gt) for gt in case.sister):
        return None
    origins = []
    for which in (0, 1):
        has_father = copies(case.father[which]) if father else None
        has_mother = copies(case.mother[which]) if mother else None
        if has_father == 2 or has_mother == 2:
            return None  # the unaffected parent would be ill
        origins.append(parent_of(has_father, has_mother))
    (one, sure), (other, sure_too) = origins
    if one is not None and other is not None and one != other:
        return "parents" if sure and sure_too else "one_parent"
    if one is not None and other is not None and sure and sure_too:
        return None  # both from one parent
    first, second = (gt.split(":") for gt in case.child)
    phased = "|" in first[0] and "|" in second[0] and first[1] == second[1]
    return "phase" if phased and first[0] != second[0] else None


def found(catalog: Catalog, family: str) -> dict[str, str]:
    rows = catalog.query(f"FROM compound_het('{family}')").to_pylist()
    assert len({(row["child"], row["variant_1"], row["variant_2"]) for row in rows}) == len(rows)
    return {row["gene"]: row["evidence"] for row in rows}


@pytest.mark.parametrize(
    ("family", "father", "mother", "sister", "male"),
    [
        ("F", True, True, True, True),
        ("D", False, True, False, True),
        ("S", False, False, False, False),
        ("G", True, True, False, False),
        ("E", True, False, False, False),
    ],
)
def test_pairs_in_trans_are_those_of_a_slow_reading(
    families: Catalog, family: str, father: bool, mother: bool, sister: bool, male: bool
) -> None:
    wanted = {case.gene: evidence(case, father, mother, sister=sister, male=male) for case in CASES}
    wanted = {gene: why for gene, why in wanted.items() if why is not None}
    assert found(families, family) == wanted
    kinds = {"parents", "one_parent", "phase"} if father and mother else {"one_parent", "phase"}
    assert set(wanted.values()) == (kinds if father or mother else {"phase"})
    on_x = {gene for gene in wanted if gene.startswith("X")}
    assert bool(on_x) == (not male and (father or mother))


def test_both_from_one_parent_are_no_pair(families: Catalog) -> None:
    row = next(
        case
        for case in CASES
        if case.father == ("0/1", "0/1") and case.mother == ("0/0", "0/0") and case.child == CHILD[0]
    )
    assert row.gene not in found(families, "F")


def test_what_a_pair_says(families: Catalog) -> None:
    case = next(
        case
        for case in CASES
        if case.father == ("0/1", "0/0")
        and case.mother == ("0/0", "0/1")
        and case.child == CHILD[0]
        and case.number % 7
    )
    (row,) = families.query("FROM compound_het('F') WHERE gene = ?", [case.gene]).to_pylist()
    assert (row["variant_1"], row["variant_2"]) == tuple(f"1-{place}-T-C" for place in case.places)
    assert (row["from_1"], row["from_2"], row["evidence"]) == ("father", "mother", "parents")
    assert (row["hgvs_p_1"], row["hgvs_p_2"]) == ("p.Trp2Arg", "p.Trp4Arg")
    assert families.query("FROM compound_het('F', impact => 'HIGH')").num_rows == 0
