"""Which sample a cluster is of: kept apart from its reads, so that another sample sheet costs an assignment only.

The reads of a run are stored once, with the index bases that were read. What a sheet says is rows of
`lane_layouts` (which index cycles tell samples apart), `barcode_assignments` (whose each index sequence is that was
seen) and `read_groups`; the view `reads` joins them. Another sheet replaces those rows in one transaction, and
snapshots show the old ones for ever.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.counting import count_out
from baselake.catalog.job import Job, Transaction
from baselake.catalog.locks import held_lock
from baselake.errors import ConflictError, NotFoundError
from baselake.ingest.illumina.barcodes import check_orientation, match
from baselake.ingest.illumina.lane_plan import LanePlan, PlanEntry, ReadLayout, plan_lanes
from baselake.ingest.illumina.recount import recount_barcodes
from baselake.ingest.illumina.run_info import RunInfo, parse_run_info
from baselake.ingest.illumina.run_parameters import parse_run_parameters
from baselake.ingest.illumina.sample_sheet import SampleSheet, parse_sample_sheet, read_sample_sheet
from baselake.ingest.samples import record_samples
from baselake.lake.arrays import fixed_strings, fixed_width
from baselake.progress import QUIET, Progress

_TIME = pa.timestamp("us", "UTC")
_READ_GROUPS = pa.schema(
    [
        *((name, pa.string()) for name in ("read_group_id", "id", "sample_id", "library", "run_id")),
        ("lane", pa.int16()),
        *((name, pa.string()) for name in ("barcode", "platform", "platform_unit")),
        ("attributes", pa.map_(pa.string(), pa.string())),
        *((name, pa.int16()) for name in ("segment1_start", "segment1_length")),
        *((name, pa.int16()) for name in ("segment2_start", "segment2_length")),
        ("adapter_behavior", pa.string()),
        *((name, pa.int16()) for name in ("minimum_trimmed_read_length", "mask_short_reads")),
    ]
)
_LAYOUTS = pa.schema(
    [
        ("run_id", pa.string()),
        *(
            (name, pa.int16())
            for name in (
                "lane",
                "index1_start",
                "index1_length",
                "index2_start",
                "index2_length",
                "segment1_start",
                "segment1_length",
                "segment2_start",
                "segment2_length",
            )
        ),
    ]
)
# What a lane of which no tile is in the lake has seen: counts come with tiles.
_NONE_SEEN = pa.schema(
    [("index1_seq", pa.string()), ("index2_seq", pa.string()), ("clusters", pa.int64())]
).empty_table()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneBarcodes:
    """The index sequences seen in a lane, of the cycles that tell its samples apart, and whose they are.

    Attributes:
        index1, index2: uint8 [K, length], ASCII.
        clusters: int64 [K].
        entry: int32 [K], which of the plan's entries; -1: none.
        mismatches1, mismatches2: int8 [K].
    """

    index1: np.ndarray
    index2: np.ndarray
    clusters: np.ndarray
    entry: np.ndarray
    mismatches1: np.ndarray
    mismatches2: np.ndarray


def assign_sheet(catalog: Catalog, run_id: str, sheet: Path | None, progress: Progress = QUIET) -> None:
    """Assign the reads of a run that is in the lake by another sample sheet; the run's folder is not needed.

    Alignments and calls of samples whose reads change are taken away with the old assignment; snapshots keep them.

    Args:
        catalog: the lake.
        run_id: the run.
        sheet: the sheet; None: no read is of any sample.
        progress: where it is told what was done.

    Raises:
        NotFoundError: no such run, or it did not come from a run folder.
        InputError: the sheet is not sound, does not fit the run, or has an index in the wrong orientation.
        ConflictError: the sheet wants molecular identifiers or adapters found in the reads, for which the run's folder
            has to be read again; or its read groups are in the lake from another import.
        LakeError: another process works on the run.
    """
    with held_lock(catalog.layout.run_lock(run_id), f"run {run_id} is worked on"):
        rows = catalog.query(
            "SELECT run_info, run_parameters FROM runs WHERE run_id = ?", [run_id]
        ).to_pylist()
        if not rows or rows[0]["run_info"] is None:
            raise NotFoundError("no run of that name from a run folder", run_id, "Run: baselake runs")
        info = parse_run_info(rows[0]["run_info"].encode(), Path(run_id))
        text = rows[0]["run_parameters"]
        parameters = parse_run_parameters(text.encode(), Path(run_id)) if text is not None else None
        content = read_sample_sheet(sheet) if sheet is not None else None
        plans = plan_lanes(info, parameters, content)
        if lanes := _lanes_to_read_again(_needs(catalog, run_id), plans):
            raise ConflictError(
                f"the sheet asks for molecular identifiers or adapters to be found in lane {min(lanes)}, which is"
                " done when base calls are read",
                str(sheet),
                "Import the run's folder again with this sheet: only those lanes are read again",
            )
        put_assignment(catalog, run_id, info, plans, content, progress)


def current_sheet(catalog: Catalog, run_id: str) -> SampleSheet | None:
    """The sheet that a run's reads are assigned by; None where there is none."""
    rows = catalog.query(
        "SELECT s.text, s.path, s.sheet_id FROM runs AS r JOIN sample_sheets AS s"
        " ON s.run_id = r.run_id AND s.sheet_id = r.sample_sheet WHERE r.run_id = ? LIMIT 1",
        [run_id],
    ).to_pylist()
    if not rows:
        return None
    sheet = parse_sample_sheet(rows[0]["text"].encode(), Path(rows[0]["path"]))
    return replace(
        sheet, digest=rows[0]["sheet_id"]
    )  # of the file, whose bytes may have been in another encoding


