"""`baselake cohort`."""

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading, open_for_writing
from baselake.cli.render import write_rows


@click.group(invoke_without_command=True)
@format_option
@at_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None, at: str | None) -> None:
    """Sets of samples that have a name, for questions of many at once."""
    if context.invoked_subcommand is None:
        with open_for_reading(at) as lake:
            write_rows(lake, "SELECT cohort, sample_id FROM cohorts ORDER BY ALL", format_)


@command.command("set")
@click.argument("name")
@click.argument("samples", nargs=-1, required=True)
@common
def set_(name: str, samples: tuple[str, ...]) -> None:
    """Call SAMPLES the cohort NAME, in the place of those that it was."""
    with open_for_writing("baselake.catalog.pedigree") as lake:
        lake.set_cohort(name, samples)


@command.command("count")
@click.argument("name")
@common
def count(name: str) -> None:
    """Count the alleles of the cohort NAME, or of all, anew, and keep the counts from now on.

    Lakes of earlier releases have to be told so once; else it is done where a cohort is set.
    """
    with open_for_writing("baselake.catalog.counting") as lake:
        lake.count_cohort(name)


@command.command("remove")
@click.argument("name")
@common
def remove(name: str) -> None:
    """Forget the cohort NAME; its samples stay."""
    with open_for_writing("baselake.catalog.pedigree") as lake:
        lake.set_cohort(name, ())
