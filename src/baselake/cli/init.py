"""`baselake init`."""

import sys

import click

from baselake.cli.options import common, lake_folder


@click.command()
@common
def command() -> None:
    """Create an empty lake; one that is there already is left as it is."""
    from baselake.api import create_lake

    folder = lake_folder()
    made = create_lake(folder)
    print(f"{'made' if made else 'already there:'} {folder}", file=sys.stderr)
