"""The gVCFs of a real family, merged by bcftools, say of each of them what was called of it alone."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.gvcf import export_gvcf
from baselake.catalog.export.vcf import export_vcf
from baselake.catalog.references import add_reference, open_reference
from baselake.compute.call import call_samples
from baselake.ingest.bam import ingest_bam
from baselake.lake.region import Region
from tests.catalog.test_export_gvcf import refused_by_glnexus

WHERE = Region("20", 10_000_000, 10_010_000)
TRIO = ("HG001", "NA12891", "NA12892")
Calls = dict[tuple[str, str, str], tuple[str, ...]]


def alternates(shown: str) -> Calls:
    """Of lines of position, REF, ALT and genotypes, those in which somebody has the alternate."""
    found = {}
    for line in shown.splitlines():
        position, ref, alt, *genotypes = line.split()
        spelled = tuple(genotype.replace("|", "/") for genotype in genotypes)
        if any("1" in genotype for genotype in spelled):
            found[position, ref, alt] = spelled
    return found


@pytest.fixture
def trio(catalog: Catalog, shared_data: Path, tmp_path: Path, peer: Callable[[str], str]) -> Catalog:
    folder = shared_data / "trio_CEU_chr20_10kb"
    add_reference(catalog, folder / "hs37d5.chr20.fa.gz", "b37")
    for sample in TRIO:
        ingest_bam(catalog, [folder / f"{sample}.chr20.10_10p1mb_sorted.bam"], sample=sample)
    call_samples(catalog, TRIO, open_reference(catalog, "b37"), region=WHERE)
    return catalog


def test_merged_gvcfs_give_each_ones_own_calls(
    trio: Catalog, shared_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    bcftools, reference = peer("bcftools"), open_reference(trio, "b37")
    fasta = shared_data / "trio_CEU_chr20_10kb" / "hs37d5.chr20.fa.gz"

    def run(command: str) -> str:
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    paths = []
    for sample in TRIO:
        paths.append(tmp_path / f"{sample}.g.vcf.gz")
        export_gvcf(trio, sample, reference, paths[-1], WHERE)
        assert refused_by_glnexus(paths[-1]) == []
        export_vcf(trio, sample, reference, tmp_path / f"{sample}.vcf.gz", WHERE)
    # The alternate that no read was asked about goes; what is left is split.
    split = f"{bcftools} norm -m- -f {fasta}"
    query = f"{bcftools} query -f '%POS %REF %ALT[ %GT]\\n'"
    joined = f"{bcftools} merge -g {fasta} {' '.join(map(str, paths))} | {bcftools} view -a -"
    merged = alternates(run(f"{joined} | {split} - | {query}"))
    own = [alternates(run(f"{split} {tmp_path}/{sample}.vcf.gz | {query}")) for sample in TRIO]
    assert len(merged) > 20
    for which, calls in enumerate(own):
        seen = {site: genotypes[which] for site, genotypes in merged.items() if "1" in genotypes[which]}
        assert seen == {site: genotype for site, (genotype,) in calls.items()}
    # Who has no alternate of a site is the reference there by a block, or has another call that covers the place.
    others = [genotype for genotypes in merged.values() for genotype in genotypes if "1" not in genotype]
    assert set(others) <= {"0/0", "./."}
    assert others.count("0/0") > 0.8 * len(others)
