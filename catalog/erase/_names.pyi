"""Types of the native set of names, `names.cpp`."""

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

class NameSet:
    def __init__(self, most: int) -> None:
        """A set of at most `most` names; where more are added, only those of every 2nd, 4th, ... hash are kept."""

    def add(self, offsets: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> None:
        """Add the rows of a string column."""

    def remove(self, offsets: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> int:
        """Take them out; how many were there."""

    def matches(self, offsets: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> int:
        """How many rows of a string column are in the set."""

    def occurrences(self, buffer: Buffer, start: int) -> int:
        """How many names end after byte `start` of any bytes, with neither a letter nor a digit beside them."""

    @property
    def size(self) -> int: ...
    @property
    def every(self) -> int: ...
