"""A Parquet file written again without some of its rows, as DuckLake can take it in the place of the old one.

The rows that stay keep the numbers that DuckLake gave them (`_ducklake_internal_row_id`), and columns are known by
DuckLake's field ids, as in files that it wrote itself: no name mapping is needed any more.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baselake.catalog.decoding import Decoder
from baselake.catalog.erase.history import DeleteFile, RowFile
from baselake.lake.checksum import SummedFile
from baselake.lake.columns.blocks import encode_rows
from baselake.lake.columns.codecs import NO_CONTIG, ContigBases
from baselake.lake.location import open_location
from baselake.lake.parquet import (
    ZSTD_LEVEL,
    encodings_of,
    encrypted_if_keyed,
    footer_bytes,
    storage_error,
    sync_folder,
)
from baselake.lake.schema import BLOCK_ROW, CODED, SHARED, TABLES

ROW_ID = "_ducklake_internal_row_id"
SNAPSHOT_ID = "_ducklake_internal_snapshot_id"
# Field ids of DuckLake's own columns, as its files have them (DuckLake 1.0).
_INTERNAL = {ROW_ID: 2147483540, SNAPSHOT_ID: 2147483539}
_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """What DuckLake keeps of one column of a file.

    Attributes:
        column_id: DuckLake's number of the column.
        bytes: compressed.
        values: that are not NULL.
        nulls: that are.
        bounded: whether its least and greatest value are given here, as they are of text and of integers; values of
            other types never change, so that those of the old file still bound.
        least, greatest: as text; None where there are none or they are not known.
    """

    column_id: int
    bytes: int
    values: int
    nulls: int
    bounded: bool
    least: str | None
    greatest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A finished file that takes another's place.

    Attributes:
        path: where it is.
        rows: in it.
        bytes: its size.
        footer: size of its footer, bytes.
        checksum: XXH3-128.
        statistics: by column; none of delete files.
    """

    path: Path
    rows: int
    bytes: int
    footer: int
    checksum: str
    statistics: tuple[ColumnStatistics, ...] = ()


def rewrite_rows(
    file: RowFile,
    path: Path,
    keep: np.ndarray,
    change: Callable[[pa.Table], pa.Table],
    fields: "Mapping[str, Column]",
    decoder: Decoder,
    contig: ContigBases = NO_CONTIG,
) -> NewFile:
    """Write the rows of a file that stay to another one.

    Args:
        file: the old one.
        path: the new one, which must not be there.
        keep: bool [rows].
        change: is given rows that stay, some at a time, and returns as many of the same types.
        fields: DuckLake's columns of the table, by name.
        decoder: of coded columns, which are coded anew for the rows that stay.
        contig: what alignments are stored against.

    Raises:
        LakeError: a coded column is damaged.
        OSError: the old file cannot be read, or the disk is full or fails.
    """
    spec = SHARED.get(file.table) or TABLES.get(file.table)
    with open_location(file.location) as source:
        parquet = pq.ParquetFile(source)
        schema = _with_field_ids(parquet.schema_arrow, fields)
        if BLOCK_ROW in schema.names:  # all that is left is coded
            schema = pa.schema([field for field in schema if field.name not in CODED])
        if ROW_ID not in schema.names:
            number = pa.field(ROW_ID, pa.int64(), metadata={_FIELD_ID: str(_INTERNAL[ROW_ID]).encode()})
            schema = schema.append(number)
        how: dict[str, Any] = {"compression": "zstd", "compression_level": ZSTD_LEVEL, "use_dictionary": True}
        if spec is not None:
            how = encodings_of(spec.stored or spec, schema.names)
            how["column_encoding"][ROW_ID] = "DELTA_BINARY_PACKED"
        collected: list[pq.FileMetaData] = []
        try:
            out = SummedFile(open(path, "xb"))  # noqa: SIM115 - closed below, after it was made durable
            writer = pq.ParquetWriter(
                encrypted_if_keyed(out, path),
                schema,
                **how,
                store_schema=False,
                metadata_collector=collected,
            )
            first = 0
            for group in range(parquet.num_row_groups):
                rows = parquet.read_row_group(group)
                here = keep[first : first + rows.num_rows]
                if ROW_ID not in rows.column_names:
                    numbers = np.arange(first, first + rows.num_rows, dtype=np.int64) + (
                        file.row_id_start or 0
                    )
                    rows = rows.append_column(ROW_ID, pa.array(numbers))
                shown = decoder.file_rows(rows, file.location, first)
                first += len(here)
                left = change(shown.filter(pa.array(here)))
                if BLOCK_ROW in rows.column_names and left.num_rows:
                    left = encode_rows(left, contig)
                if left.num_rows:
                    writer.write_table(left.select(schema.names).cast(schema))
            writer.close()
            _make_durable(out, path)
        except OSError as error:
            raise storage_error(error, path) from error
    (metadata,) = collected
    return NewFile(
        path=path,
        rows=metadata.num_rows,
        bytes=path.stat().st_size,
        footer=_footer(path),
        checksum=out.checksum(),
        statistics=tuple(_statistics(metadata, schema)),
    )


