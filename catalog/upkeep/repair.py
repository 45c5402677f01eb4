"""Bringing a file back from another copy of it, and setting figures right."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from baselake.catalog.catalog import Catalog
from baselake.catalog.metadata import metadata_change
from baselake.catalog.upkeep.check import Checked, check
from baselake.catalog.upkeep.needed import Needed, index_text
from baselake.errors import BaselakeError, InputError
from baselake.lake.keyring import key_name
from baselake.lake.location import pieces_of, size_of, write_location
from baselake.lake.store import check_url


def restore_file(needed: Needed, copies: Sequence[str]) -> str:
    """Put the first sound copy in the place of a file; `repaired`, or why there is none.

    A copy is sound when it passes the check that the file failed. Where the checksum is not known it must have the
    size and a sound footer, which proves less and is said.

    Args:
        needed: the file.
        copies: absolute paths or URLs where one may be.
    """
    if needed.kind == "index":
        text = index_text(needed.contigs)
        _put(needed, [text], len(text))
        return "repaired"
    tried = []
    for copy in copies:
        checked = check(replace(needed, location=copy), quick=False)
        if checked.finding is not None:
            if checked.finding.kind != "missing":
                tried.append(f"{copy} is {checked.finding.kind}")
            continue
        try:
            _put(needed, pieces_of(copy), size_of(copy))
        except (BaselakeError, OSError) as error:
            tried.append(f"{copy}: {error}")
            continue
        unproven = needed.checksum is None and needed.kind != "reference"
        return "repaired, by a copy whose bytes nothing vouches for" if unproven else "repaired"
    return "; ".join(tried) if tried else "no copy of it is known"


def correct_size(catalog: Catalog, checked: Checked) -> str:
    """Set down the size that a sound file has."""
    needed = checked.needed
    table, key = (
        ("ducklake_data_file", "data_file_id")
        if needed.kind == "rows"
        else ("ducklake_delete_file", "delete_file_id")
    )
    name = needed.location.rsplit("/", 1)[-1]
    with metadata_change(catalog, "a file's size") as cursor:
        cursor.execute(
            f"UPDATE __ducklake_metadata_lake.{table} SET file_size_bytes = ? WHERE {key} = ?",
            [checked.bytes, needed.file_id],
        )
        cursor.execute(
            "UPDATE __ducklake_metadata_lake.baselake_files SET bytes = ? WHERE name = ?",
            [checked.bytes, name],
        )
    return "repaired"


def mirror_of(place: str | os.PathLike[str]) -> str:
    """A folder, or a prefix on S3, that mirrors a lake: its absolute path or URL.

    Raises:
        InputError: it is neither.
    """
    text = os.fspath(place)
    return check_url(text if "://" in text else os.path.abspath(text))


def existing_mirror(place: str | os.PathLike[str]) -> str:
    """Likewise, of one that files are to come from.

    Raises:
        InputError: it is neither, or there is no such folder.
    """
    found = mirror_of(place)
    if "://" not in found and not os.path.isdir(found):
        raise InputError("there is no such folder", found, "Mount it, or give another one")
    return found


def copies_in(folders: Sequence[str], needed: Needed) -> list[str]:
    """Where a file would be in folders that mirror the lake, such as backups."""
    path = mirrored(needed)
    return [f"{folder.rstrip('/')}/{path}" for folder in folders]


def mirrored(needed: Needed) -> str:
    """The path of a file's copy in a folder that mirrors the lake; a file moved elsewhere has its hot path."""
    if needed.kind == "object":
        return key_name(needed.location)
    if needed.kind in ("rows", "deletes") and (needed.path.startswith("/") or "://" in needed.path):
        return f"data/main/{needed.table}/{needed.path.rsplit('/', 1)[-1]}"
    return needed.path


def _put(needed: Needed, pieces: Iterable[bytes], size: int) -> None:
    """Write the file anew, and see that it is sound now.

    Raises:
        OSError: it could not be written, or is not.
    """
    write_location(needed.location, pieces, size)
    checked = check(needed, quick=False)
    if checked.finding is not None and checked.finding.kind != "stale size":
        raise OSError(f"what was written is {checked.finding.kind}")
