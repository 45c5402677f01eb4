from collections.abc import Sequence
from typing import Any

import numpy as np

class Fault(ValueError): ...

class BuiltBatch:
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

class Reader:
    def __init__(
        self,
        info: Sequence[tuple[str, str, int, bool]],
        format: Sequence[tuple[str, str, int, bool]],
        contigs: Sequence[tuple[str, np.ndarray]],
        order: Sequence[int],
        block: int,
        part_sites: int,
        has_format: bool,
        lines_before: int,
        part_bytes: int,
        bcf: tuple[Sequence[str], Sequence[str]] | None,
        skip_unknown: bool = False,
    ) -> None: ...
    def feed(self, piece: bytes, last: bool) -> list[Any]: ...
    @property
    def line(self) -> int: ...
    @property
    def genotypes(self) -> list[str]: ...
    @property
    def records(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def misfits(self) -> int: ...
    @property
    def misfit(self) -> str: ...

def add_up(
    counts: np.ndarray,
    copies_of: np.ndarray,
    group_of: np.ndarray,
    *,
    sites: np.ndarray,
    samples: np.ndarray,
    kinds: np.ndarray,
    alt_copies: np.ndarray,
) -> None: ...
