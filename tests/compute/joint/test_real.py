"""Real cohorts genotyped together, beside GATK's and bcftools' joint calls of the same reads."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from baselake.api import Lake
from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.pedigree import set_cohort
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_reference


def run(command: str) -> str:
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout


def test_frequencies_of_2535_people_are_those_that_gatk_found(
    tmp_path: Path, shared_data: Path, config: Config, peer: Callable[[str], str]
) -> None:
    bcftools = peer("bcftools")
    source = shared_data / "variants/glow/1000G.phase3.broad.withGenotypes.chr20.10100000.vcf.gz"
    create(tmp_path / "lake", config)
    with connect(tmp_path / "lake", config) as catalog:
        fasta = write_reference(tmp_path / "r.fa", source, bcftools)
        add_reference(catalog, fasta, "b37")
        ingest_vcf(catalog, [source])
        lake = Lake(catalog)
        assert lake.genotype("all").alleles == 17
        found = {row["start"] + 1: row for row in lake.query("joint_sites", "all").to_pylist()}
    theirs = run(f"{bcftools} query -f '%POS %QUAL %AN %MLEAF\\n' {source}").splitlines()
    for place, qual, an, af in (line.split() for line in theirs):
        ours = found[int(place)]
        assert ours["an"] == int(an)
        # MLEAF counts the likeliest number of alleles; it has three digits.
        assert ours["af"] == pytest.approx(float(af), abs=0.006), place
        # QUAL beyond the least differs by what is taken for how often a site varies.
        assert ours["qual"] == pytest.approx(
            float(qual), abs=25 + 0.25 * float(qual) * (float(qual) < 1000)
        ), place


def _called_alone(catalog: Catalog, folder: Path, data: Path, bcftools: str) -> list[str]:
    """Each of the trio as bcftools calls it by itself, blocks between; their names."""
    names = []
    for bam in sorted(data.glob("*.bam")):
        vcf = folder / f"{bam.stem}.g.vcf"
        run(
            f"{bcftools} mpileup -r 20:10000000-10010000 -g 1,10 -a AD,DP -f {data / 'hs37d5.chr20.fa.gz'} {bam}"
            f" | {bcftools} call -m -g 1,10 -f GQ -o {vcf}"
        )
        names += run(f"{bcftools} query -l {vcf}").split()
        ingest_vcf(catalog, [vcf])
    return names


def test_a_trio_called_one_by_one_is_genotyped_as_bcftools_does_together(
    tmp_path: Path, shared_data: Path, config: Config, peer: Callable[[str], str]
) -> None:
    bcftools, data = peer("bcftools"), shared_data / "trio_CEU_chr20_10kb"
    create(tmp_path / "lake", config)
    with connect(tmp_path / "lake", config) as catalog:
        add_reference(catalog, data / "hs37d5.chr20.fa.gz", "b37")
        names = _called_alone(catalog, tmp_path, data, bcftools)
        set_cohort(catalog, "trio", names)
        lake = Lake(catalog)
        lake.genotype("trio")
        ours = {
            (row["start"] + 1, row["ref"], row["alt"], row["sample_id"]): row["gt"]
            for row in lake.query("joint_genotypes", "trio").to_pylist()
        }
        likelihoods = catalog.query("SELECT start, sample_id FROM genotypes WHERE pl IS NOT NULL").to_pylist()
        told = {(row["start"] + 1, row["sample_id"]) for row in likelihoods}
    joint = tmp_path / "joint.vcf"
    bams = " ".join(map(str, sorted(data.glob("*.bam"))))
    run(
        f"{bcftools} mpileup -r 20:10000000-10010000 -a AD,DP -f {data / 'hs37d5.chr20.fa.gz'} {bams}"
        f" | {bcftools} call -mv -o {joint}"
    )
    snvs = f"{bcftools} query -i 'TYPE=\"snp\" && N_ALT=1 && QUAL>20' -f '[%POS %REF %ALT %SAMPLE %GT\\n]' {joint}"
    # Of who was called to have the reference alone bcftools keeps no likelihoods, nor GQ.
    theirs = [line.split() for line in run(snvs).splitlines()]
    theirs = [each for each in theirs if (int(each[0]), each[3]) in told]
    assert len(theirs) > 30
    same = [ours.get((int(place), ref, alt, sample)) == gt for place, ref, alt, sample, gt in theirs]
    bad = [
        (*each, ours.get((int(each[0]), *each[1:4]))) for each, ok in zip(theirs, same, strict=True) if not ok
    ]
    # Where alignments leave doubt (a repeat) all reads together are realigned otherwise than each one's.
    assert sum(same) >= 0.98 * len(same), bad
