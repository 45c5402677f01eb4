"""The names of a sample's reads: set down while their rows are there, searched for when they are gone."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baselake.catalog.erase._names import NameSet

_SCHEMA = pa.schema([("name", pa.string())])
# Two slots of eight bytes a name, and what tells their ends.
_BYTES_PER_NAME = 32


def write_names(path: Path, names: Iterable[pa.Array]) -> int:
    """Set names down in a new file; how many, doubles counted."""
    count = 0
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd", use_dictionary=False) as out:
        for part in names:
            out.write_table(pa.table({"name": part.cast(pa.string())}))
            count += len(part)
    return count


def read_names(paths: Iterable[Path], memory_bytes: int) -> NameSet:
    """All names of some files; where they are more than memory holds, an even share of them (`NameSet.every`)."""
    names = NameSet(max(1, memory_bytes // _BYTES_PER_NAME))
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches():
            names.add(*buffers(batch["name"]))
    return names


def buffers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Offsets, int32 [n + 1], and bytes, uint8, of a string or binary column, as views."""
    _, offsets, data = column.buffers()
    if offsets is None or offsets.size == 0:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    view = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return view, np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
