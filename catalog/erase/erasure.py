"""Erasing a sample from every snapshot of a lake, and proving it.

1. Everything of the sample is found (`plan`), and the large files that it shares with others are written again without
   it, while others work on.
2. Under the commit lock what came since is found too, the rest is written again, and one metadata transaction puts the
   new files in the place of the old ones in all snapshots (`metadata`).
3. The old files are destroyed, the database forgets what was deleted, the lake is searched (`scan`), and the
   certificate is signed.

A crash in 1 or 2 leaves the lake as it was. After that a folder (`work`) says what is left to do, and the same command
finishes it.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from baselake.catalog.audit import read_audit, record_audit, verify_audit
from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import RELEASE
from baselake.catalog.counting import begin_cohort, counted_cohorts, members_of
from baselake.catalog.erase import certificate as certificates
from baselake.catalog.erase.decision import Decision, MovedObject
from baselake.catalog.erase.history import DeleteFile
from baselake.catalog.erase.keys import Keys
from baselake.catalog.erase.metadata import (
    METADATA,
    Replaced,
    old_locations,
    replace_files,
    table_columns,
    text_columns,
)
from baselake.catalog.erase.names import read_names, write_names
from baselake.catalog.erase.objects import KeptFile
from baselake.catalog.erase.plan import Plan, context_of, decide_last, is_last, make_plan, names_in
from baselake.catalog.erase.rewriting import Column, NewFile, rewrite_deletes, rewrite_rows
from baselake.catalog.erase.scan import Finding, scan
from baselake.catalog.erase.subject import Subject
from baselake.catalog.erase.work import Destroyed, Work, begin_work, unfinished_works, with_progress
from baselake.catalog.job import Job
from baselake.catalog.locks import held_lock
from baselake.catalog.objects import object_location, object_places
from baselake.catalog.tiers.placement import mover_lock
from baselake.catalog.tiers.removals import pending_removals
from baselake.errors import LakeError, NotFoundError
from baselake.lake.encryption import cipher_at
from baselake.lake.keyring import destroy_keys, key_name, required_keyring
from baselake.lake.location import (
    checksum_of,
    delete_empty_folders,
    delete_location,
    location_exists,
    size_of,
)
from baselake.progress import QUIET, Progress

# Files whose rows are many are written again before the commit lock is taken.
_LARGE = "read_records"
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure came to.

    Attributes:
        certificate: where it is.
        findings: where something of the sample still is; none is what there should be.
        beyond: sentences about what could not be reached.
    """

    certificate: Path
    findings: tuple[Finding, ...]
    beyond: tuple[str, ...]


def erase_sample(catalog: Catalog, sample: str, keys: Keys, who: str, progress: Progress = QUIET) -> Erased:
    """Erase a sample, or finish what was begun of it.

    Args:
        catalog: the lake, open for writing.
        sample: its identifier.
        keys: with which the certificate is signed.
        who: asked for it, as the certificate has it.
        progress: shows what is done.

    Raises:
        NotFoundError: the lake holds nothing of such a sample.
        LakeError: another erasure, or a job on the sample, is under way.
        OSError: a file cannot be read, written or removed.
    """
    layout = catalog.layout
    backend = backend_of(layout, catalog.config)
    # While nobody makes copies: not one that moves files, compacts them or writes a backup.
    with (
        held_lock(layout.erase_lock, "a sample is being erased"),
        mover_lock(catalog, progress),
        backend.maintenance_lock(catalog.config.commit_timeout_seconds),
    ):
        begun = [work for work in unfinished_works(layout) if work.sample == sample]
        work = begun[0] if begun else None
        plan = _first_plan(catalog, sample, frozenset(work.read_groups) if work else frozenset())
        if work is None:
            if plan.nothing:
                raise NotFoundError(
                    f"nothing of a sample {sample!r}", str(layout.root), "Run: baselake samples"
                )
            work = begin_work(layout, sample, int(time.time()), _newest(catalog))
        with ExitStack() as locks:
            for run in sorted(plan.subject.runs):
                locks.enter_context(held_lock(layout.run_lock(run), f"run {run} is worked on"))
            work = _take_away(catalog, plan, work, who, progress)
        _destroy(catalog, work)
        return _prove(catalog, plan.subject, work, keys, who, progress)


