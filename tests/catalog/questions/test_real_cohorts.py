"""Questions of real families and cohorts, answered as bcftools and a slow reading of the VCF answer them."""

import subprocess
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.export.vcf import export_vcf
from baselake.catalog.pedigree import add_pedigree
from baselake.catalog.references import add_reference, open_reference
from baselake.config import Config
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_reference


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def trio(
    tmp_path_factory: pytest.TempPathFactory, shared_data: Path, config: Config, peer: Callable[[str], str]
) -> Iterator[tuple[Catalog, Path]]:
    """The CEU trio's 10 kb as bcftools calls them together, in a lake and as a file."""
    folder, data, bcftools = (
        tmp_path_factory.mktemp("trio"),
        shared_data / "trio_CEU_chr20_10kb",
        peer("bcftools"),
    )
    fasta = data / "hs37d5.chr20.fa.gz"
    pileup = [
        bcftools,
        "mpileup",
        "-r",
        "20:10000000-10010000",
        "-a",
        "AD,DP",
        "-f",
        fasta,
        *sorted(data.glob("*.bam")),
    ]
    vcf = folder / "trio.vcf"
    with subprocess.Popen(pileup, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as piled:
        called = [bcftools, "call", "-mv", "-f", "GQ", "-o", vcf]
        subprocess.run(called, stdin=piled.stdout, check=True, stderr=subprocess.DEVNULL)
    samples = run(bcftools, "query", "-l", vcf).split()
    child = next(name for name in samples if name not in ("NA12891", "NA12892"))
    create(folder / "lake", config)
    (folder / "ceu.ped").write_text(
        f"CEU {child} NA12891 NA12892 2 2\nCEU NA12891 0 0 1 1\nCEU NA12892 0 0 2 1\n"
    )
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, fasta, "b37")
        ingest_vcf(catalog, [vcf])
        add_pedigree(catalog, folder / "ceu.ped")
        yield catalog, vcf


def chosen(bcftools: str, vcf: Path, child: str, father: str, mother: str) -> set[str]:
    """Alleles by filters of bcftools, GT of child, father and mother, on records of one alternate each."""
    order = run(bcftools, "query", "-l", vcf).split()
    places = [order.index(name) for name in order if name not in ("NA12891", "NA12892")]
    places += [order.index("NA12891"), order.index("NA12892")]
    text = " && ".join(f'GT[{p}]="{gt}"' for p, gt in zip(places, (child, father, mother), strict=True))
    split = subprocess.Popen(
        [bcftools, "norm", "-m-", vcf], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    found = subprocess.run(
        [bcftools, "query", "-i", text, "-f", "%CHROM-%POS-%REF-%ALT\n"],
        stdin=split.stdout,
        capture_output=True,
        text=True,
        check=True,
    )
    split.wait()
    return set(found.stdout.split())


def test_a_real_trio_is_filtered_as_bcftools_filters_it(
    trio: tuple[Catalog, Path], peer: Callable[[str], str]
) -> None:
    catalog, vcf = trio
    bcftools = peer("bcftools")

    def of(macro: str) -> set[str]:
        # bcftools leaves alleles where they were called: the record's own spelling is compared.
        rows = catalog.query(
            f"SELECT DISTINCT r.contig || '-' || (r.start + 1) || '-' || r.ref || '-' || r.alts[g.allele_index] AS name"
            f" FROM {macro} AS q JOIN genotypes AS g ON g.variant_id = q.variant_id AND g.sample_id = q.child"
            " JOIN vcf_records AS r USING (source_id, record)"
        )
        return set(rows["name"].to_pylist())

    new = chosen(bcftools, vcf, "alt", "ref", "ref")
    assert of("de_novo('CEU')") == new
    both = chosen(bcftools, vcf, "AA", "het", "het")
    assert of("recessive('CEU')") == both
    assert len(new) + len(both) > 0
    assert len(catalog.query("FROM inheritance('CEU')")) > 40


@pytest.fixture(scope="module")
def cohort(
    tmp_path_factory: pytest.TempPathFactory, shared_data: Path, config: Config, peer: Callable[[str], str]
) -> Iterator[tuple[Catalog, Path, list[list[str]]]]:
    """100 samples of the 1000 Genomes, 346 records, and the file's data lines."""
    folder, bcftools = tmp_path_factory.mktemp("cohort"), peer("bcftools")
    vcf = shared_data / "variants" / "hail_1kg_100samples.sample.vcf.gz"
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, write_reference(folder / "r.fa", vcf, bcftools), "masked")
        ingest_vcf(catalog, [vcf])
        yield catalog, vcf, [line.split("\t") for line in run(bcftools, "view", "-H", vcf).splitlines()]


