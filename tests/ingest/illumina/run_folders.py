"""Run folders of known clusters, the sheets that tell them apart, and what the lake must then hold, read by read."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from baselake.api import Lake
from baselake.demo.run_folder import NO_CALL, Kind, RunLayout, TileCalls, write_run_folder
from baselake.ingest.illumina.run_info import Read
from tests.ingest.illumina.made_runs import expected_bases, expected_qualities, random_tile, read_of

RUN = "260131_BLSIM01_0001_HBASELAKE"
FLOWCELL = "HBASELAKE"
DUAL = (
    read_of(1, 21),
    read_of(2, 8, indexed=True),
    read_of(3, 8, indexed=True),
    read_of(4, 17),
)
Cycles = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What is kept of a cluster, of cycles that count from 0 in the run.

    Attributes:
        segments: begin and length of each read of the template; length 0: nothing of it.
        umi: begin and length of each part of the molecular identifier.
        adapter: looked for in both reads; empty: none.
        behavior: `trim` or `mask`.
        minimum: MinimumTrimmedReadLength.
        mask_short: MaskShortReads.
    """

    segments: tuple[Cycles, ...]
    umi: tuple[Cycles, ...] = ()
    adapter: str = ""
    behavior: str = "trim"
    minimum: int = 0
    mask_short: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A line of a sheet; indexes as they are read."""

    name: str
    index1: str = ""
    index2: str = ""
    lane: int | None = None
    mismatches: tuple[int, int] = (1, 1)
    layout: Layout | None = None
    override: str = ""


class Row(NamedTuple):
    """A row of the view `reads`, its columns in this order."""

    lane: int
    tile: int
    name: str
    segment: int
    sample_id: str | None
    seq: str
    qual: str
    index1_seq: str | None
    index1_qual: str | None
    index2_seq: str | None
    index2_qual: str | None
    umi: str | None
    filtered: bool


class Yield(NamedTuple):
    """A row of `sample_yields`, all of a sample's barcodes together."""

    clusters: int = 0
    perfect: int = 0
    one_mismatch: int = 0
    two_mismatch: int = 0
    yield_1: int = 0
    yield_2: int = 0
    q30_1: int = 0
    q30_2: int = 0
    quality_sum_1: int = 0
    quality_sum_2: int = 0

    def plus(self, other: "Yield") -> "Yield":
        return Yield(*(one + two for one, two in zip(self, other, strict=True)))


def whole(reads: Sequence[Read]) -> Layout:
    """All cycles of the template's reads."""
    return Layout(segments=tuple(spans(reads, indexed=False)))


def spans(reads: Sequence[Read], *, indexed: bool) -> list[Cycles]:
    """Begin and length of the index reads, or of the others."""
    found, start = [], 0
    for read in reads:
        if read.indexed == indexed:
            found.append((start, read.cycles))
        start += read.cycles
    return found


def tile_of(
    lane: int,
    tile: int,
    clusters: int,
    reads: Sequence[Read],
    barcodes: Sequence[str],
    *,
    seed: int = 1,
    passing: float = 0.8,
) -> TileCalls:
    """A tile whose clusters have these barcodes (index 1 and index 2 in one), in turn.

    Every third has a base of it read wrong, every fifth one not called, and every seventh another barcode altogether;
    no two lie at the same place.
    """
    calls = random_tile(lane, tile, clusters, sum(read.cycles for read in reads), seed=seed, passing=passing)
    places = np.concatenate(
        [np.arange(begin, begin + length) for begin, length in spans(reads, indexed=True)] or [np.arange(0)]
    )
    random = np.random.default_rng([seed, lane, tile])
    for cluster in range(clusters if len(places) else 0):
        barcode = np.array(["ACGT".index(base) for base in barcodes[cluster % len(barcodes)]], np.uint8)
        if cluster % 3 == 0:
            place = random.integers(len(barcode))
            barcode[place] = (barcode[place] + random.integers(1, 4)) % 4
        if cluster % 5 == 0:
            barcode[random.integers(len(barcode))] = NO_CALL
        if cluster % 7 == 0:
            barcode = random.integers(0, 4, len(barcode)).astype(np.uint8)
        calls.bases[cluster, places[: len(barcode)]] = barcode
    return replace(
        calls,
        x=np.arange(1000, 1000 + 3 * clusters, 3, dtype=np.int32),
        y=np.arange(2000, 2000 + clusters, dtype=np.int32),
    )


