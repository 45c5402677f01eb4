"""A worker: it takes what samples wait for, nearest bytes first, and does it, until it is told to end."""

import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.catalog.work.inputs import stage_inputs
from baselake.catalog.work.queue import Terms, Work, finish, give_up, pending, renew, take
from baselake.compute.work.stage import task_of
from baselake.errors import BaselakeError
from baselake.processes import answer_of

_POLL_SECONDS = 0.2
# Of samples that wait, the first are looked into for where their bytes lie.
_LOOKED_INTO = 100
# New alleles are annotated when no sample waits, or after so many seconds: each time all tables are looked through.
_ANNOTATE_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """How a worker works.

    Attributes:
        reference: name of the assembly that samples are aligned to and called on.
        terms: of its leases.
        poll: seconds between two looks where there was nothing to do.
        patience: seconds that work whose bytes lie mostly elsewhere is left to workers there.
        device: where to call, as `baselake.compute.device.choose_devices` has it.
    """

    reference: str
    terms: Terms
    poll: float = 10.0
    patience: float = 60.0
    device: str = "auto"


def work(
    catalog: Catalog,
    settings: WorkSettings,
    stop: Event,
    log: Callable[[str], None],
    *,
    once: bool = False,
) -> None:
    """Do what there is to do, a stage at a time.

    Args:
        catalog: the lake, open for writing.
        settings: how.
        stop: ends it: the stage under way is left to others.
        log: takes one line an event.
        once: end when nothing is left that could be done now.
    """
    name = f"{catalog.config.node} {uuid.uuid4().hex[:12]}"
    log(f"{name} works on {settings.reference}")
    trouble = ""
    while not stop.is_set():
        try:
            taken = take(
                catalog,
                settings.reference,
                name,
                settings.terms,
                lambda free: _nearest(catalog, free, 0 if once else settings.patience),
            )
            if taken is not None:
                trouble = ""
                _do(catalog, settings, taken, stop, log)
                continue
            if once and not _others_at_work(catalog, settings.reference):
                break
            catalog.lease()  # of the snapshots since: what this no longer reads may expire
            trouble = ""
        except (BaselakeError, duckdb.Error, OSError) as error:
            # The catalog or its disk is away: whoever looks after it is told once, and it may come back.
            if once:
                raise
            if str(error) != trouble:
                trouble = str(error)
                log(trouble)
        stop.wait(settings.poll)
    log("ended")


def _nearest(catalog: Catalog, free: Sequence[Work], patience: float) -> Work | None:
    """The work with the largest share of near bytes, of those the oldest; far work only after some time."""
    now = time.time()
    late = [one for one in free if one.stage == "annotate" and now - one.asked >= _ANNOTATE_SECONDS]
    if late:
        return late[0]
    looked_into = [one for one in free if one.stage != "annotate"][:_LOOKED_INTO] or free
    shares = {}
    for stage in {one.stage for one in looked_into}:
        samples = [one.sample_id for one in looked_into if one.stage == stage]
        for sample, inputs in stage_inputs(catalog, stage, samples).items():
            shares[stage, sample] = inputs.share
    best = max(looked_into, key=lambda one: (shares[one.stage, one.sample_id], -one.asked))
    if shares[best.stage, best.sample_id] >= 0.5:
        return best
    oldest = min(looked_into, key=lambda one: one.asked)
    return oldest if now - oldest.asked >= patience else None


def _others_at_work(catalog: Catalog, reference: str) -> bool:
    now = time.time()
    return any(one.lease_until > now for one in pending(catalog, reference))


def _do(
    catalog: Catalog, settings: WorkSettings, taken: Work, stop: Event, log: Callable[[str], None]
) -> None:
    """Run a stage and say in the catalog how it ended."""
    what = f"{taken.stage} {taken.sample_id}"
    log(f"{what}: begun")
    begun = time.monotonic()
    task = task_of(catalog.layout.root, taken.reference, taken.sample_id, taken.stage, settings.device)
    # A file and not a pipe: nobody has to read while it runs. Its story goes where the worker's goes.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "baselake.compute.work.stage", task],
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
        )
        try:
            mine = _wait(catalog, settings, taken, process, stop, log)
        finally:
            process.kill()  # where it still runs: what it did not commit is as if it had not been
            process.wait()
        if not mine:
            log(f"{what}: another worker has taken it")
            return
        if stop.is_set() and process.returncode != 0:
            give_up(catalog, taken, settings.terms, None, counts=False)
            log(f"{what}: left to others")
            return
        said, how = answer_of(process.returncode, output)
    outcome, error = (said["outcome"], said["error"]) if said else ("failed", f"its process {how}")
    if outcome == "done":
        finish(catalog, taken)
        log(f"{what}: done in {time.monotonic() - begun:.1f} s")
    else:
        give_up(catalog, taken, settings.terms, error, counts=outcome == "failed")
        log(f"{what}: {' '.join((error or '').split())}")


def _wait(
    catalog: Catalog,
    settings: WorkSettings,
    taken: Work,
    process: "subprocess.Popen[bytes]",
    stop: Event,
    log: Callable[[str], None],
) -> bool:
    """Wait for a stage, renewing its lease; False where that was lost."""
    beat = settings.terms.lease_seconds / 3
    due = time.monotonic() + beat
    while process.poll() is None and not stop.is_set():
        stop.wait(_POLL_SECONDS)
        if time.monotonic() < due:
            continue
        due = time.monotonic() + beat
        try:
            if not renew(catalog, taken, settings.terms):
                return False
        except BaselakeError as error:
            log(f"{taken.stage} {taken.sample_id}: the lease could not be renewed: {error}")
    return True
