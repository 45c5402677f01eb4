"""Consequences of alleles of one contig."""

import numpy as np
import pyarrow as pa

from baselake.compute.annotate._consequences import Annotator
from baselake.compute.arrow_columns import string_buffers

# Contigs that are translated by the vertebrate mitochondrial code.
MITOCHONDRIAL = frozenset({"M", "MT", "chrM", "chrMT"})
_OF_TRANSCRIPT = ("gene_id", "gene", "transcript_id", "biotype", "canonical", "mane")


class ContigConsequences:
    """Transcripts of one contig, asked about alleles in the order of their starts.

    Args:
        contig: its name, by which the genetic code is chosen.
        bases: its bases, uint8, upper case.
        transcripts: rows of the table `transcripts` of that contig, by start.
    """

    def __init__(self, contig: str, bases: np.ndarray, transcripts: pa.Table) -> None:
        self._transcripts = transcripts.combine_chunks()
        exons = self._lists("exon_starts")
        self._annotator = Annotator(
            np.ascontiguousarray(bases),
            contig in MITOCHONDRIAL,
            np.array([strand == "+" for strand in transcripts["strand"].to_pylist()], np.int8),
            exons.offsets.to_numpy().astype(np.int64),
            exons.values.to_numpy(),
            self._lists("exon_ends").values.to_numpy(),
            self._numbers("cds_start", -1, np.int32),
            self._numbers("cds_end", -1, np.int32),
            self._numbers("phase", 0, np.int8),
            self._numbers("whole_start", 0, np.int8),
            self._numbers("whole_end", 0, np.int8),
        )

    def annotate(self, alleles: pa.Table) -> pa.Table:
        """A row for each allele and transcript within 5,000 bases; one row for an allele that has none.

        Args:
            alleles: `start`, `ref` and `alt` of alleles in normal form, by start, and not before those of the
                last call; symbolic alternates are fine.

        Returns:
            The columns of `consequences` that tell of alleles and transcripts, and `variant`: the row of `alleles`.
        """
        alleles = alleles.combine_chunks()
        batch = self._annotator.annotate(
            alleles["start"].to_numpy(), *_texts(alleles["ref"]), *_texts(alleles["alt"])
        )
        rows = pa.Table.from_batches([pa.record_batch(batch)])
        which = rows["transcript"].combine_chunks()
        for name in _OF_TRANSCRIPT:
            rows = rows.append_column(name, self._transcripts[name].combine_chunks().take(which))
        place = rows.column_names.index("lof")
        return rows.set_column(place, "lof", rows["lof"].cast(pa.bool_())).drop_columns(["transcript"])

    def _lists(self, name: str) -> pa.ListArray:
        column = self._transcripts[name].combine_chunks()
        # Of a slice, offsets would not begin at 0.
        return pa.concat_arrays([column]) if column.offset == 0 else column.take(pa.array(range(len(column))))

    def _numbers(self, name: str, missing: int, kind: type) -> np.ndarray:
        column = self._transcripts[name].cast(pa.int32()).fill_null(missing)
        numbers: np.ndarray = column.to_numpy().astype(kind)
        return numbers


def _texts(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    joined = column.combine_chunks()
    if pa.types.is_dictionary(joined.type):
        joined = joined.dictionary_decode()
    return string_buffers(joined.cast(pa.string()))
