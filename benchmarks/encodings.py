"""Size of stored reads and alignments by column, and how fast they are read, beside the formats of the field.

    python benchmarks/encodings.py --data ../shared/data --cache .cache --rounds 5

Every BAM is taken with its qualities as they are and put into Illumina's 8 and 4 bins; the FASTQ of the HiSeq lane
likewise. The same records are written by samtools as BAM, CRAM 3.0 and CRAM 3.1 (the reference beside the CRAM, not in
it), and as FASTQ.gz (level 6). `candidates` compares ways to store a column; what was chosen, and why, is
docs/decisions.md. Rates: each contestant in turn, every round in a fresh connection or file, medians.
"""

import argparse
import gzip
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pysam

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.references import add_reference
from baselake.catalog.regions import region_alignments
from baselake.config import load_config
from baselake.errors import ConflictError
from baselake.ingest.bam import ingest_bam
from baselake.lake import qualities
from baselake.lake.columns import _entropy
from baselake.lake.columns.codecs import _buffers
from baselake.lake.region import Region

BINS = {f"{bins} bins": qualities.BINS[bins] for bins in (8, 4)}


def binned(source: Path, target: Path, bins: Iterable[tuple[int, int]]) -> Path:
    """A BAM whose qualities are put into bins (upper bound, value)."""
    table = bytearray(range(256))
    low = 0
    for below, value in bins:
        table[low:below] = bytes([value]) * (below - low)
        low = below
    with (
        pysam.AlignmentFile(str(source), check_sq=False) as records,
        pysam.AlignmentFile(str(target), "wb", template=records) as out,
    ):
        for record in records.fetch(until_eof=True):
            if record.query_qualities is not None:
                record.query_qualities = array("B", bytes(record.query_qualities).translate(table))
            out.write(record)
    return target


def with_digests(source: Path, fasta: Path, target: Path) -> Path:
    """A BAM whose @SQ lines have M5, so that samtools does not put the reference into a CRAM.

    The FASTA has one contig; the M5 of others, which no record of the data lies on, only has to be there.
    """
    contig = pysam.FastaFile(str(fasta)).references[0]
    md5 = hashlib.md5(pysam.FastaFile(str(fasta)).fetch(contig).upper().encode()).hexdigest()
    header = pysam.AlignmentFile(str(source), check_sq=False).header.to_dict()
    for line in header["SQ"]:
        line["M5"] = md5 if line["SN"] == contig else hashlib.md5(line["SN"].encode()).hexdigest()
    text = target.with_suffix(".header.sam")
    text.write_text(str(pysam.AlignmentHeader.from_dict(header)))
    with open(target, "wb") as out:
        subprocess.run(["samtools", "reheader", str(text), str(source)], stdout=out, check=True)
    return target


def samtools(*arguments: str) -> None:
    subprocess.run(["samtools", *arguments], check=True, stderr=subprocess.DEVNULL)


def peers(bam: Path, fasta: Path | None, work: Path) -> dict[str, int]:
    """Bytes of the same records in other formats."""
    reference = ["-T", str(fasta)] if fasta is not None else ["--output-fmt-option", "no_ref=1"]
    samtools("view", "-b", "-o", str(work / "x.bam"), str(bam))
    for version in ("3.0", "3.1"):
        option = ["--output-fmt-option", f"version={version}"]
        samtools("view", "-C", *option, *reference, "-o", str(work / f"x{version}.cram"), str(bam))
    fastq = subprocess.run(
        ["samtools", "fastq", "-F", "0x900", str(bam)], capture_output=True, check=True
    ).stdout
    return {
        "FASTQ.gz": len(gzip.compress(fastq, 6)),
        "BAM": (work / "x.bam").stat().st_size,
        "CRAM 3.0": (work / "x3.0.cram").stat().st_size,
        "CRAM 3.1": (work / "x3.1.cram").stat().st_size,
    }


