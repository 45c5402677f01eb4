"""An ontology of phenotypes, as OBO writes it: which term is below which.

Source: OBO Flat File Format 1.4 (owlcollab.github.io/oboformat/doc/obo-syntax.html).
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from baselake.catalog.annotations import ONTOLOGY, Release, current_release, record_release
from baselake.catalog.catalog import Catalog
from baselake.errors import InputError
from baselake.ingest.compressed import Digest, decompressed
from baselake.progress import QUIET, Progress

_TERMS = pa.schema(
    [
        ("term", pa.string()),
        ("name", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("alt_ids", pa.list_(pa.string())),
        ("obsolete", pa.bool_()),
    ]
)
_CORRECT = "Copy the file from its source again"


@dataclass(frozen=True, slots=True, kw_only=True)
class OntologyImport:
    """What an import did.

    Attributes:
        version: of the release.
        terms: now in the lake; 0 where `skipped`.
        skipped: the content was there already.
    """

    version: str
    terms: int
    skipped: bool


@dataclass(frozen=True, slots=True)
class _Read:
    terms: pa.Table
    version: str | None
    digest: Digest


def load_ontology(
    catalog: Catalog, path: Path, *, version: str | None = None, progress: Progress = QUIET
) -> OntologyImport:
    """Load an ontology in the place of the one that is there, which snapshots still have.

    Args:
        catalog: the lake.
        path: OBO, plain or gzipped, such as HPO's hp.obo.
        version: what the release is called; None: what the file says, else its name.
        progress: where it is said that the content is there already.

    Raises:
        NotFoundError: no such file.
        InputError: the file is not what its format says; the message names the line.
        StorageError: the file cannot be read.
    """
    with catalog.job("annotate ontology", {"file": path.resolve()}) as job:
        read = _read(path)
        named = version or read.version or path.name
        known = current_release(catalog, ONTOLOGY, None)
        if known is not None and known.content_id == read.digest.content_id:
            progress.note(f"the content of {path.name} is loaded already, as release {known.version}")
            return OntologyImport(version=known.version, terms=0, skipped=True)
        job.inputs.append(read.digest.source_id)
        job.bytes_near += read.digest.bytes
        with job.commit() as tx:
            tx.execute("DELETE FROM ontology_terms")
            tx.insert(
                "ontology_terms",
                read.terms.append_column("release_id", pa.repeat(job.id, read.terms.num_rows)),
            )
            record_release(
                tx,
                Release(
                    release_id=job.id,
                    source=ONTOLOGY,
                    version=named,
                    kind=ONTOLOGY,
                    reference=None,
                    path=str(path.resolve()),
                    format="obo",
                    columns=None,
                    source_id=read.digest.source_id,
                    content_id=read.digest.content_id,
                    bytes=read.digest.bytes,
                    records=read.terms.num_rows,
                ),
            )
    return OntologyImport(version=named, terms=read.terms.num_rows, skipped=False)


def _read(path: Path) -> _Read:
    """The terms of a file, in its order."""
    terms: list[dict[str, object]] = []
    places: dict[str, int] = {}
    parents: list[tuple[str, int]] = []
    version, stanza = None, ""
    current: dict[str, object] | None = None
    lines = _lines(path)
    number = 0
    while True:
        try:
            text = next(lines)
        except StopIteration as end:
            digest = end.value
            break
        number += 1
        where = f"{path}, line {number}"
        if number == 1 and not text.startswith("format-version:"):
            raise InputError("the file is no OBO: it does not begin with format-version", where, _CORRECT)
        if match := re.fullmatch(r"\[(\w+)\]", text):
            stanza, current = match[1], None
            continue
        tag, colon, rest = text.partition(":")
        value = re.split(r" !| \{", rest, maxsplit=1)[0].strip()
        if not text or text.startswith("!"):
            continue
        if not colon:
            raise InputError(f"{text[:40]!r} is neither a stanza nor TAG: VALUE", where, _CORRECT)
        if not stanza and tag == "data-version":
            version = value
        if stanza != "Term":
            continue
        if tag == "id":
            if value in places:
                raise InputError(
                    f"term {value} is there twice, first in line {places[value]}", where, _CORRECT
                )
            places[value] = number
            current = {"term": value, "name": None, "parents": [], "alt_ids": [], "obsolete": False}
            terms.append(current)
        elif current is None:
            raise InputError("a term does not begin with its id", where, _CORRECT)
        elif tag == "name":
            current["name"] = rest.strip()
        elif tag == "is_obsolete":
            current["obsolete"] = value == "true"
        elif tag in ("is_a", "alt_id"):
            of = current["parents" if tag == "is_a" else "alt_ids"]
            assert isinstance(of, list)
            of.append(value)
            if tag == "is_a":
                parents.append((value, number))
    for parent, line in parents:
        if parent not in places:
            raise InputError(f"there is no term {parent}", f"{path}, line {line}", _CORRECT)
    if not terms:
        raise InputError("the file has no terms", str(path), _CORRECT)
    return _Read(pa.Table.from_pylist(terms, schema=_TERMS), version, digest)


def _lines(path: Path) -> Generator[str, None, Digest]:
    """Lines without their ends; returns the digest."""
    chunks, left, number = decompressed(path, 1 << 20), b"", 0
    while True:
        try:
            chunk = next(chunks)
        except StopIteration as end:
            if left:
                yield _decoded(path, left, number + 1)
            digest: Digest = end.value
            return digest
        *whole, left = (left + chunk).split(b"\n")
        for line in whole:
            number += 1
            yield _decoded(path, line, number)


def _decoded(path: Path, line: bytes, number: int) -> str:
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError as error:
        raise InputError("the line is not text of UTF-8", f"{path}, line {number}", _CORRECT) from error
