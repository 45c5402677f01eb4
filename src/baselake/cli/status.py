"""`baselake status`."""

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading
from baselake.cli.render import write_rows


@click.command()
@format_option
@at_option
@common
def command(format_: str | None, at: str | None) -> None:
    """What is in the lake: rows, files and bytes of every table, and the snapshot that this is.

    Runs that are being written or imported, or that need somebody to look at them, unfinished erasures, and what
    workers are at are told on standard error.
    """
    from baselake.catalog.erase.work import unfinished_works
    from baselake.catalog.work.queue import told

    with open_for_reading(at) as lake:
        for run in lake.catalog.query(lake.catalog.statement("unfinished_runs")).to_pylist():
            cycles = f", {run['cycles']} of {run['cycles_expected']} cycles" if run["cycles_expected"] else ""
            error = f": {run['error']}" if run["error"] else ""
            click.echo(f"run {run['run_id']} is {run['state']}{cycles}{error}", err=True)
        for work in unfinished_works(lake.catalog.layout):
            click.echo(
                f"the erasure of {work.sample} is unfinished: run baselake erase {work.sample} again",
                err=True,
            )
        for line in told(lake.catalog):
            click.echo(line, err=True)
        write_rows(lake, lake.catalog.statement("status"), format_)
