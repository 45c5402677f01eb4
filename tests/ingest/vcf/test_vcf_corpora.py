"""Real and hostile VCF files: what is valid comes out as it went in, what is not is refused with its line."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.gvcf import export_gvcf
from baselake.catalog.export.vcf import export_source, export_vcf
from baselake.catalog.references import Reference, add_reference
from baselake.errors import BaselakeError, NotFoundError
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.ingest.vcf.source import Reading, open_vcf
from tests.ingest.vcf.vcf_files import write_reference

REAL = (
    "variants/CEUTrio.20.21.gatk3.4.g.vcf.bgz",
    "accuracy_NA12878_chr20/test_nist.b37_chr20_100kbp_at_10mb.vcf.gz",
)
# What is not legal and yet tells everything: it is taken at its word. Of reserved keys of FORMAT the numbers of values
# are checked, of INFO neither numbers nor ranges; how a header declares reserved keys, and lines of it that say nothing
# of the records, are not; alleles may stand in several records.
TAKEN = {
    *("body_duplicated_000", "body_duplicated_001", "body_duplicated_003", "body_format_003", "header_001"),
    *(f"body_info_{n:03}" for n in (0, 3, 4, 5, 9, 10, 11, 14, 24, 29, 30, 31, 33)),
    *(f"body_sample_{n:03}" for n in (4, 5, 6, 9, 10)),
    *("meta_009", "meta_assembly_000", "meta_assembly_001", "meta_sample_000", "meta_sample_001"),
    *(f"meta_alt_{n:03}" for n in (0, 1, 2, 4, 5)),
    *("meta_pedigree_000", "meta_pedigree_001", *(f"meta_pedigreedb_{n:03}" for n in range(3))),
    *(f"meta_format_{n:03}" for n in range(3, 30)),
    *(f"meta_info_{n:03}" for n in range(3, 37)),
}


def body(path: Path, bcftools: str) -> list[str]:
    """The data lines as bcftools spells them."""
    seen = subprocess.run([bcftools, "view", "-H", path], capture_output=True, text=True, check=True)
    return seen.stdout.splitlines()


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_comes_out_as_it_went_in(
    catalog: Catalog, tmp_path: Path, shared_data: Path, peer: Callable[[str], str], name: str
) -> None:
    vcf, bcftools, out = shared_data / name, peer("bcftools"), tmp_path / "out.vcf"
    fasta = write_reference(tmp_path / "r.fa", vcf, bcftools)
    reference = add_reference(catalog, fasta, "masked")
    done = ingest_vcf(catalog, [vcf])
    samples = open_vcf(vcf).header.samples
    export_vcf(catalog, samples, reference, out)
    lines = body(vcf, bcftools)
    records = [line for line in lines if line.split("\t")[4] != "<NON_REF>"]
    assert body(out, bcftools) == records
    assert done.records == len(lines)

    # Alleles are those of bcftools norm; a star is none, nor is what was not called.
    command = f"{bcftools} norm -m- -f {fasta} {vcf} 2>/dev/null"
    split = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    fields = [line.split("\t") for line in split if not line.startswith("#")]
    wanted = {"-".join((f[0], f[1], f[3], f[4])) for f in fields if f[4] not in ("*", "<NON_REF>")}
    assert set(catalog.query("SELECT variant_id FROM variants")["variant_id"].to_pylist()) == wanted

    if len(lines) > len(records):
        (sample,) = samples
        export_gvcf(catalog, sample, reference, out)
        blocks = {tuple(line.split("\t")[:2]) for line in body(out, bcftools)}
        called = {tuple(line.split("\t")[:2]) for line in lines if line.split("\t")[9][:3] == "0/0"}
        assert blocks >= {place for place in called if int(place[1]) > 9_999_903}


@pytest.fixture
def specification(shared_data: Path) -> Path:
    folder = shared_data / "robustness" / "hts-specs" / "vcf" / "4.2"
    if not folder.is_dir():
        pytest.skip(f"no VCF files of the specification's repository in {folder}")
    return folder


def test_valid_files_of_the_specification_come_out_as_they_went_in(
    catalog: Catalog, tmp_path: Path, specification: Path, peer: Callable[[str], str]
) -> None:
    bcftools = peer("bcftools")
    imported = 0
    for path in sorted((specification / "passed").iterdir()):
        samples = open_vcf(path).header.samples
        imported += bool(samples)
        fasta = write_reference(tmp_path / f"{path.stem}.fa", path, bcftools, unknown=True)
        reference = add_reference(catalog, fasta, path.stem)
        ingest_vcf(catalog, [path], reference=path.stem)
        export_source(catalog, path.name, tmp_path / "source.vcf", path.stem)
        if samples:
            export_vcf(catalog, samples, reference, tmp_path / "out.vcf")
            assert body(tmp_path / "source.vcf", bcftools) == body(tmp_path / "out.vcf", bcftools), path.name
        # <ID>, a contig of an assembly file, is written by its name.
        wanted = [
            line.replace("<", "", 1).replace(">", "", 1) if line[0] == "<" else line
            for line in body(path, bcftools)
        ]
        assert body(tmp_path / "source.vcf", bcftools) == wanted, path.name
    assert imported > 12


def test_a_file_without_samples_comes_out_as_it_went_in_and_can_be_imported_again(
    catalog: Catalog, tmp_path: Path, shared_data: Path, peer: Callable[[str], str]
) -> None:
    bcftools, vcf = peer("bcftools"), tmp_path / "sites.vcf"
    whole = subprocess.run(
        [bcftools, "view", shared_data / "variants" / "exac.vcf.gz"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    before = int(next(line for line in whole if line[0] != "#").split("\t")[1]) - 1000
    # Real records, moved to the beginning of their contig, which need be no longer then.
    moved = [line for line in whole if line.startswith("#") and "contig" not in line]
    for contig, position, rest in (line.split("\t", 2) for line in whole if line[0] != "#"):
        moved.append(f"{contig}\t{int(position) - before}\t{rest}")
    vcf.write_text("\n".join([*moved, ""]))
    fasta = write_reference(tmp_path / "r.fa", vcf, bcftools)
    add_reference(catalog, fasta, "masked")
    done = ingest_vcf(catalog, [vcf])
    assert done.samples == ()
    assert export_source(catalog, "sites.vcf", tmp_path / "out.vcf.gz") == done.records
    lines = body(vcf, bcftools)
    assert body(tmp_path / "out.vcf.gz", bcftools) == lines
    header = subprocess.run(
        [bcftools, "view", "-h", tmp_path / "out.vcf.gz"], capture_output=True, text=True, check=True
    ).stdout
    assert header.rstrip().endswith("\tINFO")
    contig, place = lines[70].split("\t")[:2]
    export_source(catalog, "sites.vcf", tmp_path / "part.vcf", region=f"{contig}:{place}-{place}")
    assert lines[70] in body(tmp_path / "part.vcf", bcftools)

    # What came out is another file with the same records, which are alleles that the lake has already.
    alleles = catalog.rows("SELECT count(*), count(DISTINCT variant_id) FROM variants")
    ingest_vcf(catalog, [tmp_path / "out.vcf.gz"])
    assert catalog.rows("SELECT count(*), count(DISTINCT variant_id) FROM variants") == alleles
    export_source(catalog, str(tmp_path / "out.vcf.gz"), tmp_path / "again.vcf")
    assert body(tmp_path / "again.vcf", bcftools) == lines

    with pytest.raises(NotFoundError, match=r"no VCF or BCF 'other\.vcf' was imported"):
        export_source(catalog, "other.vcf", tmp_path / "none.vcf")
    assert not (tmp_path / "none.vcf").exists()


def test_invalid_files_of_the_specification_are_refused_with_their_line(
    catalog: Catalog, tmp_path: Path, specification: Path
) -> None:
    fasta = tmp_path / "r.fa"
    fasta.write_text("".join(f">{name}\n{'N' * 200_000}\n" for name in [*range(30), "X", "Y"]))
    reference = add_reference(catalog, fasta, "unknown")
    taken, without_line = set(), {}
    for path in sorted((specification / "failed").iterdir()):
        name = path.stem.removeprefix("failed_")
        try:
            _read(path, reference)
            taken.add(name)
        except BaselakeError as error:
            if ", line " not in str(error):
                without_line[name] = str(error)
    assert taken <= TAKEN
    assert len(taken) < 100
    # A header that does not end has no line to name.
    assert all("header does not end" in text or "does not begin" in text for text in without_line.values())


def _read(path: Path, reference: Reference) -> None:
    for _ in Reading(open_vcf(path), reference, 1 << 20).parts():
        pass
