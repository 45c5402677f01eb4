"""Releases of annotation: which were loaded, and which one answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.errors import ConflictError, InputError, NotFoundError

# What gene models are called among the sources.
GENES = "genes"
# And the ontology of phenotypes.
ONTOLOGY = "ontology"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One content of a source.

    Attributes:
        release_id: the job that loaded it.
        source: the source's name; `genes` are gene models.
        version: what the user or the file calls the release.
        kind: `genes`, `alleles`, `regions`, `ontology`, or `gene_terms`: keyed by gene.
        reference: the assembly; None: it is of none, being keyed by gene, or of terms.
        path: the file.
        format: `gff3`, `gtf`, `vcf`, `bcf`, `bed`, `tsv` or `obo`.
        columns: keys or columns that were chosen, sorted; None: all.
        source_id: SHA-256 of the file's bytes.
        content_id: XXH3-128 of its decompressed bytes.
        bytes: size of the file.
        records: lines or records loaded.
    """

    release_id: str
    source: str
    version: str
    kind: str
    reference: str | None
    path: str
    format: str
    columns: Sequence[str] | None
    source_id: str
    content_id: str
    bytes: int
    records: int


_ROW = pa.schema(
    [
        *((name, pa.string()) for name in ("release_id", "source", "version", "kind", "reference", "path")),
        *((name, pa.string()) for name in ("format", "source_id", "content_id")),
        ("columns", pa.list_(pa.string())),
        ("bytes", pa.int64()),
        ("records", pa.int64()),
        ("loaded", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The release of a source that answers.

    Attributes:
        release_id, version, kind, source_id, content_id, columns: as in `Release`.
    """

    release_id: str
    version: str
    kind: str
    source_id: str
    content_id: str
    columns: Sequence[str] | None


def current_release(place: Catalog | Transaction, source: str, reference: str | None) -> Current | None:
    """The release of a source that was loaded last; None: there is none.

    Args:
        place: where it is looked for.
        source: the source.
        reference: the assembly; None: one that is of none.
    """
    rows = place.query(
        "SELECT release_id, version, kind, source_id, content_id, columns FROM current_releases WHERE source = ?"
        " AND reference IS NOT DISTINCT FROM ?",
        [source, reference],
    ).to_pylist()
    return Current(**rows[0]) if rows else None


def record_release(tx: Transaction, release: Release) -> None:
    """Make a release the one that answers.

    Raises:
        ConflictError: the source is of another kind: of genes and not of alleles, say.
    """
    rows = tx.query("SELECT DISTINCT kind FROM annotation_releases WHERE source = ?", [release.source])
    if any(kind != release.kind for kind in rows["kind"].to_pylist()):
        raise ConflictError(
            f"source {release.source} is of {rows['kind'][0].as_py()}, and the file of {release.kind}",
            release.path,
            "Give it another name",
        )
    row = {name: getattr(release, name) for name in _ROW.names if name != "loaded"}
    # The transaction's own time, which no snapshot that has it is before.
    loaded = tx.query("SELECT now() AS at")["at"][0].as_py()
    tx.insert("annotation_releases", pa.Table.from_pylist([row | {"loaded": loaded}], schema=_ROW))


def require_source_name(name: str) -> None:
    """See that a source can be called so.

    Raises:
        InputError: the name is that of gene models, or no word.
    """
    if (
        name in (GENES, ONTOLOGY)
        or not name.replace("_", "").replace("-", "").isalnum()
        or not name.isascii()
    ):
        raise InputError(
            f"a source cannot be called {name!r}",
            "",
            f"Choose a word of letters, digits, - and _ that is neither {GENES} nor {ONTOLOGY}",
        )


def set_panel(catalog: Catalog, name: str, genes: Sequence[str]) -> list[str]:
    """Give a list of genes a name, in the place of the list that had it; no genes: the name goes.

    Returns:
        Those of the genes that no gene model of the lake has: they may be of models that are loaded later.

    Raises:
        InputError: the name is empty.
        NotFoundError: there is no such panel to take away.
    """
    if not name:
        raise InputError("a panel needs a name", "", "Give one")
    there = catalog.query("SELECT 1 FROM panels WHERE panel = ? LIMIT 1", [name]).num_rows
    if not genes and not there:
        raise NotFoundError(f"no panel {name!r}", str(catalog.layout.root), "'baselake panel' lists them")
    members = sorted(set(genes))
    with catalog.job("panel set", {"panel": name, "genes": len(members)}) as job, job.commit() as tx:
        tx.execute("DELETE FROM panels WHERE panel = ?", [name])
        columns = {"panel": [name] * len(members), "gene": members, "job_id": [job.id] * len(members)}
        tx.insert("panels", pa.table({key: pa.array(values, pa.string()) for key, values in columns.items()}))
    known = catalog.query(
        "SELECT gene FROM genes WHERE list_contains($genes::VARCHAR[], gene) UNION"
        " SELECT gene_id FROM genes WHERE list_contains($genes::VARCHAR[], gene_id)",
        {"genes": members},
    )
    return sorted(set(members) - set(known["gene"].to_pylist()))
