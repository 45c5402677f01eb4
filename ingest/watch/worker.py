"""One run imported by a process of its own: what kills it does not kill the daemon.

It takes one JSON object as its argument, writes one as the last line of standard output, and the story to standard
error. It ends with the daemon, however that ends, and at SIGTERM after the tiles under way.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from baselake.catalog.catalog import connect
from baselake.errors import BaselakeError, LakeError, NotFoundError, StorageError
from baselake.ingest.run_records import summary
from baselake.ingest.run_source import RunOptions
from baselake.ingest.runs import open_run
from baselake.processes import end_with_parent
from baselake.progress import LogProgress


def arguments(lake: Path, run_id: str, folder: Path | None, options: RunOptions) -> str:
    """The worker's argument.

    Args:
        lake: the lake.
        run_id: the run.
        folder: its folder; None where that is gone, and only the sheet in `options` is to be assigned.
        options: how it is imported.
    """
    return json.dumps(
        {
            "lake": str(lake),
            "run_id": run_id,
            "folder": str(folder) if folder is not None else None,
            "sample_sheet": str(options.sample_sheet) if options.sample_sheet is not None else None,
            "allow_missing": sorted(options.allow_missing),
            "include_filtered": options.include_filtered,
            "no_calls": options.no_calls,
            "sample": options.sample,
            "reference": options.reference,
            "keep_signal": options.keep_signal,
            "parent": os.getpid(),
        }
    )


def main() -> None:
    """Import the run that the argument names."""
    task = json.loads(sys.argv[1])
    end_with_parent(task["parent"])
    told_to_end = False

    def end(number: int, frame: object) -> None:
        nonlocal told_to_end
        del frame
        told_to_end = True
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        answer = _work(task)
    except (StorageError, LakeError, duckdb.IOException) as error:
        answer = {"outcome": "retry", "error": str(error)}
    except BaselakeError as error:
        answer = {"outcome": "refused", "error": str(error)}
    except OSError as error:
        answer = {"outcome": "retry", "error": str(error)}
    except RuntimeError:
        if not told_to_end:
            raise
        sys.exit(128 + signal.SIGTERM)  # DuckDB makes an error of its own of an exit in the middle of a query
    print(json.dumps(answer), flush=True)


def _work(task: Mapping[str, Any]) -> dict[str, object]:
    options = RunOptions(
        sample_sheet=Path(task["sample_sheet"]) if task["sample_sheet"] is not None else None,
        allow_missing=frozenset(task["allow_missing"]),
        include_filtered=task["include_filtered"],
        no_calls=task["no_calls"],
        sample=task["sample"],
        reference=task["reference"],
        keep_signal=task["keep_signal"],
    )
    progress = LogProgress()
    try:
        catalog = connect(Path(task["lake"]))
    except NotFoundError as error:
        # The daemon had it open when it started this process: its disk is gone, and the run is not to blame.
        raise StorageError(error.what, error.where, "See that the lake's disk is there") from error
    with catalog:
        if task["folder"] is None:
            # Imported where it is needed: not every platform's run has a sheet.
            from baselake.ingest.illumina.assign import assign_sheet

            assign_sheet(catalog, task["run_id"], options.sample_sheet, progress)
            return {"outcome": "complete", "units": 0, "reads": 0, "error": None}
        source = open_run(Path(task["folder"]))
        if source is None:
            raise StorageError("the run folder is gone", task["folder"], "See that the share is there")
        result = source.ingest(catalog, options, progress)
        return {
            "outcome": "quarantined" if result.faults else "complete",
            "units": result.units_imported,
            "reads": result.reads,
            "error": summary(result.faults),
        }


if __name__ == "__main__":
    main()
