"""Coded columns of a lake shown as they were: to SQL by functions, to Python a batch of records at a time.

The functions `decode_COLUMN(filename, file_row_number, block_row)` are what the views `read_records` and `alignments`
are made of. DuckDB calls them for the rows that are left after filters, and only where a query asks for the column.
What passes many records on asks the stored tables instead, for plain columns and the place of each row, and has the
coded columns decoded beside DuckDB.

Arrow and NumPy are imported where rows are decoded: to load them takes longer than most questions, which need neither.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb
from duckdb.func import ARROW, SPECIAL

from baselake.errors import BaselakeError
from baselake.lake.partition import LakeLayout

if TYPE_CHECKING:
    import pyarrow as pa

    from baselake.lake.columns.reader import BlockReader, CodedRows

# Types of the coded columns, `lake.schema.CODED`, as `lake.schema.ALIGNMENTS` has them.
CODED_TYPES = {
    "name": "VARCHAR",
    "next_start": "INTEGER",
    "tlen": "INTEGER",
    "seq": "VARCHAR",
    "qual": "VARCHAR",
    "tags": "BLOB",
}
# Of queries that fail at once, each on all threads.
_FAILURES = 64
# Where a row is stored.
PLACE = ("filename", "file_row_number", "block_row")


@dataclass(frozen=True, slots=True)
class StoredAlignments:
    """Alignments as they are stored: plain columns, and where the coded ones are.

    Attributes:
        stored: the query's rows, as `Decoder.records` takes them.
        decoder: of the lake they are in.
    """

    stored: "pa.Table"
    decoder: "Decoder"

    def decoded(self) -> "pa.Table":
        """The rows with all columns; errors as of `Decoder.records`."""
        return self.decoder.table(self.stored)

    def in_parts(self, *, placed: bool) -> "tuple[pa.Table, CodedRows] | None":
        """The rows without `seq` and `qual`, and these not decoded; None where some rows have them plain.

        Errors as of `Decoder.records`.

        Args:
            placed: qualities are to stay in their files, as of `BlockReader.coded`.
        """
        from baselake.lake.arrays import integers

        if not self.stored.num_rows or self.stored["block_row"].null_count:
            return None
        rows = self.decoder.table(self.stored.drop_columns(["seq", "qual"]))
        files, numbers, block_rows = (self.stored[place].combine_chunks() for place in PLACE)
        places = (files, numbers.to_numpy(), integers(block_rows))
        return rows, self.decoder.blocks.coded(*places, placed=placed)


class Decoder:
    """Decodes what one open lake stores; safe to use from several threads."""

    def __init__(self, layout: LakeLayout) -> None:
        self._layout = layout
        self._failures: deque[BaselakeError] = deque(maxlen=_FAILURES)
        self._lock = threading.Lock()
        self._registered = False

    def failure(self, error: BaseException) -> BaselakeError | None:
        """What made a function fail, by DuckDB's error of a query that failed by it; None for another."""
        text = str(error)
        return next((failure for failure in list(self._failures) if str(failure) in text), None)

    @cached_property
    def blocks(self) -> "BlockReader":
        """The reader of blocks, which remembers those it decoded last."""
        # Imported here: reading Parquet takes its time to load, and most queries need nothing decoded.
        from baselake.lake.columns.reader import BlockReader
        from baselake.lake.fasta import References

        return BlockReader(References(self._layout.reference_fasta))

    def records(self, stored: "pa.RecordBatch") -> "pa.RecordBatch":
        """Rows of a stored table with their coded columns decoded, and without the columns that say where they are.

        Args:
            stored: has filename, file_row_number and block_row; coded columns are NULL but in rows that have them
                plain.

        Raises:
            LakeError: a block is damaged, or its file is missing.
            NotFoundError: the reference it was stored against is not there.
        """
        import pyarrow as pa

        from baselake.lake.schema import BLOCK_ROW, CODED

        wanted = [name for name in stored.schema.names if name not in PLACE]
        columns = {name: stored[name] for name in wanted}
        names = [name for name in wanted if name in CODED]
        plain = stored[BLOCK_ROW].null_count
        if names and plain < stored.num_rows:
            # Whole batches are of one kind but for lakes that an earlier release began.
            coded = stored[BLOCK_ROW].is_valid() if plain else None
            rows = stored.filter(coded) if plain else stored
            for name in names:
                decoded = self._column(name, *(rows[place] for place in PLACE))
                if plain:
                    # Imported here: to load compute functions takes a tenth of a second.
                    import pyarrow.compute as pc

                    decoded = pc.replace_with_mask(columns[name], coded, decoded)
                columns[name] = decoded
        return pa.RecordBatch.from_arrays(list(columns.values()), names=wanted)

    def table(self, stored: "pa.Table") -> "pa.Table":
        """`records` of a whole table."""
        import pyarrow as pa

        batches = stored.to_batches() or [pa.RecordBatch.from_pylist([], stored.schema)]
        return pa.Table.from_batches([self.records(batch) for batch in batches])

    def file_rows(
        self, rows: "pa.Table", location: str, first: int, columns: Collection[str] = tuple(CODED_TYPES)
    ) -> "pa.Table":
        """Rows read from a file of a stored table, as the table's view shows them; other files' as they are.

        Args:
            rows: that follow one another in the file, with `block_row`.
            location: of the file.
            first: place of the first of them in it.
            columns: coded columns to decode; others are left out.

        Raises:
            LakeError, NotFoundError: as `records`.
        """
        import numpy as np
        import pyarrow as pa

        from baselake.lake.schema import ALIGNMENTS, BLOCK_ROW, CODED

        if BLOCK_ROW not in rows.column_names:
            return rows
        whole = rows.select([name for name in rows.column_names if name not in CODED.values()])
        whole = whole.append_column("filename", pa.repeat(pa.scalar(location), rows.num_rows))
        whole = whole.append_column("file_row_number", pa.array(np.arange(first, first + rows.num_rows)))
        for name, block in CODED.items():
            there = name in whole.column_names
            if there and name not in columns:
                whole = whole.drop_columns([name])
            elif name in columns and block in rows.column_names and not there:
                whole = whole.append_column(name, pa.nulls(rows.num_rows, ALIGNMENTS.schema.field(name).type))
        return self.table(whole)

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the functions known to a connection and all its cursors, where they are not yet.

        DuckDB loads NumPy for it, which takes longer than most questions: so it is done when one asks for them.
        """
        with self._lock:
            if self._registered:
                return
            for column, kind in CODED_TYPES.items():
                connection.create_function(
                    f"decode_{column}",
                    self._function(column),
                    ["VARCHAR", "BIGINT", "INTEGER"],
                    kind,
                    type=ARROW,
                    null_handling=SPECIAL,
                )
            self._registered = True

    def asked_for(self, error: duckdb.Error) -> bool:
        """Whether a query failed because it needs the functions, which were not known when it was asked.

        Another thread may have made them known since: then it is enough to ask again.
        """
        return isinstance(error, duckdb.CatalogException) and "name decode_" in str(error)

    def _function(self, column: str) -> Callable[..., Any]:
        # ChunkedArrays in, an Array out; DuckDB looks into annotations, and Arrow's types need not be there.
        def decode(files: Any, rows: Any, block_rows: Any) -> Any:
            try:
                return self._column(column, *(place.combine_chunks() for place in (files, rows, block_rows)))
            except BaselakeError as error:
                self._failures.append(error)  # DuckDB passes on its text alone
                raise

        return decode

    def _column(self, column: str, files: "pa.Array", rows: "pa.Array", block_rows: "pa.Array") -> "pa.Array":
        from baselake.lake.arrays import integers

        return self.blocks.rows(column, files, rows.to_numpy(), integers(block_rows))