def _first_plan(catalog: Catalog, sample: str, groups: frozenset[str]) -> Plan:
    """A plan made without the commit lock: a file that others take away meanwhile has it made again."""
    for _ in range(_TRIES):
        try:
            return make_plan(catalog, sample, groups)
        except FileNotFoundError:
            continue
    raise LakeError(
        "files were taken away each time the lake was looked through",
        str(catalog.layout.root),
        "Run the same command again when no compaction or expiry is under way",
    )


def preview(catalog: Catalog, sample: str) -> Plan:
    """What erasing a sample would take; nothing is changed.

    Raises:
        NotFoundError: the lake holds nothing of such a sample.
        OSError: a file cannot be read.
    """
    plan = _first_plan(catalog, sample, frozenset())
    if plan.nothing:
        raise NotFoundError(
            f"nothing of a sample {sample!r}", str(catalog.layout.root), "Run: baselake samples"
        )
    return plan


def _take_away(catalog: Catalog, plan: Plan, work: Work, who: str, progress: Progress) -> Work:
    """Steps 1 and 2: afterwards no snapshot holds the sample."""
    backend = backend_of(catalog.layout, catalog.config)
    counted = catalog.query("SELECT DISTINCT cohort FROM counted_cohorts")["cohort"].to_pylist()
    with catalog.job("erase") as job:
        early: dict[str, tuple[Decision, Replaced]] = {}
        columns: dict[int, dict[str, Column]] = {}  # of tables
        large = [decision for decision in plan.decisions if decision.file.table == _LARGE]
        with progress.task("write shared files again", total=len(large), unit="files") as task:
            for decision in large:
                early[decision.file.location] = (decision, _write(catalog, job, decision, columns))
                task.advance()
        with backend.commit_lock(catalog.config.commit_timeout_seconds) as check_held:
            _refuse_jobs(catalog, plan.subject, job)
            plan = make_plan(catalog, work.sample, plan.subject.read_groups, earlier=plan)
            kept = [_write_kept(catalog, each) for each in plan.kept]
            replaced = [
                _written(catalog, job, decision, early, columns)
                for decision in plan.decisions
                if not is_last(decision)
            ]
            decisions = [decision for decision in plan.decisions if not is_last(decision)]
            context = context_of(plan, _moved(catalog, replaced), {old: new for old, new in kept if new})
            for decision in decide_last(plan.files, plan.subject, context):
                decisions.append(decision)
                replaced.append(_write(catalog, job, decision, columns))
            write_names(
                work.names_file(),
                (names for each in decisions if (names := names_in(catalog, each)) is not None),
            )
            gone = old_locations(replaced, plan.loose)
            places = object_places(catalog.connection)
            gone += [object_location(catalog.layout, path, places) for path, _ in kept]
            gone += _superseded(catalog, gone)
            work = _noted(work, plan, decisions, replaced, gone)
            work.save()
            texts = text_columns(catalog, backend.tables_query())
            # What is not yet in the audit is read from the snapshots, whose text is about to be changed.
            record_audit(catalog.connection.cursor())
            check_held()
            word, changed = replace_files(
                catalog,
                replaced,
                plan.loose,
                [path for path, _ in kept],
                plan.subject.who,
                texts,
                work.erasure_id,
                who,
            )
        # A snapshot of its own: whoever keeps what DuckLake says of the last one asks again. What was counted with the
        # sample went from every snapshot, and is counted anew in this one.
        with job.commit() as tx:
            for cohort in sorted(set(counted) - set(counted_cohorts(tx))):
                if members := members_of(tx, cohort):
                    begin_cohort(job, tx, cohort, members)
    work = replace(work, word=word or work.word, audit_changed=changed or work.audit_changed)
    work.save()
    return work