def is_replaced(catalog: Catalog, run_id: str, sheet: SampleSheet) -> bool:
    """Whether a run was assigned by another sheet, or by none, after it was by this one as it lies on disk now."""
    rows = catalog.query(
        "SELECT coalesce(r.sample_sheet, '') AS current, bool_or(s.sheet_id = ?) AS had, max(s.received) AS last"
        " FROM runs AS r JOIN sample_sheets AS s ON s.run_id = r.run_id WHERE r.run_id = ? GROUP BY ALL",
        [sheet.digest, run_id],
    ).to_pylist()
    if not rows or rows[0]["current"] == sheet.digest or not rows[0]["had"]:
        return False
    # Put back into the folder since: it is the latest word again.
    return bool(sheet.path.stat().st_mtime <= rows[0]["last"].timestamp())


def put_assignment(
    catalog: Catalog,
    run_id: str,
    info: RunInfo,
    plans: Mapping[int, LanePlan],
    sheet: SampleSheet | None,
    progress: Progress,
) -> None:
    """Make `plans` the run's assignment, in one transaction; the run must be locked.

    Raises:
        InputError: the reads say that an index of the sheet is in the wrong orientation.
        ConflictError: read groups of the run's flow cell and samples were imported from read files.
    """
    parameters = {"run": run_id, "sheet": sheet.digest if sheet is not None else None}
    with catalog.job("assign", parameters) as job:
        if sheet is not None:
            job.inputs.append(f"sample_sheet:{sheet.digest}")
        needs = _needs(catalog, run_id)
        recounted = {}
        for lane, plan in plans.items():
            counts = recount_barcodes(catalog, job, run_id, info, plan) if lane in needs else None
            if counts is not None:
                recounted[lane] = counts
        lanes = {}
        for lane, plan in plans.items():
            counted = recounted.get(lane) if lane in needs else _NONE_SEEN
            lanes[lane] = _match_seen(catalog, counted, run_id, plan, sheet)
        reread = _lanes_to_read_again(needs, plans)
        old = _sample_reads(catalog, run_id)
        old_groups = catalog.query("SELECT read_group_id FROM read_groups WHERE run_id = ?", [run_id])
        groups = {lane: read_group_ids(info, plan) for lane, plan in plans.items()}
        with job.commit() as tx:
            _refuse_imported(tx, run_id, groups)
            for lane in recounted:
                tx.execute("DELETE FROM barcode_counts WHERE run_id = ? AND lane = ?", [run_id, lane])
            # An assignment has rows in the first of these tables, in one transaction with those in the others.
            there = [
                table
                for table in ("lane_layouts", "read_groups")
                if tx.query(f"SELECT 1 FROM {table} WHERE run_id = ? LIMIT 1", [run_id]).num_rows
            ]
            if "lane_layouts" in there:
                there.append("barcode_assignments")
            for table in there:
                tx.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
            tx.insert("lane_layouts", _layout_rows(run_id, info, plans))
            tx.insert("read_groups", _read_group_rows(run_id, info, plans, groups))
            for lane, seen in lanes.items():
                tx.insert("barcode_assignments", assignment_rows(run_id, lane, groups[lane], seen))
            record_samples(tx, [entry.sample_id for plan in plans.values() for entry in plan.entries])
            _put_sheet(tx, run_id, sheet, job.id)
            new = _sample_reads(tx, run_id) if old else {}
            changed = sorted(
                sample
                for sample, reads in old.items()
                if reads != new.get(sample) or any(read[0] in reread for read in reads)
            )
            _drop_derived(job, tx, changed, old_groups)
    if changed:
        progress.note(f"{run_id}: the reads of {', '.join(changed)} changed with the sample sheet")


