"""Options that every verb takes, before or after its name."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from baselake.config import parse_bytes, parse_duration
from baselake.progress import QUIET, Progress, progress_for

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


def open_for_reading(at: str | None = None) -> "Lake":
    """The lake, read-only, now or at a snapshot."""
    return _open((), QUIET, read_only=True, at=at)


def open_for_export(at: str | None = None) -> "Lake":
    """The lake, read-only, now or at a snapshot, with progress shown."""
    return _open((), progress(), read_only=True, at=at)


def open_for_mending() -> "Lake":
    """The lake, for changing it, whatever is damaged, with progress shown."""
    from baselake.api import open_lake

    return open_lake(lake_folder(), damaged=True, progress=progress())


def open_for_writing(*modules: str) -> "Lake":
    """The lake, for changing it, with progress shown; `modules` are those that the verb is sure to need."""
    return _open(("baselake.catalog.job", *modules), progress())


def _open(
    modules: Sequence[str], shown: Progress, *, read_only: bool = False, at: str | None = None
) -> "Lake":
    # Attaching the catalog is DuckDB's work and importing is Python's: done side by side, a small command takes a
    # quarter less. Nothing that is needed to attach imports NumPy or Arrow.
    from baselake.catalog import connection
    from baselake.native import check_processor

    check_processor()
    layout, config = connection.find_lake(lake_folder())
    with ThreadPoolExecutor(1) as pool:
        attached = pool.submit(connection.connect, layout, config, read_only=read_only, at=at)
        for module in ("baselake.api", *modules):
            import_module(module)
    from baselake.api import Lake
    from baselake.catalog.catalog import opened

    return Lake(opened(layout, config, attached.result(), at=at), shown)


at_option = click.option(
    "--at",
    metavar="SNAPSHOT",
    help="As the lake was then: a snapshot's number, its name, or a time such as 2026-03-01 or 2026-03-01T12:00.",
)
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
