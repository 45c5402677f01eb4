"""Writing one Parquet file of a table, durable before anyone hears of it."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from baselake.errors import StorageError
from baselake.lake.checksum import SummedFile
from baselake.lake.columns.blocks import encode_rows
from baselake.lake.columns.codecs import NO_CONTIG, ContigBases
from baselake.lake.keyring import destroy_keys, key_name, keyring
from baselake.lake.qualities import bin_qualities
from baselake.lake.spec import TableSpec

if TYPE_CHECKING:
    from baselake.lake.encryption import EncryptedOutput

# Of 1 M pairs of 101 bp, level 1 makes 139.5 MB and level 3 138.4 MB for a seventh more processor time of the whole
# import: hot data is written fast, and what moves to a colder tier can be packed harder there.
ZSTD_LEVEL = 1
# Rows of long reads are a thousand times those of short ones; a row group of them is cut at this size in memory.
ROW_GROUP_BYTES = 128 << 20
_FOLDER_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A finished Parquet file: its table, absolute path, rows, bytes and their checksum (`lake/checksum.py`)."""

    table: str
    path: Path
    rows: int
    bytes: int
    checksum: str


class TableWriter:
    """Writes batches to one file with the table's encodings and row groups.

    Use as a context manager, or call `close`. Columns may come plain or dictionary-encoded, but each as in the
    first batch. A writer that got no rows leaves no file.

    Args:
        spec: the table; where it is stored in blocks, rows are coded as they are written.
        path: the file, which must not be there.
        finished: told of the file when it is durable.
        contig: what alignments are stored against.
        quality_bins: into how many bins (`lake/qualities.py`) the column `qual` is put; 0: it stays as it is.

    Attributes:
        quality_bins: as given; 0 for a table without base qualities.
    """

    def __init__(
        self,
        spec: TableSpec,
        path: Path,
        finished: Callable[[DataFile], None] | None = None,
        contig: ContigBases = NO_CONTIG,
        quality_bins: int = 0,
    ) -> None:
        self._spec = spec
        self._contig = contig
        # QUAL of a VCF is another thing of the same name.
        of_reads = "qual" in spec.schema.names and spec.schema.field("qual").type == pa.string()
        self.quality_bins = quality_bins if of_reads else 0
        self._path = path
        self._finished = finished
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._metadata: list[pq.FileMetaData] = []
        self._writer: pq.ParquetWriter | None = None
        try:
            self._file = SummedFile(new_file(path))
        except OSError as error:
            raise storage_error(error, path) from error

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append rows; columns are taken by name and must be those of the table's schema.

        Raises:
            StorageError: the disk is full or fails.
            ValueError: a column is missing or of another type.
        """
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        table = _with_required(table.select(self._spec.schema.names), self._spec)
        for field, wanted in zip(table.schema, self._spec.schema, strict=True):
            plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if plain != wanted.type:
                raise ValueError(f"{self._spec.name}.{field.name} is {wanted.type}, not {field.type}")
        if self.quality_bins:
            place = table.schema.get_field_index("qual")
            table = table.set_column(place, "qual", bin_qualities(table["qual"], self.quality_bins))
        self._pending.append(table)
        self._pending_rows += table.num_rows
        self._pending_bytes += table.nbytes
        if self._pending_rows >= self._spec.row_group_rows:
            self._flush(everything=False)
        elif self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush(everything=True)

    @property
    def pending_bytes(self) -> int:
        """What is held until a row group is full, bytes."""
        return self._pending_bytes

    @property
    def written_bytes(self) -> int:
        """What the file has so far, without what is pending."""
        return self._file.tell()

    def cut(self) -> None:
        """Write what is pending as a row group of its own: where many files are written side by side, or rows that
        belong together end.

        Raises:
            StorageError: the disk is full or fails.
        """
        self._flush(everything=True)

    def write_coded(self, rows: pa.Table) -> None:
        """Append rows whose large columns are coded already (`blocks.with_blocks`), as a row group of their own.

        Their qualities are in the bins that this writer puts others into.

        Raises:
            StorageError: the disk is full or fails.
            ValueError: a column is not one of the stored table, or of another type.
        """
        for field in rows.schema:
            plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if pa.field(field.name, plain) not in list(self._stored.schema):
                raise ValueError(f"{self._stored.name} has no column {field.name} of {plain}")
        self._flush(everything=True)
        try:
            self._write_group(rows)
        except OSError as error:
            raise storage_error(error, self._path) from error

    def close(self) -> DataFile | None:
        """Write what is pending, make the file durable and tell the job; None where there were no rows.

        Raises:
            StorageError: the disk is full or fails.
        """
        self._flush(everything=True)
        rows = 0
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                raise storage_error(error, self._path) from error
            (metadata,) = self._metadata
            rows = metadata.num_rows
        return finish_file(self._stored.name, self._path, self._file, rows, self._finished)

    def abandon(self) -> None:
        """Let go of the file; the job that owns it removes it."""
        self._pending.clear()
        if self._writer is not None:
            # What it still writes is of no use, but left open its destructor would complain of the closed file.
            with suppress(OSError):
                self._writer.close()
        self._file.close()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _flush(self, *, everything: bool) -> None:
        if not self._pending_rows:
            return
        table = pa.concat_tables(self._pending)
        size = self._spec.row_group_rows
        whole = table.num_rows if everything else table.num_rows - table.num_rows % size
        try:
            for first in range(0, whole, size):
                rows = table.slice(first, min(size, whole - first))
                self._write_group(encode_rows(rows, self._contig) if self._spec.stored is not None else rows)
        except OSError as error:
            raise storage_error(error, self._path) from error
        rest = table.slice(whole)
        self._pending = [rest] if rest.num_rows else []
        self._pending_rows = rest.num_rows
        self._pending_bytes = rest.nbytes

    @property
    def _stored(self) -> TableSpec:
        return self._spec.stored or self._spec

    def _write_group(self, group: pa.Table) -> None:
        if self._writer is None:
            self._writer = self._open(group.schema)
        self._writer.write_table(group, row_group_size=max(group.num_rows, 1))

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        spec = self._stored
        return pq.ParquetWriter(
            encrypted_if_keyed(self._file, self._path),
            schema,
            **encodings_of(spec, schema.names),
            sorting_columns=[pq.SortingColumn(schema.get_field_index(column)) for column in spec.sort_by],
            store_schema=False,  # the Arrow schema would say how a column was buffered, which is nobody's business
            metadata_collector=self._metadata,
        )


def _with_required(table: pa.Table, spec: TableSpec) -> pa.Table:
    if not spec.required:
        return table
    fields = [field.with_nullable(field.name not in spec.required) for field in table.schema]
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields))


def encrypted_if_keyed(file: SummedFile, path: Path) -> "SummedFile | EncryptedOutput":
    """A new file as its bytes are written to: encrypted where it was given a key.

    Raises:
        StorageError: the keyring cannot be read.
    """
    ring = keyring()
    key = ring.key(key_name(str(path))) if ring is not None else None
    if key is None:
        return file
    from baselake.lake.encryption import EncryptedOutput  # imported here: most lakes do not need it

    return EncryptedOutput(file, key)


def finish_file(
    table: str, path: Path, file: SummedFile, rows: int, finished: Callable[[DataFile], None] | None
) -> DataFile | None:
    """Close a file that is written, durable before `finished` hears of it; without rows it is removed: None.

    Raises:
        StorageError: the disk is full or fails.
    """
    try:
        if not rows:
            file.close()
            path.unlink()
            destroy_keys([str(path)])
            return None
        file.flush()
        os.fsync(file.fileno())
        file.close()
        sync_folder(path.parent)
        done = DataFile(
            table=table, path=path, rows=rows, bytes=path.stat().st_size, checksum=file.checksum()
        )
    except OSError as error:
        raise storage_error(error, path) from error
    if finished is not None:
        finished(done)
    return done


def footer_bytes(file: BinaryIO) -> int:
    """The size of a Parquet file's footer: the four bytes before the closing magic (Parquet format, file layout)."""
    file.seek(-8, os.SEEK_END)
    return int.from_bytes(file.read(4), "little")


