"""What a run gave, in the files that Illumina's converters write about it and that MultiQC reads.

BCL Convert's columns are those of version 4, which has qualities in a file of their own; percentages are fractions,
as there. bcl2fastq's Stats.json is that of version 2.20.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.files import replacing
from baselake.errors import NotFoundError
from baselake.lake.parquet import storage_error

# Of a lane, as BCL Convert and bcl2fastq list by default.
_TOP_UNKNOWN = 1000
_UNDETERMINED = "Undetermined"

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the files have of a run.

    Attributes:
        run_id: RunInfo.xml's Run Id.
        info: RunInfo.xml's text.
        number, flowcell: of RunInfo.xml.
        reads: number, cycles and whether it is an index of each read.
        lanes: clusters of each lane: all, and those that passed the filter.
        samples: rows of `demultiplexing.sql`.
        unknown: index sequences of no sample and their clusters, of each lane, most first.
    """

    run_id: str
    info: str
    number: int
    flowcell: str
    reads: tuple[tuple[int, int, bool], ...]
    lanes: Mapping[int, tuple[int, int]]
    samples: Sequence[_Row]
    unknown: Mapping[int, Sequence[tuple[str, str, int]]]

    @property
    def segments(self) -> tuple[int, ...]:
        """1, or 1 and 2: the reads that are no indexes, as converters number them."""
        return tuple(range(1, 1 + min(2, sum(not index for _, _, index in self.reads))))

    @property
    def has_projects(self) -> bool:
        """Whether the sheet puts samples into projects: BCL Convert has a column for them then."""
        return any(row["project"] for row in self.samples)

    def of_lane(self, lane: int) -> list[_Row]:
        return [row for row in self.samples if row["lane"] == lane]


def export_demultiplexing(catalog: Catalog, run_id: str, folder: Path) -> list[Path]:
    """Write what a run's samples gave; the files written.

    Args:
        catalog: the lake.
        run_id: a run of base calls.
        folder: gets `Reports/` with BCL Convert's files and `Stats/` with bcl2fastq's; made where it is not there.

    Raises:
        NotFoundError: no such run, or it was not demultiplexed here, or no tile of it is in the lake.
        StorageError: the disk is full or fails.
    """
    run = _run(catalog, run_id)
    reports, stats = folder / "Reports", folder / "Stats"
    try:
        for place in (reports, stats):
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
    return [
        _write_text(reports / "RunInfo.xml", run.info),
        _write_csv(reports / "Demultiplex_Stats.csv", _demultiplex_stats(run)),
        _write_csv(reports / "Quality_Metrics.csv", _quality_metrics(run)),
        _write_csv(reports / "Top_Unknown_Barcodes.csv", _unknown_barcodes(run)),
        _write_text(stats / "Stats.json", json.dumps(_stats(run), indent=2) + "\n"),
    ]


def _run(catalog: Catalog, run_id: str) -> _Run:
    found = catalog.query("SELECT run_info FROM runs WHERE run_id = ?", [run_id]).to_pylist()
    if not found:
        raise NotFoundError(f"no run {run_id!r}", str(catalog.layout.root), "List them: baselake runs")
    lanes = catalog.query(
        "SELECT lane, clusters, clusters_pf FROM lane_yields WHERE run_id = ? ORDER BY lane", [run_id]
    ).to_pylist()
    text = found[0]["run_info"]
    if text is None or not lanes:
        raise NotFoundError(
            "no tile of it is in the lake" if text is not None else "its reads came demultiplexed",
            f"run {run_id}",
            "Reports are of runs that were imported from their base calls",
        )
    element = ElementTree.fromstring(text).find("Run")
    assert element is not None, "a run is in the lake only with a RunInfo.xml that was read"
    unknown: dict[int, list[tuple[str, str, int]]] = {row["lane"]: [] for row in lanes}
    for row in catalog.query(
        "SELECT lane, index1_seq, index2_seq, clusters FROM unknown_barcodes WHERE run_id = ? AND clusters > 0"
        " QUALIFY row_number() OVER (PARTITION BY lane ORDER BY clusters DESC, index1_seq, index2_seq) <= ?"
        " ORDER BY lane, clusters DESC, index1_seq, index2_seq",
        [run_id, _TOP_UNKNOWN],
    ).to_pylist():
        unknown[row["lane"]].append((row["index1_seq"], row["index2_seq"], row["clusters"]))
    return _Run(
        run_id=element.get("Id", run_id),
        info=text,
        number=int(element.get("Number", "0")),
        flowcell=element.findtext("Flowcell", ""),
        reads=tuple(
            (int(read.get("Number", "0")), int(read.get("NumCycles", "0")), read.get("IsIndexedRead") == "Y")
            for read in element.iter("Read")
        ),
        lanes={row["lane"]: (row["clusters"], row["clusters_pf"]) for row in lanes},
        samples=catalog.query(catalog.statement("demultiplexing"), {"run_id": run_id}).to_pylist(),
        unknown=unknown,
    )


# ---------------------------------------------------------------------------------------------------------
# BCL Convert.


def _demultiplex_stats(run: _Run) -> Iterator[Sequence[object]]:
    yield (
        "Lane",
        "SampleID",
        *(["Sample_Project"] if run.has_projects else []),
        "Index",
        "# Reads",
        "# Perfect Index Reads",
        "# One Mismatch Index Reads",
        "# Two Mismatch Index Reads",
        "% Reads",
        "% Perfect Index Reads",
        "% One Mismatch Index Reads",
        "% Two Mismatch Index Reads",
    )
    for row in run.samples:
        reads = row["clusters"]
        # Undetermined reads match no index: BCL Convert counts them as perfect.
        perfect = reads if row["sample_id"] is None else row["perfect"]
        yield (
            row["lane"],
            row["sample_id"] or _UNDETERMINED,
            *([row["project"] or ""] if run.has_projects else []),
            (row["barcode"] or "").replace("+", "-"),
            reads,
            perfect,
            row["one_mismatch"],
            row["two_mismatch"],
            _share(reads, run.lanes.get(row["lane"], (0, 0))[1]),
            _share(perfect, reads),
            _share(row["one_mismatch"], reads),
            _share(row["two_mismatch"], reads),
        )


