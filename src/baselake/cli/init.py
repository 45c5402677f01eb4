"""`baselake init`."""

import sys

import click

from baselake.cli.options import common, lake_folder


@click.command()
@common
@click.option(
    "--catalog",
    metavar="URL",
    help="Keep the catalog in this empty PostgreSQL database, for writers on many nodes: postgresql://USER@HOST/DATABASE."
    "  [default: SQLite in the lake's folder]",
)
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    metavar="NAME=URL",
    help="A tier below the hot one, which is the lake's folder: warm=s3://BUCKET/PREFIX, tape=cold:/mnt/tape. May be"
    " given several times, the warmest first.",
)
@click.option(
    "--encrypt",
    is_flag=True,
    help="Encrypt every file from now on, each with a key of its own, kept where BASELAKE_KEYRING says: a folder or a"
    " prefix on S3 that is not in the lake.",
)
def command(catalog: str | None, tiers: tuple[str, ...], encrypt: bool) -> None:
    """Create an empty lake; one that is there already is brought up to this release.

    Nodes that share a lake share its folder, which may be mounted at another place on each, and the PostgreSQL
    database. The database's password comes from PGPASSWORD or ~/.pgpass.
    """
    from baselake.creation import create_lake

    folder = lake_folder()
    made = create_lake(folder, catalog=catalog, tiers=tiers, encrypted=encrypt)
    print(f"{'made' if made else 'already there:'} {folder}", file=sys.stderr)
