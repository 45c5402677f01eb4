"""`baselake watch`."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import click

from baselake.cli.options import Duration, common, open_for_writing, reference_option
from baselake.ingest.run_source import MISSING


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--once", is_flag=True, help="End when every run there is has been dealt with.")
@click.option("--interval", type=float, default=60.0, show_default=True, help="Seconds between two looks.")
@click.option(
    "--settle",
    type=float,
    default=300.0,
    show_default=True,
    help="Seconds that a run folder must stay as it is before it is taken.",
)
@click.option(
    "--settle-unmarked",
    type=float,
    default=3600.0,
    show_default=True,
    help="Likewise where the instrument's end marker is absent.",
)
@click.option(
    "--patience",
    type=float,
    default=21600.0,
    show_default=True,
    help="Seconds at rest after which files that are missing in spite of the end marker are given up.",
)
@click.option(
    "--abandoned",
    type=float,
    default=86400.0,
    show_default=True,
    help="Likewise where there is no end marker.",
)
@click.option(
    "--retry",
    type=float,
    default=30.0,
    show_default=True,
    help="Seconds until what failed is tried again; twice as many each time, up to an hour.",
)
@click.option("--depth", type=int, default=2, show_default=True, help="Folders below FOLDER to look into.")
@click.option("--workers", type=int, default=1, show_default=True, help="Runs imported at once.")
@click.option(
    "--upkeep",
    type=Duration(),
    help="Make large files of small ones so often, as `baselake compact` does: 24h.  [default: never]",
)
@click.option(
    "--expire",
    type=Duration(),
    help="With --upkeep: then let snapshots go that are older, as `baselake expire` does: 30d.  [default: none]",
)
@click.option("--reserve", default="10GiB", show_default=True, help="Free space to leave on the lake's disk.")
@click.option(
    "--sheets",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of sample sheets, FLOWCELL.csv or RUN.csv, that go before those in the run folders.",
)
@click.option(
    "--allow-missing",
    type=click.Choice(MISSING),
    multiple=True,
    help="What may be absent, as in `baselake ingest`.",
)
@reference_option
@click.option(
    "--apply-tiers",
    type=float,
    default=0.0,
    show_default=True,
    help="Seconds between two moves of files between tiers, as `baselake tiers apply`; 0: none.",
)
@click.option(
    "--metrics-port",
    type=int,
    default=9464,
    show_default=True,
    help="Port of /metrics and /healthz; 0: none.",
)
@click.option("--metrics-address", default="127.0.0.1", show_default=True, help="Address they listen on.")
@common
def command(
    folder: Path,
    once: bool,
    interval: float,
    settle: float,
    settle_unmarked: float,
    patience: float,
    abandoned: float,
    retry: float,
    depth: int,
    workers: int,
    upkeep: timedelta | None,
    expire: timedelta | None,
    reserve: str,
    sheets: Path | None,
    allow_missing: tuple[str, ...],
    reference: str | None,
    apply_tiers: float,
    metrics_port: int,
    metrics_address: str,
) -> None:
    """Import every sequencer run that appears under FOLDER, until SIGTERM.

    A run is taken when its folder is whole by its own contents. FOLDER is only read. docs/watch.md tells what an
    operator sees and does.
    """
    from baselake.config import parse_bytes
    from baselake.ingest.run_source import RunOptions
    from baselake.ingest.watch.daemon import Daemon
    from baselake.ingest.watch.monitor import PrometheusMonitor, serve
    from baselake.ingest.watch.mover import Mover
    from baselake.ingest.watch.processes import Processes
    from baselake.ingest.watch.settings import WatchSettings
    from baselake.ingest.watch.upkeep import Upkeep
    from baselake.processes import stop_on_signals

    if expire is not None and upkeep is None:
        raise click.UsageError("--expire is for --upkeep")
    try:
        kept_free = parse_bytes(reserve)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--reserve") from error
    options = RunOptions(allow_missing=frozenset(allow_missing), reference=reference)
    settings = WatchSettings(
        poll=interval,
        settle=settle,
        unmarked=settle_unmarked,
        patience=patience,
        abandoned=abandoned,
        retry=retry,
        depth=depth,
        workers=workers,
        reserve=kept_free,
        sheets=sheets,
        options=options,
    )
    monitor = PrometheusMonitor()
    with open_for_writing() as lake:
        daemon = Daemon(
            catalog=lake.catalog,
            root=folder,
            settings=settings,
            log=_log,
            monitor=monitor,
            processes=Processes(lake=lake.catalog.layout.root, options=options),
            upkeep=Upkeep(lake=lake.catalog.layout.root, interval=upkeep.total_seconds(), older_than=expire)
            if upkeep is not None
            else None,
            mover=Mover(lake=lake.catalog.layout.root, interval=apply_tiers) if apply_tiers else None,
        )
        if metrics_port:
            serve(monitor, metrics_address, metrics_port, late=max(600.0, 10 * interval))
        stop_on_signals(daemon.stop)
        daemon.run(once=once)


def _log(text: str) -> None:
    print(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}", file=sys.stderr, flush=True)