def _written(
    catalog: Catalog,
    job: Job,
    decision: Decision,
    early: dict[str, tuple[Decision, Replaced]],
    columns: dict[int, dict[str, Column]],
) -> Replaced:
    """What takes the place of a file, which was perhaps written before the lock was taken."""
    location = decision.file.location
    if location in early:
        before, replaced = early[location]
        if before.file == decision.file and np.array_equal(before.keep, decision.keep):
            return replaced
    return _write(catalog, job, decision, columns)


def _write(catalog: Catalog, job: Job, decision: Decision, columns: dict[int, dict[str, Column]]) -> Replaced:
    file, keep = decision.file, decision.keep
    if not keep.any():
        return Replaced(file=file, new=None, deletes=[(delete, None) for delete in file.deletes])
    path = job.replacement(file.folder, file.location, ".parquet")
    if file.table_id not in columns:
        columns[file.table_id] = table_columns(catalog, file.table_id)
    contig = job.contig_bases(file.table, file.partition)
    change = _changer(decision)
    new = rewrite_rows(file, path, keep, change, columns[file.table_id], catalog.decoder, contig)
    deletes: list[tuple[DeleteFile, NewFile | None]] = []
    for delete in file.deletes:
        target = job.replacement(delete.folder, delete.location, "-delete.parquet")
        deletes.append((delete, rewrite_deletes(delete, target, path, keep)))
    return Replaced(file=file, new=new, deletes=deletes)


def _changer(decision: Decision) -> Callable[[pa.Table], pa.Table]:
    """Gives rows that stay what they say now, some at a time, in order."""
    said = decision.rows
    if said is None:
        return lambda rows: rows
    at = 0

    def change(rows: pa.Table) -> pa.Table:
        nonlocal at
        here = said.slice(at, rows.num_rows)
        at += rows.num_rows
        for name in rows.column_names:
            if name not in here.column_names:
                here = here.append_column(rows.schema.field(name), rows[name])
        return here.select(rows.column_names)

    return change


