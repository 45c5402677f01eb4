"""`baselake doctor`: every file looked at, everything that is wrong named, and mended where that can be."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog
from baselake.catalog.files import record_checksums
from baselake.catalog.leftovers import sweep
from baselake.catalog.tiers.removals import pending_removals
from baselake.catalog.upkeep.check import Checked, Finding, check, stray, untold
from baselake.catalog.upkeep.needed import Needed, assemblies, data_files, needed_files, object_files
from baselake.catalog.upkeep.orphans import Orphan, dead_jobs, find_orphans, stray_keys
from baselake.catalog.upkeep.repair import copies_in, correct_size, restore_file
from baselake.errors import LakeError
from baselake.lake.keyring import destroy_keys, key_name
from baselake.progress import QUIET, Progress

SAFE_AGE = timedelta(days=1)
_LOST = ("missing", "truncated", "grown", "damaged", "no Parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What the doctor asks other parts of the lake.

    Attributes:
        copies: by a file's name, where else its bytes may be.
        vouched: locations in the lake's folders that somebody answers for.
    """

    copies: Callable[[Catalog], Mapping[str, Sequence[str]]]
    vouched: Callable[[Catalog], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """How to repair.

    Attributes:
        folders: that mirror the lake and are to be looked into first, such as a backup.
        safe_age: files that nothing refers to are removed when they were last written so long ago.
    """

    folders: Sequence[str] = ()
    safe_age: timedelta = SAFE_AGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the doctor saw.

    Attributes:
        files: that were looked at.
        bytes: of these, that were there.
        summed: files whose checksum was not known and is now.
        findings: what is wrong, or was and is repaired.
    """

    files: int
    bytes: int
    summed: int
    findings: list[Finding]

    @property
    def well(self) -> bool:
        """Nothing is wrong, or no longer."""
        return all(one.mended for one in self.findings)


def _superseded(catalog: Catalog) -> Mapping[str, Sequence[str]]:
    """Old copies of files that lie on another tier now."""
    copies: dict[str, list[str]] = {}
    for one in pending_removals(catalog):
        copies.setdefault(one.name, []).append(one.location)
    return copies


def _to_be_removed(catalog: Catalog) -> Collection[str]:
    """Copies that whoever moves files removes."""
    return [one.location for one in pending_removals(catalog)]


TIERS = Others(copies=_superseded, vouched=_to_be_removed)


def examine(
    catalog: Catalog,
    *,
    quick: bool = False,
    repair: Repair | None = None,
    others: Others = TIERS,
    progress: Progress = QUIET,
) -> Report:
    """Check what every snapshot needs, then look for what nothing needs.

    Args:
        catalog: the lake; checksums that are not known are set down where it is open for writing.
        quick: do not read files whole; sizes and footers only.
        repair: mend what can be; None: only look.
        others: what other parts of the lake know of copies.
        progress: counts bytes.

    Raises:
        LakeError: another process maintains the lake, or the catalog refused a change.
    """
    if repair is None:
        return _examine(catalog, quick=quick, repair=None, others=others, progress=progress)
    backend = backend_of(catalog.layout, catalog.config)
    with backend.maintenance_lock(catalog.config.commit_timeout_seconds):
        return _examine(catalog, quick=quick, repair=repair, others=others, progress=progress)


def _examine(
    catalog: Catalog, *, quick: bool, repair: Repair | None, others: Others, progress: Progress
) -> Report:
    findings: list[Finding] = []
    for job in dead_jobs(catalog):
        findings.append(stray("dead job", f"jobs/{job}", "it ended without clearing up"))
    if findings and repair is not None:
        sweep(catalog.layout, catalog.connection, catalog.config)
        findings = [replace(one, outcome="repaired") for one in findings]

    # Data files first, and mended: by them the tables are read that tell of the other files.
    checked = _check(catalog, partial(data_files, catalog), quick=quick, progress=progress)
    folders = [*repair.folders, *backup_folders(catalog)] if repair is not None else []
    findings += _mended(catalog, checked, repair, folders, others)
    told = True
    for tell in (object_files, assemblies):
        try:
            rest = _check(catalog, partial(tell, catalog), quick=quick, progress=progress)
        except LakeError as error:
            # A file of the table is in the findings; what the table tells of cannot be looked at.
            told = False
            findings.append(untold(error))
            continue
        findings += _mended(catalog, rest, repair, folders, others)
        checked += rest
    summed = [one for one in checked if _to_be_set_down(one)]
    if summed and not catalog.read_only:
        sums = {
            one.needed.location.rsplit("/", 1)[-1]: (one.bytes or 0, one.checksum or "") for one in summed
        }
        backend = backend_of(catalog.layout, catalog.config)
        with backend.commit_lock(catalog.config.commit_timeout_seconds):
            record_checksums(catalog.connection, sums)
    if told:
        orphans = find_orphans(catalog, lambda: needed_files(catalog)[0], others.vouched)
        findings += [_orphan(catalog, orphan, repair) for orphan in orphans]
        if catalog.config.encrypted:
            strays = stray_keys(catalog, lambda: needed_files(catalog)[0], others.vouched)
            findings += [_stray_key(name, repair) for name in strays]
    return Report(
        files=len(checked),
        bytes=sum(one.bytes or 0 for one in checked),
        summed=len(summed),
        findings=findings,
    )


def _check(
    catalog: Catalog, tell: Callable[[], list[Needed]], *, quick: bool, progress: Progress
) -> list[Checked]:
    needed = tell()
    total = len(needed) if quick else sum(file.bytes or 0 for file in needed)
    with (
        progress.task("check files", total=total, unit="files" if quick else "bytes") as task,
        ThreadPoolExecutor(catalog.config.threads) as pool,
    ):

        def look(file: Needed) -> Checked:
            done = check(file, quick=quick)
            task.advance(1 if quick else file.bytes or 0)
            return done

        checked = list(pool.map(look, needed))
    # What was moved, or expired and removed, since the list was made is looked at where it is now, or is not needed.
    lost = [
        one for one in checked if one.finding is not None and one.finding.kind in ("missing", "stale size")
    ]
    if not lost:
        return checked
    now = {(file.kind, key_name(file.location)): file for file in tell()}
    again = []
    for one in checked:
        if one in lost:
            file = now.get((one.needed.kind, key_name(one.needed.location)))
            if file is None:
                continue
            if file != one.needed:
                again.append(check(file, quick=quick))
                continue
        again.append(one)
    return again


def _mended(
    catalog: Catalog,
    checked: Sequence[Checked],
    repair: Repair | None,
    folders: Sequence[str],
    others: Others,
) -> list[Finding]:
    wrong = [one for one in checked if one.finding is not None]
    if repair is None or not wrong:
        return [one.finding for one in wrong if one.finding is not None]
    elsewhere = others.copies(catalog)
    findings = []
    for one in wrong:
        assert one.finding is not None
        outcome = "it cannot be repaired by a copy"
        if one.finding.kind == "stale size":
            outcome = correct_size(catalog, one)
        elif one.finding.kind in _LOST:
            copies = [*copies_in(folders, one.needed), *elsewhere.get(key_name(one.needed.location), ())]
            outcome = restore_file(one.needed, copies)
        findings.append(replace(one.finding, outcome=outcome))
    return findings


def _orphan(catalog: Catalog, orphan: Orphan, repair: Repair | None) -> Finding:
    age = timedelta(seconds=max(0, int(time.time() - orphan.modified)))
    path = str(orphan.path.relative_to(catalog.layout.root))
    found = stray("orphan", path, f"nothing refers to it; {orphan.bytes:,} bytes, written {age} ago")
    if repair is None:
        return found
    if age < repair.safe_age:
        return replace(found, outcome=f"left: it is younger than {repair.safe_age}")
    orphan.path.unlink(missing_ok=True)
    return replace(found, outcome="repaired")


def _stray_key(name: str, repair: Repair | None) -> Finding:
    found = stray("stray key", name, "no file of the lake has this name")
    if repair is None:
        return found
    destroy_keys([name])
    return replace(found, outcome="repaired")


def _to_be_set_down(checked: Checked) -> bool:
    needed = checked.needed
    unknown = needed.checksum is None or not needed.taken_down
    parquet = needed.kind in ("rows", "deletes")
    return parquet and unknown and checked.finding is None and checked.checksum is not None


def backup_folders(catalog: Catalog) -> list[str]:
    """Folders of backups of this lake, the newest first."""
    rows = catalog.query(
        "SELECT folder FROM __ducklake_metadata_lake.baselake_backup_folders ORDER BY taken DESC"
    )
    return rows["folder"].to_pylist()
