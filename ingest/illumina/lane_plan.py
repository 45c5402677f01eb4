"""What a lane of a run does with a sample sheet: which index is whose, and what is kept of each read.

The rules are those BCL Convert users expect:

* Every sample of a lane has an index, or there is one sample and it takes all the lane's reads.
* An index allows 1 mismatch where the sheet does not say, 0 to 2 where it does, each index by itself. An observed
  index is a sample's if both its parts are within what the sample allows.
* Two samples that one observed index could belong to are refused before work starts: where d is the number of
  cycles that both use and that differ, and a and b what they allow, such an observed index exists exactly if
  d <= a + b. One of the two indexes is enough to tell samples apart; in the lanes of
  IndependentIndexCollisionCheck each index must.
* A sheet's index is spelled in the order the cycles are read, unless RunInfo.xml marks the read
  `IsReverseComplement="Y"` (NextSeq 1000/2000, NovaSeq X, MiSeq i100 in reads-first order): then its reverse
  complement is what is read. So i5 is written forward for these and for the MiSeq, and as the reverse complement
  for iSeq, MiniSeq, NextSeq 500/550 and NovaSeq 6000 with v1.5 reagents, which read it so and do not say so.
* An index that is shorter than its read is that of the first cycles, and the others are of no use. For a read
  that is marked so the unused cycles come first in the sheet's spelling (N2I8), and last as they are read.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from baselake.errors import InputError
from baselake.ingest.illumina import _barcodes
from baselake.ingest.illumina.override_cycles import (
    NO_CYCLES,
    Cycles,
    ReadMask,
    parse_override_cycles,
    whole_reads,
)
from baselake.ingest.illumina.run_info import RunInfo
from baselake.ingest.illumina.run_parameters import RunParameters, reads_i5_reversed
from baselake.ingest.illumina.sample_sheet import SampleSheet, SheetSample
from baselake.ingest.illumina.sheet_settings import SheetSettings

# BCL Convert's defaults.
_MISMATCHES = 1
_STRINGENCY = 0.9
_MINIMUM_OVERLAP = 1
_MINIMUM_LENGTH = 35
_MASK_LENGTH = 22
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """Adapters to take off the ends of reads, and what happens to what is left.

    Attributes:
        sequences: of each read of the template, the adapters to look for, in the order of the reads.
        behavior: `trim` takes off the adapter and what follows; `mask` makes them N.
        stringency: the fraction of bases of the overlap that must match, 0.5 to 1.
        minimum_overlap: bases of an adapter at a read's end that are too few to be one are left.
        minimum_length: a read is not trimmed below this, but masked from where the adapter starts.
        mask_length: a read with fewer bases than this before its adapter is masked whole.
    """

    sequences: tuple[tuple[str, ...], ...]
    behavior: str
    stringency: float
    minimum_overlap: int
    minimum_length: int
    mask_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLayout:
    """What is kept of a cluster.

    Attributes:
        segments: the cycles kept of each read of the template, 0-based in the read; (0, 0): none of it.
        umi: cycles of molecular identifiers, (read number, start, length), in the order of the cycles.
        adapters: None: none are looked for.
    """

    segments: tuple[Cycles, ...]
    umi: tuple[tuple[int, int, int], ...]
    adapters: AdapterSettings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """A sample's index in a lane; a sample may have several.

    Attributes:
        sample_id: Sample_ID.
        sample_name: Sample_Name, empty where the sheet has none.
        project: Sample_Project, empty where the sheet has none.
        description: Description, empty where the sheet has none.
        line: the sheet's line, 1-based.
        index1: the bases expected in the cycles `LanePlan.index1`, as they are read; '.' in cycles this sample
            does not use; as long as those cycles.
        index2: likewise in the cycles `LanePlan.index2`.
        sheet_index1: `index` as the sheet spells it.
        sheet_index2: `index2` as the sheet spells it.
        mismatches1: how many bases of index 1 may differ.
        mismatches2: how many bases of index 2 may differ.
        layout: what is kept of this sample's clusters.
    """

    sample_id: str
    sample_name: str
    project: str
    description: str
    line: int
    index1: str
    index2: str
    sheet_index1: str
    sheet_index2: str
    mismatches1: int
    mismatches2: int
    layout: ReadLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """What to do with the clusters of a lane.

    Attributes:
        lane: 1-based.
        index1: the cycles of the first index read that any sample uses; of all its cycles where the lane has no
            samples; (0, 0) where none are used.
        index2: likewise of the second index read.
        entries: the samples' indexes, in the order of the sheet.
        default: what is kept of clusters that are no sample's.
        needs: digest of what must be done to reads when they are converted. Plans with equal digests differ in
            nothing but which sample a cluster is of.
        index2_reversed: whether the instrument is known to read i5 as its reverse complement, None where not known;
            for messages.
    """

    lane: int
    index1: Cycles
    index2: Cycles
    entries: tuple[PlanEntry, ...]
    default: ReadLayout
    needs: str
    index2_reversed: bool | None


def plan_lanes(
    run_info: RunInfo, run_parameters: RunParameters | None, sheet: SampleSheet | None
) -> dict[int, LanePlan]:
    """What each lane of a run does with a sample sheet.

    Args:
        run_info: the run.
        run_parameters: which instrument it was, for messages.
        sheet: None: no cluster is any sample's, and all of every read is kept.

    Returns:
        The plan of every lane of the run. A lane the sheet does not name has no entries.

    Raises:
        InputError: the sheet does not fit the run, or its samples cannot be told apart.
    """
    settings = sheet.settings if sheet is not None else SheetSettings()
    samples = sheet.samples if sheet is not None else ()
    path = sheet.path if sheet is not None else Path()
    for sample in samples:
        if sample.lane is not None and sample.lane > run_info.lanes:
            raise InputError(
                f"{sample.sample_id} is in lane {sample.lane}, and the run has {run_info.lanes}",
                f"{path}, line {sample.line}, column Lane",
                "Correct the lane, or give the sheet of this run",
            )
    default_masks = _default_masks(run_info, settings, path)
    default = _layout(run_info, default_masks, settings, None, str(path))
    reversed2 = reads_i5_reversed(run_info.instrument, run_parameters)
    plans: dict[int, LanePlan] = {}
    # Sheets without lanes are the rule on small instruments: lanes with the same samples are planned once.
    planned: dict[tuple[SheetSample, ...], LanePlan] = {}
    for lane in range(1, run_info.lanes + 1):
        here = tuple(sample for sample in samples if sample.lane in (None, lane))
        if here not in planned or lane in settings.independent_collision_lanes:
            entries = [_entry(sample, run_info, default_masks, settings, path) for sample in here]
            planned[here] = _lane_plan(lane, entries, default, default_masks, run_info, reversed2)
            _refuse_sample_without_index(planned[here], path)
            _refuse_collisions(planned[here], lane in settings.independent_collision_lanes, path)
        plans[lane] = replace(planned[here], lane=lane)
    return plans


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An entry before the lane's index cycles are known; `used` are its own, `bases` as they are read."""

    sample: SheetSample
    used: tuple[Cycles, Cycles]
    bases: tuple[str, str]
    mismatches: tuple[int, int]
    layout: ReadLayout


