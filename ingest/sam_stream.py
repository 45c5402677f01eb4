"""SAM, BAM and CRAM files as one thing: a stream of uncompressed BAM.

BAM is inflated in this process on a thread of its own. SAM text and CRAM are converted by the samtools inside
pysam, in a child process: htslib tells what is wrong with a file on the standard error of its process only, and
keeps its settings there too. A CRAM's MD and NM come out as `samtools view` shows them: an encoder leaves out what
can be computed again, and does not say where they had not been.
"""

import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from baselake.errors import InputError, NotFoundError, TruncatedInputError
from baselake.ingest.compressed import ReadAhead

Format = Literal["sam", "bam", "cram"]

_CHUNK = 1 << 20
# SAMv1 section 4.1.2: the empty block that ends every BGZF file.
_BGZF_EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BGZF_FIELD = b"BC"  # where a BGZF block differs from other gzip members
_GZIP = b"\x1f\x8b"
_SAM_LINES = (b"@HD\t", b"@SQ\t", b"@RG\t", b"@PG\t", b"@CO\t")
_SAM_FIELDS = 11  # mandatory columns of an alignment line
_COPY_AGAIN = "Copy the file again from where it was made"
# pysam's own handling of errors drops htslib's messages unless they are let through to stderr.
_SAMTOOLS = """
import sys, pysam
pysam.set_verbosity(3)
try:
    pysam.samtools.view(*sys.argv[1:], catch_stdout=False)
except pysam.SamtoolsError as error:
    sys.exit(f"[samtools] {error}")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BamHeader:
    """What stands before the first record of a BAM stream.

    Attributes:
        text: the SAM header, verbatim, with @SQ lines.
        contigs: name and length of every reference sequence; a record's refID counts these.
    """

    text: str
    contigs: tuple[tuple[str, int], ...]


def detect_format(path: Path) -> Format | None:
    """What a file is by its first bytes; None where it is neither SAM, BAM nor CRAM.

    Raises:
        NotFoundError: no such file.
    """
    if not path.is_file():
        raise NotFoundError("no such file", str(path), "Check the path")
    with open(path, "rb") as file:
        head = file.read(1 << 16)
    if head.startswith(_GZIP):
        from isal import igzip_lib

        try:
            head = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP).decompress(head, 1 << 16)
        except igzip_lib.error:
            return None
    if head.startswith(b"BAM\1"):
        return "bam"
    if head.startswith(b"CRAM"):
        return "cram"
    first_line = head.partition(b"\n")[0]
    if head.startswith(_SAM_LINES) or first_line.count(b"\t") >= _SAM_FIELDS - 1:
        return "sam"
    return None


def read_header(path: Path, form: Format) -> BamHeader:
    """The header alone; of a CRAM too, without its reference.

    Raises:
        InputError: the header is not what its format says.
    """
    with _open_chunks(path, form, ["-H"]) as chunks:
        return split_header(chunks, path)[0]


class BamStream:
    """An uncompressed BAM stream: its header, then its records in chunks that end anywhere.

    Attributes:
        header: what stands before the first record.
    """

    def __init__(self, chunks: Iterator[bytes], path: Path) -> None:
        import xxhash

        self._content = xxhash.xxh3_128()
        self._chunks = self._digested(chunks)
        self.header, self._rest = split_header(self._chunks, path)

    def __iter__(self) -> Iterator[bytes]:
        yield self._rest
        yield from self._chunks

    @property
    def content_id(self) -> str:
        """XXH3-128 of the stream as far as it has been read, header included; hexadecimal."""
        return self._content.hexdigest()

    def _digested(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._content.update(chunk)
            yield chunk


@contextmanager
def open_stream(path: Path, form: Format, fasta: Path | None) -> Iterator[BamStream]:
    """Open a file as a BAM stream.

    Args:
        path: the file.
        form: its format, as `detect_format` says.
        fasta: the reference a CRAM is decoded with, indexed; None: it needs none.

    Raises:
        TruncatedInputError: the file ends early, or without the block that ends BGZF files.
        InputError: the file is not what its format says; raised while chunks are taken.
    """
    with _open_chunks(path, form, ["-T", str(fasta)] if fasta is not None else []) as chunks:
        yield BamStream(chunks, path)


def split_header(chunks: Iterator[bytes], path: Path) -> tuple[BamHeader, bytes]:
    """Take the header off the front of a BAM stream; also what followed it in its last chunk.

    Raises:
        InputError: it is no BAM header.
    """
    held = bytearray()

    def need(end: int) -> None:
        while len(held) < end:
            chunk = next(chunks, None)
            if chunk is None:
                raise TruncatedInputError("the file ends inside its header", str(path), _COPY_AGAIN)
            held.extend(chunk)

    def number(at: int) -> int:
        need(at + 4)
        (value,) = struct.unpack_from("<i", held, at)
        if value < 0:
            raise InputError("the BAM header has a negative length", str(path), _COPY_AGAIN)
        return int(value)

    need(4)
    if not held.startswith(b"BAM\1"):
        raise InputError("it is not BAM", str(path), "Give a SAM, BAM or CRAM file")
    at = 8 + number(4)
    need(at)
    text = _decode(bytes(held[8:at]).rstrip(b"\0"), path)
    count = number(at)
    at += 4
    contigs = []
    for _ in range(count):
        name_end = at + 4 + number(at)
        length = number(name_end)
        contigs.append((_decode(bytes(held[at + 4 : name_end - 1]), path), length))
        at = name_end + 4
    if "@SQ\t" not in text:  # SAMv1 section 4.2 lets the text leave out what the binary list says
        text += "".join(f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in contigs)
    return BamHeader(text=text, contigs=tuple(contigs)), bytes(held[at:])


def _decode(text: bytes, path: Path) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise InputError("the header is not UTF-8", str(path), "Mend it with samtools reheader") from error


@contextmanager
def _open_chunks(path: Path, form: Format, options: list[str]) -> Iterator[Iterator[bytes]]:
    if form == "bam":
        with ReadAhead(path, _CHUNK) as file:
            yield _to_its_end(iter(file.read, b""), path)
    else:
        with _samtools(path, options) as (child, complaints):
            yield _child_chunks(child, complaints, path)


def _to_its_end(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """All chunks of a BAM; then, when it is known which record was the last, whether it ends as it must."""
    yield from chunks
    with open(path, "rb") as file:
        head = file.read(14)
        if not head.startswith(_GZIP) or head[12:] != _BGZF_FIELD:
            return
        file.seek(-len(_BGZF_EOF), os.SEEK_END)
        if file.read() != _BGZF_EOF:
            raise TruncatedInputError(
                "it does not end with the empty block that ends a BAM file", str(path), _COPY_AGAIN
            )


@contextmanager
def _samtools(path: Path, options: list[str]) -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes]]]:
    # htslib looks a CRAM's reference up on the network unless it is told where else to look.
    environment = {**os.environ, "REF_PATH": os.devnull, "REF_CACHE": ""}
    arguments = ["-u", "--no-PG", "-o", "-", *options, "--", str(path)]
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(
            [sys.executable, "-c", _SAMTOOLS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environment,
        )
        try:
            yield child, complaints
        finally:
            assert child.stdout is not None
            child.kill()
            child.stdout.close()
            child.wait()


def _child_chunks(child: "subprocess.Popen[bytes]", complaints: IO[bytes], path: Path) -> Iterator[bytes]:
    from isal import igzip

    assert child.stdout is not None
    with igzip.open(child.stdout, "rb") as stream:
        try:
            yield from iter(lambda: stream.read(_CHUNK), b"")
        except EOFError as error:
            child.wait()
            raise _complaint(complaints, path) from error
    if child.wait():
        raise _complaint(complaints, path)


def _complaint(complaints: IO[bytes], path: Path) -> InputError:
    """htslib's messages as one error: the first error says what, `Parse error at line` says where."""
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").replace(str(path), path.name).splitlines()
    errors = [line.partition("] ")[2] for line in lines if line.startswith("[E::")]
    places = [line.rpartition(" at ")[2] for line in lines if "Parse error at line" in line]
    where = f"{path}, {places[0]}" if places else str(path)
    if any("EOF marker is absent" in line or "truncated file" in line for line in lines):
        return TruncatedInputError("the file ends early", where, _COPY_AGAIN)
    what = errors[0].strip() if errors else "a line that is no SAM record" if places else " ".join(lines)
    return InputError(f"samtools cannot read it: {what}", where, "Mend the file, or make it again")
