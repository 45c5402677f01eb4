"""baselake: an open genomics data lake with compute near the data.

import baselake
lake = baselake.open("my-lake")
lake.sql("SELECT * FROM calls WHERE contig = 'chr20'")
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from baselake.api import Lake

__version__ = "0.1.0"


def open(path: "str | PathLike[str]", *, read_only: bool = False, snapshot: int | None = None) -> "Lake":
    """Open the lake in a folder.

    Args:
        path: the folder.
        read_only: refuse every change.
        snapshot: see the lake as it was at this snapshot; implies read-only.

    Raises:
        NotFoundError: there is no lake, or no such snapshot.
        LakeError: the lake was made by a newer release, or is damaged.
    """
    from baselake.api import open_lake

    return open_lake(path, read_only=read_only, snapshot=snapshot)
