"""Runs as the catalog knows them: which there are, how far they are, and what is wrong with them.

States: `receiving` (being written), `ingesting`, `complete`, `quarantined` (not whole or not sound: `error` says
what), `aborted` (the instrument gave it up), `imported` (read files, without a folder of the instrument).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.ingest.run_source import Fault, RunDescription, RunProgress

UNREADABLE = ""  # the digest of a run whose description cannot be read (yet): it takes nobody's name

_TIME = pa.timestamp("us", "UTC")
_COLUMNS = (
    "run_id, platform, instrument, flowcell, folder, state, error, digest, cycles, cycles_expected, bytes,"
    " sample_sheet, updated"
)
_ROW = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "platform", "instrument", "flowcell")),
        ("started", _TIME),
        *((name, pa.string()) for name in ("state", "folder", "error", "digest")),
        ("updated", _TIME),
        *((name, pa.int32()) for name in ("cycles", "cycles_expected")),
        ("bytes", pa.int64()),
        *((name, pa.string()) for name in ("run_info", "run_parameters")),
    ]
)
_FAULTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("path", pa.string()),
        ("lane", pa.int16()),
        ("tile", pa.int32()),
        ("cycle", pa.int32()),
        ("fault", pa.string()),
        ("seen", _TIME),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A row of `runs`.

    Attributes:
        run_id: the name of the run in the lake.
        platform, instrument, flowcell, folder: as in `RunDescription`; None where not known.
        state: see the module.
        error: what is wrong; None: nothing.
        digest: as in `RunDescription`; None for imports of read files.
        cycles, cycles_expected, bytes: as in `RunProgress`, when last seen.
        sample_sheet: SHA-256 of the sheet its reads are assigned by; None: there is none.
        updated: when the row was last changed.
    """

    run_id: str
    platform: str | None
    instrument: str | None
    flowcell: str | None
    folder: str | None
    state: str
    error: str | None
    digest: str | None
    cycles: int | None
    cycles_expected: int | None
    bytes: int | None
    sample_sheet: str | None
    updated: datetime | None


def run_records(catalog: Catalog) -> dict[str, RunRecord]:
    """All runs, by run_id."""
    rows = catalog.query(f"SELECT {_COLUMNS} FROM runs ORDER BY run_id").to_pylist()
    return {row["run_id"]: RunRecord(**row) for row in rows}


def find_run(catalog: Catalog | Transaction, run_id: str) -> RunRecord | None:
    """The run of a name; None where there is none."""
    rows = catalog.query(f"SELECT {_COLUMNS} FROM runs WHERE run_id = ?", [run_id]).to_pylist()
    return RunRecord(**rows[0]) if rows else None


def described(record: RunRecord) -> RunDescription:
    """The run of a record, as its folder described it, but for when it was started."""
    return RunDescription(
        run_id=record.run_id,
        platform=record.platform or "",
        instrument=record.instrument or "",
        flowcell=record.flowcell or "",
        started=None,
        digest=record.digest or "",
        folder=Path(record.folder or ""),
    )


def record_run(
    catalog: Catalog,
    description: RunDescription,
    state: str,
    *,
    progress: RunProgress | None = None,
    error: str | None = None,
) -> str:
    """Set down how a run stands; the name it has in the lake.

    Another run of the same name is set down beside the first, as `NAME~` and eight digits of its digest, in
    quarantine: the first is not touched.
    """
    with catalog.record() as tx:
        return put_run(tx, description, state, progress=progress, error=error)


def put_run(
    tx: Transaction,
    description: RunDescription,
    state: str,
    *,
    progress: RunProgress | None = None,
    error: str | None = None,
    documents: Mapping[str, str | None] | None = None,
) -> str:
    """What `record_run` does, within a transaction; `documents` are texts for `run_info` and `run_parameters`."""
    run_id = description.run_id
    there = find_run(tx, run_id)
    if there is not None and there.digest == UNREADABLE:
        tx.execute("DELETE FROM runs WHERE run_id = ?", [run_id])
        there = None
    if there is not None and there.digest != description.digest:
        run_id = f"{run_id}~{description.digest[:8]}"
        error = (
            f"another run of this name is in the lake, from {there.folder or 'read files'}; rename this one"
        )
        state = "quarantined"
        there = find_run(tx, run_id)
    # All in one statement: an UPDATE writes the row's file anew.
    row: dict[str, object] = {
        "state": state,
        "error": error,
        "folder": str(description.folder),
        "updated": datetime.now(UTC),
    }
    if progress is not None:
        row |= {
            "cycles": progress.cycles,
            "cycles_expected": progress.cycles_expected,
            "bytes": progress.bytes,
        }
    row |= documents or {}
    if there is not None:
        changes = ", ".join(f"{column} = ?" for column in row)
        tx.execute(f"UPDATE runs SET {changes} WHERE run_id = ?", [*row.values(), run_id])
        return run_id
    row |= {
        "run_id": run_id,
        "platform": description.platform,
        "instrument": description.instrument or None,
        "flowcell": description.flowcell or None,
        "started": description.started,
        "digest": description.digest,
    }
    schema = pa.schema([_ROW.field(column) for column in row])
    tx.insert("runs", pa.Table.from_pylist([row], schema=schema))
    return run_id


def put_faults(tx: Transaction, run_id: str, faults: Sequence[Fault]) -> None:
    """Replace what is known to be wrong with a run."""
    if tx.query("SELECT 1 FROM run_faults WHERE run_id = ? LIMIT 1", [run_id]).num_rows:
        tx.execute("DELETE FROM run_faults WHERE run_id = ?", [run_id])
    now = datetime.now(UTC)
    rows = [
        {
            "run_id": run_id,
            "path": str(fault.path),
            "lane": fault.lane,
            "tile": fault.tile,
            "cycle": fault.cycle,
            "fault": fault.what,
            "seen": now,
        }
        for fault in faults
    ]
    tx.insert("run_faults", pa.Table.from_pylist(rows, schema=_FAULTS))


def put_metrics(tx: Transaction, run_id: str, metrics: pa.Table) -> None:
    """Replace what the instrument measured of a run; rows of `run_metrics` without the run."""
    if tx.query("SELECT 1 FROM run_metrics WHERE run_id = ? LIMIT 1", [run_id]).num_rows:
        tx.execute("DELETE FROM run_metrics WHERE run_id = ?", [run_id])
    names = pa.repeat(pa.scalar(run_id), metrics.num_rows)
    tx.insert("run_metrics", metrics.add_column(0, "run_id", names))


def summary(faults: Sequence[Fault]) -> str | None:
    """The first fault, and how many more there are, as `runs.error` has it; None where there are none."""
    if not faults:
        return None
    more = f"; and {len(faults) - 1} more, in run_faults" if len(faults) > 1 else ""
    return f"{faults[0]}{more}"
