"""Reference assemblies: registered once by what their sequences are, read by memory map.

In the lake a FASTA has one line per contig, upper case, with a samtools `.fai` beside it: a stretch of a contig is
then a slice of the mapped file, and every tool that reads an indexed FASTA can use it.
"""

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.errors import ConflictError, InputError, NotFoundError, TruncatedInputError
from baselake.lake.fasta import Fasta, index_of
from baselake.progress import QUIET, Progress

_CHUNK = 4 << 20
# IUPAC nucleotide codes (SAMv1 section 1.5 allows these in a reference); lower case marks repeats and is dropped.
_NOT_BASES = re.compile(rb"[^ACGTUNRYKMSWBDHV]")
_SAM_NAME = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")  # SAMv1 section 1.2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Contig:
    """One sequence of an assembly.

    Attributes:
        name: as the FASTA names it.
        length: bases.
        md5: SAM's M5: MD5 of the upper-case sequence, hex.
        refget: GA4GH refget v2 digest, `SQ.` and the sha512t24u of the upper-case sequence.
    """

    name: str
    length: int
    md5: str
    refget: str


@dataclass(frozen=True)
class Reference:
    """A registered assembly.

    Attributes:
        name: as it was registered.
        digest: GA4GH sequence collection digest of its names, lengths and sequences.
        contigs: in the order of the FASTA.
        fasta: the FASTA in the lake, one line per contig, with a `.fai`.
    """

    name: str
    digest: str
    contigs: tuple[Contig, ...]
    fasta: Path

    @property
    def lengths(self) -> dict[str, int]:
        """Length of every contig, in order."""
        return {contig.name: contig.length for contig in self.contigs}

    def bases(self, contig: str, start: int, end: int) -> np.ndarray:
        """Upper-case ASCII bases of [start, end), 0-based, cut to the contig; uint8, a view of the mapped file.

        Raises:
            NotFoundError: there is no such contig.
        """
        return self._file.bases(contig)[max(start, 0) : max(end, 0)]

    @cached_property
    def _file(self) -> Fasta:
        return Fasta(self.fasta)


def sha512t24u(data: bytes) -> str:
    """GA4GH's digest: the first 24 bytes of SHA-512, base64url (VRS and refget v2 specifications)."""
    return _t24u(hashlib.sha512(data))


def collection_digest(contigs: tuple[Contig, ...]) -> str:
    """GA4GH sequence collection digest, level 0, of the inherent attributes names and sequences.

    Source: GA4GH refget sequence collections specification v1.0, canonical JSON by RFC 8785.
    """
    level1 = {
        "names": sha512t24u(_canonical([contig.name for contig in contigs])),
        "sequences": sha512t24u(_canonical([contig.refget for contig in contigs])),
    }
    return sha512t24u(_canonical(level1))


