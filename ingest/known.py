"""What an import asks the lake before and while it writes: which assemblies there are, which content it has."""

from collections.abc import Sequence
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.catalog.references import Reference, open_reference
from baselake.errors import ConflictError


class KnownContent(Exception):
    """Files whose content turned out to be in the lake: leave them out and start again."""

    def __init__(self, paths: set[Path]) -> None:
        super().__init__(paths)
        self.paths = paths


def possible_references(catalog: Catalog, chosen: str | None) -> list[Reference]:
    """The assembly that was chosen, or else all there are.

    Raises:
        NotFoundError: there is none of that name.
    """
    if chosen is not None:
        return [open_reference(catalog, chosen)]
    names = catalog.query('SELECT reference FROM "references" ORDER BY 1')["reference"].to_pylist()
    return [open_reference(catalog, name) for name in names]


def is_imported(
    source: Catalog | Transaction, column: str, value: str, samples: Sequence[str], path: Path
) -> bool:
    """Whether a file of a digest is in the lake, as the same samples'.

    Args:
        source: the lake.
        column: of `source_files`: `source_id` or `content_id`.
        value: the digest.
        samples: whose the file is, in any order.
        path: the file, as errors name it.

    Raises:
        ConflictError: it is there as other samples'.
    """
    known = source.query(f"SELECT path, sample_ids FROM source_files WHERE {column} = ?", [value]).to_pylist()
    for row in known:
        if sorted(row["sample_ids"]) != sorted(samples):
            raise ConflictError(
                f"it was imported as sample {', '.join(row['sample_ids'])}, from {row['path']}",
                str(path),
                "Leave --sample out to keep it so",
            )
    return bool(known)
