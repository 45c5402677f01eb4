"""Whether a file is whole as far as its first and last bytes tell."""

import os
from pathlib import Path

from baselake.errors import StorageError
from baselake.ingest.run_source import Fault

# SAMv1 section 4.1.2.
_BGZF_EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
# CRAMv3 section 9: the container that ends a file, by major version (before 2.1, which is gone, there was none).
_CRAM_EOF = {
    2: bytes.fromhex("0b000000ffffffff0fe0454f460000000001000001000606010001000100"),
    3: bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"),
}
_GZIP = b"\x1f\x8b\x08"
_BGZF_FIELD = slice(12, 14)
_POD5 = b"\x8bPOD\r\n\x1a\n"  # at both ends
_HEAD = 18
_TAIL = 38


def end_fault(path: Path) -> Fault | None:
    """What is wrong with the end of a FASTQ, BAM, CRAM or pod5 file, or None.

    A file that is cut short may be on its way, so its fault is `missing`. Of gzip without BGZF's blocks only the
    beginning can be seen to be right: its checksum is known when it is read.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            tail = file.read()
    except FileNotFoundError:
        return Fault(path=path, what="it is not there any more", missing=True)
    except OSError as error:
        raise StorageError(
            error.strerror or str(error), str(path), "Make the file readable, then run the command again"
        ) from error
    if not size:
        return Fault(path=path, what="the file is empty", missing=True)
    kind = path.name.lower().rpartition(".")[2]
    what = _CHECKS[kind](head, tail) if kind in _CHECKS else None
    return None if what is None else Fault(path=path, what=what[0], missing=what[1])


_Finding = tuple[str, bool] | None


def _gzip(head: bytes, tail: bytes) -> _Finding:
    if not head.startswith(_GZIP[: len(head)]):
        return "it is not gzip", False
    if head[_BGZF_FIELD] == b"BC" and not tail.endswith(_BGZF_EOF):
        return "it does not end with the empty block that ends a bgzip file", True
    return None


def _bam(head: bytes, tail: bytes) -> _Finding:
    if not head.startswith(_GZIP[: len(head)]):
        return "it is not BAM", False
    return (
        None
        if tail.endswith(_BGZF_EOF)
        else ("it does not end with the empty block that ends a BAM file", True)
    )


def _cram(head: bytes, tail: bytes) -> _Finding:
    if not head.startswith(b"CRAM"[: len(head)]):
        return "it is not CRAM", False
    end = _CRAM_EOF.get(head[4] if len(head) > 4 else 0)
    if end is not None and not tail.endswith(end):
        return "it does not end with the container that ends a CRAM file", True
    return None


def _pod5(head: bytes, tail: bytes) -> _Finding:
    if not head.startswith(_POD5[: len(head)]):
        return "it is not pod5", False
    return None if tail.endswith(_POD5) else ("it does not end with the mark that ends a pod5 file", True)


_CHECKS = {"gz": _gzip, "bam": _bam, "cram": _cram, "pod5": _pod5}