def encodings_of(spec: TableSpec, names: Sequence[str]) -> dict[str, Any]:
    """How `pyarrow.parquet.ParquetWriter` is to write columns of a stored table; those it does not know, plain."""
    compressed = [name for name in names if name not in spec.uncompressed]
    leaves = [*names, *(leaf for field in spec.schema if field.name in names for leaf in _leaves(field))]
    zstd = [leaf for leaf in leaves if leaf.partition(".")[0] in compressed]
    return {
        "compression": {leaf: "zstd" if leaf in zstd else "none" for leaf in leaves},
        "compression_level": dict.fromkeys(zstd, ZSTD_LEVEL),
        "use_dictionary": [leaf for leaf in spec.dictionary if leaf.partition(".")[0] in names],
        "column_encoding": {
            leaf: how for leaf, how in spec.encodings.items() if leaf.partition(".")[0] in names
        },
        "write_statistics": compressed,
        "write_batch_size": spec.batch_rows,
    }


def _leaves(field: pa.Field) -> Iterator[str]:
    """The columns of Parquet that a list or map is stored as."""
    if pa.types.is_list(field.type):
        yield f"{field.name}.list.element"
    elif pa.types.is_map(field.type):
        yield f"{field.name}.key_value.key"
        yield f"{field.name}.key_value.value.list.element"


def new_file(path: Path) -> BinaryIO:
    """A new file in a folder that another job may take away, being empty, just when it was made sure of."""
    for _ in range(_FOLDER_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return open(path, "xb")
        except FileNotFoundError:
            continue
    return open(path, "xb")


def storage_error(error: OSError, path: Path) -> StorageError:
    """The error to raise for an operating system error while writing `path`."""
    return StorageError(
        error.strerror or str(error),
        str(path),
        "Free space or mend the store, then run the same command again",
    )


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