def stored(catalog: Catalog, table: str, where: str) -> tuple[int, dict[str, int]]:
    """Bytes of the files of a table, and of their columns."""
    files = catalog.query(f"SELECT DISTINCT filename FROM {table} WHERE {where}")["filename"].to_pylist()
    columns: dict[str, int] = {}
    for file in files:
        metadata = pq.ParquetFile(file).metadata
        for group in range(metadata.num_row_groups):
            for number in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(number)
                name = chunk.path_in_schema
                columns[name] = columns.get(name, 0) + chunk.total_compressed_size
        columns["footer"] = columns.get("footer", 0) + metadata.serialized_size
    return sum(Path(file).stat().st_size for file in files), columns


def candidates(rows: pa.Table, work: Path) -> dict[str, dict[str, int]]:
    """Bytes of each large column, stored one way and another."""

    def parquet(column: pa.Array, level: int, encoding: str = "PLAIN") -> int:
        path = work / "candidate.parquet"
        options = {"column_encoding": {"c": encoding}} if encoding != "PLAIN" else {}
        pq.write_table(
            pa.table({"c": column}),
            path,
            compression="zstd",
            compression_level=level,
            use_dictionary=False,
            **options,
        )
        return path.stat().st_size

    found: dict[str, dict[str, int]] = {}
    for name in ("name", "seq", "qual", "tags"):
        column = pa.concat_arrays(rows[name].chunks)
        ways = {"plain, zstd 1": parquet(column, 1), "plain, zstd 9": parquet(column, 9)}
        _, data = _buffers(column)
        if name == "name":
            ways["front coded, zstd 9"] = parquet(column, 9, "DELTA_BYTE_ARRAY")
        if name == "seq":
            ways["2 bits"] = len(_entropy.pack_bases(data.tobytes()))
        if name == "qual":
            alphabet, ranks = np.unique(data, return_inverse=True)
            bits = 2 if len(alphabet) <= 4 else 4 if len(alphabet) <= 16 else 8
            each = 8 // bits
            ranks = np.resize(ranks.astype(np.uint8), -(-len(ranks) // each) * each).reshape(-1, each)
            packed = (ranks << np.arange(0, 8, bits, dtype=np.uint8)).sum(axis=1).astype(np.uint8)
            ways[f"{bits} bits, zstd 9"] = len(pa.Codec("zstd", 9).compress(packed.tobytes(), asbytes=True))
            ways["entropy coder, 1 MiB blocks"] = sum(
                len(_entropy.pack_bytes(data[at : at + (1 << 20)].tobytes()))
                for at in range(0, len(data), 1 << 20)
            )
        found[name] = ways
    return found


def interleaved(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            begin = time.perf_counter()
            contestants[name]()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(taken) for name, taken in times.items()}


EVERY = "name, flag, contig, start, mapq, cigar, next_contig, next_start, tlen, seq, qual, tags"
PLACE = "filename, file_row_number, block_row"


def rates(
    lake: Path, sample: str, reference: str, bam: Path, fasta: Path, work: Path, rounds: int
) -> dict[str, dict[str, float]]:
    """Seconds of full scans, of 20 regions of 1 kb and of 10 kb, and of single columns."""
    cram = work / "rates.cram"
    samtools("view", "-C", "--output-fmt-option", "version=3.1", "-T", str(fasta), "-o", str(cram), str(bam))
    plain = work / "rates.bam"
    shutil.copy(bam, plain)
    for path in (cram, plain):
        samtools("index", str(path))
    contig = pysam.FastaFile(str(fasta)).references[0]
    first, last = 10_000_000, 10_090_000
    places = random.Random(1).sample(range(first, last), 20)

    def ours(
        sql: str, parameters: Iterable[list[object]] = ([],), *, shown: bool = True
    ) -> Callable[[], None]:
        """As SQL on the views, or as `Catalog.records` on the stored table."""

        def run() -> None:
            with connect(lake, load_config(lake, os.environ), read_only=True) as catalog:
                read = catalog.query if shown else catalog.records
                for values in parameters:
                    read(f"{sql} AND sample_id = '{sample}'" if "WHERE" in sql else sql, values)

        return run

    def ours_at_once(regions: list[Region]) -> Callable[[], None]:
        """As `lake.alignments` has them."""

        def run() -> None:
            with connect(lake, load_config(lake, os.environ), read_only=True) as catalog:
                region_alignments(catalog, reference, sample, regions)

        return run

    def theirs(
        path: Path, read: Callable[[pysam.AlignedSegment], object], regions: Iterable[tuple[int, int]]
    ) -> Callable[[], None]:
        def run() -> None:
            with pysam.AlignmentFile(str(path), reference_filename=str(fasta)) as records:
                for start, end in regions:
                    for record in records.fetch(contig, start, end) if end else records.fetch(until_eof=True):
                        read(record)

        return run

    def command(path: Path, region: str = "") -> Callable[[], object]:
        arguments = ["samtools", "view", "-T", str(fasta), str(path), *([region] if region else [])]
        return lambda: subprocess.run(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
        )

    def all_fields(record: pysam.AlignedSegment) -> object:
        return record.to_string()

    def mapq(record: pysam.AlignedSegment) -> object:
        return record.mapping_quality

    whole = [(0, 0)]
    found = {
        "opening the lake": interleaved({"baselake": ours("SELECT 1")}, rounds),
        "all columns": interleaved(
            {
                "baselake": ours(f"SELECT {EVERY}, {PLACE} FROM stored_alignments WHERE true", shown=False),
                "baselake, SQL on the view": ours(f"SELECT {EVERY} FROM alignments WHERE true"),
                "pysam, BAM": theirs(plain, all_fields, whole),
                "pysam, CRAM 3.1": theirs(cram, all_fields, whole),
                "samtools view, BAM": command(plain),
                "samtools view, CRAM 3.1": command(cram),
            },
            rounds,
        ),
        "mapq": interleaved(
            {
                "baselake": ours("SELECT avg(mapq) FROM alignments WHERE true"),
                "pysam, BAM": theirs(plain, mapq, whole),
                "pysam, CRAM 3.1": theirs(cram, mapq, whole),
            },
            rounds,
        ),
        "qual": interleaved(
            {
                "baselake": ours(f"SELECT qual, {PLACE} FROM stored_alignments WHERE true", shown=False),
                "baselake, SQL on the view": ours("SELECT qual FROM alignments WHERE true"),
                "pysam, BAM": theirs(plain, lambda record: record.qual, whole),
                "pysam, CRAM 3.1": theirs(cram, lambda record: record.qual, whole),
            },
            rounds,
        ),
    }
    for size in (1_000, 10_000):
        where = f"WHERE reference = '{reference}' AND contig = ? AND start < ? AND \"end\" > ?"
        regions = [(place, place + size) for place in places]
        found[f"20 regions of {size // 1000} kb"] = interleaved(
            {
                "baselake": ours_at_once([Region(contig, start, end) for start, end in regions]),
                "baselake, SQL on the view": ours(
                    f"SELECT {EVERY} FROM alignments {where}",
                    [[contig, end, start] for start, end in regions],
                ),
                "pysam, BAM": theirs(plain, all_fields, regions),
                "pysam, CRAM 3.1": theirs(cram, all_fields, regions),
            },
            rounds,
        )
    return found


def prepared(data: Path, work: Path) -> list[tuple[str, Path, Path | None]]:
    """Name, BAM and FASTA (None: unaligned) of the data sets."""
    sets = []
    na, trio = data / "accuracy_NA12878_chr20", data / "trio_CEU_chr20_10kb"
    tiny, ont = data / "tiny_NA12878_chr22", data / "ont"
    for name, bam, fasta in (
        ("NA12878", na / "NA12878_S1.chr20.10_10p1mb.bam", na / "ucsc.hg19.chr20.unittest.fasta.gz"),
        ("HG001", trio / "HG001.chr20.10_10p1mb_sorted.bam", trio / "hs37d5.chr20.fa.gz"),
        ("NA12891", trio / "NA12891.chr20.10_10p1mb_sorted.bam", trio / "hs37d5.chr20.fa.gz"),
        ("chr22", tiny / "NA12878.chr22.tiny.bam", tiny / "q.fa"),
        (
            "ONT",
            ont / "HG002_R10_chr20_5050000_5075000.bam",
            ont / "grch38.chr20_5050000_5075000.masked.fa.gz",
        ),
    ):
        plain = work / fasta.name.removesuffix(".gz")
        if not plain.exists():
            raw = fasta.read_bytes()
            plain.write_bytes(gzip.decompress(raw) if fasta.suffix == ".gz" else raw)
            pysam.faidx(str(plain))
        sets.append((name, with_digests(bam, plain, work / f"{name}.bam"), plain))
    lane = data / "fastq_multilane_hiseq" / "TESTX"
    unaligned = work / "HiSeq lane.bam"
    pair = [str(lane / f"TESTX_H7YRLADXX_S1_L001_R{n}_001.fastq.gz") for n in (1, 2)]
    samtools("import", "-1", pair[0], "-2", pair[1], "-o", str(unaligned))
    return [*sets, ("HiSeq lane", unaligned, None)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/encodings"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    work = options.cache
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    lake = work / "lake"
    config = load_config(lake, os.environ)
    create(lake, config)
    sizes, columns, ways = [], [], []
    with connect(lake, config) as catalog:
        for name, bam, fasta in prepared(options.data, work):
            if fasta is not None:
                add_reference(catalog, fasta, name)
            for label in ("as they are", *BINS):
                sample = f"{name}, {label}"
                source = bam if label not in BINS else binned(bam, work / f"{sample}.bam", BINS[label])
                try:
                    ingest_bam(
                        catalog, [source], sample=sample, reference=name if fasta is not None else None
                    )
                except ConflictError:
                    continue  # its qualities were binned so from the start
                total = pysam.AlignmentFile(str(source), check_sq=False)
                bases = sum(record.query_length for record in total.fetch(until_eof=True))
                other = peers(source, fasta, work)
                groups = (
                    f"read_group_id IN (SELECT read_group_id FROM read_groups WHERE sample_id = '{sample}')"
                )
                for table, where in (
                    ("stored_alignments", f"sample_id = '{sample}'"),
                    ("stored_reads", groups),
                ):
                    size, by_column = stored(catalog, table, where)
                    if not size:
                        continue
                    sizes.append((name, label, table, bases, size, other))
                    columns.append((name, label, table, bases, by_column))
                if label != "8 bins" and name in ("NA12878", "ONT"):
                    rows = catalog.query(
                        "SELECT name, seq, qual, tags FROM alignments WHERE sample_id = ?", [sample]
                    )
                    ways.append((name, label, bases, candidates(rows, work)))
                print(sample, file=sys.stderr)
    print(
        "| data | qualities | table | baselake | FASTQ.gz | BAM | CRAM 3.0 | CRAM 3.1 | of CRAM 3.1 |\n"
        + "|---" * 9
        + "|"
    )
    for name, label, table, bases, size, other in sizes:
        figures = " | ".join(
            f"{other[form] / bases:.4f}" for form in ("FASTQ.gz", "BAM", "CRAM 3.0", "CRAM 3.1")
        )
        print(
            f"| {name} | {label} | {table} | {size / bases:.4f} | {figures} | {size / other['CRAM 3.1']:.2f} |"
        )
    print("\n| data | qualities | table | " + "bytes per base by column |\n" + "|---" * 4 + "|")
    for name, label, table, bases, by_column in columns:
        most = sorted(by_column.items(), key=lambda item: -item[1])[:9]
        print(f"| {name} | {label} | {table} | " + ", ".join(f"{c} {n / bases:.4f}" for c, n in most) + " |")
    print("\n| data | qualities | column | bytes per base |\n" + "|---" * 4 + "|")
    for name, label, bases, found in ways:
        for column, tried in found.items():
            print(
                f"| {name} | {label} | {column} | "
                + ", ".join(f"{w}: {n / bases:.4f}" for w, n in tried.items())
                + " |"
            )
    name, bam, fasta = prepared(options.data, work)[0]
    assert fasta is not None
    print("\n| read | " + "milliseconds, medians |\n|---|---|")
    for what, times in rates(lake, f"{name}, as they are", name, bam, fasta, work, options.rounds).items():
        print(f"| {what} | " + ", ".join(f"{who}: {1000 * taken:.0f}" for who, taken in times.items()) + " |")


if __name__ == "__main__":
    main()
