"""Rows with their large columns coded in blocks: from a table's columns to those stored, and back row by row.

A block is some thousand rows that follow one another in a file. Its coded columns are one value each, in its first
row, NULL in the others; `block_row` is a row's place in its block. All other columns stand beside them as they are.
A row whose `block_row` is NULL has its columns plain.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa

from baselake.lake.arrays import integers
from baselake.lake.columns import codecs
from baselake.lake.columns.codecs import NO_CONTIG, ContigBases, Placement
from baselake.lake.schema import BLOCK_ROW, CODED

# What a block holds at most, but for one longer read: enough for its entropy coders' tables to weigh little, and
# decoded in some milliseconds.
BLOCK_ROWS = 8192
BLOCK_BASES = 1 << 20


def encode_rows(rows: pa.Table, contig: ContigBases) -> pa.Table:
    """The stored columns of rows: those not in `CODED` first, then `block_row` and the coded ones.

    Args:
        rows: of `read_records` or `alignments`; all on one contig.
        contig: its bases; `NO_CONTIG` keeps bases whole.
    """
    coded = {name: plain(rows[name]) for name in CODED if name in rows.column_names}
    whole = None
    if "cigar" in rows.column_names:
        whole = Placement(
            starts=numbers_of(rows["start"]), ends=numbers_of(rows["end"]), cigars=plain(rows["cigar"])
        )
    bounds = _bounds(coded["seq"])
    values: dict[str, list[bytes]] = {}
    for first, last in pairwise(bounds.tolist()):
        part = {name: column.slice(first, last - first) for name, column in coded.items()}
        placement = whole and Placement(
            starts=whole.starts[first:last],
            ends=whole.ends[first:last],
            cigars=whole.cigars.slice(first, last - first),
        )
        for name, value in _encode_block(part, placement, contig).items():
            values.setdefault(name, []).append(value)
    return with_blocks(rows.select([name for name in rows.column_names if name not in CODED]), bounds, values)


def with_blocks(rows: pa.Table, bounds: np.ndarray, values: Mapping[str, list[bytes]]) -> pa.Table:
    """Rows with their `block_row` and their blocks beside them.

    Args:
        rows: columns that are not coded.
        bounds: the first row of each block, and the number of rows.
        values: the blocks of each coded column, by the name it is stored by.
    """
    counts = np.diff(bounds)
    block_row = np.arange(rows.num_rows, dtype=np.int32)
    block_row -= np.repeat(bounds[:-1].astype(np.int32), counts)
    stored = rows.append_column(BLOCK_ROW, pa.array(block_row))
    head = np.packbits(block_row == 0, bitorder="little")
    for name, column in values.items():
        stored = stored.append_column(name, _in_first_rows(column, counts, head))
    return stored


def _in_first_rows(values: list[bytes], counts: np.ndarray, head: np.ndarray) -> pa.Array:
    """A `binary` column with a value in the first of so many rows each, which the bitmap `head` says, else NULL."""
    ends = np.cumsum([len(value) for value in values], dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), np.repeat(ends, counts)])
    buffers = [pa.py_buffer(head), pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _encode_block(
    part: dict[str, pa.Array], placement: Placement | None, contig: ContigBases
) -> dict[str, bytes]:
    names = codecs.encode_names(part["name"])
    block = {"name_block": names}
    compared = placement if contig is not NO_CONTIG else None
    if placement is not None:
        block["mate_block"] = codecs.encode_mates(
            numbers_of(part["next_start"]), numbers_of(part["tlen"]), codecs.name_partners(names), placement
        )
    if compared is None:
        block["seq_block"] = codecs.encode_bases(part["seq"])
    else:
        block["seq_block"] = codecs.encode_sequences(part["seq"], compared, contig)
    block["qual_block"] = codecs.encode_texts(part["qual"])
    block["tags_block"] = codecs.encode_tags(part["tags"], part["seq"], compared, contig)
    return block


def _bounds(bases: pa.Array) -> np.ndarray:
    """First rows of blocks, and the number of rows."""
    offsets = np.frombuffer(bases.buffers()[1], np.int32)[bases.offset : bases.offset + len(bases) + 1]
    bounds = [0]
    while bounds[-1] < len(bases):
        reach = int(np.searchsorted(offsets, offsets[bounds[-1]] + BLOCK_BASES, side="right")) - 1
        bounds.append(min(max(reach, bounds[-1] + 1), bounds[-1] + BLOCK_ROWS, len(bases)))
    return np.array(bounds)


def plain(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, without a dictionary."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no chunks at all, or of several dictionaries
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def numbers_of(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """int64; -1 for NULL."""
    return integers(plain(column) if isinstance(column, pa.ChunkedArray) else column)
