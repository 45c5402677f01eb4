"""`baselake status`."""

import click

from baselake.cli.options import common, format_option, open_for_reading
from baselake.cli.render import write_rows


@click.command()
@format_option
@common
def command(format_: str | None) -> None:
    """What is in the lake: rows, files and bytes of every table, and its newest snapshot."""
    with open_for_reading() as lake:
        write_rows(lake, lake.catalog.statement("status"), format_)