def _default_masks(run_info: RunInfo, settings: SheetSettings, path: Path) -> tuple[ReadMask, ...]:
    if settings.override_cycles is None:
        return whole_reads(run_info.reads)
    return parse_override_cycles(settings.override_cycles, run_info.reads, f"{path}, OverrideCycles")


def _entry(
    sample: SheetSample,
    run_info: RunInfo,
    default_masks: tuple[ReadMask, ...],
    settings: SheetSettings,
    path: Path,
) -> _Entry:
    where = f"{path}, line {sample.line}"
    masks = default_masks
    if sample.override_cycles is not None:
        masks = parse_override_cycles(
            sample.override_cycles, run_info.reads, f"{where}, column OverrideCycles"
        )
    told = sample.override_cycles is not None or settings.override_cycles is not None
    used: list[Cycles] = []
    bases: list[str] = []
    mismatches: list[int] = []
    for number, (index, own, common) in enumerate(
        (
            (sample.index1, sample.mismatches1, settings.mismatches1),
            (sample.index2, sample.mismatches2, settings.mismatches2),
        )
    ):
        cycles = NO_CYCLES
        if index:
            name = ("index", "index2")[number]
            cycles = _index_cycles(index, name, number, masks, told, run_info, f"{where}, column {name}")
            if run_info.index_reads[number].reverse_complement:
                index = reverse_complement(index)
        allowed = next((given for given in (own, common) if given is not None), _MISMATCHES)
        used.append(cycles)
        bases.append(index)
        mismatches.append(allowed if index else 0)
    return _Entry(
        sample=sample,
        used=(used[0], used[1]),
        bases=(bases[0], bases[1]),
        mismatches=(mismatches[0], mismatches[1]),
        layout=_layout(run_info, masks, settings, sample, where),
    )