def _quality_metrics(run: _Run) -> Iterator[Sequence[object]]:
    yield (
        "Lane",
        "SampleID",
        *(["Sample_Project"] if run.has_projects else []),
        "index",
        "index2",
        "ReadNumber",
        "Yield",
        "YieldQ30",
        "QualityScoreSum",
        "Mean Quality Score (PF)",
        "% Q30",
    )
    for row in run.samples:
        index1, _, index2 = (row["barcode"] or "").partition("+")
        for segment in run.segments:
            bases, quality = row[f"yield_{segment}"], row[f"quality_sum_{segment}"]
            yield (
                row["lane"],
                row["sample_id"] or _UNDETERMINED,
                *([row["project"] or ""] if run.has_projects else []),
                index1,
                index2,
                segment,
                bases,
                row[f"q30_{segment}"],
                quality,
                f"{quality / bases if bases else 0:.2f}",
                _share(row[f"q30_{segment}"], bases),
            )


def _unknown_barcodes(run: _Run) -> Iterator[Sequence[object]]:
    yield "Lane", "index", "index2", "# Reads", "% of Unknown Barcodes", "% of All Reads"
    for lane, barcodes in run.unknown.items():
        undetermined = sum(row["clusters"] for row in run.of_lane(lane) if row["sample_id"] is None)
        for index1, index2, reads in barcodes:
            yield lane, index1, index2, reads, _share(reads, undetermined), _share(reads, run.lanes[lane][1])


def _share(part: int, whole: int) -> str:
    return f"{part / whole if whole else 0:.4f}"


# ---------------------------------------------------------------------------------------------------------
# bcl2fastq.


def _stats(run: _Run) -> dict[str, object]:
    reads = [
        {"Number": number, "NumCycles": cycles, "IsIndexedRead": index} for number, cycles, index in run.reads
    ]
    return {
        "Flowcell": run.flowcell,
        "RunNumber": run.number,
        "RunId": run.run_id,
        "ReadInfosForLanes": [{"LaneNumber": lane, "ReadInfos": reads} for lane in run.lanes],
        "ConversionResults": [_conversion(run, lane) for lane in run.lanes],
        "UnknownBarcodes": [
            {
                "Lane": lane,
                "Barcodes": {
                    "+".join(filter(None, (index1, index2))): reads for index1, index2, reads in barcodes
                },
            }
            for lane, barcodes in run.unknown.items()
        ],
    }


def _conversion(run: _Run, lane: int) -> dict[str, object]:
    rows = run.of_lane(lane)
    clusters, clusters_pf = run.lanes[lane]
    conversion: dict[str, object] = {
        "LaneNumber": lane,
        "TotalClustersRaw": clusters,
        "TotalClustersPF": clusters_pf,
        "Yield": sum(row[f"yield_{segment}"] for row in rows for segment in run.segments),
        "DemuxResults": [_demux(run, named) for named in _by_sample(rows)],
    }
    nobodys = [row for row in rows if row["sample_id"] is None]
    if nobodys:
        conversion["Undetermined"] = _totals(run, nobodys)
    return conversion


def _by_sample(rows: Iterable[_Row]) -> list[list[_Row]]:
    """Rows of each sample, which may have several barcodes."""
    named: dict[str, list[_Row]] = {}
    for row in rows:
        if row["sample_id"] is not None:
            named.setdefault(row["sample_id"], []).append(row)
    return list(named.values())


def _demux(run: _Run, rows: Sequence[_Row]) -> dict[str, object]:
    indexes = [
        {
            "IndexSequence": row["barcode"],
            "MismatchCounts": {
                "0": row["perfect"],
                "1": row["one_mismatch"],
                **({"2": row["two_mismatch"]} if row["two_mismatch"] else {}),
            },
        }
        for row in rows
        if row["barcode"] is not None
    ]
    named = {"SampleId": rows[0]["sample_id"], "SampleName": rows[0]["sample_name"]}
    return named | ({"IndexMetrics": indexes} if indexes else {}) | _totals(run, rows)


def _totals(run: _Run, rows: Sequence[_Row]) -> dict[str, object]:
    return {
        "NumberReads": sum(row["clusters"] for row in rows),
        "Yield": sum(row[f"yield_{segment}"] for row in rows for segment in run.segments),
        "ReadMetrics": [
            {
                "ReadNumber": segment,
                "Yield": sum(row[f"yield_{segment}"] for row in rows),
                "YieldQ30": sum(row[f"q30_{segment}"] for row in rows),
                "QualityScoreSum": sum(row[f"quality_sum_{segment}"] for row in rows),
                "TrimmedBases": sum(_trimmed(row, segment) for row in rows),
            }
            for segment in run.segments
        ],
    }


def _trimmed(row: _Row, segment: int) -> int:
    """Bases of the cycles that the sheet keeps and that are not in the yield."""
    kept = row[f"kept_{segment}"]
    return 0 if kept is None else int(row["clusters"] * kept - row[f"yield_{segment}"])


# ---------------------------------------------------------------------------------------------------------
# Files.


def _write_text(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_text(text)
    return path


def _write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path
