"""One unit of work: files written outside, then everything made visible in one transaction.

A job journals the path of every file before it makes it, and holds a lock on the journal while it lives. What a
dead job left behind is therefore known exactly, and the next writer removes it (`leftovers.py`).
"""

import os
import shutil
import threading
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa

from baselake.catalog.audit import entry_of, record_audit, without_samples
from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Parameters
from baselake.catalog.connection import RELEASE, away, duckdb_path, first_line, quoted
from baselake.catalog.cursors import Cursors, abandon
from baselake.catalog.files import record_files
from baselake.catalog.leftovers import remove_files, remove_inserts
from baselake.catalog.locks import new_locked
from baselake.catalog.objects import object_places
from baselake.config import Config, acting_user
from baselake.errors import LakeError
from baselake.lake.coded import CodedWriter
from baselake.lake.columns.codecs import NO_CONTIG, ContigBases
from baselake.lake.fasta import Fasta
from baselake.lake.keyring import Keyring, key_name, new_key, required_keyring
from baselake.lake.objects import copy_file
from baselake.lake.parquet import DataFile, TableWriter, storage_error, sync_folder
from baselake.lake.partition import LakeLayout
from baselake.lake.schema import ALIGNMENTS, TABLES, stored_name
from baselake.lake.spec import TableSpec
from baselake.lake.spills import SpillCipher

BEGUN = "%Y%m%dT%H%M%S"  # how jobs' identifiers begin, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """A file that a job copied into the lake.

    Attributes:
        path: relative to the lake.
        bytes: its size.
        sha256: of its bytes, hexadecimal.
    """

    path: str
    bytes: int
    sha256: str


class Transaction:
    """What a job may do while it holds the commit lock. Everything or nothing of it becomes visible.

    Arrow tables are handed to DuckDB as C streams: given the table itself, it imports pyarrow.dataset, a tenth of a
    second.
    """

    def __init__(self, job: "Job", cursor: duckdb.DuckDBPyConnection) -> None:
        self._job = job
        self._cursor = cursor

    def query(self, sql: str, params: Parameters = ()) -> pa.Table:
        """Rows as the transaction sees them; parameters by place (`?`) or by name (`$name`)."""
        return self._cursor.execute(sql, params).to_arrow_table()

    def execute(self, sql: str, params: Sequence[object] = ()) -> None:
        """Run a statement, such as a DELETE of rows that are being replaced."""
        self._cursor.execute(sql, list(params))

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Rows as the transaction sees them, a batch at a time: to be read before anything else is asked."""
        return self._cursor.execute(sql).to_arrow_reader(65_536)

    def temporary(self, name: str, rows: pa.Table) -> None:
        """A table of rows for queries of the transaction, in the place of one of the same name."""
        self._cursor.register("given", rows.__arrow_c_stream__())
        self._cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM given")
        self._cursor.unregister("given")

    def register_files(self) -> None:
        """Let the transaction see the rows of the job's finished files; others of its files are registered later."""
        self._job.register(self._cursor)

    def insert(self, table: str, rows: pa.Table) -> None:
        """Add rows, columns by name; columns that are not given are NULL, and none is coded."""
        if rows.num_rows:
            table = stored_name(table)
            self._cursor.register("rows_to_insert", rows.__arrow_c_stream__())
            self._cursor.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM rows_to_insert')
            self._cursor.unregister("rows_to_insert")

    def add_new(self, table: str, rows: pa.Table, key: Sequence[str]) -> int:
        """Add the rows of a bulk table whose key is not there yet; the number added.

        Nobody else commits meanwhile, so two samples that bring the same new allele leave one row.
        """
        spec = TABLES[table]
        self._cursor.register("rows_to_add", rows.__arrow_c_stream__())
        # Bounds on the sort column let DuckLake skip the files of other regions.
        (sorted_by,) = spec.sort_by
        where = " AND ".join(f"o.{column} IS NOT DISTINCT FROM n.{column}" for column in key)
        new = self.query(
            f"SELECT * FROM rows_to_add AS n WHERE NOT EXISTS (SELECT 1 FROM {table} AS o WHERE {where}"
            f" AND o.{sorted_by} = n.{sorted_by})"
            f" ORDER BY {', '.join((*spec.partition_by, *spec.sort_by, *key))}"
        )
        self._cursor.unregister("rows_to_add")
        for part in _partitions(new, spec.partition_by):
            with self._job.writer(
                table, {column: part[column][0].as_py() for column in spec.partition_by}
            ) as out:
                out.write(part)
        return new.num_rows