def _index_cycles(
    index: str,
    name: str,
    number: int,
    masks: Sequence[ReadMask],
    told: bool,
    run_info: RunInfo,
    where: str,
) -> Cycles:
    """The cycles of an index read in which a sample's index is."""
    index_masks = [mask for read, mask in zip(run_info.reads, masks, strict=True) if read.indexed]
    if number >= len(index_masks):
        count = len(index_masks)
        raise InputError(
            f"the sheet has {name} {index}, and the run {count or 'no'} index read{'s' if count != 1 else ''}",
            where,
            f"Leave {name} empty, or give the sheet of this run",
        )
    start, length = index_masks[number].kept
    # Cycles that OverrideCycles names are all of the index, as BCL Convert has it; those of RunInfo.xml alone may
    # be more, where libraries with longer indexes were read beside these.
    if len(index) > length or (told and len(index) < length):
        by = "OverrideCycles gives it" if told else "its index read has"
        raise InputError(
            f"{name} {index} is {len(index)} bases, and {by} {length} cycles",
            where,
            "Correct the index, or OverrideCycles"
            if told
            else "Correct the index, or give the sheet of this run",
        )
    return start, len(index)


def _layout(
    run_info: RunInfo,
    masks: Sequence[ReadMask],
    settings: SheetSettings,
    sample: SheetSample | None,
    where: str,
) -> ReadLayout:
    segments: list[Cycles] = []
    umi: list[tuple[int, int, int]] = []
    for read, mask in zip(run_info.reads, masks, strict=True):
        umi.extend((read.number, start, length) for start, length in mask.umi)
        if not read.indexed:
            segments.append(mask.kept if settings.trim_umi else _with_umi(mask, read.number, where))
    if not any(length for _, length in segments):
        raise InputError(
            "OverrideCycles keeps nothing of the template", where, "Mark the cycles to keep with Y"
        )
    return ReadLayout(
        segments=tuple(segments), umi=tuple(umi), adapters=_adapters(segments, settings, sample)
    )


def _with_umi(mask: ReadMask, number: int, where: str) -> Cycles:
    """What is kept of a read whose molecular identifiers stay in it (TrimUMI 0)."""
    parts = sorted(part for part in (mask.kept, *mask.umi) if part[1])
    for before, after in pairwise(parts):
        if sum(before) != after[0]:
            raise InputError(
                f"TrimUMI is 0, and read {number} has unused cycles between its identifier and its bases",
                where,
                "Set TrimUMI to 1, or mark those cycles with Y or U",
            )
    return (parts[0][0], sum(parts[-1]) - parts[0][0]) if parts else NO_CYCLES


