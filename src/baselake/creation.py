"""Making lakes."""

import os
from collections.abc import Sequence
from pathlib import Path

import baselake.catalog.catalog as catalogs


def create_lake(
    path: str | os.PathLike[str],
    *,
    catalog: str | None = None,
    tiers: Sequence[str] = (),
    encrypted: bool = False,
) -> bool:
    """Make an empty lake in a folder; False where there is one already.

    Args:
        path: the folder; nodes that share a lake see it all.
        catalog: URL of an empty PostgreSQL database to keep the catalog in; None: SQLite in the folder, or what the
            lake's settings say.
        tiers: those below the hot one, `NAME=URL` or `NAME=cold:URL`, the warmest first; those that are there already
            stay as they are.
        encrypted: encrypt every file from now on; `BASELAKE_KEYRING` of the environment says where its keys are to be.

    Raises:
        ConflictError: the folder holds something that is not a lake, or a lake whose catalog is elsewhere; or the
            keyring is another lake's.
        InputError: a URL is none, or has a password in it.
        LakeError: the database cannot be reached.
        StorageError: there is no keyring; or the store of a tier cannot be used: then the lake is made, and may be
            made again.
    """
    from baselake.catalog.tiers.define import add_tier, tier_from_text
    from baselake.catalog.tiers.settings import load_tiers

    wanted = [tier_from_text(text) for text in tiers]
    made = catalogs.create(Path(path), catalog=catalog, encrypted=encrypted)
    if wanted:
        with catalogs.connect(Path(path)) as opened:
            there = {(tier.name, tier.url, tier.kind) for tier in load_tiers(opened.connection)}
            for tier in wanted:
                if (tier.name, tier.url, tier.kind) not in there:
                    add_tier(opened, tier)
    return made
