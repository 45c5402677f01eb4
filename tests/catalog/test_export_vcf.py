"""Calls in the lake come out as VCF that bcftools reads without a word, alternates of a site joined again."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.vcf import export_vcf
from baselake.catalog.references import Reference
from baselake.errors import InputError, NotFoundError
from baselake.lake.region import Region
from baselake.lake.schema import GENOTYPES, VARIANTS
from baselake.lake.variants import variant_types


def call(contig: str, position: int, ref: str, alt: str, gt: str, **more: object) -> dict:
    """One genotype row and its variant, at a 1-based position."""
    tokens = gt.replace("|", "/").split("/")
    return {
        "reference": "tiny",
        "sample_id": "S1",
        "variant_id": f"{contig}-{position}-{ref}-{alt}",
        "contig": contig,
        "start": position - 1,
        "end": position - 1 + len(ref),
        "ref": ref,
        "alt": alt,
        "type": variant_types(pa.array([ref]), pa.array([alt]))[0].as_py(),
        "gt": gt,
        "alt_copies": None if "." in tokens else tokens.count("1"),
        "gq": 50,
        "dp": 30,
        "ad_ref": 14,
        "ad_alt": 16,
        "pl": [400, 0, 380] if len(tokens) == 2 else [400, 0],
        "allele_index": 1,
        "filters": [],
        "qual": 321.5,
        "mq": 60.0,
        "sb": [7, 7, 8, 8],
        "fs": 1.25,
        **more,
    }


def load(catalog: Catalog, calls: list[dict]) -> None:
    with catalog.job("call") as job:
        for contig in sorted({row["contig"] for row in calls}):
            rows = sorted((row for row in calls if row["contig"] == contig), key=lambda row: row["start"])
            part = {"reference": "tiny", "contig": contig}
            with job.writer("genotypes", part) as out:
                out.write(pa.Table.from_pylist(rows, schema=GENOTYPES.schema))
        with job.commit() as tx:
            tx.add_new(
                "variants", pa.Table.from_pylist(calls, schema=VARIANTS.schema), ("reference", "variant_id")
            )


def records(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "S1.vcf"


def test_a_call_is_one_line_with_its_figures(catalog: Catalog, reference: Reference, out: Path) -> None:
    load(catalog, [call("chr1", 3, "G", "T", "0/1", read_pos_rank_sum=-0.5)])
    assert export_vcf(catalog, "S1", reference, out) == 1
    (fields,) = records(out)
    assert fields == [
        *("chr1", "3", ".", "G", "T", "321.50", "PASS", "MQ=60.00;FS=1.250;ReadPosRankSum=-0.500"),
        *("GT:GQ:DP:AD:PL:SB", "0/1:50:30:14,16:400,0,380:7,7,8,8"),
    ]


def test_failed_filters_are_named_and_declared(catalog: Catalog, reference: Reference, out: Path) -> None:
    load(catalog, [call("chr1", 3, "G", "T", "0/1", filters=["weak", "strange"])])
    export_vcf(catalog, "S1", reference, out)
    assert records(out)[0][6] == "weak;strange"
    assert "##FILTER=<ID=strange," in out.read_text()


def test_alternates_of_one_site_share_a_line(catalog: Catalog, reference: Reference, out: Path) -> None:
    pl = [900, 500, 480, 400, 0, 380]
    load(
        catalog,
        [
            call("chr1", 9, "AG", "A", "1/2", allele_index=2, site_pl=pl, ad_ref=1, ad_alt=12),
            call("chr1", 9, "AGG", "A", "1/2", allele_index=1, site_pl=pl, ad_ref=1, ad_alt=11),
        ],
    )
    export_vcf(catalog, "S1", reference, out)
    (fields,) = records(out)
    assert fields[3:5] == ["AGG", "A,AG"]
    assert fields[9] == "1/2:50:30:1,11,12:900,500,480,400,0,380:7,7,16,16"


def test_an_alternate_that_starts_elsewhere_is_a_star(
    catalog: Catalog, reference: Reference, out: Path
) -> None:
    pl = [900, 500, 480, 400, 0, 380]
    load(
        catalog,
        [
            call("chr1", 9, "AG", "A", "1/2", allele_index=1, site_pl=pl),
            call("chr1", 10, "G", "C", "1/2", allele_index=2, site_pl=pl),
        ],
    )
    export_vcf(catalog, "S1", reference, out)
    first, second = records(out)
    assert (first[4], first[9].split(":")[0]) == ("A,*", "1/2")
    assert (second[4], second[9].split(":")[0]) == ("*,C", "1/2")


def test_phase_is_kept_when_alternates_are_joined(catalog: Catalog, reference: Reference, out: Path) -> None:
    pl = [900, 500, 480, 400, 0, 380]
    load(
        catalog,
        [
            call("chr1", 5, "A", "C", "2|1", allele_index=1, site_pl=pl, ps=5),
            call("chr1", 5, "A", "G", "1|2", allele_index=2, site_pl=pl, ps=5),
        ],
    )
    export_vcf(catalog, "S1", reference, out)
    (fields,) = records(out)
    assert fields[4] == "C,G"
    assert fields[9].startswith("2|1:")
    assert fields[8].endswith(":PS")
    assert fields[9].endswith(":5")


def test_a_haploid_call_has_one_allele(catalog: Catalog, reference: Reference, out: Path) -> None:
    load(catalog, [call("chrX", 4, "A", "C", "1")])
    export_vcf(catalog, "S1", reference, out)
    assert records(out)[0][9] == "1:50:30:14,16:400,0:7,7,8,8"


def test_contigs_come_in_the_order_of_the_reference(
    catalog: Catalog, reference: Reference, out: Path
) -> None:
    load(
        catalog,
        [
            call("chrX", 4, "A", "C", "0/1"),
            call("chr1", 20, "A", "C", "0/1"),
            call("chr1", 3, "G", "T", "1/1"),
        ],
    )
    export_vcf(catalog, "S1", reference, out)
    assert [(fields[0], fields[1]) for fields in records(out)] == [
        ("chr1", "3"),
        ("chr1", "20"),
        ("chrX", "4"),
    ]


def test_a_region_takes_every_record_that_overlaps_it(
    catalog: Catalog, reference: Reference, out: Path
) -> None:
    load(
        catalog,
        [
            call("chr1", 3, "G", "T", "0/1"),
            call("chr1", 9, "AGGG", "A", "0/1"),
            call("chr1", 14, "G", "C", "1/1"),
        ],
    )
    export_vcf(catalog, "S1", reference, out, Region("chr1", 11, 13))
    assert [fields[1] for fields in records(out)] == ["9"]


@pytest.mark.parametrize("name", ["S1.vcf.gz", "S1.vcf"])
def test_bcftools_reads_it_without_a_warning(
    catalog: Catalog, reference: Reference, tmp_path: Path, name: str, peer: Callable[[str], str]
) -> None:
    pl = [900, 500, 480, 400, 0, 380]
    load(
        catalog,
        [
            call("chr1", 3, "G", "T", "0/1", filters=["weak"]),
            call("chr1", 9, "AG", "A", "1/2", allele_index=2, site_pl=pl),
            call("chr1", 9, "AGG", "A", "1/2", allele_index=1, site_pl=pl),
            call("chrX", 4, "A", "C", "1"),
        ],
    )
    path = tmp_path / name
    assert export_vcf(catalog, "S1", reference, path) == 3
    seen = subprocess.run([peer("bcftools"), "view", "-H", path], capture_output=True, text=True, check=True)
    assert seen.stderr == ""
    assert len(seen.stdout.splitlines()) == 3
    if name.endswith(".gz"):
        part = subprocess.run(
            [peer("bcftools"), "view", "-H", "-r", "chrX", path], capture_output=True, text=True, check=True
        )
        assert len(part.stdout.splitlines()) == 1


def test_nothing_is_left_of_an_export_that_fails(
    catalog: Catalog, reference: Reference, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"End it in \.vcf\.gz"):
        export_vcf(catalog, "S1", reference, tmp_path / "S1.txt")
    with pytest.raises(NotFoundError, match="no such folder"):
        export_vcf(catalog, "S1", reference, tmp_path / "absent" / "S1.vcf")
    assert not list(tmp_path.glob("*S1*"))
