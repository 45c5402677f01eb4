"""`baselake work`."""

import sys
from datetime import datetime
from threading import Event

import click

from baselake.cli.options import common, open_for_writing, reference_option


@click.command()
@click.option("--once", is_flag=True, help="End when nothing is left that can be done now.")
@click.option("--interval", type=float, default=10.0, show_default=True, help="Seconds between two looks.")
@click.option(
    "--lease",
    type=click.IntRange(min=1),
    default=120,
    show_default=True,
    help="Seconds after which work of a worker that is not heard of goes to another.",
)
@click.option(
    "--tries",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Failures after which a stage of a sample is left to people.",
)
@click.option(
    "--retry-after",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Seconds until what failed is tried again; twice as many each time, up to an hour.",
)
@click.option(
    "--patience",
    type=float,
    default=60.0,
    show_default=True,
    help="Seconds that work whose files lie elsewhere is left to workers there.",
)
@click.option(
    "--device",
    metavar="[auto|cpu|gpu|gpu:N]",
    default="auto",
    show_default=True,
    help="Where to call, as in `baselake call`.",
)
@click.option(
    "--retry",
    multiple=True,
    metavar="SAMPLE",
    help="Only have what failed of SAMPLE tried again, and end; * is the annotation of new alleles.",
)
@reference_option
@common
def command(
    once: bool,
    interval: float,
    lease: int,
    tries: int,
    retry_after: int,
    patience: float,
    device: str,
    retry: tuple[str, ...],
    reference: str | None,
) -> None:
    """Align, call and measure every sample as soon as its reads are there, until SIGTERM.

    Where gene models are loaded, what new alleles do to genes is told as well.

    Any number of workers may run, on any number of machines. docs/work.md tells what an operator sees and does.
    """
    from baselake.catalog.references import open_reference
    from baselake.catalog.work import queue
    from baselake.compute.device import choose_devices
    from baselake.compute.work.worker import WorkSettings, work
    from baselake.processes import stop_on_signals

    with open_for_writing() as lake:
        if retry:
            queue.retry(lake.catalog, retry)
            return
        choose_devices(device)  # one that is not there is said now, and not by every sample
        settings = WorkSettings(
            reference=open_reference(lake.catalog, reference).name,
            terms=queue.Terms(lease_seconds=lease, tries=tries, retry_seconds=retry_after),
            poll=interval,
            patience=patience,
            device=device,
        )
        stop = Event()
        stop_on_signals(stop)
        work(lake.catalog, settings, stop, _log, once=once)


def _log(text: str) -> None:
    print(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}", file=sys.stderr, flush=True)
