"""One stage of one sample, or of new alleles, in a process of its own: what kills it does not kill the worker.

`python -m baselake.compute.work.stage TASK`: the task is one JSON object, and so is the answer, the last line of
standard output; the story goes to standard error. It ends with the worker, however that ends; what it had not committed
is as if it had not been.
"""

import json
import os
import sys
from pathlib import Path

import duckdb

from baselake.catalog.catalog import connect
from baselake.catalog.references import open_reference
from baselake.errors import BaselakeError, ConflictError, StorageError
from baselake.processes import end_with_parent
from baselake.progress import LogProgress


def task_of(lake: Path, reference: str, sample: str, stage: str, device: str) -> str:
    """The argument for a stage."""
    return json.dumps(
        {
            "lake": str(lake),
            "reference": reference,
            "sample": sample,
            "stage": stage,
            "device": device,
            "parent": os.getpid(),
        }
    )


def main() -> None:
    """Do the stage that the argument names."""
    task = json.loads(sys.argv[1])
    end_with_parent(task["parent"])
    try:
        _do(task)
        answer = {"outcome": "done", "error": None}
    except (StorageError, ConflictError, duckdb.IOException, OSError) as error:
        # The disk, the store or somebody else's commit: the stage is not to blame.
        answer = {"outcome": "retry", "error": str(error)}
    except BaselakeError as error:
        answer = {"outcome": "failed", "error": str(error)}
    print(json.dumps(answer), flush=True)


def _do(task: dict[str, str]) -> None:
    progress = LogProgress()
    sample = task["sample"]
    with connect(Path(task["lake"])) as catalog:
        reference = open_reference(catalog, task["reference"])
        # Imported where it is needed: each stage needs other kernels.
        if task["stage"] == "align":
            from baselake.compute.align import align_samples

            align_samples(catalog, [sample], reference, progress=progress)
        elif task["stage"] == "call":
            from baselake.compute.call import call_samples
            from baselake.compute.device import choose_devices

            gpus = choose_devices(task["device"])
            call_samples(catalog, [sample], reference, progress=progress, gpus=gpus)
        elif task["stage"] == "annotate":
            from baselake.compute.annotate import annotate_variants

            annotate_variants(catalog, reference.name, progress)
        else:
            from baselake.compute.qc.sample import measure_sample

            measure_sample(catalog, sample, reference, progress)


if __name__ == "__main__":
    main()
