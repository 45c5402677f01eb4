from collections.abc import Callable

import numpy as np

PARTITIONS: int

class Spill:
    def __init__(
        self, folder: str, buffered: int, cipher: Callable[[str, int, memoryview], None] | None = None
    ) -> None: ...
    def add(
        self,
        template: np.ndarray,
        library: np.ndarray,
        flag: np.ndarray,
        contig: np.ndarray,
        start: np.ndarray,
        name: tuple[np.ndarray, np.ndarray],
        cigar: tuple[np.ndarray, np.ndarray],
        qual: tuple[np.ndarray, np.ndarray],
    ) -> int: ...
    def flush(self) -> int: ...

def decide(
    pairs: np.ndarray, fragments: np.ndarray, ends: np.ndarray, marks: np.ndarray, distance: int
) -> None: ...
def keys(
    flag: np.ndarray,
    contig: np.ndarray,
    start: np.ndarray,
    cigar: tuple[np.ndarray, np.ndarray],
    qual: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]: ...
