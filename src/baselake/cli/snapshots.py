"""`baselake snapshots`."""

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading, open_for_writing
from baselake.cli.render import write_rows


@click.group(invoke_without_command=True)
@format_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None) -> None:
    """Every state the lake was in: when, its names, which job made it, the tables, files and rows it changed.

    Commands that read take one by --at.
    """
    if context.invoked_subcommand is None:
        with open_for_reading() as lake:
            write_rows(lake, lake.catalog.statement("snapshots"), format_)


@command.command("name")
@click.argument("name")
@at_option
@common
def name_(name: str, at: str | None) -> None:
    """Call a snapshot NAME, the newest if none is given: --at finds it by that, and it never expires."""
    with open_for_writing() as lake:
        click.echo(f"snapshot {lake.name_snapshot(name, at)} is named {name}", err=True)


@command.command("unname")
@click.argument("name")
@common
def unname(name: str) -> None:
    """Take NAME away from its snapshot, which may expire then."""
    with open_for_writing() as lake:
        click.echo(f"snapshot {lake.unname_snapshot(name)} is no longer named {name}", err=True)


@command.command("restore")
@click.argument("snapshot")
@common
def restore(snapshot: str) -> None:
    """Make the lake again what it was at SNAPSHOT: a number, a name or a time.

    That is one new snapshot; what was there since stays in history, and no data is written anew.
    """
    with open_for_writing() as lake:
        click.echo(
            f"the lake is as it was at {snapshot}, in snapshot {lake.restore_snapshot(snapshot)}", err=True
        )
