"""What a VCF or BCF says of alleles, as rows of `annotations`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Job
from baselake.catalog.references import Reference
from baselake.errors import InputError
from baselake.ingest.compressed import Digest
from baselake.ingest.vcf.header import Header
from baselake.ingest.vcf.source import Reading, open_vcf
from baselake.lake.contigs import spellings
from baselake.lake.parquet import TableWriter
from baselake.lake.schema import ANNOTATIONS
from baselake.progress import QUIET, Progress

# Of the memory a command may use: what one part of a file may take.
_PART_SHARE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Alleles:
    """What was written of a file.

    Attributes:
        rows: of `annotations`.
        digest: of the file.
        format: `vcf` or `bcf`.
    """

    rows: int
    digest: Digest
    format: str


def write_alleles(
    catalog: Catalog,
    job: Job,
    path: Path,
    assembly: Reference,
    source: str,
    columns: Sequence[str] | None,
    progress: Progress = QUIET,
) -> Alleles:
    """Write what a file says of alleles, in their normal form; nothing of it is visible yet.

    Args:
        catalog: the lake.
        job: that writes.
        path: VCF or BCF.
        assembly: whose contigs may be named with chr or without; records of others are left out.
        source: what the source is called.
        columns: keys of INFO; None: all.
        progress: where progress is shown.

    Raises:
        InputError: the file is not what it says; the message names the line; or it has no such key.
    """
    file = open_vcf(path)
    _require_columns(file.header, columns, path)
    names = spellings(assembly.lengths)
    reading = Reading(file, assembly, catalog.config.memory_bytes // _PART_SHARE, names)
    rows = 0
    with (
        progress.task(f"read {path.name}", total=None, unit="records") as task,
        _Splitter(catalog, file.header, columns) as splitter,
        AlleleWriter(job, assembly.name, source) as writer,
    ):
        for part in reading.parts():
            contig = names[part["contig"]]
            records = pa.Table.from_batches([pa.record_batch(part["records"])])
            rows += writer.write(contig, splitter.rows(records, part["contig"], contig))
            task.advance(records.num_rows)
    if reading.skipped:
        progress.note(
            f"{path.name}: {reading.skipped:,} records are on contigs that {assembly.name} has not, and are left out"
        )
    assert reading.digest is not None  # it has been read to its end
    return Alleles(rows=rows, digest=reading.digest, format=file.form)


def _require_columns(header: Header, columns: Sequence[str] | None, path: Path) -> None:
    for name in columns or ():
        if name not in header.info:
            raise InputError(
                f"its header has no INFO key {name}",
                str(path),
                f"Choose of {', '.join(list(header.info)[:12])}" if header.info else "Leave --columns out",
            )


class _Splitter:
    """Splits records into alleles, in a database of its own; use as a context manager."""

    def __init__(self, catalog: Catalog, header: Header, columns: Sequence[str] | None) -> None:
        self._sql = catalog.statement("annotated_alleles")
        self._flags = [name for name, key in header.info.items() if key.type == "Flag"]
        self._memory = duckdb.connect(config={"threads": catalog.config.threads})
        numbers = {name: key.number for name, key in header.info.items()}
        of_alternates = _listed(name for name, number in numbers.items() if number == -1)
        of_alleles = _listed(name for name, number in numbers.items() if number == -2)
        chosen = "true" if columns is None else f"list_contains({_listed(columns)}, key)"
        self._memory.execute(f"CREATE MACRO wanted(key) AS {chosen}")
        self._memory.execute(
            "CREATE MACRO of_allele(keys, place, alternates) AS map_from_entries(list_transform(list_filter("
            "map_entries(keys), lambda e: wanted(e.key)), lambda e: {'k': e.key, 'v': CASE"
            f" WHEN list_contains({of_alternates}, e.key) AND len(e.value) = alternates"
            " THEN list_slice(e.value, place, place)"
            f" WHEN list_contains({of_alleles}, e.key) AND len(e.value) = alternates + 1"
            " THEN [e.value[1], e.value[place + 1]] ELSE e.value END}))"
        )

    def rows(self, records: pa.Table, named: str, contig: str) -> pa.Table:
        """The columns of `annotations` that records tell, by start."""
        self._memory.register("records", records)
        rows = self._memory.execute(
            self._sql, {"named": named, "contig": contig, "flags": self._flags}
        ).to_arrow_table()
        self._memory.unregister("records")
        return rows

    def __enter__(self) -> "_Splitter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._memory.close()


def _listed(names: Iterator[str] | Sequence[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"CAST([{quoted}] AS VARCHAR[])"


class AlleleWriter:
    """Writes rows of `annotations`, contig by contig; use as a context manager."""

    def __init__(self, job: Job, reference: str, source: str) -> None:
        self._job = job
        self._constants = {"reference": reference, "source": source, "release_id": job.id}
        self._contig: str | None = None
        self._out: TableWriter | None = None
        self._last = -1

    def write(self, contig: str, rows: pa.Table) -> int:
        """Append rows of a contig, by start; their number."""
        if not rows.num_rows:
            return 0
        starts = rows["start"].to_numpy()
        if self._out is not None and (contig != self._contig or starts[0] < self._last):
            # Normalised alleles of this part may lie before those of the last: a file's rows are sorted.
            self._out.close()
            self._out = None
        constants = self._constants | {"contig": contig}
        if self._out is None:
            partition = {key: constants[key] for key in ANNOTATIONS.partition_by}
            self._out = self._job.writer(ANNOTATIONS.name, partition)
        self._contig, self._last = contig, int(starts[-1])
        columns = [
            pa.repeat(constants[field.name], rows.num_rows).dictionary_encode()
            if field.name in constants
            else rows[field.name].cast(field.type)
            for field in ANNOTATIONS.schema
        ]
        self._out.write(pa.Table.from_arrays(columns, ANNOTATIONS.schema.names))
        return rows.num_rows

    def __enter__(self) -> "AlleleWriter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._out is None:
            return
        if kind is None:
            self._out.close()
        else:
            self._out.abandon()