def read_group_ids(info: RunInfo, plan: LanePlan) -> tuple[str, ...]:
    """The read group of each of a plan's entries: sample, flow cell, lane, and the index where those do not do."""
    times = Counter(entry.sample_id for entry in plan.entries)
    return tuple(
        f"{entry.sample_id}.{info.flowcell}.{plan.lane}"
        + (f".{_barcode(entry)}" if times[entry.sample_id] > 1 else "")
        for entry in plan.entries
    )


def assignment_rows(run_id: str, lane: int, groups: Sequence[str], seen: LaneBarcodes) -> pa.Table:
    """Rows of `barcode_assignments`: the sequences that are some sample's."""
    mine = seen.entry >= 0
    count = int(mine.sum())
    return pa.table(
        {
            "run_id": pa.repeat(pa.scalar(run_id), count),
            "lane": pa.repeat(pa.scalar(lane, pa.int16()), count),
            "index1_seq": fixed_strings(seen.index1[mine]),
            "index2_seq": fixed_strings(seen.index2[mine]),
            "read_group_id": pa.array(groups, pa.string()).take(pa.array(seen.entry[mine])),
            "mismatches1": seen.mismatches1[mine],
            "mismatches2": seen.mismatches2[mine],
        }
    )


def _match_seen(
    catalog: Catalog, counted: pa.Table | None, run_id: str, plan: LanePlan, sheet: SampleSheet | None
) -> LaneBarcodes:
    rows = counted
    if rows is None:
        rows = catalog.query(
            "SELECT index1_seq, index2_seq, CAST(sum(clusters) AS BIGINT) AS clusters FROM barcode_counts"
            " WHERE run_id = ? AND lane = ? GROUP BY ALL ORDER BY ALL",
            [run_id, plan.lane],
        )
    index1 = fixed_width(rows["index1_seq"], plan.index1[1])
    index2 = fixed_width(rows["index2_seq"], plan.index2[1])
    clusters = rows["clusters"].to_numpy().astype(np.int64)
    entry, mismatches1, mismatches2 = match(plan, index1, index2)
    if sheet is not None:
        check_orientation(plan, index1, index2, clusters, str(sheet.path))
    return LaneBarcodes(
        index1=index1,
        index2=index2,
        clusters=clusters,
        entry=entry,
        mismatches1=mismatches1,
        mismatches2=mismatches2,
    )


def _barcode(entry: PlanEntry) -> str | None:
    return "+".join(part for part in (entry.sheet_index1, entry.sheet_index2) if part) or None


def _segments(layout: ReadLayout, info: RunInfo) -> dict[str, int]:
    """What is kept of each segment, where the sheet does not keep all of it."""
    kept: dict[str, int] = {}
    for number, (read, (start, length)) in enumerate(
        zip(info.template_reads, layout.segments, strict=True), 1
    ):
        if layout.adapters is not None or (start, length) != (0, read.cycles):
            kept |= {f"segment{number}_start": start, f"segment{number}_length": length}
    return kept


def _layout_rows(run_id: str, info: RunInfo, plans: Mapping[int, LanePlan]) -> pa.Table:
    rows = []
    for lane, plan in sorted(plans.items()):
        row: dict[str, object] = {
            "run_id": run_id,
            "lane": lane,
            "index1_start": plan.index1[0],
            "index1_length": plan.index1[1],
            "index2_start": plan.index2[0],
            "index2_length": plan.index2[1],
        }
        rows.append(row | _segments(plan.default, info))
    return pa.Table.from_pylist(rows, schema=_LAYOUTS)


def _read_group_rows(
    run_id: str, info: RunInfo, plans: Mapping[int, LanePlan], groups: Mapping[int, Sequence[str]]
) -> pa.Table:
    rows = []
    for lane, plan in sorted(plans.items()):
        for name, entry in zip(groups[lane], plan.entries, strict=True):
            barcode = _barcode(entry)
            adapters = entry.layout.adapters
            said = {
                "sample_name": entry.sample_name,
                "project": entry.project,
                "description": entry.description,
            }
            rows.append(
                {
                    "read_group_id": name,
                    "id": name,
                    "sample_id": entry.sample_id,
                    "library": entry.sample_id,
                    "run_id": run_id,
                    "lane": lane,
                    "barcode": barcode,
                    "platform": "ILLUMINA",
                    "platform_unit": f"{info.flowcell}.{lane}" + (f".{barcode}" if barcode else ""),
                    "attributes": [(key, value) for key, value in said.items() if value],
                    "adapter_behavior": adapters.behavior if adapters is not None else None,
                    "minimum_trimmed_read_length": adapters.minimum_length if adapters is not None else None,
                    "mask_short_reads": adapters.mask_length if adapters is not None else None,
                }
                | _segments(entry.layout, info)
            )
    return pa.Table.from_pylist(rows, schema=_READ_GROUPS)


