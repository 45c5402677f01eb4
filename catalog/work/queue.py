"""The stages that samples wait for, each done by one worker at a time under a lease.

A lease that is not renewed runs out, and another worker takes over. It keeps two from doing the same work, and not from
harm: whoever commits a stage checks in that transaction that its input is still what it was, and takes the place of
what was there.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.catalog.metadata import metadata_change
from baselake.errors import NotFoundError

Stage = Literal["align", "call", "qc", "annotate"]
# What alleles wait for, which are those of all samples.
ALLELES = "*"
# What a job that was committed leaves to do; None: nothing.
_NEXT: Mapping[str, Stage | None] = {
    "ingest": "align",
    "align": "call",
    "call": "qc",
    "qc": None,
    "variants": "annotate",
    "annotate": None,
}
_WORK = "__ducklake_metadata_lake.baselake_work"
_SEEN = "__ducklake_metadata_lake.baselake_work_seen"
_LONGEST_WAIT = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a sample waits for, or alleles that are new.

    Attributes:
        reference: the assembly.
        sample_id: the sample, or `ALLELES`.
        stage: of it.
        version: the row of `lineage` that asked for it.
        asked: when, in seconds since 1970.
        worker: who is at it, or was last; None: nobody yet.
        node: on which node.
        begun: when, in seconds since 1970.
        lease_until: until when nobody else may be.
        tries: that failed.
        losses: leases that ran out: its worker died, or could not be heard.
        not_before: when it may be tried again, in seconds since 1970.
        error: why the last one failed.
    """

    reference: str
    sample_id: str
    stage: Stage
    version: int
    asked: int
    worker: str | None = None
    node: str | None = None
    begun: int | None = None
    lease_until: int = 0
    tries: int = 0
    losses: int = 0
    not_before: int = 0
    error: str | None = None

    def is_given_up(self, terms: "Terms") -> bool:
        """Whether it is left to people."""
        return self.tries >= terms.tries or self.losses >= terms.losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How work is given out.

    Attributes:
        lease_seconds: how long a worker that is not heard of keeps its work.
        tries: failures after which a stage is left to people.
        losses: leases that ran out after which it is. A machine may fail for many reasons, and a stage is run by a
            process of its own: what kills that is a failure.
        retry_seconds: from one failure to the next try; twice as many each time, up to an hour.
    """

    lease_seconds: int = 120
    tries: int = 3
    losses: int = 10
    retry_seconds: int = 60


def pending(catalog: Catalog, reference: str | None = None) -> list[Work]:
    """All that is waited for, the oldest first.

    Args:
        catalog: the lake.
        reference: on which assembly; None: on all.
    """
    where = "" if reference is None else " WHERE reference = $reference"
    rows = catalog.query(
        f"SELECT * FROM {_WORK}{where} ORDER BY asked, sample_id, reference",
        {} if reference is None else {"reference": reference},
    )
    return [Work(**row) for row in rows.to_pylist()]


def held_samples(catalog: Catalog) -> dict[str, str]:
    """Samples whose reads have not all come, and why: a run of theirs is not whole."""
    rows = catalog.query(catalog.statement("work_held")).to_pylist()
    return {row["sample_id"]: f"run {row['run_id']} is {row['state']}" for row in rows}


def told(catalog: Catalog) -> list[str]:
    """What is waited for and who is at it, a line each, and how near the bytes lay that were read so far."""
    now = int(time.time())
    work = pending(catalog)
    held = held_samples(catalog) if work else {}
    lines = []
    for one in work:
        of = "new alleles" if one.sample_id == ALLELES else one.sample_id
        what = f"{one.stage} of {of} on {one.reference}"
        error = f"; the last try failed: {one.error}" if one.error else ""
        if one.lease_until > now and one.begun is not None:
            lines.append(f"{what}: {one.node} is at it since {now - one.begun} s{error}")
        elif one.sample_id in held:
            lines.append(f"{what}: waits, {held[one.sample_id]}")
        elif one.tries:
            lines.append(f"{what}: failed {one.tries} times{error}")
        else:
            lines.append(f"{what}: waits for a worker{error}")
    (read,) = catalog.query(catalog.statement("work_read")).to_pylist()
    if total := read["near"] + read["far"]:
        lines.append(
            f"of {total:,} bytes that were read to align, call and measure {read['near'] / total:.1%} lay near"
        )
    return lines


def take(
    catalog: Catalog,
    reference: str,
    worker: str,
    terms: Terms,
    choose: Callable[[Sequence[Work]], Work | None],
) -> Work | None:
    """Give a worker something to do, after looking into what was committed since; None where there is nothing.

    Args:
        catalog: the lake, open for writing.
        reference: the assembly.
        worker: its name, which no other has.
        terms: of the lease.
        choose: picks one of those that may be done, or none. It must not change the lake.

    Raises:
        LakeError: the catalog refused it, or another writer held the lock too long.
    """
    now = int(time.time())
    if _is_idle(catalog, reference, now):
        return None  # so that workers that wait keep nobody from committing
    with metadata_change(catalog, "the lease of a job") as cursor:
        _ask(catalog, cursor, reference, now)
        rows = cursor.execute(
            f"SELECT * FROM {_WORK} WHERE reference = ? AND not_before <= ? AND lease_until <= ?"
            " ORDER BY asked, sample_id",
            [reference, now, now],
        ).to_arrow_table()
        held = held_samples(catalog) if rows.num_rows else {}
        work = [Work(**row) for row in rows.to_pylist() if row["sample_id"] not in held]
        free = []
        for one in work:
            if one.worker is not None:
                one = replace(
                    one,
                    worker=None,
                    losses=one.losses + 1,
                    error=f"its worker on {one.node} was not heard of any more",
                )
                _keep(cursor, one)
            if not one.is_given_up(terms):
                free.append(one)
        chosen = choose(free) if free else None
        if chosen is None:
            return None
        taken = replace(
            chosen,
            worker=worker,
            node=catalog.config.node,
            begun=now,
            lease_until=now + terms.lease_seconds,
        )
        _keep(cursor, taken)
    return taken


def renew(catalog: Catalog, work: Work, terms: Terms) -> bool:
    """Keep work for longer; False where it is no longer this worker's.

    Raises:
        LakeError: as `take`.
    """
    with metadata_change(catalog, "the lease of a job") as cursor:
        now = _mine(cursor, work)
        if now is not None:
            _keep(cursor, replace(now, lease_until=int(time.time()) + terms.lease_seconds))
    return now is not None


def finish(catalog: Catalog, work: Work) -> None:
    """A stage is done: the next one is waited for, unless more was asked for meanwhile.

    Raises:
        LakeError: as `take`.
    """
    with metadata_change(catalog, "the end of a job") as cursor:
        _ask(catalog, cursor, work.reference, int(time.time()))
        now = _mine(cursor, work)
        if now is None:
            return
        free = replace(now, worker=None, lease_until=0)
        if (now.stage, now.version) != (work.stage, work.version):
            _keep(cursor, free)
            return
        stage = _NEXT[work.stage]
        if stage is None:
            _drop(cursor, work)
        else:
            _keep(cursor, replace(free, stage=stage, tries=0, losses=0, not_before=0, error=None))


def give_up(catalog: Catalog, work: Work, terms: Terms, error: str | None, *, counts: bool) -> None:
    """A stage is not done: somebody else may try, later if it failed.

    Args:
        catalog: the lake.
        work: what it was.
        terms: when it may be tried again.
        error: why; None: the worker was told to end.
        counts: whether it is one of the tries that there are.

    Raises:
        LakeError: as `take`.
    """
    with metadata_change(catalog, "the end of a job") as cursor:
        now = _mine(cursor, work)
        if now is None:
            return
        free = replace(now, worker=None, lease_until=0)
        if error is not None:
            wait = min(terms.retry_seconds * 2**now.tries, _LONGEST_WAIT)
            free = replace(free, tries=now.tries + counts, not_before=int(time.time()) + wait, error=error)
        _keep(cursor, free)


def retry(catalog: Catalog, samples: Sequence[str]) -> None:
    """Have what failed tried again, as if it had not been.

    Raises:
        NotFoundError: nothing of a sample has failed.
        LakeError: as `take`.
    """
    failed = [work for work in pending(catalog) if work.tries or work.losses]
    for sample in samples:
        if sample not in {work.sample_id for work in failed}:
            raise NotFoundError(
                f"no work on sample {sample!r} has failed", str(catalog.layout.root), "See: baselake status"
            )
    with metadata_change(catalog, "the job") as cursor:
        for work in failed:
            if work.sample_id in samples:
                _keep(cursor, replace(work, tries=0, losses=0, not_before=0))


def _is_idle(catalog: Catalog, reference: str, now: int) -> bool:
    """Whether nothing was committed since the last look that asks for anything, and nothing is free."""
    free = f"SELECT 1 FROM {_WORK} WHERE reference = ? AND not_before <= ? AND lease_until <= ? LIMIT 1"
    if catalog.query(free, [reference, now, now]).num_rows:
        return False
    rows = catalog.query(f"SELECT version FROM {_SEEN} WHERE reference = ?", [reference])["version"]
    seen = rows[0].as_py() if len(rows) else -1
    asked = f"SELECT 1 FROM ({catalog.statement('work_asked')}) LIMIT 1"
    return not catalog.query(asked, {"seen": seen, "reference": reference}).num_rows


def _ask(catalog: Catalog, cursor: duckdb.DuckDBPyConnection, reference: str, now: int) -> None:
    """Derive from what was committed since the last look what is waited for; the commit lock must be held."""
    row = cursor.execute(f"SELECT version FROM {_SEEN} WHERE reference = ?", [reference]).fetchone()
    seen = int(row[0]) if row is not None else -1
    touched = catalog.query(
        catalog.statement("work_asked"), {"seen": seen, "reference": reference}
    ).to_pylist()
    if not touched:
        return
    there = {
        row["sample_id"]: Work(**row)
        for row in cursor.execute(f"SELECT * FROM {_WORK} WHERE reference = ?", [reference])
        .to_arrow_table()
        .to_pylist()
    }
    # Of each sample the last job counts: a stage is committed only where its input is still the newest.
    for sample, each in {each["sample_id"]: each for each in touched}.items():
        stage, old = _NEXT[each["operation"]], there.get(sample)
        if stage is not None:
            new = Work(reference=reference, sample_id=sample, stage=stage, version=each["version"], asked=now)
            if old is not None:
                if (
                    stage == "annotate"
                ):  # which comes after the samples, and has waited since the first of them
                    new = replace(new, asked=old.asked)
                # Whoever is at it keeps it: what he commits on old input is refused, what he makes of new is wanted.
                new = replace(
                    new, worker=old.worker, node=old.node, begun=old.begun, lease_until=old.lease_until
                )
            _keep(cursor, new)
        elif old is not None and old.worker is None:
            _drop(cursor, old)
    cursor.execute(f"DELETE FROM {_SEEN} WHERE reference = ?", [reference])
    cursor.execute(
        f"INSERT INTO {_SEEN} VALUES (?, ?)", [reference, max(each["version"] for each in touched)]
    )


def _mine(cursor: duckdb.DuckDBPyConnection, work: Work) -> Work | None:
    """What a worker was given, as it stands now; None where it is no longer his."""
    rows = cursor.execute(
        f"SELECT * FROM {_WORK} WHERE reference = ? AND sample_id = ? AND worker = ?",
        [work.reference, work.sample_id, work.worker],
    ).to_arrow_table()
    return Work(**rows.to_pylist()[0]) if rows.num_rows else None


def _keep(cursor: duckdb.DuckDBPyConnection, work: Work) -> None:
    """Put a row in the place of the sample's old one."""
    _drop(cursor, work)
    values = asdict(work)
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    cursor.execute(f"INSERT INTO {_WORK} ({names}) VALUES ({marks})", list(values.values()))


def _drop(cursor: duckdb.DuckDBPyConnection, work: Work) -> None:
    cursor.execute(
        f"DELETE FROM {_WORK} WHERE reference = ? AND sample_id = ?", [work.reference, work.sample_id]
    )
