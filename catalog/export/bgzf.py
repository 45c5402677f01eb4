"""BGZF: gzip in blocks of at most 64 KiB, compressed on several threads (SAMv1, section 4.1)."""

import struct
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

# Bytes of content in a block: what does not compress at all still fits the 64 KiB of a block.
_BLOCK = 0xFF00
# A task of some blocks, so that handing it over costs nothing beside compressing it.
_TASK = 16 * _BLOCK
_LEVEL = 2  # of ISA-L's 0 to 3
_HEADER = struct.Struct("<4BI2BH2B2H")
# The empty block that ends every BGZF file (SAMv1, section 4.1.2).
BGZF_EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


class BgzfWriter:
    """Writes one BGZF file; a context manager. An OSError, such as a full disk, is raised as it is."""

    def __init__(self, path: Path, threads: int) -> None:
        self._file = open(path, "wb")  # noqa: SIM115 - closed by __exit__
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bgzf")
        self._ahead = 2 * threads
        self._tasks: deque[Future[bytes]] = deque()
        self._pending = bytearray()

    def write(self, content: bytes) -> None:
        """Append content."""
        self._pending += content
        while len(self._pending) >= _TASK:
            self._submit(bytes(self._pending[:_TASK]))
            del self._pending[:_TASK]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._submit(bytes(self._pending))
                while self._tasks:
                    self._file.write(self._tasks.popleft().result())
                self._file.write(BGZF_EOF)
        finally:
            self._pool.shutdown(cancel_futures=True)
            self._file.close()

    def _submit(self, content: bytes) -> None:
        if len(self._tasks) == self._ahead:
            self._file.write(self._tasks.popleft().result())
        self._tasks.append(self._pool.submit(compress, content))


def compress(content: bytes) -> bytes:
    """The BGZF blocks of some content, without the block that ends a file."""
    from isal import isal_zlib

    blocks = []
    for begin in range(0, len(content), _BLOCK):
        block = content[begin : begin + _BLOCK]
        deflate = isal_zlib.compressobj(_LEVEL, wbits=-15)
        body = deflate.compress(block) + deflate.flush()
        size = _HEADER.size + len(body) + 8
        blocks.append(_HEADER.pack(31, 139, 8, 4, 0, 0, 255, 6, ord("B"), ord("C"), 2, size - 1))
        blocks += [body, struct.pack("<2I", isal_zlib.crc32(block), len(block))]
    return b"".join(blocks)
