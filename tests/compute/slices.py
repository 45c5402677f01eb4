"""Alignments of small BAM files as Arrow tables, and calls as VCF: what the accuracy tests compare with peers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pysam

from baselake.lake.schema import ALIGNMENTS


def alignments_of(path: Path, contig: str, start: int, end: int) -> pa.Table:
    """The mapped records of a coordinate-sorted, indexed BAM that overlap a region, as rows of ALIGNMENTS."""
    columns: dict[str, list[object]] = {
        name: []
        for name in ("name", "flag", "contig", "start", "end", "mapq", "cigar", "seq", "qual", "duplicate")
    }
    with pysam.AlignmentFile(str(path)) as bam:
        for record in bam.fetch(contig, start, end):
            columns["name"].append(record.query_name)
            columns["flag"].append(record.flag)
            columns["contig"].append(contig)
            columns["start"].append(record.reference_start)
            columns["end"].append(record.reference_end or record.reference_start + 1)
            columns["mapq"].append(record.mapping_quality)
            columns["cigar"].append(record.cigarstring)
            columns["seq"].append(record.query_sequence)
            columns["qual"].append(record.qual)
            columns["duplicate"].append(record.is_duplicate)
    schema = pa.schema([ALIGNMENTS.schema.field(name) for name in columns])
    return pa.table(columns, schema=schema)


def contig_of(fasta: Path, contig: str) -> np.ndarray:
    """The bases of one contig of an indexed FASTA: ASCII, uint8."""
    with pysam.FastaFile(str(fasta)) as reference:
        return np.frombuffer(reference.fetch(contig).encode(), np.uint8)


def write_vcf(calls: pa.Table, contig: str, path: Path) -> None:
    """One record per row; the other alternate of a site is written as reference, as `bcftools norm -m-` does."""
    with open(path, "w") as out:
        out.write(f"##fileformat=VCFv4.3\n##contig=<ID={contig}>\n")
        out.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        for name in sorted({name for row in calls["filters"].to_pylist() for name in row}):
            out.write(f'##FILTER=<ID={name},Description="{name}">\n')
        out.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tSAMPLE\n")
        for row in calls.to_pylist():
            gt = row["gt"].replace("2", "0")
            gt = "0/1" if gt == "1/0" else gt
            filters = ";".join(row["filters"]) or "PASS"
            fields = (
                contig,
                row["start"] + 1,
                ".",
                row["ref"],
                row["alt"],
                f"{row['qual']:.2f}",
                filters,
                ".",
                "GT",
                gt,
            )
            print(*fields, sep="\t", file=out)
