"""`baselake pedigree`."""

from pathlib import Path

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading, open_for_writing
from baselake.cli.render import write_rows


@click.group(invoke_without_command=True)
@format_option
@at_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None, at: str | None) -> None:
    """Who is whose child: families that the inheritance queries ask about."""
    if context.invoked_subcommand is None:
        with open_for_reading(at) as lake:
            write_rows(lake, "FROM families ORDER BY family, sample_id", format_)


@command.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@common
def add(file: Path) -> None:
    """Tell the lake of the families in FILE, in PED format, in the place of what it knew of them.

    Columns: family, person, father, mother, sex (1 male, 2 female), phenotype (1 unaffected, 2 affected); 0 is unknown.
    Persons need not be samples.
    """
    with open_for_writing("baselake.catalog.pedigree") as lake:
        lake.add_pedigree(file)