def _put_sheet(tx: Transaction, run_id: str, sheet: SampleSheet | None, job_id: str) -> None:
    digest = sheet.digest if sheet is not None else None
    tx.execute("UPDATE runs SET sample_sheet = ? WHERE run_id = ?", [digest, run_id])
    if sheet is None:
        return
    row = {
        "run_id": run_id,
        "sheet_id": sheet.digest,
        "path": str(sheet.path),
        "text": sheet.text,
        "job_id": job_id,
        "received": datetime.now(UTC),
    }
    schema = pa.schema([*((name, pa.string()) for name in list(row)[:-1]), ("received", _TIME)])
    tx.insert("sample_sheets", pa.Table.from_pylist([row], schema=schema))


def _refuse_imported(tx: Transaction, run_id: str, groups: Mapping[int, Sequence[str]]) -> None:
    wanted = [name for names in groups.values() for name in names]
    rows = tx.query(
        "SELECT read_group_id, run_id FROM read_groups WHERE list_contains(?, read_group_id) AND run_id <> ?",
        [wanted, run_id],
    ).to_pylist()
    if rows:
        raise ConflictError(
            f"in the lake already, from {rows[0]['run_id']}",
            f"read group {rows[0]['read_group_id']}",
            "Those reads were imported before: give the samples of this sheet other names, or leave the run out",
        )


def _sample_reads(source: Catalog | Transaction, run_id: str) -> dict[str, set[tuple[object, ...]]]:
    """What tells each sample's reads: lane, index sequence, and what is kept of such reads.

    With other index cycles, every sample of a lane counts as changed: its sequences are others.
    """
    rows = source.query(
        "SELECT g.sample_id, a.lane, a.index1_seq, a.index2_seq, coalesce(g.segment1_start, l.segment1_start),"
        " coalesce(g.segment1_length, l.segment1_length), coalesce(g.segment2_start, l.segment2_start),"
        " coalesce(g.segment2_length, l.segment2_length), g.adapter_behavior, g.minimum_trimmed_read_length,"
        " g.mask_short_reads FROM barcode_assignments AS a JOIN read_groups AS g USING (read_group_id)"
        " JOIN lane_layouts AS l ON l.run_id = a.run_id AND l.lane = a.lane WHERE a.run_id = ?",
        [run_id],
    )
    found: dict[str, set[tuple[object, ...]]] = {}
    for sample, *reads in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        found.setdefault(sample, set()).add(tuple(reads))
    return found


def _needs(catalog: Catalog, run_id: str) -> dict[int, set[str]]:
    """What was found in the reads of each lane that has tiles in the lake."""
    rows = catalog.query("SELECT DISTINCT lane, needs FROM run_tiles WHERE run_id = ?", [run_id]).to_pylist()
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row["lane"], set()).add(row["needs"])
    return found


def _lanes_to_read_again(needs: Mapping[int, set[str]], plans: Mapping[int, LanePlan]) -> set[int]:
    """Lanes in whose reads something else is to be found than was when they were imported."""
    return {lane for lane, found in needs.items() if found != {plans[lane].needs}}


def _drop_derived(job: Job, tx: Transaction, samples: Sequence[str], run_groups: pa.Table) -> None:
    """Take away what was made of reads that are another sample's now."""
    groups = run_groups["read_group_id"].to_pylist()
    for sample in samples:
        aligned = "FROM stored_alignments WHERE sample_id = ? AND list_contains(?, read_group_id)"
        if tx.query(f"SELECT 1 {aligned} LIMIT 1", [sample, groups]).num_rows:
            tx.execute(f"DELETE {aligned}", [sample, groups])
            count_out(job, tx, [sample])
            tx.execute("DELETE FROM genotypes WHERE sample_id = ?", [sample])
            tx.execute("DELETE FROM reference_blocks WHERE sample_id = ?", [sample])
            tx.execute("DELETE FROM coverage_windows WHERE sample_id = ?", [sample])
            tx.execute("DELETE FROM sample_qc WHERE sample_id = ?", [sample])
