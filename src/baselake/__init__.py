"""baselake: an open genomics data lake with compute near the data.

import baselake
lake = baselake.open("my-lake")
lake.sql("SELECT * FROM calls WHERE contig = 'chr20'")
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from baselake.api import Lake
    from baselake.catalog.snapshots import At

__version__ = "0.4.0"


def open(path: "str | PathLike[str]", *, read_only: bool = False, at: "At | None" = None) -> "Lake":
    """Open the lake in a folder.

    Args:
        path: the folder.
        read_only: refuse every change.
        at: see the lake as it was at this snapshot; implies read-only. Its number, its name, or a time, as text
            (`"2026-03-01T12:00"`, of this machine's time zone where it names none) or a datetime.

    Raises:
        NotFoundError: there is no lake, no such snapshot, or it has expired.
        InputError: `at` is neither a snapshot's number, its name nor a time.
        LakeError: the lake was made by a newer release, or is damaged.
    """
    from baselake.api import open_lake

    return open_lake(path, read_only=read_only, at=at)