def add_reference(catalog: Catalog, fasta: Path, name: str, progress: Progress = QUIET) -> Reference:
    """Register an assembly under a name; the same assembly again is no change.

    Args:
        catalog: the lake.
        fasta: plain, gzipped or bgzipped FASTA.
        name: what commands and tables call it.
        progress: where progress is shown.

    Raises:
        InputError: the file is not FASTA; the message names the line.
        ConflictError: another assembly has that name.
        StorageError: the disk is full or fails.
    """
    # Imported here: writing Parquet takes its time to load, and most that open a reference only read.
    from baselake.lake.parquet import storage_error, sync_folder

    if not fasta.is_file():
        raise NotFoundError("no such file", str(fasta))
    with catalog.job("reference add", {"fasta": fasta.resolve(), "name": name}) as job:
        job.inputs.append(str(fasta.resolve()))
        plain = job.scratch / "reference.fa"
        with progress.task(f"reference {name}", total=None, unit="bases") as task:
            try:
                contigs = []
                for contig in _normalise(fasta, plain):
                    contigs.append(contig)
                    task.advance(contig.length)
            except OSError as error:
                raise storage_error(error, plain) from error
        digest = collection_digest(tuple(contigs))
        known = find_reference(catalog, name)
        if known is not None:
            _require_same(known, digest, fasta)
            progress.note(f"reference {name} is there already: {digest}")
            return known
        # The name says the content, so a copy that a crashed job or another name left is as good as ours.
        target = catalog.layout.reference_fasta(digest)
        target.parent.mkdir(exist_ok=True)
        os.replace(index_of(plain), index_of(target))
        os.replace(plain, target)
        sync_folder(target.parent)
        with job.commit() as tx:
            taken = tx.query('SELECT digest FROM "references" WHERE reference = ?', [name])
            if taken.num_rows:
                raise ConflictError("another writer has just registered it", f"reference {name}", "Try again")
            tx.insert(
                "references",
                pa.table(
                    {
                        "reference": [name],
                        "digest": [digest],
                        "contigs": pa.array([len(contigs)], pa.int32()),
                        "length": [sum(contig.length for contig in contigs)],
                        "source": [str(fasta.resolve())],
                        "job_id": [job.id],
                    }
                ),
            )
            tx.insert(
                "contigs",
                pa.table(
                    {
                        "reference": [name] * len(contigs),
                        "contig": [contig.name for contig in contigs],
                        "ordinal": pa.array(range(len(contigs)), pa.int32()),
                        "length": pa.array([contig.length for contig in contigs], pa.int32()),
                        "md5": [contig.md5 for contig in contigs],
                        "refget": [contig.refget for contig in contigs],
                    }
                ),
            )
    return Reference(name, digest, tuple(contigs), target)


def find_reference(catalog: Catalog, name: str) -> Reference | None:
    """The assembly of that name, or None."""
    found = _references(catalog, name)
    return found[0] if found else None


def open_reference(catalog: Catalog, name: str | None = None) -> Reference:
    """The assembly of that name, or the only one there is.

    Raises:
        NotFoundError: there is none of that name; or no name was given and there is not exactly one.
    """
    found = _references(catalog, name)
    if len(found) != 1:
        names = catalog.query('SELECT reference FROM "references" ORDER BY 1')["reference"].to_pylist()
        what = f"no reference {name!r}" if name is not None else f"{len(names)} references, and none named"
        some = (
            f"Name one of {', '.join(names)} with --reference"
            if names
            else "Run: baselake reference add FASTA --name NAME"
        )
        raise NotFoundError(what, str(catalog.layout.root), some)
    return found[0]


def _references(catalog: Catalog, name: str | None) -> list[Reference]:
    """The assembly of that name, or all of them."""
    rows = catalog.query(
        'SELECT reference, r.digest, c.contig, c.length, c.md5, c.refget FROM "references" AS r'
        " JOIN contigs AS c USING (reference) WHERE $name IS NULL OR reference = $name"
        " ORDER BY reference, c.ordinal",
        {"name": name},
    ).to_pylist()
    contigs: dict[tuple[str, str], list[Contig]] = {}
    for row in rows:
        contigs.setdefault((row["reference"], row["digest"]), []).append(
            Contig(name=row["contig"], length=row["length"], md5=row["md5"], refget=row["refget"])
        )
    return [
        Reference(name, digest, tuple(of), catalog.layout.reference_fasta(digest))
        for (name, digest), of in contigs.items()
    ]


def _require_same(known: Reference, digest: str, fasta: Path) -> None:
    if known.digest != digest:
        raise ConflictError(
            f"reference {known.name} is another assembly ({known.digest}, not {digest})",
            str(fasta),
            "Register it under another --name",
        )


