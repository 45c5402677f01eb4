"""The reads of a read group as the lake keeps them, cut into batches of whole templates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.catalog.catalog import Catalog
from baselake.catalog.reads import stream_reads

# Enough templates to make Python's part of a batch vanish, few enough that the batches under way stay small.
BATCH_ROWS = 16_384
_COLUMNS = ("name", "segment", "seq", "qual", "tags", "filtered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Whole templates, in input order.

    Attributes:
        rows: name, segment, seq, qual, tags, filtered, as in `read_records`.
        first_rows: int32, the row at which each template begins, and the number of rows at the end. A template
            has one row, or two: segments 1 and 2.
    """

    rows: pa.RecordBatch
    first_rows: np.ndarray

    def __len__(self) -> int:
        return len(self.first_rows) - 1


def stream_templates(catalog: Catalog, read_group_id: str) -> Iterator[Templates]:
    """Yields all templates of a read group, in the order they were imported."""
    held: pa.RecordBatch | None = None
    for batch in stream_reads(catalog, read_group_id, _COLUMNS, BATCH_ROWS):
        rows = batch if held is None else pa.concat_batches([held, batch])
        first_rows = _first_rows(rows)
        # The last template may go on in the next batch.
        held = rows.slice(first_rows[-2])
        if len(first_rows) > 2:
            yield Templates(rows=rows.slice(0, first_rows[-2]), first_rows=first_rows[:-1])
    if held is not None:
        yield Templates(rows=held, first_rows=_first_rows(held))


def _first_rows(rows: pa.RecordBatch) -> np.ndarray:
    segment = rows["segment"].to_numpy(zero_copy_only=False)
    follows = np.zeros(rows.num_rows, bool)
    if rows.num_rows > 1:
        same = pc.equal(rows["name"].slice(1), rows["name"].slice(0, rows.num_rows - 1))
        follows[1:] = (segment[1:] == 2) & (segment[:-1] == 1) & same.to_numpy(zero_copy_only=False)
    return np.append(np.flatnonzero(~follows), rows.num_rows).astype(np.int32)