def _write_kept(catalog: Catalog, kept: KeptFile) -> tuple[str, MovedObject | None]:
    """Write a kept file without the sample: its old path, and what it is now."""
    if kept.content is None:
        return kept.path, None
    digest = hashlib.sha256(kept.content).hexdigest()
    path = catalog.layout.object_file(kept.run_id, kept.name, digest)
    relative = str(path.relative_to(catalog.layout.root))
    moved = MovedObject(path=relative, bytes=len(kept.content), sha256=digest)
    if object_places(catalog.connection, relative):
        return kept.path, moved  # another snapshot has the very same file, on another tier
    # Not in the job's journal: its content says its name, so that the next try writes the very same file.
    text = kept.content
    if catalog.config.encrypted:
        ring = required_keyring(catalog.config.encrypted, str(catalog.layout.root))
        text = cipher_at(ring.make(key_name(str(path))), 0).update(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    return kept.path, moved


def _moved(catalog: Catalog, replaced: Sequence[Replaced]) -> dict[str, str]:
    root = f"{catalog.layout.root}/"
    return {
        each.file.location.removeprefix(root): str(each.new.path).removeprefix(root)
        for each in replaced
        if each.new is not None
    }


def _noted(
    work: Work, plan: Plan, decisions: Sequence[Decision], replaced: Sequence[Replaced], gone: Sequence[str]
) -> Work:
    sums = {each.file.location: each.file.checksum for each in replaced}
    sums |= {delete.location: delete.checksum for each in replaced for delete, _ in each.deletes}
    rows: dict[str, int] = {}
    changed: dict[str, int] = {}
    for decision in decisions:
        table = decision.file.table
        rows[table] = rows.get(table, 0) + decision.removed
        changed[table] = changed.get(table, 0) + decision.changed
    return with_progress(
        work,
        sorted(plan.subject.read_groups),
        {table: count for table, count in rows.items() if count},
        {table: count for table, count in changed.items() if count},
        sum(each.new is not None for each in replaced),
        [_summed(location, sums.get(location)) for location in gone if location_exists(location)],
        plan.beyond,
    )


def _superseded(catalog: Catalog, gone: Sequence[str]) -> list[str]:
    """Copies of files that lay on another tier before, or of a move that was killed."""
    names = {key_name(location) for location in gone}
    return [one.location for one in pending_removals(catalog) if one.name in names]


def _summed(location: str, checksum: str | None) -> Destroyed:
    if checksum is None:
        checksum = checksum_of(location)
    return Destroyed(location=location, bytes=size_of(location), checksum=checksum)


def _refuse_jobs(catalog: Catalog, subject: Subject, own: Job) -> None:
    """Jobs that have written something of the sample already would bring it back."""
    for journal in catalog.layout.jobs.glob("*"):
        if journal.name != own.id and subject.who.found(journal.read_text()):
            raise LakeError(
                "a job on the sample is under way",
                journal.name,
                "Wait for it, or end it, then run the command again",
            )


def _destroy(catalog: Catalog, work: Work) -> None:
    """Step 3: whatever a crash left of it is done by the next call."""
    for file in work.destroyed:
        delete_location(file.location)
        delete_empty_folders(file.location)
    # Whoever has a copy of one of them has noise then: a backup, a tape, a mirror of the bucket.
    destroy_keys(file.location for file in work.destroyed)
    for folder in sorted(catalog.layout.objects.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    backend = backend_of(catalog.layout, catalog.config)
    backend.forget_deleted(catalog.query(backend.tables_query())["name"].to_pylist())


def _prove(
    catalog: Catalog, subject: Subject, work: Work, keys: Keys, who: str, progress: Progress
) -> Erased:
    names = read_names(work.names_files(), catalog.config.memory_bytes // 4)
    tables = backend_of(catalog.layout, catalog.config).tables_query()
    proof = scan(catalog, replace(subject, read_groups=frozenset(work.read_groups)), names, tables, progress)
    now = datetime.now(UTC)
    statement: dict[str, object] = {
        "erasure": work.erasure_id,
        "subject": keys.pseudonym(work.sample),
        "by": who,
        "release": RELEASE,
        "begun": datetime.fromtimestamp(work.begun, UTC).isoformat(timespec="seconds"),
        "finished": now.isoformat(timespec="seconds"),
        "snapshots": {"before": work.snapshot_before, "after": _newest(catalog)},
        "rows_removed": work.rows,
        "rows_of_others_changed": work.rewritten,
        "files_written_again": work.files,
        "files_destroyed": [{"bytes": file.bytes, "xxh3_128": file.checksum} for file in work.destroyed],
        "not_reached": len(work.beyond),
        "audit": {
            "subject": work.word,
            "changed_from_row": work.audit_changed,
            "head": verify_audit(read_audit(catalog.connection), str(catalog.layout.root)),
        },
        "scan": certificates.proof_statement(proof),
    }
    text = certificates.sign(statement, keys)
    folder = keys.folder / "certificates"
    folder.mkdir(exist_ok=True)
    path = folder / f"{work.erasure_id}.json"
    path.write_text(text)
    if not proof.findings:
        _finish(catalog, work, int(now.timestamp()), certificates.digest(text))
    return Erased(certificate=path, findings=proof.findings, beyond=work.beyond)


def _finish(catalog: Catalog, work: Work, now: int, digest: str) -> None:
    backend = backend_of(catalog.layout, catalog.config)
    with backend.commit_lock(catalog.config.commit_timeout_seconds):
        catalog.connection.cursor().execute(
            f"UPDATE {METADATA}.baselake_erasures SET state = 'done', finished = ?, certificate = ?"
            " WHERE erasure_id = ?",
            [now, digest, work.erasure_id],
        )
    work.done()


def _newest(catalog: Catalog) -> int:
    rows = catalog.query(f"SELECT max(snapshot_id) AS n FROM {METADATA}.ducklake_snapshot")
    newest: int = rows["n"][0].as_py()
    return newest
