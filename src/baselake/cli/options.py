"""Options that every verb takes, before or after its name."""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from baselake.config import parse_bytes, parse_duration
from baselake.progress import Progress, progress_for

if TYPE_CHECKING:
    from baselake.api import Lake

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "csv", "json", "parquet", "arrow")


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    # A verb's own --lake is met after the group's, and wins only where it was given.
    if parameter.name is not None and value not in (None, False):
        context.find_root().meta[f"baselake.{parameter.name}"] = value


def common(command: F) -> F:
    """Give a command --lake and --debug."""
    command = click.option(
        "--lake",
        type=click.Path(path_type=Path, file_okay=False),
        expose_value=False,
        is_eager=True,
        callback=_keep,
        help="The lake's folder.  [env: BASELAKE_LAKE; default: baselake-data]",
    )(command)
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_keep,
        help="Show the traceback of an error.",
    )(command)


def lake_folder() -> Path:
    """The folder of the lake that the command line or the environment names."""
    given = click.get_current_context().find_root().meta.get("baselake.lake")
    return Path(given or os.environ.get("BASELAKE_LAKE") or "baselake-data")


def debugging() -> bool:
    """Whether --debug was given; also right when parsing itself failed."""
    return "--debug" in sys.argv


def progress() -> Progress:
    """Bars on a terminal, log lines elsewhere, on standard error."""
    return progress_for(sys.stderr)


class Duration(click.ParamType):
    """A time such as 24h or 30d."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Size(click.ParamType):
    """A number of bytes such as 128MiB."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_bytes(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def open_for_reading(at: int | None = None) -> "Lake":
    """The lake, read-only, now or at a snapshot."""
    from baselake.api import open_lake

    return open_lake(lake_folder(), read_only=True, snapshot=at)


def open_for_export(at: int | None = None) -> "Lake":
    """The lake, read-only, now or at a snapshot, with progress shown."""
    from baselake.api import open_lake

    return open_lake(lake_folder(), read_only=True, snapshot=at, progress=progress())


def open_for_mending() -> "Lake":
    """The lake, for changing it, whatever is damaged, with progress shown."""
    from baselake.api import open_lake

    return open_lake(lake_folder(), damaged=True, progress=progress())


def open_for_writing() -> "Lake":
    """The lake, for changing it, with progress shown."""
    from baselake.api import open_lake

    return open_lake(lake_folder(), progress=progress())


at_option = click.option("--at", type=int, metavar="SNAPSHOT", help="As the lake was at this snapshot.")
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="How rows are written.  [default: table on a terminal, csv elsewhere]",
)
reference_option = click.option("--reference", metavar="NAME", help="The assembly.  [default: the only one]")
region_option = click.option(
    "--region", metavar="REGION", help="Only there: CONTIG or CONTIG:START-END, from 1, both ends included."
)
