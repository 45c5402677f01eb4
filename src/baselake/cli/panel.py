"""`baselake panel`."""

import sys

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading, open_for_writing
from baselake.cli.render import write_rows


@click.group(invoke_without_command=True)
@format_option
@at_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None, at: str | None) -> None:
    """Lists of genes that have a name, for questions of many at once."""
    if context.invoked_subcommand is None:
        with open_for_reading(at) as lake:
            write_rows(lake, "SELECT panel, gene FROM panels ORDER BY ALL", format_)


@command.command("set")
@click.argument("name")
@click.argument("genes", nargs=-1, required=True)
@common
def set_(name: str, genes: tuple[str, ...]) -> None:
    """Call GENES, by symbol or identifier, the panel NAME, in the place of those that it was."""
    with open_for_writing("baselake.catalog.annotations") as lake:
        unknown = lake.set_panel(name, genes)
    if unknown:
        print(f"no gene model has {', '.join(unknown)}", file=sys.stderr)


@command.command("remove")
@click.argument("name")
@common
def remove(name: str) -> None:
    """Forget the panel NAME."""
    with open_for_writing("baselake.catalog.annotations") as lake:
        lake.set_panel(name, ())
