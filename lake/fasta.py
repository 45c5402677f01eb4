"""Reference sequences of the lake: a FASTA with one line a contig, read by memory map."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from baselake.errors import NotFoundError


def index_of(fasta: Path) -> Path:
    """The samtools index beside a FASTA."""
    return fasta.with_name(fasta.name + ".fai")


@dataclass(frozen=True)
class Fasta:
    """A FASTA of one line a contig with its `.fai`."""

    path: Path

    def bases(self, contig: str) -> np.ndarray:
        """All bases of a contig, uint8, a view of the mapped file.

        Raises:
            NotFoundError: there is no such contig, or no such file.
        """
        if contig not in self._offsets:
            raise NotFoundError(f"no contig {contig!r}", str(self.path))
        offset, length = self._offsets[contig]
        return self._mapped[offset : offset + length]

    def __contains__(self, contig: str) -> bool:
        return contig in self._offsets

    @cached_property
    def _mapped(self) -> np.ndarray:
        # A plain array over the map: slices of np.memmap cost several times as much.
        return np.asarray(np.memmap(self.path, dtype=np.uint8, mode="r"))

    @cached_property
    def _offsets(self) -> dict[str, tuple[int, int]]:
        try:
            text = index_of(self.path).read_text()
        except FileNotFoundError as error:
            raise NotFoundError(
                "a reference that alignments are stored against is not in the lake",
                str(self.path),
                "Register it again: baselake reference add",
            ) from error
        rows = (line.split("\t") for line in text.splitlines())
        return {name: (int(offset), int(length)) for name, length, offset, _, _ in rows}


class References:
    """The assemblies of a lake by digest, each opened once; safe to use from several threads.

    Args:
        path_of: where the FASTA of a digest is.
    """

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self._path_of = path_of
        self._open: dict[str, Fasta] = {}
        self._lock = threading.Lock()

    def bases(self, digest: str, contig: str) -> np.ndarray:
        """All bases of a contig of an assembly, uint8.

        Raises:
            NotFoundError: there is no such assembly or contig.
        """
        with self._lock:
            fasta = self._open.setdefault(digest, Fasta(self._path_of(digest)))
        return fasta.bases(contig)
