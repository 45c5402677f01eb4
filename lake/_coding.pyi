from collections.abc import Sequence

import numpy as np

def encode(
    steps: Sequence[tuple[np.ndarray | None, np.ndarray | None, bool, int]],
    codes: np.ndarray,
    entries: int,
    index: np.ndarray | None,
    counts: np.ndarray | None,
) -> tuple[np.ndarray, bytes, int, int]: ...
def number_codes(numbers: np.ndarray, valid: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None: ...
def runs(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
