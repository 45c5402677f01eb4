"""The reads of a read group, in the order they were stored, whichever way they came to belong to it."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from baselake.catalog.catalog import Catalog


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
    # Told apart here and not in SQL: a join there does not keep the order, which parts the segments of templates.
    reads = f"SELECT {', '.join(chosen)}, barcode FROM ({catalog.statement('assigned_reads')})"
    for batch in catalog.stream(reads, parameters, batch_rows):
        mine = batch.filter(pc.is_in(batch["barcode"], value_set=barcodes))
        if mine.num_rows:
            yield mine.select(chosen)
