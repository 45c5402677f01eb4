"""The decompressed bytes of a plain, gzip or bgzip file, read ahead in a thread and digested on the way.

A file's compression is told by its first bytes, never by its name. gzip is RFC 1952: any number of members, each
with its CRC and length, zero bytes allowed after the last; bgzip is gzip with small members.
"""

import hashlib
import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType

from baselake.errors import InputError, NotFoundError, StorageError, TruncatedInputError

# Compressed bytes read at a time. bgzip members of some 20 kB each are cut from a block by copying the rest of
# it, so larger blocks are slower; the same holds for the Python calls of smaller ones.
_BLOCK_BYTES = 1 << 17
# Decompressed bytes taken from a gzip stream at a time, lest a block of zeros fill the memory.
_PIECE_BYTES = 1 << 22
_GZIP_MAGIC = b"\x1f\x8b"
_OTHER_MAGIC = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
_COPY_AGAIN = "Copy the file from its source again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What identifies a file.

    Attributes:
        source_id: SHA-256 of the file's own bytes, hexadecimal.
        content_id: XXH3-128 of its decompressed bytes, hexadecimal: the same for any compression of them.
        bytes: size of the file.
    """

    source_id: str
    content_id: str
    bytes: int


def file_source_id(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises:
        NotFoundError: no such file.
        StorageError: the file cannot be read.
    """
    with _open(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(path, error) from error


def decompressed(path: Path, chunk_bytes: int) -> Generator[bytes, None, Digest]:
    """Yields a file's decompressed bytes in chunks of about `chunk_bytes`; returns its digest.

    Everything that comes before a damaged place is yielded before the error is raised.

    Raises:
        TruncatedInputError: the file is empty, or ends inside a gzip member.
        InputError: it is damaged, of a compression that is not read, or changed while it was read.
        NotFoundError: no such file.
        StorageError: it cannot be read.
    """
    import xxhash

    own, content = hashlib.sha256(), xxhash.xxh3_128()
    with _open(path) as file:
        before = os.fstat(file.fileno())
        pending: list[bytes] = []
        size = 0
        pieces = _pieces(file, own, path)
        while True:
            damage: Exception | None = None
            try:
                piece = next(pieces, None)
            except (InputError, StorageError) as error:
                piece, damage = None, error
            if piece is not None:
                content.update(piece)
                pending.append(piece)
                size += len(piece)
            if pending and (piece is None or size >= chunk_bytes):
                yield b"".join(pending)
                pending.clear()
                size = 0
            if damage is not None:
                raise damage
            if piece is None:
                break
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(
            "the file changed while it was read", str(path), "Wait until it is written completely"
        )
    return Digest(source_id=own.hexdigest(), content_id=content.hexdigest(), bytes=after.st_size)


class ReadAhead:
    """`decompressed` in a thread of its own, a bounded number of chunks ahead. Use as a context manager."""

    def __init__(self, path: Path, chunk_bytes: int = 1 << 20, chunks_ahead: int = 4) -> None:
        self._chunks = decompressed(path, chunk_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"read {path.name}")
        self._ahead: deque[Future[bytes | Digest]] = deque(
            self._thread.submit(self._next) for _ in range(chunks_ahead)
        )
        self._digest: Digest | None = None

    @property
    def digest(self) -> Digest:
        """The file's digest, once it has been read to its end."""
        if self._digest is None:
            raise ValueError("the file has not been read to its end")
        return self._digest

    def read(self) -> bytes:
        """The next chunk, empty at the end of the file.

        Raises:
            InputError, NotFoundError, StorageError: as `decompressed` does.
        """
        if self._digest is not None:
            return b""
        chunk = self._ahead.popleft().result()
        if isinstance(chunk, Digest):
            self._digest = chunk
            return b""
        self._ahead.append(self._thread.submit(self._next))
        return chunk

    def close(self) -> None:
        """Stop reading."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._chunks.close()

    def __enter__(self) -> "ReadAhead":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> bytes | Digest:
        try:
            return next(self._chunks)
        except StopIteration as end:
            digest: Digest = end.value
            return digest


def _pieces(file: FileIO, own: "hashlib._Hash", path: Path) -> Generator[bytes, None, None]:
    block = _read_block(file, own, path, max(map(len, _OTHER_MAGIC)))
    if not block:
        raise TruncatedInputError("the file is empty", str(path), _COPY_AGAIN)
    for magic, name in _OTHER_MAGIC.items():
        if block.startswith(magic):
            raise InputError(f"{name} compression is not read", str(path), "Decompress the file, or use gzip")
    if block.startswith(_GZIP_MAGIC):
        yield from _gzip_pieces(block, file, own, path)
        return
    while block:
        yield block
        block = _read_block(file, own, path, _BLOCK_BYTES)


def _gzip_pieces(
    block: bytes, file: FileIO, own: "hashlib._Hash", path: Path
) -> Generator[bytes, None, None]:
    from isal import isal_zlib

    member = isal_zlib.decompressobj(wbits=31)
    while block:
        piece = b""
        while block or len(piece) == _PIECE_BYTES:
            if member.eof:
                block = block.lstrip(b"\0")  # padding, as tapes and some object stores add it
                if not block:
                    break
                if not block.startswith(_GZIP_MAGIC[: len(block)]):
                    raise InputError("bytes that are not gzip follow the gzip data", str(path), _COPY_AGAIN)
                member = isal_zlib.decompressobj(wbits=31)
            try:
                piece = member.decompress(block, _PIECE_BYTES)
            except isal_zlib.error as error:
                raise InputError(f"the gzip data is damaged ({error})", str(path), _COPY_AGAIN) from error
            if piece:
                yield piece
            block = member.unused_data if member.eof else member.unconsumed_tail
        block = _read_block(file, own, path, _BLOCK_BYTES)
    if not member.eof:
        raise TruncatedInputError("the file ends inside its gzip data", str(path), _COPY_AGAIN)


def _read_block(file: FileIO, own: "hashlib._Hash", path: Path, limit: int) -> bytes:
    try:
        block = file.read(limit)
    except OSError as error:
        raise _unreadable(path, error) from error
    own.update(block)
    return block


def _open(path: Path) -> FileIO:
    if not path.exists():
        raise NotFoundError("no such file", str(path), "Check the path")
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        error.strerror or str(error), str(path), "Make the file readable, then run the command again"
    )
