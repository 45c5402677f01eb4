"""A sample's alignments as BAM, CRAM or SAM, sorted by coordinate and indexed."""

import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from baselake.catalog.catalog import Catalog
from baselake.catalog.export._bam import Encoder
from baselake.catalog.export.bgzf import BGZF_EOF, BgzfWriter, compress
from baselake.catalog.export.files import replacing
from baselake.catalog.export.sam_header import contigs_of, imported_header, made_header, on_reference
from baselake.catalog.references import Reference
from baselake.errors import NotFoundError, StorageError
from baselake.lake.region import Region
from baselake.lake.sam_header import HeaderLine
from baselake.progress import QUIET, Progress

Format = Literal["bam", "cram", "sam"]

# Records sorted at a time: some 100 MB of short reads.
_WINDOW_RECORDS = 200_000
_STRETCH_SHIFT = 16  # of alignment_windows.sql
_WITHOUT_POSITION = -1
# A .bai index reaches 2^29 bases (SAMv1, section 5.2); longer contigs need .csi.
_BAI_LIMIT = 1 << 29
_SAMTOOLS = """
import sys, pysam
pysam.set_verbosity(3)
try:
    pysam.samtools.view(*sys.argv[1:], catch_stdout=False)
except pysam.SamtoolsError as error:
    sys.exit(str(error))
"""


def export_bam(
    catalog: Catalog,
    sample: str,
    reference: Reference,
    path: Path,
    *,
    region: Region | None = None,
    form: Format = "bam",
    progress: Progress = QUIET,
) -> int:
    """Write a sample's alignments; the number of records.

    Alignments that were imported come out as they were, with their header; its @HD line says that they are sorted,
    and of a file of several samples only this one's @RG lines are there. Records of equal position stand in the
    order in which they came. CRAM says the M5 of the registered assembly, and has its own order of tags.

    Args:
        catalog: the lake.
        sample: whose alignments.
        reference: the assembly they are on.
        path: the file, which appears when it is whole, with its index beside it (none for SAM).
        region: only records that overlap it.
        form: the format.
        progress: counts records.

    Raises:
        NotFoundError: the sample has no alignments on the assembly.
        StorageError: the disk is full or fails.
    """
    import pysam

    windows = _windows(catalog, sample, reference, region)
    if not windows and not _windows(catalog, sample, reference, None):
        raise NotFoundError(
            f"sample {sample} has no alignments on reference {reference.name}",
            "",
            f"Run: baselake align {sample} --reference {reference.name}",
        )
    header = imported_header(catalog, sample, reference)
    read_groups: dict[str, str] = {}
    if header is None:
        header, read_groups = made_header(catalog, sample, reference)
    if form == "cram":
        header = on_reference(header, reference)
    contigs = contigs_of(header)
    order = {name: number for number, (name, _) in enumerate(contigs)}
    windows.sort(key=lambda window: (order.get(window.contig or "", len(order)), window.first))
    encoder = Encoder(contigs=list(order), read_groups=read_groups)
    long = any(length > _BAI_LIMIT for _, length in contigs)
    count = 0
    with (
        replacing(path, ".bai", ".csi", ".crai") as temporary,
        progress.task(
            f"export {path.name}", total=sum(window.records for window in windows), unit="records"
        ) as task,
    ):
        with _writer(temporary, form, reference, catalog.config.threads) as write:
            write(_header_bytes(header, contigs))
            for window in windows:
                params = {
                    "reference": reference.name,
                    "sample": sample,
                    "contig": window.contig,
                    "first": window.first,
                    "last": window.last,
                    "region_start": region.start if region else None,
                    "region_end": region.end if region else None,
                }
                for batch in catalog.stream_records(catalog.statement("alignment_window"), params):
                    write(encoder.encode(batch))
                    count += batch.num_rows
                    task.advance(batch.num_rows)
        if form != "sam":
            pysam.samtools.index(*(["-c"] if long and form == "bam" else []), str(temporary))
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Alignments of `contig` (None: without one) that begin in [first, last); -1 stands for no position."""

    contig: str | None
    first: int
    last: int
    records: int


def _windows(catalog: Catalog, sample: str, reference: Reference, region: Region | None) -> list[_Window]:
    """Windows that hold some `_WINDOW_RECORDS` records each, so that each can be sorted in memory."""
    params = {
        "reference": reference.name,
        "sample": sample,
        "contig": region.contig if region else None,
        "start": region.start if region else None,
        "end": region.end if region else None,
    }
    windows: list[_Window] = []
    for row in catalog.query(catalog.statement("alignment_windows"), params).to_pylist():
        first = max(row["stretch"] << _STRETCH_SHIFT, _WITHOUT_POSITION)
        last = row["stretch"] + 1 << _STRETCH_SHIFT
        window = _Window(contig=row["contig"], first=first, last=last, records=row["records"])
        before = windows[-1] if windows else None
        if before and before.contig == window.contig and before.records + window.records <= _WINDOW_RECORDS:
            windows[-1] = replace(before, last=last, records=before.records + window.records)
        else:
            windows.append(window)
    return windows


def _header_bytes(header: Sequence[HeaderLine], contigs: Sequence[tuple[str, int]]) -> bytes:
    text = "".join(f"{line.text}\n" for line in header).encode()
    parts = [b"BAM\1", struct.pack("<i", len(text)), text, struct.pack("<i", len(contigs))]
    for name, length in contigs:
        parts.append(struct.pack("<i", len(name) + 1) + name.encode() + b"\0" + struct.pack("<i", length))
    return b"".join(parts)


@contextmanager
def _writer(
    path: Path, form: Format, reference: Reference, threads: int
) -> Iterator[Callable[[bytes], object]]:
    """Takes an uncompressed BAM stream and writes it as `form`; CRAM and SAM through pysam's samtools."""
    if form == "bam":
        with BgzfWriter(path, threads) as bgzf:
            yield bgzf.write
        return
    # A child process, because htslib reports errors on its standard error only. Nothing is looked up on the network.
    arguments = ["-h", "--no-PG", "-o", str(path)]
    if form == "cram":
        arguments += ["-C", "-T", str(reference.fasta)]
    environment = {**os.environ, "REF_PATH": os.devnull, "REF_CACHE": ""}
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(
            [sys.executable, "-c", _SAMTOOLS, *arguments, "-"],
            stdin=subprocess.PIPE,
            stderr=complaints,
            env=environment,
        )
        assert child.stdin is not None
        try:
            yield lambda content: child.stdin.write(compress(content))  # type: ignore[union-attr]
            child.stdin.write(BGZF_EOF)
            child.stdin.close()
        except BrokenPipeError:
            child.wait()
        except BaseException:
            child.kill()
            raise
        finally:
            child.wait()
        if child.returncode:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").splitlines()
            errors = [line.partition("] ")[2] for line in lines if line.startswith("[E::")]
            raise StorageError(
                f"samtools could not write it: {(errors or lines or ['it gave no reason'])[0]}",
                str(path),
                "Free space or mend the store, then run the same command again",
            )
