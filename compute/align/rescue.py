"""Mate rescue: minimap2 does not look for a mate that has no seeds of its own."""

import numpy as np

from baselake.compute.align._rescue import rescue_mates
from baselake.compute.align.inserts import InsertRange
from baselake.compute.align.mapping import Mapper
from baselake.compute.align.templates import Templates
from baselake.compute.arrow_columns import string_buffers


def rescue(
    mapper: Mapper, templates: Templates, hits: dict[str, np.ndarray], inserts: InsertRange
) -> dict[str, np.ndarray]:
    """Hits, and those of unmapped mates found by local alignment within an insert of a well-mapped read.

    A rescued mate's MAPQ is at most that of its anchor, and less where the window holds a second place for it or
    where few of its bases align.

    Args:
        mapper: what made the hits.
        templates: the batch.
        hits: of `mapper.map(templates)`.
        inserts: insert sizes of proper pairs; a mate is looked for up to `high` bases away.

    Returns:
        Hits laid out as `Mapper.map` does, in the order of the reads.
    """
    offsets, data = string_buffers(templates.rows["seq"])
    scoring = mapper.scoring
    found = rescue_mates(
        mapper.bases(),
        offsets,
        data,
        templates.first_rows,
        hits["read"],
        hits["contig"],
        hits["start"],
        hits["reverse"],
        hits["mapq"],
        hits["cigar_offsets"],
        hits["cigar"],
        (scoring.match, scoring.mismatch, scoring.open, scoring.extend),
        inserts.high,
    )
    if not len(found["read"]):
        return hits
    order = np.argsort(np.concatenate([hits["read"], found["read"]]), kind="stable")
    merged = {
        name: np.concatenate([hits[name], found[name]])[order]
        for name in ("read", "contig", "start", "lead", "reverse", "mapq")
    }
    cigar = np.concatenate([hits["cigar"], found["cigar"]])
    begins = np.concatenate([hits["cigar_offsets"][:-1], found["cigar_offsets"][:-1] + len(hits["cigar"])])[
        order
    ]
    sizes = np.concatenate([np.diff(hits["cigar_offsets"]), np.diff(found["cigar_offsets"])])[order]
    merged["cigar_offsets"] = np.append(0, np.cumsum(sizes))
    within = np.arange(len(cigar)) - np.repeat(merged["cigar_offsets"][:-1], sizes)
    merged["cigar"] = cigar[np.repeat(begins, sizes) + within]
    return merged
