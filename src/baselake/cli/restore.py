"""`baselake restore`."""

from pathlib import Path

import click

from baselake.cli.options import common, lake_folder, progress


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--catalog",
    metavar="URL",
    help="Put the catalog into this empty PostgreSQL database.  [default: SQLite in the lake's folder]",
)
@click.option(
    "--data",
    multiple=True,
    metavar="FOLDER|URL",
    help="Bring files that are not in the lake from this folder or s3://BUCKET/PREFIX, which `baselake backup --data`"
    " made.",
)
@click.option("--quick", is_flag=True, help="Do not read files whole that were in the lake already.")
@common
def command(file: Path, catalog: str | None, data: tuple[str, ...], quick: bool) -> int:
    """Make the lake of a backup FILE in the lake's folder, which has no catalog; its data may be there.

    Then every file is checked, as `baselake doctor` does; what is missing is named, and the exit status 1. Backup and
    restore are also the way of a catalog from SQLite to PostgreSQL and back.
    """
    from baselake.catalog.upkeep.restore import restore

    done = restore(file, lake_folder(), catalog=catalog, data=data, quick=quick, progress=progress())
    for one in done.report.findings:
        click.echo(
            f"{one.kind}: {one.path}: {one.what}{f'; {one.concerns}' if one.concerns else ''}", err=True
        )
    click.echo(
        f"snapshot {done.snapshot}; {done.report.files:,} files, {done.copied:,} of them brought,"
        f" {len(done.report.findings):,} findings"
    )
    return 0 if done.report.well else 1