def _normalise(fasta: Path, target: Path) -> Iterator[Contig]:
    """Copy a FASTA with one line per contig, upper case, and its `.fai`; yields each contig when it is whole."""
    seen: set[str] = set()
    index: list[str] = []
    with open(target, "wb") as out:
        for name, line_number, pieces in _records(fasta):
            where = f"{fasta}, line {line_number}"
            if not _SAM_NAME.fullmatch(name):
                raise InputError(
                    f"{name!r} is no reference sequence name", where, "Rename it as SAM section 1.2.1 says"
                )
            if name in seen:
                raise InputError(
                    f"a second sequence named {name!r}", where, "Give every sequence a name of its own"
                )
            seen.add(name)
            md5, sha512 = hashlib.md5(usedforsecurity=False), hashlib.sha512()
            out.write(f">{name}\n".encode())
            offset, length = out.tell(), 0
            for piece in pieces:
                bases = piece.upper()
                if wrong := _NOT_BASES.search(bases):
                    raise InputError(
                        f"{wrong[0].decode('latin-1')!r} is no base",
                        f"{where}, sequence {name}, base {length + wrong.start() + 1}",
                        "A FASTA of DNA has IUPAC codes only",
                    )
                md5.update(bases)
                sha512.update(bases)
                out.write(bases)
                length += len(bases)
            if not length:
                raise InputError(f"sequence {name!r} has no bases", where, "Remove it")
            if length >= 2**31:
                raise InputError(f"sequence {name!r} is longer than SAM's 2^31 - 1", where, "Split it")
            out.write(b"\n")
            index.append(f"{name}\t{length}\t{offset}\t{length}\t{length + 1}\n")
            yield Contig(name=name, length=length, md5=md5.hexdigest(), refget=f"SQ.{_t24u(sha512)}")
        if not seen:
            raise InputError("no sequence in it", str(fasta), "Give a FASTA file")
        out.flush()
        os.fsync(out.fileno())
    with open(index_of(target), "w") as out_index:
        out_index.writelines(index)
        out_index.flush()
        os.fsync(out_index.fileno())


def _records(fasta: Path) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Name, line number of the header, and the sequence in pieces without white space, of every record.

    The pieces of one record must be used up before the next is asked for.
    """
    chunks = _chunks(fasta)
    rest = next(chunks, b"")
    line_number = 1
    if rest[:1] != b">":
        raise InputError("it does not begin with '>'", f"{fasta}, line 1", "Give a FASTA file")
    more = True

    def pieces() -> Iterator[bytes]:
        nonlocal rest, more, line_number
        while more:
            at = rest.find(b"\n>")
            piece, rest = (rest, b"") if at < 0 else (rest[: at + 1], rest[at + 1 :])
            # A '>' may be the first byte of the next chunk: keep a line's end back until it is known.
            held = b"\n" if at < 0 and piece.endswith(b"\n") else b""
            piece = piece[: len(piece) - len(held)]
            line_number += piece.count(b"\n")
            yield piece.translate(None, b"\r\n \t")
            if at >= 0:
                return
            following = next(chunks, None)
            more = following is not None
            rest = held + (following or b"")

    while more:
        while b"\n" not in rest and (following := next(chunks, None)) is not None:
            rest += following
        header, newline, rest = rest.partition(b"\n")
        rest = newline + rest
        name = header[1:].split(maxsplit=1)[0].decode("latin-1") if header[1:].split() else ""
        yield name, line_number, pieces()


def _chunks(fasta: Path) -> Iterator[bytes]:
    from isal import igzip, isal_zlib

    with open(fasta, "rb") as probe:
        gzipped = probe.read(2) == b"\x1f\x8b"
    with igzip.open(fasta, "rb") if gzipped else open(fasta, "rb") as source:
        try:
            while chunk := source.read(_CHUNK):
                yield chunk
        except EOFError as error:
            raise TruncatedInputError(
                "the compressed file ends early", str(fasta), "Copy it again"
            ) from error
        except (gzip.BadGzipFile, isal_zlib.error) as error:
            raise InputError(f"not a sound gzip file ({error})", str(fasta), "Copy it again") from error


def _canonical(value: object) -> bytes:
    # Names are ASCII and digests base64url, so RFC 8785 comes to compact JSON with sorted keys.
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _t24u(sha512: "hashlib._Hash") -> str:
    return base64.urlsafe_b64encode(sha512.digest()[:24]).decode()
