"""Types of the native index matcher, `barcodes.cpp`."""

import numpy as np
import numpy.typing as npt

MAX_CYCLES: int

def match(
    expected1: npt.NDArray[np.uint8],
    expected2: npt.NDArray[np.uint8],
    allowed1: npt.NDArray[np.int32],
    allowed2: npt.NDArray[np.int32],
    index1: npt.NDArray[np.uint8],
    index2: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Which of the expected indexes [entries, cycles] each observed one [keys, cycles] is."""

def collision(
    expected1: npt.NDArray[np.uint8],
    expected2: npt.NDArray[np.uint8],
    allowed1: npt.NDArray[np.int32],
    allowed2: npt.NDArray[np.int32],
    independent: bool,
) -> tuple[int, int]:
    """The first two of the expected indexes that one observed index could be; (-1, -1): there are none."""
