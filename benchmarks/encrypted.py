"""What encryption costs: the same alignments imported into a plain lake and an encrypted one, and questions of both.

Processor time of this process, user and system, in an open lake; the median of interleaved rounds.

    python benchmarks/encrypted.py REFERENCE.fa.gz ALIGNMENTS.bam --rounds 5
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from baselake.api import Lake, open_lake
from baselake.creation import create_lake

KINDS = ("plain", "encrypted")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reference", type=Path)
    parser.add_argument("alignments", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    took: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(options.rounds):
        for kind in KINDS:
            place = folder / f"{kind}{number}"
            ring = folder / f"keyring{number}"
            ring.mkdir(exist_ok=True)
            os.environ["BASELAKE_KEYRING"] = str(ring)
            create_lake(place, encrypted=kind == "encrypted")
            with open_lake(place) as lake:
                lake.add_reference(options.reference, name="ref")
                took["import"][kind].append(_seconds(lambda lake: lake.ingest(options.alignments), lake))
                for name, ask in _questions(lake).items():
                    took[name][kind].append(_seconds(ask, lake))
    print("| milliseconds | " + " | ".join(KINDS) + " |\n|---|---|---|")
    for name, times in took.items():
        print(
            f"| {name} | "
            + " | ".join(f"{1000 * statistics.median(times[kind]):.0f}" for kind in KINDS)
            + " |"
        )


def _questions(lake: Lake) -> dict[str, Callable[[Lake], object]]:
    facts = lake.sql("SELECT sample_id, contig, min(start) AS start FROM alignments GROUP BY ALL LIMIT 1")
    sample, contig, start = (facts[name][0].as_py() for name in ("sample_id", "contig", "start"))
    regions = [f"{contig}:{start + 4000 * i + 1}-{start + 4000 * i + 1000}" for i in range(20)]
    span = f"contig = '{contig}' AND start < {start + 20_000} AND \"end\" > {start + 10_000}"
    return {
        "`mapq` of all records": lambda lake: lake.sql("SELECT sum(mapq) FROM alignments"),
        "`qual` of all records": lambda lake: lake.sql("SELECT sum(length(qual)) FROM alignments"),
        "records of 10 kb counted": lambda lake: lake.sql(f"SELECT count(*) FROM alignments WHERE {span}"),
        "20 regions of 1 kb, all columns": lambda lake: lake.alignments(sample, regions),
        "a table of one row": lambda lake: lake.sql("SELECT * FROM samples"),
    }


def _seconds(work: Callable[[Lake], object], lake: Lake) -> float:
    before = time.process_time()
    work(lake)
    return time.process_time() - before


if __name__ == "__main__":
    main()
