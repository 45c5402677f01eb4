"""A cohort's genotypes, called together, as a VCF of many samples: a record for each allele."""

from collections.abc import Iterator
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.cohorts import allele_windows, cohort_members, stretches
from baselake.catalog.connection import RELEASE
from baselake.catalog.export.vcf import write_lines
from baselake.catalog.references import Reference
from baselake.lake.region import Region

_FIELDS = """\
##INFO=<ID=AC,Number=A,Type=Integer,Description="Copies of the allele in genotypes">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Alleles in genotypes">
##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency by the likelihoods of all samples">
##INFO=<ID=END,Number=1,Type=Integer,Description="Last base of a symbolic allele">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Likeliest genotype by PL and AF: 1 this allele, 0 any other">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Phred that it is another one">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Reads that took part; of a reference block the least">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Phred-scaled genotype likelihoods">
"""


def export_cohort(
    catalog: Catalog, cohort: str, reference: Reference, path: Path, region: Region | None = None
) -> int:
    """Write what `joint_genotypes` says of a cohort; the number of records.

    Args:
        catalog: the lake.
        cohort: a cohort, family or sample, or `all`.
        reference: the assembly.
        path: `.vcf.gz` (bgzipped, indexed) or `.vcf`; appears when it is whole.
        region: only alleles that begin there.

    Raises:
        InputError: the path has another ending.
        NotFoundError: there is no such cohort.
        StorageError: the disk is full or fails.
    """
    members = cohort_members(catalog, cohort)
    return write_lines(path, reference, _chunks(catalog, cohort, members, reference, region))


def _chunks(
    catalog: Catalog, cohort: str, members: list[str], reference: Reference, region: Region | None
) -> Iterator[tuple[bytes, int]]:
    snapshot = catalog.query("SELECT id FROM lake.current_snapshot()")["id"][0]
    lines = [
        "##fileformat=VCFv4.3",
        f"##source=baselake {RELEASE}",
        f"##baselakeSnapshot={snapshot}",
        f"##reference={reference.name} ({reference.digest})",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        *(f"##contig=<ID={c.name},length={c.length},md5={c.md5}>" for c in reference.contigs),
    ]
    columns = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *members)
    yield ("\n".join(lines) + "\n" + _FIELDS + "\t".join(columns) + "\n").encode(), 0
    for stretch in stretches(reference, region):
        for window in allele_windows(catalog, reference, stretch, len(members)):
            found = catalog.query(
                catalog.statement("export_joint"),
                {
                    "cohort": cohort,
                    "place": f"{window.contig}:{window.start + 1}-{window.end}",
                    "reference": reference.name,
                    "start": window.start,
                    "end": window.end,
                },
            )["line"].to_pylist()
            yield "".join(found).encode(), len(found)
