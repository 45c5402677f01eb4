"""SAM records from mapped templates, as rows that the sorter and the duplicate marker take."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.compute.align._records import assemble
from baselake.compute.align.inserts import InsertRange
from baselake.compute.align.mapping import Mapper
from baselake.compute.align.templates import Templates
from baselake.compute.arrow_columns import string_array, string_buffers

# The columns of ALIGNMENTS that differ from row to row, contigs and read groups as numbers where nobody reads
# them before the end, and `template`: the place of the row's template among those of the sample.
ROWS = pa.schema(
    [
        ("template", pa.int64()),
        ("read_group", pa.int32()),
        ("name", pa.string()),
        ("flag", pa.int32()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("mapq", pa.int16()),
        ("cigar", pa.string()),
        ("next_contig", pa.int32()),
        ("next_start", pa.int32()),
        ("tlen", pa.int32()),
        ("seq", pa.string()),
        ("qual", pa.string()),
        ("tags", pa.binary()),
    ]
)


def make_records(
    mapper: Mapper,
    templates: Templates,
    hits: dict[str, np.ndarray],
    inserts: InsertRange,
    first_template: int,
    read_group: int,
) -> pa.RecordBatch:
    """The records of a batch of templates, in input order.

    Args:
        mapper: what made the hits.
        templates: n reads.
        hits: of `mapper.map(templates)`.
        inserts: insert sizes of proper pairs.
        first_template: number of the batch's first template in the sample.
        read_group: number of the read group in the sample.

    Returns:
        At least n rows of the `ROWS` schema: a primary record for every read, mapped or not, and one more for every
        other part of a chimeric read. `contig` and `start` are NULL for templates that map nowhere.
    """
    rows = templates.rows
    columns = {
        **{name: string_buffers(rows[name]) for name in ("name", "seq", "qual", "tags")},
        "has_qual": _bytes(rows["qual"].is_valid()),
        "filtered": _bytes(rows["filtered"].fill_null(False)),
    }
    reference = mapper.reference
    made = assemble(
        mapper.bases(),
        [contig.name for contig in reference.contigs],
        columns,
        templates.first_rows,
        hits,
        mapper.scoring.values(),
        (inserts.low, inserts.high),
    )
    contigs = pa.array([contig.name for contig in reference.contigs], pa.string())
    size = len(made["flag"])
    arrays = {
        "template": pa.array(made["template"].astype(np.int64) + first_template),
        "read_group": pa.array(np.full(size, read_group, np.int32)),
        "contig": contigs.take(_placed(made["contig"])),
        "mapq": pa.array(made["mapq"].astype(np.int16)),
        **{
            name: string_array(made[name], ROWS.field(name).type)
            for name in ("name", "cigar", "seq", "qual", "tags")
        },
        **{name: _placed(made[name]) for name in ("start", "end", "next_contig", "next_start")},
        **{name: pa.array(made[name]) for name in ("flag", "tlen")},
    }
    return pa.record_batch([arrays[name] for name in ROWS.names], schema=ROWS)


def _bytes(flags: pa.BooleanArray) -> np.ndarray:
    return pc.cast(flags, pa.uint8()).to_numpy(zero_copy_only=False)


def _placed(values: np.ndarray) -> pa.Array:
    """NULL for -1, the kernel's mark of no place."""
    return pa.array(values, mask=values < 0)