def _adapters(
    segments: Sequence[Cycles], settings: SheetSettings, sample: SheetSample | None
) -> AdapterSettings | None:
    given = [settings.adapters1, settings.adapters2]
    behavior, stringency = settings.adapter_behavior, settings.adapter_stringency
    if sample is not None:
        own = (sample.adapters1, sample.adapters2)
        given = [common if mine is None else mine for mine, common in zip(own, given, strict=True)]
        behavior = sample.adapter_behavior or behavior
        stringency = sample.adapter_stringency or stringency
    # A sheet for paired reads may be used for a run of single ones: there is no read 2 to look in.
    sequences = tuple(
        (given[place] or ()) if place < len(given) and length else ()
        for place, (_, length) in enumerate(segments)
    )
    if not any(sequences):
        return None
    shortest = min(length for _, length in segments if length)
    minimum_length = settings.minimum_trimmed_read_length
    if minimum_length is None:
        minimum_length = min(_MINIMUM_LENGTH, shortest)
    mask_length = settings.mask_short_reads
    if mask_length is None:
        mask_length = min(_MASK_LENGTH, minimum_length)
    return AdapterSettings(
        sequences=sequences,
        behavior=behavior or "trim",
        stringency=stringency or _STRINGENCY,
        minimum_overlap=settings.minimum_adapter_overlap or _MINIMUM_OVERLAP,
        minimum_length=minimum_length,
        mask_length=mask_length,
    )


def _lane_plan(
    lane: int,
    entries: Sequence[_Entry],
    default: ReadLayout,
    default_masks: Sequence[ReadMask],
    run_info: RunInfo,
    index2_reversed: bool | None,
) -> LanePlan:
    keys = []
    for number in range(2):
        if entries:
            used = [entry.used[number] for entry in entries if entry.used[number][1]]
        else:
            masks = [
                mask.kept for read, mask in zip(run_info.reads, default_masks, strict=True) if read.indexed
            ]
            used = [kept for kept in masks[number : number + 1] if kept[1]]
        start = min((start for start, _ in used), default=0)
        keys.append((start, max((start + length for start, length in used), default=0) - start))
    planned = tuple(
        PlanEntry(
            sample_id=entry.sample.sample_id,
            sample_name=entry.sample.sample_name,
            project=entry.sample.project,
            description=entry.sample.description,
            line=entry.sample.line,
            index1=_over_key(entry.bases[0], entry.used[0], keys[0]),
            index2=_over_key(entry.bases[1], entry.used[1], keys[1]),
            sheet_index1=entry.sample.index1,
            sheet_index2=entry.sample.index2,
            mismatches1=entry.mismatches[0],
            mismatches2=entry.mismatches[1],
            layout=entry.layout,
        )
        for entry in entries
    )
    return LanePlan(
        lane=lane,
        index1=keys[0],
        index2=keys[1],
        entries=planned,
        default=default,
        needs=_needs(planned, keys, default),
        index2_reversed=index2_reversed,
    )


def _over_key(bases: str, used: Cycles, key: Cycles) -> str:
    """An index over the lane's index cycles, '.' where it does not use them."""
    before = "." * (used[0] - key[0]) if bases else ""
    return (before + bases).ljust(key[1], ".")


def _needs(entries: Sequence[PlanEntry], keys: Sequence[Cycles], default: ReadLayout) -> str:
    """Digest of what is to be found in reads when they are converted.

    That is molecular identifiers and where adapters begin. What is trimmed or masked is not: reads are stored
    whole. Where all clusters of the lane are treated alike it does not matter whose they are.
    """
    work = {_work(default), *(_work(entry.layout) for entry in entries)}
    told: object = work.pop()
    if work:
        told = (
            _work(default),
            keys,
            sorted(
                (entry.index1, entry.index2, entry.mismatches1, entry.mismatches2, _work(entry.layout))
                for entry in entries
            ),
        )
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _work(layout: ReadLayout) -> str:
    adapters = layout.adapters
    if adapters is None:
        return repr(layout.umi)
    return repr(
        (layout.umi, layout.segments, adapters.sequences, adapters.stringency, adapters.minimum_overlap)
    )


