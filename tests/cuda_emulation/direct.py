"""What we call of kvikio, reading to arrays of the emulated device."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from .device import Part


class Read:
    """A read under way."""

    def __init__(self, file: "CuFile", part: Part, file_offset: int) -> None:
        self.file, self.part, self.file_offset = file, part, file_offset

    def get(self) -> int:
        """Bytes read, once they are there."""
        assert self.file.open
        held = self.part.array.held[self.part.part].view(np.uint8)
        found = np.fromfile(self.file.path, np.uint8, held.size, offset=self.file_offset)
        held[: found.size] = found
        return int(found.size)


class CuFile:
    """A file that is open for reading."""

    bytes_asked = 0  # of all files

    def __init__(self, path: str, flags: str) -> None:
        assert flags == "r"
        assert Path(path).is_absolute()
        self.path, self.open = Path(path), True
        if not self.path.exists():
            raise RuntimeError("Unable to open file. No such file or directory")  # as kvikio 26.10 says it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open = False

    def pread(self, buf: Part, *, file_offset: int) -> Read:
        """Begins to read."""
        type(self).bytes_asked += (buf.part.stop - buf.part.start) * buf.array.dtype.itemsize
        return Read(self, buf, file_offset)