class Job:
    """One unit of work under way; made by `Catalog.job`.

    Attributes:
        id: unique in the lake, sorts by time.
        inputs: what lineage records as read; append to it.
        bytes_near: bytes read from this node; add to it.
        bytes_far: bytes read from elsewhere; add to it.
        device: what computed it, as lineage records it: cpu, or the names of GPUs.
    """

    def __init__(
        self,
        layout: LakeLayout,
        cursors: Cursors,
        connection: duckdb.DuckDBPyConnection,
        config: Config,
        operation: str,
        parameters: Mapping[str, object],
    ) -> None:
        self.started = datetime.now(UTC)
        self.id = f"{self.started:{BEGUN}}-{uuid.uuid4().hex[:12]}"
        self.inputs: list[str] = []
        self.bytes_near = 0
        self.bytes_far = 0
        self.device = "cpu"
        self._layout = layout
        self._cursors = cursors
        self._connection = connection
        self._config = config
        self._operation = operation
        self._parameters = {key: str(value) for key, value in parameters.items() if value is not None}
        # What was not binned when it came stays so: only an import may lose anything.
        self._quality_bins = config.quality_bins if operation == "ingest" else 0
        if self._quality_bins:
            self._parameters["quality_bins"] = str(self._quality_bins)
        self._files: dict[int, DataFile] = {}
        self._registered: set[int] = set()  # of these, in the transaction
        self._objects: list[StoredObject] = []
        self._numbers = 0
        self._samples: set[str] = set()  # whose files it writes
        self._fastas: dict[str, tuple[str, Fasta] | None] = {}  # digest and FASTA of an assembly, by its name
        self._lock = threading.Lock()
        self._committed = False
        self._settled = True  # nothing is left to do for a transaction: the journal may go
        # A record is begun when it is committed, and nothing is erased between.
        self._erasures = _erasures(connection) if operation else None
        try:
            layout.jobs.mkdir(parents=True, exist_ok=True)
            self._journal = new_locked(layout.job_journal(self.id))
        except OSError as error:
            raise storage_error(error, layout.job_journal(self.id)) from error

    @property
    def scratch(self) -> Path:
        """A private folder for spilled data, removed with the job.

        Raises:
            StorageError: the disk is full or fails.
        """
        folder = self._layout.job_scratch(self.id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, folder) from error
        return folder

    def writer(self, table: str, partition: Mapping[str, str | int | None]) -> TableWriter:
        """A writer of one new file in a partition of a bulk table; safe to call from several threads.

        Raises:
            StorageError: the disk is full or fails.
        """
        return self.writer_of(TABLES[table], partition)

    def of_samples(self, samples: Iterable[str]) -> None:
        """Tell whose rows the job writes, where the paths of its files do not: an erasure of one of them looks here.

        Raises:
            StorageError: the disk is full or fails.
        """
        with self._lock:
            new = sorted(set(samples) - self._samples)
            self._samples.update(new)
            if new:
                # As files that are never made, in one go: a line each would wait for the disk each.
                self._note(
                    *(self._layout.job_scratch(self.id) / f"sample_id={quote(name, safe='')}" for name in new)
                )

    def writer_of(self, spec: TableSpec, partition: Mapping[str, str | int | None]) -> TableWriter:
        """Likewise for any table, written as the specification says."""
        number, path = self._data_file(spec, partition)
        return TableWriter(
            spec,
            path,
            partial(self._add_file, number),
            self.contig_bases(spec.name, partition),
            self._quality_bins,
        )

    def coded_writer_of(self, spec: TableSpec, partition: Mapping[str, str | int | None]) -> CodedWriter:
        """Likewise for rows that are coded."""
        number, path = self._data_file(spec, partition)
        return CodedWriter(spec, path, partial(self._add_file, number))

    def _data_file(self, spec: TableSpec, partition: Mapping[str, str | int | None]) -> tuple[int, Path]:
        """The number and the journaled path of a new file."""
        with self._lock:
            self._numbers += 1
            path = self._layout.data_file(spec, partition, self.id, self._numbers)
            if partition.get("sample_id") is not None:
                self._samples.add(str(partition["sample_id"]))
            self._begin_file(path)
            return self._numbers, path

    def contig_bases(self, table: str, partition: Mapping[str, str | int | None]) -> ContigBases:
        """What rows of a partition are stored against: alignments against their contig, where that is known."""
        if table != ALIGNMENTS.name:
            return NO_CONTIG
        name, contig = str(partition["reference"]), str(partition["contig"])
        with self._lock:
            if name not in self._fastas:
                cursor = self._connection.cursor()
                row = cursor.execute(
                    'SELECT digest FROM lake."references" WHERE reference = ?', [name]
                ).fetchone()
                cursor.close()
                self._fastas[name] = (row[0], Fasta(self._layout.reference_fasta(row[0]))) if row else None
        known = self._fastas[name]
        if partition["contig"] is None or known is None or contig not in known[1]:
            return NO_CONTIG
        digest, fasta = known
        return ContigBases(digest=digest, contig=contig, bases=fasta.bases(contig))

    def finished(self, table: str) -> list[Path]:
        """Its files of a table that are finished."""
        with self._lock:
            files = [self._files[number] for number in sorted(self._files)]
        return [file.path for file in files if file.table == stored_name(table)]

    @property
    def bytes_written(self) -> int:
        """Of the files of rows that are finished."""
        with self._lock:
            return sum(file.bytes for file in self._files.values())

    def replacement(self, folder: str, location: str, ending: str) -> Path:
        """The journaled path of a new file that is to take another's place.

        Args:
            folder: of its table, relative to the hot tier.
            location: of the old one.
            ending: of the new one's name.
        """
        with self._lock:
            self._numbers += 1
            name = f"{self.id}-{self._numbers:04d}{ending}"
            path = self._layout.rewritten_file(folder, location, name)
            self._begin_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def object(self, source: Path, run_id: str, name: str) -> StoredObject:
        """Copy a file into the lake as it is; a row of `objects` has to go into the same commit.

        Args:
            source: the file.
            run_id: the run it belongs to.
            name: its path in the run's folder.

        Raises:
            InputError: the file changed while it was read.
            StorageError: it cannot be read, or the disk is full or fails.
        """
        with self._lock:
            self._numbers += 1
            part = self._layout.object_part(run_id, self.id, self._numbers)
            self._note(part)
        key = new_key() if self._config.encrypted else None
        size, sha256 = copy_file(source, part, key)
        path = self._layout.object_file(run_id, name, sha256)
        relative = str(path.relative_to(self._layout.root))
        try:
            if path.is_file() or object_places(self._connection, relative):
                # Some snapshot has this content under this name already, here or on another tier: not ours to remove.
                part.unlink()
            else:
                with self._lock:
                    self._note(path)
                if key is not None:
                    self._keyring.put(key_name(str(path)), key)
                part.rename(path)
                sync_folder(path.parent)
        except OSError as error:
            raise storage_error(error, path) from error
        stored = StoredObject(path=relative, bytes=size, sha256=sha256)
        with self._lock:
            self._objects.append(stored)
        return stored

    @cached_property
    def cipher(self) -> SpillCipher | None:
        """What hides the job's spilled data in an encrypted lake; None: the lake is not."""
        return SpillCipher() if self._config.encrypted else None

    @contextmanager
    def commit(self) -> Iterator[Transaction]:
        """The one transaction in which the job's files, rows and lineage become visible.

        A block that raises leaves the lake as it was.

        Raises:
            LakeError: the catalog refused the transaction, or another writer held the lock too long.
            StorageError: the disk is full or fails.
        """
        lock = backend_of(self._layout, self._config).commit_lock(self._config.commit_timeout_seconds)
        with lock as check_held:
            told = self._audit_entry()  # before BEGIN: it may need a row of another table
            self._settled = False
            try:
                with self._cursors.one() as cursor:  # one whose block raises rolls back
                    cursor.execute("BEGIN")
                    if told:
                        # By this `baselake snapshots` tells which job made which snapshot, too.
                        author, operation, extra = map(
                            quoted, (acting_user(os.environ), self._operation, told)
                        )
                        cursor.execute(
                            f"CALL ducklake_set_commit_message('lake', {author}, {operation}, extra_info => {extra})"
                        )
                    yield Transaction(self, cursor)
                    self._refuse_erased(cursor)
                    self.register(cursor)
                    self._tell(cursor)
                    check_held()
                    cursor.execute("COMMIT")
                    self._committed = True
            except duckdb.Error as error:
                where = str(self._layout.root)
                raise away(error, where) or LakeError(
                    f"the catalog refused the {self._operation or 'change'} ({first_line(error)})",
                    where,
                    "Nothing was changed; run the same command again",
                ) from error
            finally:
                if not self._committed:
                    # A disk that is full, or a database that is away, may refuse even this. Then the journal stays, and
                    # the next writer does it; what is told is why the commit failed.
                    with suppress(duckdb.Error, OSError):
                        remove_inserts(self._layout, self._connection)
                        self._settled = True
            self._record()

    def _record(self) -> None:
        checksums = {file.path.name: file.checksum for file in self._files.values()}
        cursor = (
            self._connection.cursor()
        )  # without the lake in use, so that DuckLake is not asked for anything
        try:
            # In one transaction: each one opens SQLite's file and reads its schema.
            cursor.execute("BEGIN")
            record_files(cursor, self._layout, checksums)
            record_audit(cursor)
            cursor.execute("COMMIT")
            self._settled = True
        except (duckdb.Error, OSError) as error:
            # What was committed stands. The journal stays too, by which the next writer knows to do this.
            warnings.warn(f"checksums are left to the next writer: {error}", stacklevel=2)
        finally:
            abandon(cursor)

    def _audit_entry(self) -> str:
        """What the audit says of the job; empty for a record that is no job."""
        if not self._operation:
            return ""
        samples = [value for key, value in self._parameters.items() if key == "sample"]
        parameters = without_samples(self._connection, self._parameters, samples)
        now = int(datetime.now(UTC).timestamp())
        return entry_of(acting_user(os.environ), self._operation, parameters, now, self.id)

    def _refuse_erased(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """What an erasure took away while the job was under way must not come back with it."""
        if not self._samples or self._erasures in (None, _erasures(cursor)):
            return
        rows = cursor.execute("SELECT sample_id FROM lake.samples").fetchall()
        if gone := self._samples - {name for (name,) in rows}:
            raise LakeError(
                f"{len(gone)} of the job's samples went out of the lake while it was under way",
                self.id,
                "Nothing was changed; leave them out",
            )

    def _begin_file(self, path: Path) -> None:
        """Journal a data file, and give it a key where the lake is encrypted."""
        self._note(path)
        if self._config.encrypted:
            self._keyring.make(key_name(str(path)))

    @cached_property
    def _keyring(self) -> Keyring:
        return required_keyring(self._config.encrypted, str(self._layout.root))

    def _note(self, *paths: Path) -> None:
        """Journal paths before there are files."""
        try:
            self._journal.writelines(f"{path.relative_to(self._layout.root)}\n" for path in paths)
            self._journal.flush()
            os.fsync(self._journal.fileno())
        except OSError as error:
            raise storage_error(error, paths[0]) from error

    def _add_file(self, number: int, file: DataFile) -> None:
        with self._lock:
            self._files[number] = file

    def register(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Add the files that are finished, and were not added before, to their tables; for transactions."""
        # Rows are numbered as files are registered: in the order in which those were begun, not finished.
        files = [self._files[number] for number in sorted(self._files.keys() - self._registered)]
        self._registered.update(self._files)
        for table in dict.fromkeys(file.table for file in files):
            paths = ", ".join(
                quoted(duckdb_path(str(file.path), self._config)) for file in files if file.table == table
            )
            cursor.execute(
                f"CALL ducklake_add_data_files('lake', {quoted(table)}, [{paths}], hive_partitioning => true,"
                " allow_missing => true)"
            )

    def _tell(self, cursor: duckdb.DuckDBPyConnection) -> None:
        if not self._operation:
            return
        files = [self._files[number] for number in sorted(self._files)]
        root = self._layout.root
        cursor.execute(
            "INSERT INTO lineage VALUES (?, ?, 'baselake', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                self.id,
                self._operation,
                RELEASE,
                self.inputs,
                [
                    *(str(file.path.relative_to(root)) for file in files),
                    *(stored.path for stored in self._objects),
                ],
                self._parameters,
                self.device,
                self._config.node,
                self.started,
                datetime.now(UTC),
                self.bytes_near,
                self.bytes_far,
            ],
        )

    def end(self) -> None:
        """Remove what the job leaves: its spilled data always, its files unless they were committed.

        Where the catalog cannot be asked which these are, the journal stays, and the next writer does it.
        """
        try:
            if not self._committed:
                try:
                    remove_files(self._layout, self._connection, self.id)
                except duckdb.Error as error:
                    self._settled = False
                    said = first_line(error)
                    warnings.warn(f"files of job {self.id} are left to the next writer: {said}", stacklevel=2)
            shutil.rmtree(self._layout.job_scratch(self.id), ignore_errors=True)
            if self._settled:
                self._layout.job_journal(self.id).unlink(missing_ok=True)
        finally:
            with suppress(OSError):  # what a full disk did not take is tried again, and was told
                self._journal.close()


def _erasures(connection: duckdb.DuckDBPyConnection) -> int:
    """How many erasures the lake has seen."""
    cursor = connection.cursor()
    ((count,),) = cursor.execute("SELECT count(*) FROM __ducklake_metadata_lake.baselake_erasures").fetchall()
    cursor.close()
    return int(count)


def _partitions(rows: pa.Table, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Slices of equal values in `columns` of a table sorted by them."""
    start = 0
    keys = list(zip(*(rows[column].to_pylist() for column in columns), strict=True)) if rows.num_rows else []
    for end in range(1, len(keys) + 1):
        if end == len(keys) or keys[end] != keys[start]:
            yield rows.slice(start, end - start)
            start = end