def write_folder(
    root: Path,
    tiles: Sequence[TileCalls],
    reads: Sequence[Read] = DUAL,
    *,
    kind: Kind = "cbcl",
    sheet: str | None = None,
    run_id: str = RUN,
) -> Path:
    """Write a run folder of these tiles."""
    layout = RunLayout(
        run_id=run_id,
        tiles=tuple((tile.lane, tile.tile, len(tile.passed)) for tile in tiles),
        reads=tuple(reads),
        kind=kind,
    )
    write_run_folder(root, layout, tiles, sample_sheet=sheet)
    return root


def sheet_of(samples: Iterable[Sample], **settings: object) -> str:
    """The text of a sheet of version 2."""
    samples = list(samples)
    columns = ["Lane", "Sample_ID", "index", "index2", "OverrideCycles"]
    rows = [
        [str(sample.lane or ""), sample.name, sample.index1, sample.index2, sample.override]
        for sample in samples
    ]
    common = {
        "BarcodeMismatchesIndex1": samples[0].mismatches[0] if samples[0].index1 else "",
        "BarcodeMismatchesIndex2": samples[0].mismatches[1] if samples[0].index2 else "",
    }
    lines = [
        "[Header]",
        "FileFormatVersion,2",
        "[BCLConvert_Settings]",
        *(f"{name},{value}" for name, value in (common | settings).items()),
        "[BCLConvert_Data]",
        ",".join(columns),
        *(",".join(row) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def expected_reads(
    tiles: Iterable[TileCalls],
    reads: Sequence[Read],
    samples: Sequence[Sample],
    default: Layout | None = None,
    *,
    include_filtered: bool = False,
) -> tuple[list[Row], dict[tuple[int, str | None], Yield]]:
    """What `reads` must hold, sorted, and what each sample of each lane must have given, by the slow way."""
    rows: list[Row] = []
    yields: dict[tuple[int, str | None], Yield] = {}
    default = default if default is not None else whole(reads)
    for tile in tiles:
        here = [sample for sample in samples if sample.lane in (None, tile.lane)]
        bases, qualities = expected_bases(tile), expected_qualities(tile)
        for cluster, passed in enumerate(tile.passed.tolist()):
            if not (passed or include_filtered):
                continue
            seq, qual = bases[cluster].tobytes().decode(), qualities[cluster].tobytes().decode()
            sample, mismatches = _sample_of(seq, reads, here)
            layout = sample.layout if sample is not None and sample.layout is not None else default
            name = sample.name if sample is not None else None
            rows += _rows(tile, cluster, seq, qual, reads, layout, name)
            if passed:
                key = tile.lane, name
                one = _yield(qual, layout, mismatches)
                yields[key] = yields.get(key, Yield()).plus(one)
    return sorted(rows), yields


def _sample_of(seq: str, reads: Sequence[Read], samples: Sequence[Sample]) -> tuple[Sample | None, int]:
    indexes = [seq[begin : begin + length] for begin, length in spans(reads, indexed=True)]
    for sample in samples:
        distances = [
            sum(a != b for a, b in zip(expected, seen, strict=False))
            for expected, seen in zip((sample.index1, sample.index2), [*indexes, "", ""][:2], strict=True)
        ]
        if all(distance <= allowed for distance, allowed in zip(distances, sample.mismatches, strict=True)):
            return sample, sum(distances)
    return None, -1


def _rows(
    tile: TileCalls,
    cluster: int,
    seq: str,
    qual: str,
    reads: Sequence[Read],
    layout: Layout,
    sample: str | None,
) -> list[Row]:
    name = f"BLSIM01:1:{FLOWCELL}:{tile.lane}:{tile.tile}:{int(tile.x[cluster])}:{int(tile.y[cluster])}"
    indexes: list[str | None] = [None, None, None, None]
    for number, (begin, length) in enumerate(spans(reads, indexed=True)):
        indexes[2 * number : 2 * number + 2] = seq[begin : begin + length], qual[begin : begin + length]
    umi = "+".join(seq[begin : begin + length] for begin, length in layout.umi) or None
    rows = []
    for number, (begin, length) in enumerate(layout.segments, 1):
        if length:
            bases, qualities = cut(seq[begin : begin + length], qual[begin : begin + length], layout)
            rows.append(
                Row(
                    tile.lane,
                    tile.tile,
                    name,
                    number,
                    sample,
                    bases,
                    qualities,
                    *indexes,
                    umi,
                    not tile.passed[cluster],
                )
            )
    return rows


def cut(seq: str, qual: str, layout: Layout) -> tuple[str, str]:
    """A read without its adapter, as BCL Convert's settings have it."""
    at = find_adapter(seq, layout.adapter) if layout.adapter else None
    if at is None:
        return seq, qual
    kept = at if at >= layout.mask_short else 0
    length = max(at, min(layout.minimum, len(seq))) if layout.behavior == "trim" else len(seq)
    return seq[:kept] + "N" * (length - kept), qual[:kept] + "#" * (length - kept)


def find_adapter(seq: str, adapter: str, stringency: float = 0.9) -> int | None:
    """The first place from which on, to the end of either, the share of bases that agree is high enough."""
    for at in range(len(seq)):
        overlap = min(len(adapter), len(seq) - at)
        agree = sum(a == b for a, b in zip(adapter, seq[at : at + overlap], strict=False))
        if agree >= stringency * overlap:
            return at
    return None


def _yield(qual: str, layout: Layout, mismatches: int) -> Yield:
    phred = [
        [ord(letter) - 33 for letter in qual[begin : begin + length]] for begin, length in layout.segments
    ]
    one, two = [*phred, [], []][:2]
    return Yield(
        1,
        int(mismatches == 0),
        int(mismatches == 1),
        int(mismatches >= 2),
        len(one),
        len(two),
        sum(q >= 30 for q in one),
        sum(q >= 30 for q in two),
        sum(one),
        sum(two),
    )


def stored_reads(lake: Lake) -> list[Row]:
    """The rows of `reads`, sorted."""
    table = lake.sql(f"SELECT {', '.join(Row._fields)} FROM reads")
    return sorted(Row(*row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True))


def stored_yields(lake: Lake) -> dict[tuple[int, str | None], Yield]:
    """The rows of `sample_yields`, those of one sample and lane added up."""
    table = lake.sql(f"SELECT lane, sample_id, {', '.join(Yield._fields)} FROM sample_yields")
    found: dict[tuple[int, str | None], Yield] = {}
    for lane, sample, *values in zip(*(column.to_pylist() for column in table.columns), strict=True):
        found[lane, sample] = found.get((lane, sample), Yield()).plus(Yield(*values))
    return found


def by_sample(rows: Iterable[Row]) -> Counter[str | None]:
    """How many reads each sample has."""
    return Counter(row.sample_id for row in rows)


def tables(lake: Lake, *names: str) -> dict[str, list[tuple[object, ...]]]:
    """Rows of tables, sorted, without the columns that tell which job wrote them and when."""
    found = {}
    for name in names:
        table = lake.sql(f"SELECT * FROM {name}")
        kept = [column for column in table.column_names if column not in ("job_id", "committed", "updated")]
        rows = zip(*(table[column].to_pylist() for column in kept), strict=True)
        found[name] = sorted(rows, key=repr)
    return found


def leftovers(lake: Lake) -> set[str]:
    """Files in the lake that nothing refers to, and what dead jobs left."""
    root = lake.catalog.layout.root
    rows = lake.catalog.query(
        "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file"
        " UNION ALL SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file"
    )
    known = {Path(path).name for path in rows["path"].to_pylist()}
    left = {
        str(path)
        for folder in ("jobs", "scratch")
        for path in (root / folder).glob("*")
        if path.name != "duckdb"
    }
    return {path.name for path in (root / "data").rglob("*.parquet")} - known | left


def digest_of(folder: Path) -> str:
    """SHA-256 of every file of a folder and its name: importing must leave it as it was."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def run_row(lake: Lake, run_id: str = RUN) -> tuple[str, str | None, int]:
    """State and error of a run, and how many faults are known of it."""
    row = lake.sql(
        f"SELECT state, error, (SELECT count(*) FROM run_faults WHERE run_id = '{run_id}') AS faults"
        f" FROM runs WHERE run_id = '{run_id}'"
    ).to_pylist()[0]
    return row["state"], row["error"], row["faults"]


def faults(lake: Lake) -> list[tuple[str, int | None, int | None, int | None]]:
    """The faults known: file name, lane, tile, cycle."""
    rows = lake.sql("SELECT path, lane, tile, cycle FROM run_faults ORDER BY ALL").to_pylist()
    return [(Path(row["path"]).name, row["lane"], row["tile"], row["cycle"]) for row in rows]