def rewrite_deletes(delete: DeleteFile, path: Path, target: Path, keep: np.ndarray) -> NewFile | None:
    """Write a delete file for a data file that was written again; None where none of its rows is left.

    Args:
        delete: the old one.
        path: the new one.
        target: the data file as it is called now.
        keep: which rows of the old data file stayed, bool [rows].

    Raises:
        OSError: the old file cannot be read, or the disk is full or fails.
    """
    with open_location(delete.location) as source:
        rows = pq.read_table(source)
    places = rows["pos"].to_numpy()
    rows = rows.filter(pa.array(keep[places]))
    if not rows.num_rows:
        return None
    moved = (np.cumsum(keep) - 1)[places[keep[places]]].astype(np.int64)
    columns = {
        "file_path": pa.repeat(pa.scalar(str(target)), rows.num_rows),
        "pos": pa.array(moved),
    }
    for name, column in columns.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), column)
    try:
        out = SummedFile(open(path, "xb"))  # noqa: SIM115 - closed below, after it was made durable
        pq.write_table(rows, encrypted_if_keyed(out, path), compression="zstd", store_schema=False)
        _make_durable(out, path)
    except OSError as error:
        raise storage_error(error, path) from error
    return NewFile(
        path=path,
        rows=rows.num_rows,
        bytes=path.stat().st_size,
        footer=_footer(path),
        checksum=out.checksum(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as DuckLake numbers it, with the columns within it: `element`; `key`, `value`; or fields."""

    column_id: int
    inner: "Mapping[str, Column]"


def columns_of(rows: Sequence[Mapping[str, object]]) -> dict[str, Column]:
    """The columns of a table from rows of `ducklake_column`: column_id, column_name, parent_column."""

    def below(parent: object) -> dict[str, Column]:
        return {
            str(row["column_name"]): Column(
                column_id=int(str(row["column_id"])), inner=below(row["column_id"])
            )
            for row in rows
            if row["parent_column"] == parent
        }

    return below(None)


def _with_field_ids(schema: pa.Schema, columns: Mapping[str, Column]) -> pa.Schema:
    return pa.schema([_numbered(field, columns) for field in schema])


def _numbered(field: pa.Field, columns: Mapping[str, Column]) -> pa.Field:
    column = columns.get(field.name)
    number = column.column_id if column is not None else _INTERNAL.get(field.name)
    if number is None:  # a column that the table no longer has
        return field
    inner = column.inner if column is not None else {}
    kind = field.type
    if pa.types.is_map(kind):
        key = pa.field("key", kind.key_type, nullable=False)
        kind = pa.map_(_numbered(key, inner), _numbered(pa.field("value", kind.item_type), inner))
    elif pa.types.is_list(kind):
        kind = pa.list_(_numbered(pa.field("element", kind.value_type), inner))
    elif pa.types.is_struct(kind):
        kind = pa.struct([_numbered(each, inner) for each in kind])
    return pa.field(field.name, kind, field.nullable, metadata={_FIELD_ID: str(number).encode()})


def _leaves(field: pa.Field) -> list[tuple[int | None, pa.DataType]]:
    kind = field.type
    if pa.types.is_map(kind):
        return _leaves(kind.key_field) + _leaves(kind.item_field)
    if pa.types.is_list(kind):
        return _leaves(kind.value_field)
    if pa.types.is_struct(kind):
        return [leaf for each in kind for leaf in _leaves(each)]
    number = (field.metadata or {}).get(_FIELD_ID)
    return [(int(number) if number is not None else None, kind)]


def _statistics(metadata: pq.FileMetaData, schema: pa.Schema) -> list[ColumnStatistics]:
    leaves = [leaf for field in schema for leaf in _leaves(field)]
    found = []
    for place, (number, kind) in enumerate(leaves):
        if number is None or number in _INTERNAL.values():
            continue
        chunks = [metadata.row_group(i).column(place) for i in range(metadata.num_row_groups)]
        known = [chunk.statistics for chunk in chunks if chunk.is_stats_set]
        if not known:
            continue  # blocks of coded columns, by which nobody searches
        told = pa.types.is_string(kind) or pa.types.is_integer(kind)
        bounded = [each for each in known if each.has_min_max] if told else []
        # Of a row group without bounds but with values nothing is known.
        whole = len(known) == len(chunks) and all(each.has_min_max or not each.num_values for each in known)
        found.append(
            ColumnStatistics(
                column_id=number,
                bytes=sum(chunk.total_compressed_size for chunk in chunks),
                values=sum(each.num_values for each in known),
                nulls=sum(each.null_count for each in known),
                bounded=told,
                least=str(min(each.min for each in bounded)) if whole and bounded else None,
                greatest=str(max(each.max for each in bounded)) if whole and bounded else None,
            )
        )
    return found


def _make_durable(out: SummedFile, path: Path) -> None:
    out.flush()
    os.fsync(out.fileno())
    out.close()
    sync_folder(path.parent)


def _footer(path: Path) -> int:
    with open_location(str(path)) as file:
        return footer_bytes(file)
