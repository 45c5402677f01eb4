"""The reads of a read group, in the order they were stored, whichever way they came to belong to it."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from baselake.catalog.catalog import Catalog

_HEADS = (
    "name",
    "segment",
    "filtered",
    "index1_seq",
    "index2_seq",
    "umi",
)  # what heads of FASTQ records are made of


def stream_reads(
    catalog: Catalog, read_group_id: str, columns: Sequence[str], batch_rows: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """Yields the reads of a read group, cut as its sample sheet wants them; a template's segments stand together.

    Args:
        catalog: the lake.
        read_group_id: which.
        columns: of name, fastq_name (as it heads a FASTQ record), comment, segment, seq, qual, umi, tags, filtered,
            index1_seq, index2_seq.
        batch_rows: rows in a batch, at most.
    """
    chosen = list(columns)
    layout = catalog.query(
        catalog.statement("read_group_layout"), {"read_group_id": read_group_id}
    ).to_pylist()
    if not layout:
        stored = catalog.statement("stored_reads")
        for batch in catalog.stream(stored, {"read_group_id": read_group_id}, batch_rows):
            yield batch.select(chosen)
        return
    (parameters,) = layout
    barcodes = catalog.query(
        "SELECT index1_seq || index2_seq AS barcode FROM barcode_assignments WHERE read_group_id = ?",
        [read_group_id],
    )["barcode"].combine_chunks()
    made = any(column in ("fastq_name", "comment") for column in chosen)
    needed = [column for column in chosen if column not in ("fastq_name", "comment")]
    needed += [column for column in _HEADS if made and column not in needed]
    # Told apart here and not in SQL: a join there does not keep the order, which parts the segments of templates.
    reads = f"SELECT {', '.join(needed)}, barcode FROM ({catalog.statement('assigned_reads')})"
    for batch in catalog.stream(reads, parameters, batch_rows):
        mine = batch.filter(pc.is_in(batch["barcode"], value_set=barcodes))
        if mine.num_rows:
            there = {name: mine[name] for name in needed} | (_fastq_heads(mine) if made else {})
            yield pa.RecordBatch.from_arrays([there[name] for name in chosen], names=chosen)


def _fastq_heads(reads: pa.RecordBatch) -> dict[str, pa.Array]:
    """What heads FASTQ records as BCL Convert writes them: name and identifier, then read:filtered:control:index."""
    filtered = pc.if_else(reads["filtered"], ":Y:0:", ":N:0:")
    segment = pc.cast(reads["segment"], pa.string())
    index1, index2 = (reads[f"index{number}_seq"] for number in (1, 2))
    second = pc.if_else(pc.is_null(index2), "", pc.binary_join_element_wise("+", index2, ""))
    identifier = pc.if_else(pc.is_null(reads["umi"]), "", pc.binary_join_element_wise(":", reads["umi"], ""))
    return {
        "fastq_name": pc.binary_join_element_wise(reads["name"], pc.fill_null(identifier, ""), ""),
        "comment": pc.binary_join_element_wise(
            segment, filtered, pc.fill_null(index1, ""), pc.fill_null(second, ""), ""
        ),
    }