def _refuse_sample_without_index(plan: LanePlan, path: Path) -> None:
    if len(plan.entries) < 2:
        return
    for entry in plan.entries:
        if not entry.sheet_index1 and not entry.sheet_index2:
            raise InputError(
                f"{entry.sample_id} has no index, and lane {plan.lane} has {len(plan.entries)} samples",
                f"{path}, line {entry.line}",
                "Give it an index, or a lane of its own",
            )


def _refuse_collisions(plan: LanePlan, independent: bool, path: Path) -> None:
    """Refuse samples that an observed index could not tell apart; the rule stands at the top of this module."""
    if len(plan.entries) < 2:
        return
    refuse_long_indexes(plan)
    one, other = _barcodes.collision(
        _letters([entry.index1 for entry in plan.entries]),
        _letters([entry.index2 for entry in plan.entries]),
        np.array([entry.mismatches1 for entry in plan.entries], np.int32),
        np.array([entry.mismatches2 for entry in plan.entries], np.int32),
        independent,
    )
    if one >= 0:
        _refuse_pair(plan.entries[one], plan.entries[other], plan.lane, independent, path)


def refuse_long_indexes(plan: LanePlan) -> None:
    """Refuse a plan whose indexes cannot be compared.

    Raises:
        InputError: an index has more cycles than 64.
    """
    for number, cycles in ((1, plan.index1[1]), (2, plan.index2[1])):
        if cycles > _barcodes.MAX_CYCLES:
            raise InputError(
                f"the samples of lane {plan.lane} use {cycles} cycles of index {number}, more than"
                f" {_barcodes.MAX_CYCLES}",
                "OverrideCycles",
                "Mark cycles that are no index with U or N",
            )


def _refuse_pair(one: PlanEntry, other: PlanEntry, lane: int, independent: bool, path: Path) -> None:
    where = f"{path}, lines {one.line} and {other.line}"
    pair = f"{one.sample_id} ({_spelled(one)}) and {other.sample_id} ({_spelled(other)})"
    if one.index1 == other.index1 and one.index2 == other.index2:
        raise InputError(
            f"{pair} have the same index in lane {lane}",
            where,
            "Correct one, or put them into lanes of their own",
        )
    parts = []
    remedies = []
    for name, mine, its, allowed in (
        ("BarcodeMismatchesIndex1", one.index1, other.index1, one.mismatches1 + other.mismatches1),
        ("BarcodeMismatchesIndex2", one.index2, other.index2, one.mismatches2 + other.mismatches2),
    ):
        distance = sum(a != b and "." not in (a, b) for a, b in zip(mine, its, strict=True))
        if mine.strip(".") and its.strip("."):
            parts.append(
                f"{distance} of the bases of index {name[-1]} differ where {allowed} mismatches are allowed"
            )
            if 0 < distance <= allowed:
                remedies.append(f"{name} to {(distance - 1) // 2}")
    rule = " (IndependentIndexCollisionCheck)" if independent else ""
    raise InputError(
        f"{pair} cannot be told apart in lane {lane}{rule}: {', '.join(parts)}",
        where,
        (f"Set {' or '.join(remedies)}, or c" if remedies else "C") + "orrect the indexes",
    )


def _spelled(entry: PlanEntry) -> str:
    return "+".join(part for part in (entry.sheet_index1, entry.sheet_index2) if part) or "no index"


def _letters(indexes: Sequence[str]) -> npt.NDArray[np.uint8]:
    """uint8 [entries, cycles], ASCII."""
    cycles = len(indexes[0]) if indexes else 0
    return np.frombuffer("".join(indexes).encode("ascii"), np.uint8).reshape(len(indexes), cycles)


def reverse_complement(bases: str) -> str:
    """The other strand of A, C, G and T; '.' stays."""
    return bases.translate(_COMPLEMENT)[::-1]
