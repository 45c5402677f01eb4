"""`baselake runs`."""

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading
from baselake.cli.render import write_rows


@click.command()
@format_option
@at_option
@common
def command(format_: str | None, at: int | None) -> None:
    """Sequencer runs and imports, with their files, reads and samples."""
    with open_for_reading(at) as lake:
        write_rows(lake, lake.catalog.statement("runs"), format_)
