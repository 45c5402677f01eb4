"""Asking for consequences of models and alleles of tests."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from baselake.compute.annotate import ContigConsequences
from tests.compute.annotate.gene_models import Model


def transcripts(models: Sequence[Model]) -> pa.Table:
    """Rows of the table `transcripts`, by start."""
    rows = [
        {
            "transcript_id": model.name,
            "gene_id": model.gene,
            "gene": f"N{model.gene}",
            "biotype": "protein_coding" if model.cds else "lncRNA",
            "canonical": True,
            "mane": None,
            "strand": model.strand,
            "exon_starts": [start for start, _ in model.exons],
            "exon_ends": [end for _, end in model.exons],
            "cds_start": model.cds and model.cds[0],
            "cds_end": model.cds and model.cds[1],
            "phase": model.phase,
            "whole_start": model.whole_start and not model.phase,
            "whole_end": model.whole_end,
        }
        for model in sorted(models, key=lambda model: model.start)
    ]
    numbers = pa.list_(pa.int32())
    types = {"exon_starts": numbers, "exon_ends": numbers, "cds_start": pa.int32(), "cds_end": pa.int32()}
    types |= {"phase": pa.int8(), "mane": pa.string()}
    table = pa.Table.from_pylist(rows)
    for name, kind in types.items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    return table


def consequences(
    genome: str, models: Sequence[Model], alleles: Sequence[tuple[int, str, str]], contig: str = "1"
) -> list[dict[str | None, dict]]:
    """Rows of `consequences` by transcript, for each allele (0-based start, ref, alt) in order."""
    asked = ContigConsequences(contig, np.frombuffer(genome.encode(), np.uint8), transcripts(models))
    starts, refs, alts = (list(column) for column in zip(*alleles, strict=True))
    given = pa.table(
        {
            "start": pa.array(starts, pa.int32()),
            "ref": pa.array(refs, pa.string()),
            "alt": pa.array(alts, pa.string()),
        }
    )
    found: list[dict[str | None, dict]] = [{} for _ in alleles]
    for row in asked.annotate(given).to_pylist():
        found[row["variant"]][row["transcript_id"]] = row
    return found
