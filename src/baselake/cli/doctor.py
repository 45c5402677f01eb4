"""`baselake doctor`."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from baselake.cli.options import Duration, common, format_option, open_for_mending

if TYPE_CHECKING:
    from baselake.catalog.upkeep.check import Finding

_COLUMNS = ("kind", "path", "table", "what", "concerns", "remedy", "outcome")


@click.command()
@click.option(
    "--quick", is_flag=True, help="Do not read files whole: see that they are there, their sizes and footers."
)
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option(
    "--from",
    "folders",
    multiple=True,
    metavar="FOLDER|URL",
    help="With --repair: what `baselake backup --data` made, beside those that the lake knows of.",
)
@click.option(
    "--orphan-age",
    type=Duration(),
    default="24h",
    show_default=True,
    help="With --repair: remove files that nothing refers to if they were last written so long ago.",
)
@format_option
@common
def command(
    quick: bool, repair: bool, folders: tuple[str, ...], orphan_age: timedelta, format_: str | None
) -> int:
    """Check every file of every snapshot: there, as large and with the bytes that came, readable, its rows counted.

    Kept objects and assemblies are checked too, and files looked for that nothing refers to. Exit status 1 where
    something is wrong, and was not mended. docs/upkeep.md tells what to do about each finding.
    """
    import pyarrow as pa

    from baselake.catalog.upkeep.doctor import Repair
    from baselake.catalog.upkeep.repair import existing_mirror
    from baselake.cli.render import write_table

    if folders and not repair:
        raise click.UsageError("--from is for --repair")
    places = [existing_mirror(folder) for folder in folders]
    with open_for_mending() as lake:
        report = lake.doctor(
            quick=quick, repair=Repair(folders=places, safe_age=orphan_age) if repair else None
        )
        chosen = format_ or ("table" if sys.stdout.isatty() else "csv")
        if chosen == "table":
            for one in report.findings:
                _tell(one)
        else:
            rows = {
                name: pa.array([getattr(one, name) for one in report.findings], pa.string())
                for name in _COLUMNS
            }
            write_table(lake, pa.table(rows), chosen)
    summed = f", {report.summed:,} summed for the first time" if report.summed else ""
    wrong = sum(not one.mended for one in report.findings)
    click.echo(
        f"{report.files:,} files, {report.bytes:,} bytes{summed}: {len(report.findings)} findings, {wrong} to mend",
        err=True,
    )
    return 0 if report.well else 1


def _tell(one: "Finding") -> None:
    click.echo(f"{one.kind}: {one.path}\n    {one.what}")
    if one.concerns is not None:
        click.echo(f"    concerns {one.concerns}")
    click.echo(f"    {one.outcome}" if one.outcome is not None else f"    Try: {one.remedy}")
