"""What of the lake is a sample's, at the newest snapshot and at every one that is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.catalog.erase.history import RowFile, history
from baselake.catalog.erase.text import Identifier, identifier

Lane = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A time in which a lane's reads were assigned by one layout of index cycles.

    Attributes:
        begin, end: snapshots, half-open.
        cycles: (start, length) of index 1 and of index 2 that tell samples apart.
        mine: index sequences, of both, that were the sample's.
        all: index sequences that were anybody's.
    """

    begin: int
    end: int
    cycles: tuple[tuple[int, int], tuple[int, int]]
    mine: frozenset[tuple[str, str]]
    all: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A sample and what belongs to it.

    Attributes:
        who: how its identifier is found in text.
        read_groups: its read groups: those whose latest row in the lake's history names it.
        runs: that hold reads of it.
        own_runs: of these, those that were never anybody else's.
        own_sources: `source_id` of imported files that hold this sample alone.
        epochs: of the lanes of those runs whose reads are told apart by their index, newest first.
    """

    who: Identifier
    read_groups: frozenset[str]
    runs: frozenset[str]
    own_runs: frozenset[str]
    own_sources: frozenset[str]
    epochs: Mapping[Lane, tuple[Epoch, ...]]

    @property
    def sample(self) -> str:
        return self.who.sample


def find_subject(files: Sequence[RowFile], sample: str, before: frozenset[str] = frozenset()) -> Subject:
    """What is a sample's.

    Args:
        files: all files of rows in the lake.
        sample: its identifier.
        before: read groups that were found to be its own before an erasure was interrupted.
    """
    known = {sample}
    for _, rows, _ in history(files, "samples"):
        known.update(name for name in rows["sample_id"].to_pylist() if name)
    latest: dict[str, tuple[int, str, str]] = {}
    owners: dict[str, set[str]] = {}
    for file, rows, _ in history(files, "read_groups"):
        columns = (rows[name].to_pylist() for name in ("read_group_id", "sample_id", "run_id"))
        for group, owner, run in zip(*columns, strict=True):
            known.add(owner or sample)
            owners.setdefault(run, set()).add(owner)
            if group not in latest or file.begin_snapshot >= latest[group][0]:
                latest[group] = (file.begin_snapshot, owner, run)
    sources: set[str] = set()
    for _, rows, _ in history(files, "source_files"):
        columns = (rows[name].to_pylist() for name in ("source_id", "sample_ids"))
        sources.update(source for source, names in zip(*columns, strict=True) if names == [sample])
    groups = before | {group for group, (_, owner, _) in latest.items() if owner == sample}
    runs = {run for run, names in owners.items() if sample in names and run is not None}
    own = frozenset(run for run in runs if owners[run] == {sample})
    return Subject(
        who=identifier(sample, known),
        read_groups=frozenset(groups),
        runs=frozenset(runs),
        own_runs=own,
        own_sources=frozenset(sources),
        epochs=_epochs(files, frozenset(runs), frozenset(groups)),
    )


def _epochs(
    files: Sequence[RowFile], runs: frozenset[str], groups: frozenset[str]
) -> dict[Lane, tuple[Epoch, ...]]:
    layouts: dict[Lane, list[tuple[int, int, tuple[tuple[int, int], tuple[int, int]]]]] = {}
    columns = ("index1_start", "index1_length", "index2_start", "index2_length")
    for file, rows, ends in history(files, "lane_layouts"):
        for row, end in zip(rows.to_pylist(), ends.tolist(), strict=True):
            if row["run_id"] in runs:
                start1, length1, start2, length2 = (row[name] or 0 for name in columns)
                layouts.setdefault((row["run_id"], row["lane"]), []).append(
                    (file.begin_snapshot, end, ((start1, length1), (start2, length2)))
                )
    assigned: dict[Lane, list[tuple[int, int, tuple[str, str], bool]]] = {}
    for file, rows, ends in history(files, "barcode_assignments"):
        for row, end in zip(rows.to_pylist(), ends.tolist(), strict=True):
            if row["run_id"] in runs:
                assigned.setdefault((row["run_id"], row["lane"]), []).append(
                    (
                        file.begin_snapshot,
                        end,
                        (row["index1_seq"], row["index2_seq"]),
                        row["read_group_id"] in groups,
                    )
                )
    epochs = {}
    for lane, spans in layouts.items():
        made = []
        for begin, end, cycles in sorted(set(spans), reverse=True):
            during = [row for row in assigned.get(lane, ()) if row[0] < end and row[1] > begin]
            made.append(
                Epoch(
                    begin=begin,
                    end=end,
                    cycles=cycles,
                    mine=frozenset(row[2] for row in during if row[3]),
                    all=frozenset(row[2] for row in during),
                )
            )
        epochs[lane] = tuple(made)
    return epochs


def reads_of(subject: Subject, rows: pa.Table, partition: Mapping[str, str | None]) -> np.ndarray:
    """Which rows of `read_records` are the sample's, bool [rows].

    By read group where the read came with one, else by its index: the latest sheet that gave the index to anybody says
    whose the read is.

    Args:
        subject: the sample.
        rows: of one file, with the columns read_group_id, index1_seq, index2_seq.
        partition: run_id and lane of the file.
    """
    mine = _is_in(rows["read_group_id"], subject.read_groups)
    run, lane = partition.get("run_id"), partition.get("lane")
    if run is None or lane is None:
        return mine
    undecided = rows["read_group_id"].is_null().to_numpy().astype(bool)
    for epoch in subject.epochs.get((run, int(lane)), ()):
        keys = _sequences(rows, epoch.cycles)
        mine |= undecided & _is_in(keys, _joined(epoch.mine))
        undecided &= ~_is_in(keys, _joined(epoch.all))
    return mine


def counts_of(subject: Subject, rows: pa.Table, ends: np.ndarray, begin: int) -> np.ndarray:
    """Which rows of `barcode_counts` tell of the sample's reads, bool [rows].

    Args:
        subject: the sample.
        rows: of one file.
        ends: the snapshot at which each ends.
        begin: the snapshot at which they came.
    """
    mine = np.zeros(rows.num_rows, bool)
    columns = (rows[name].to_pylist() for name in ("run_id", "lane", "index1_seq", "index2_seq"))
    for i, (run, lane, index1, index2) in enumerate(zip(*columns, strict=True)):
        key = (index1, index2)
        for epoch in subject.epochs.get((run, lane), ()):
            lengths = (epoch.cycles[0][1], epoch.cycles[1][1])
            there = epoch.begin < ends[i] and begin < epoch.end
            if there and (len(index1), len(index2)) == lengths and key in epoch.all:
                mine[i] = key in epoch.mine
                break
    return mine


def _sequences(rows: pa.Table, cycles: tuple[tuple[int, int], tuple[int, int]]) -> pa.ChunkedArray:
    parts = []
    for name, (start, length) in zip(("index1_seq", "index2_seq"), cycles, strict=True):
        cut = pc.utf8_slice_codeunits(rows[name], start, start + length) if length else None
        parts.append(pc.fill_null(cut, "") if cut is not None else "")
    if all(isinstance(part, str) for part in parts):
        return pa.chunked_array([pa.array(["+"] * rows.num_rows, pa.string())])
    return pc.binary_join_element_wise(*parts, "+")


def _joined(sequences: frozenset[tuple[str, str]]) -> frozenset[str]:
    return frozenset(f"{index1}+{index2}" for index1, index2 in sequences)


def _is_in(column: pa.ChunkedArray, values: frozenset[str]) -> np.ndarray:
    found = pc.is_in(column, value_set=pa.array(sorted(values), pa.string()))
    return found.to_numpy().astype(bool)


def owned_by_others(subject: Subject, rows: pa.Table, partition: Mapping[str, str | None]) -> np.ndarray:
    """Which rows of `read_records` or `alignments` are known to be another sample's, bool [rows].

    Args:
        subject: the sample.
        rows: of one file, all columns.
        partition: of the file.
    """
    if "sample_id" in rows.column_names:
        return ~_is_in(rows["sample_id"], frozenset((subject.sample,)))
    grouped = rows["read_group_id"].is_valid().to_numpy().astype(bool)
    others = grouped & ~_is_in(rows["read_group_id"], subject.read_groups)
    run, lane = partition.get("run_id"), partition.get("lane")
    if run is not None and lane is not None:
        known = np.zeros(rows.num_rows, bool)
        for epoch in subject.epochs.get((run, int(lane)), ()):
            known |= ~grouped & _is_in(_sequences(rows, epoch.cycles), _joined(epoch.all - epoch.mine))
        others |= known
    return others