def test_samples_that_were_imported_together_come_out_together(
    cohort: tuple[Catalog, Path, list[list[str]]], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    catalog, vcf, lines = cohort
    names = run(peer("bcftools"), "query", "-l", vcf).split()
    reference = open_reference(catalog)
    export_vcf(catalog, names, reference, tmp_path / "all.vcf")
    assert run("bcftools", "view", "-H", tmp_path / "all.vcf").splitlines() == [
        "\t".join(fields) for fields in lines
    ]
    # Some of them, in another order; INFO stays that of all.
    export_vcf(catalog, [names[7], names[3]], reference, tmp_path / "two.vcf")
    wanted = ["\t".join([*fields[:9], fields[16], fields[12]]) for fields in lines]
    assert run("bcftools", "view", "-H", tmp_path / "two.vcf").splitlines() == wanted


def test_frequencies_of_a_real_cohort_are_those_of_a_slow_reading(
    cohort: tuple[Catalog, Path, list[list[str]]],
) -> None:
    catalog, _, lines = cohort
    wanted = {}
    for fields in lines:
        gts = [sample.split(":")[0].replace("|", "/").split("/") for sample in fields[9:]]
        called = [gt for gt in gts if "." not in gt]
        # No record of this file has two alternates.
        name = "-".join((fields[0], fields[1], fields[3], fields[4]))
        wanted[name] = (sum(gt.count("1") for gt in called), sum(map(len, called)), called.count(["1", "1"]))
    rows = catalog.query("SELECT variant_id, ac, an, hom_alt FROM allele_frequency('all')").to_pylist()
    assert {row["variant_id"]: (row["ac"], row["an"], row["hom_alt"]) for row in rows} == wanted


def test_kinship_of_a_real_cohort_is_that_of_a_slow_reading(
    cohort: tuple[Catalog, Path, list[list[str]]],
) -> None:
    catalog, vcf, lines = cohort
    samples = run("bcftools", "query", "-l", vcf).split()
    copies = {}
    snvs = [fields for fields in lines if len(fields[3]) == len(fields[4]) == 1]
    for place, sample in enumerate(samples[:12]):
        gts = [fields[9 + place].split(":")[0] for fields in snvs]
        copies[sample] = [None if "." in gt else gt.count("1") for gt in gts]
    rows = catalog.query("FROM relatedness('all')").to_pylist()
    found = {(row["sample_1"], row["sample_2"]): row["kinship"] for row in rows}
    assert len(found) == 100 * 99 / 2
    for one, other in combinations(sorted(copies), 2):
        pairs = [
            (a, b) for a, b in zip(copies[one], copies[other], strict=True) if a is not None and b is not None
        ]
        het_1, het_2 = sum(a == 1 for a, _ in pairs), sum(b == 1 for _, b in pairs)
        both, opposite = pairs.count((1, 1)), pairs.count((0, 2)) + pairs.count((2, 0))
        # Manichaikul et al. 2010, equation 11.
        least = min(het_1, het_2)
        wanted = (both - 2 * opposite) / (2 * least) + 0.5 - 0.25 * (het_1 + het_2) / least
        assert found[one, other] == pytest.approx(wanted), (one, other)


def test_titv_is_that_of_bcftools_stats(
    cohort: tuple[Catalog, Path, list[list[str]]], peer: Callable[[str], str]
) -> None:
    catalog, vcf, _ = cohort
    stats = run(peer("bcftools"), "stats", "-s", "-", vcf)
    counted = [line.split("\t") for line in stats.splitlines() if line.startswith("PSC")]
    assert len(counted) == 100
    for fields in counted[:5]:
        (row,) = catalog.query("SELECT transitions, transversions FROM titv(?)", [fields[2]]).to_pylist()
        assert (row["transitions"], row["transversions"]) == (int(fields[6]), int(fields[7])), fields[2]
