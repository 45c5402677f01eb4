"""`baselake backup`."""

from pathlib import Path

import click

from baselake.cli.options import common, open_for_writing


@click.command()
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write: SQLite, whatever database holds the catalog.",
)
@click.option(
    "--data",
    metavar="FOLDER|URL",
    help="Copy the files that the catalog needs into this folder or s3://BUCKET/PREFIX, those that are not there yet.",
)
@common
def command(output: Path, data: str | None) -> int:
    """Copy the catalog as it is at one moment, with a list of every file it needs; others go on writing.

    A file is checked as it is copied. Exit status 1 where one could not be: baselake doctor tells more.
    """
    with open_for_writing() as lake:
        done = lake.backup(output, data=data)
    for one in done.findings:
        click.echo(f"{one.kind}: {one.path}: {one.what}", err=True)
    click.echo(f"snapshot {done.snapshot}, which needs {done.files:,} files, {done.bytes:,} bytes")
    if data is not None:
        click.echo(f"copied {done.copied:,} files, {done.copied_bytes:,} bytes")
    return 1 if done.findings else 0
