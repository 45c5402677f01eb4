"""What the instrument measured while it ran: InterOp, by lane and read.

The files are read by Illumina's own library, one kind at a time, so that a damaged one costs its own numbers only.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

METRICS = pa.schema(
    [("lane", pa.int16()), ("read", pa.int8()), ("metric", pa.string()), ("value", pa.float64())]
)
# What the summary is made of: the library's name of each kind, and how its file's name begins.
_KINDS = {
    "CorrectedInt": "CorrectedIntMetrics",
    "Error": "ErrorMetrics",
    "Extraction": "ExtractionMetrics",
    "Q": "QMetrics",
    "Tile": "TileMetrics",
    "QByLane": "QMetricsByLane",
    "QCollapsed": "QMetrics2030",
    "EmpiricalPhasing": "EmpiricalPhasingMetrics",
    "ExtendedTile": "ExtendedTileMetrics",
}
_ENDINGS = ("Out.bin", ".bin")
# Instruments with four dyes did not write down what they call their channels; how many there are is what matters.
_CHANNELS = ("A", "C", "G", "T")
# Of a lane, whichever the read; means over its tiles.
_LANE = ("density", "percent_pf", "percent_occupied")
# Of a lane and read; means over its tiles, and for the first two of what all tiles have.
_READ = {
    "yield_g": "yield_g",
    "percent_gte_q30": "percent_gt_q30",
    "error_rate": "error_rate",
    "percent_aligned": "percent_aligned",
    "phasing": "phasing",
    "prephasing": "prephasing",
    "first_cycle_intensity": "first_cycle_intensity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interop:
    """What InterOp says.

    Attributes:
        metrics: of the columns `METRICS`: density (clusters a mm2), cluster_count, cluster_count_pf, percent_pf,
            percent_occupied and tile_count of each lane, with read 0; yield_g (10^9 bases), percent_gte_q30,
            error_rate (percent), percent_aligned, phasing and prephasing (percent a cycle) and
            first_cycle_intensity of each lane and read, as RunInfo.xml numbers them. NULL: not measured.
        warnings: files that could not be read, or not to their end.
    """

    metrics: pa.Table
    warnings: tuple[str, ...]


def interop_metrics(folder: Path) -> Interop:
    """Summarise the InterOp files of a run folder; no rows where it has none."""
    if not any((folder / "InterOp").glob("**/*.bin")):
        return Interop(metrics=METRICS.empty_table(), warnings=())
    # Imported here: most commands have nothing to do with it, and it takes its time to load.
    from interop import (  # type: ignore[import-untyped]
        py_interop_run,
        py_interop_run_metrics,
        py_interop_summary,
    )

    metrics = py_interop_run_metrics.run_metrics()
    warnings: list[str] = []
    try:
        metrics.read_run_info(str(folder))
        if not len(metrics.run_info().channels()):
            metrics.run_info().channels(py_interop_run.string_vector(_CHANNELS))
        for kind in _KINDS:
            warnings += _read_kind(metrics, folder, kind)
        metrics.finalize_after_load()
        summary = py_interop_summary.run_summary()
        py_interop_summary.summarize_run_metrics(metrics, summary)
        rows = list(_rows(summary))
    except py_interop_run.base_exception as error:
        return Interop(
            metrics=METRICS.empty_table(), warnings=(*warnings, _warning(folder / "InterOp", error))
        )
    return Interop(metrics=pa.Table.from_pylist(rows, schema=METRICS), warnings=tuple(warnings))


def _read_kind(metrics: Any, folder: Path, kind: str) -> Iterator[str]:
    """Reads the files of one kind into `metrics`; yields what is wrong with them."""
    from interop import py_interop_run

    wanted = py_interop_run.uchar_vector(py_interop_run.MetricCount, 0)
    wanted[getattr(py_interop_run, kind)] = 1
    place = folder / "InterOp"
    path = next((path for ending in _ENDINGS if (path := place / (_KINDS[kind] + ending)).is_file()), None)
    try:
        metrics.read_metrics(str(folder), metrics.run_info().total_cycles(), wanted, 1)
    except py_interop_run.base_exception as error:
        yield _warning(path or place, error)
        return
    # The library is content with a file that ends early; its reader of single files is not.
    if path is not None:
        yield from _end_warnings(path, folder, kind)


def _end_warnings(path: Path, folder: Path, kind: str) -> Iterator[str]:
    import numpy as np
    from interop import py_interop_run, py_interop_run_metrics

    scratch = py_interop_run_metrics.run_metrics()
    scratch.read_run_info(str(folder))
    try:
        scratch.read_metrics_from_buffer(getattr(py_interop_run, kind), np.fromfile(path, np.uint8))
    except py_interop_run.base_exception as error:
        yield _warning(path, error)


def _warning(path: Path, error: Exception) -> str:
    return f"{path}: {str(error).strip().splitlines()[0]}"


def _rows(summary: Any) -> Iterator[dict[str, object]]:
    for read in range(summary.size()):
        number = summary.at(read).read().number()
        for lane in range(summary.lane_count()):
            found = summary.at(read).at(lane)
            if read == 0:
                yield from _lane_rows(found)
            for metric, name in _READ.items():
                yield _row(found.lane(), number, metric, getattr(found, name)())


def _lane_rows(found: Any) -> Iterator[dict[str, object]]:
    yield _row(found.lane(), 0, "cluster_count", found.reads())
    yield _row(found.lane(), 0, "cluster_count_pf", found.reads_pf())
    yield _row(found.lane(), 0, "tile_count", found.tile_count())
    for metric in _LANE:
        yield _row(found.lane(), 0, metric, getattr(found, metric)())


def _row(lane: int, read: int, metric: str, value: Any) -> dict[str, object]:
    number = float(value.mean() if hasattr(value, "mean") else value)
    return {"lane": lane, "read": read, "metric": metric, "value": None if math.isnan(number) else number}
