"""Time the import of a run folder against Picard, and against merely decompressing the same bytes with zlib.

    python benchmarks/base_calls.py --tiles 20 --rounds 3 -o results

Writes a CBCL run folder of two reads of 101 cycles and two indexes of 8, 1 M clusters to a tile, 96 samples (kept in
--cache), and runs on it, interleaved, each in a fresh process on the same cores:

* `baselake ingest`: into the lake, told apart, as durable Parquet;
* reading alone: every tile's calls as Arrow columns, in memory, told apart, one thread;
* zlib: every member of every file decompressed, nothing else, one thread;
* Picard IlluminaBasecallsToFastq: told apart, as plain FASTQ (it is given that; compressing takes it longer).
"""

import argparse
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import measure, summarise

from baselake.demo.run_folder import NO_CALL, RunLayout, TileCalls, write_run_folder
from baselake.ingest.illumina.barcodes import match
from baselake.ingest.illumina.folder import open_run_folder
from baselake.ingest.illumina.lane_plan import plan_lanes
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.run_info import Read, read_run_info
from baselake.ingest.illumina.sample_sheet import read_sample_sheet
from baselake.ingest.illumina.tile import read_tile

_CYCLES = (101, 8, 8, 101)
_SAMPLES = 96
_PASSING = 0.8
_RUN_ID = "260131_BLSIM01_0001_HBASELAKE"
# Shares of Q11, Q25 and Q37 on a NovaSeq 6000, and of calls that are wrong in an index.
_SHARES = (0.03, 0.07, 0.90)
_INDEX_ERROR = 0.002
_BATCH = 32_768
# Debian's Picard does not name the library that its reader of CBCL needs.
_PICARD = "java -Xmx8g -cp /usr/share/java/picard.jar:/usr/share/java/commons-lang.jar picard.cmdline.PicardCommandLine"

_INGEST = "baselake ingest"
_READ = "baselake, reading alone, 1 core"
_ZLIB = "zlib alone, 1 core"
_PICARD_FASTQ = "Picard IlluminaBasecallsToFastq"
# What takes how many times as long as what.
_RATIOS = ((_PICARD_FASTQ, _INGEST), (_READ, _ZLIB))


def main() -> None:
    """Write the run folder, run the rounds, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=20)
    parser.add_argument("--clusters", type=int, default=1_000_000, help="of a tile")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picard-rounds", type=int, default=1, help="it is slow")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--inflate", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read is not None:
        read_all(_open(arguments.read))
    elif arguments.inflate is not None:
        inflate_all(_open(arguments.inflate))
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """The rounds."""
    run = (arguments.cache / f"cbcl-{arguments.tiles}x{arguments.clusters}" / _RUN_ID).resolve()
    if not (run / "CopyComplete.txt").exists():
        print(f"writing {run}", file=sys.stderr)
        write_run(run, arguments.tiles, arguments.clusters)
    arguments.output.mkdir(parents=True, exist_ok=True)
    work = arguments.cache.resolve() / "base-calls-work"
    work.mkdir(exist_ok=True)
    cores = [int(core) for core in arguments.cores.split(",")]
    python, this = sys.executable, Path(__file__).resolve()
    fresh = f"rm -rf {work} && mkdir {work} && cd {work}"
    baselake = Path(sys.executable).with_name("baselake")
    picard = (
        f"{_PICARD} IlluminaBasecallsToFastq -B {run}/Data/Intensities/BaseCalls -L 1 -RS 101T8B8B101T"
        f" --MULTIPLEX_PARAMS {run.parent}/multiplex.tsv --MATCH_BARCODES_INLINE true --RUN_BARCODE 1"
        " --MACHINE_NAME BLSIM01 --FLOWCELL_BARCODE HBASELAKE --INCLUDE_NON_PF_READS false --SORT false"
        f" --NUM_PROCESSORS {len(cores)} --TMP_DIR {work}"
    )
    contestants = {
        _INGEST: (
            f"{fresh} && {baselake} init --lake lake && {baselake} ingest --lake lake {run}",
            cores,
        ),
        _READ: (f"{python} {this} --read {run}", cores[:1]),
        _ZLIB: (f"{python} {this} --inflate {run}", cores[:1]),
        _PICARD_FASTQ: (f"{fresh} && {picard}", cores),
    }
    runs: dict[str, list] = {name: [] for name in contestants}
    for number in range(arguments.rounds):
        for name, (script, on) in contestants.items():
            if name == _PICARD_FASTQ and number >= arguments.picard_rounds:
                continue
            environment = {"BASELAKE_THREADS": str(len(on))}
            runs[name].append(measure(script, cores=on, environment=environment, log=arguments.cache / "log"))
            print(f"{name}: {runs[name][-1]}", file=sys.stderr)
    clusters = arguments.tiles * arguments.clusters
    summaries = {name: summarise(measured) for name, measured in runs.items() if measured}
    lines = ["| | wall s | CPU s | peak MB | clusters/s and core |", "|---|---|---|---|---|"]
    for name, summary in summaries.items():
        lines.append(
            f"| {name} | {summary.wall_seconds:.1f} ({summary.wall_fastest:.1f}-{summary.wall_slowest:.1f})"
            f" | {summary.cpu_seconds:.1f} | {summary.peak_bytes / 1e6:,.0f} | {clusters / summary.cpu_seconds:,.0f} |"
        )
    lines.append("")
    for slow, quick in _RATIOS:
        if slow in summaries:
            ratio = summaries[slow].cpu_seconds / summaries[quick].cpu_seconds
            lines.append(f"{slow}: {ratio:.1f} times the processor time of {quick}")
    text = f"{clusters:,} clusters, {len(cores)} cores\n\n" + "\n".join(lines) + "\n"
    print(text)
    (arguments.output / "base_calls.md").write_text(text)
    (arguments.output / "base_calls.json").write_text(
        json.dumps({name: [vars_of(one) for one in measured] for name, measured in runs.items()}, indent=1)
    )


def vars_of(measurement: object) -> dict[str, float]:
    """The fields of a slotted measurement."""
    return {name: getattr(measurement, name) for name in ("wall_seconds", "cpu_seconds", "peak_bytes")}


def write_run(root: Path, tiles: int, clusters: int) -> None:
    """A CBCL run folder of random calls, its sheet, and the same sheet as Picard has it."""
    rng = np.random.default_rng(1)
    indexes = rng.integers(0, 4, (_SAMPLES, _CYCLES[1] + _CYCLES[2])).astype(np.uint8)
    spelled = ["".join("ACGT"[base] for base in index) for index in indexes]
    layout = RunLayout(
        run_id=root.name,
        positions="s.locs",
        tiles=tuple((1, 1101 + number, clusters) for number in range(tiles)),
        reads=tuple(
            Read(number=number, cycles=cycles, indexed=cycles == 8, reverse_complement=False)
            for number, cycles in enumerate(_CYCLES, 1)
        ),
    )
    sheet = (
        "[Header]\nFileFormatVersion,2\n[BCLConvert_Settings]\n[BCLConvert_Data]\nSample_ID,Index,Index2\n"
    )
    sheet += "".join(f"S{number},{index[:8]},{index[8:]}\n" for number, index in enumerate(spelled))
    write_run_folder(root, layout, _tiles(layout, indexes), sample_sheet=sheet, threads=2)
    table = "OUTPUT_PREFIX\tBARCODE_1\tBARCODE_2\nunknown\tN\tN\n"
    table += "".join(f"S{number}\t{index[:8]}\t{index[8:]}\n" for number, index in enumerate(spelled))
    (root.parent / "multiplex.tsv").write_text(table)


def _tiles(layout: RunLayout, indexes: np.ndarray) -> Iterator[TileCalls]:
    x, y = np.random.default_rng(0).integers(1000, 32000, (2, layout.tiles[0][2])).astype(np.int32)
    for lane, tile, clusters in layout.tiles:
        rng = np.random.default_rng(tile)
        bases = rng.integers(0, 4, (clusters, layout.cycles), dtype=np.uint8)
        index = indexes[rng.integers(0, len(indexes), clusters)]
        wrong = rng.random(index.shape, np.float32) < _INDEX_ERROR
        index[wrong] = rng.integers(0, 4, int(wrong.sum()), dtype=np.uint8)
        bases[:, _CYCLES[0] : _CYCLES[0] + index.shape[1]] = index
        bases.reshape(-1)[rng.integers(0, bases.size, bases.size // 5_000)] = NO_CALL
        share = rng.integers(0, 100, bases.shape, dtype=np.uint8)
        low, middle = (int(100 * sum(_SHARES[:count])) for count in (1, 2))
        yield TileCalls(
            lane=lane,
            tile=tile,
            bases=bases,
            qualities=np.where(share < low, 11, np.where(share < middle, 25, 37)).astype(np.uint8),
            passed=rng.random(clusters) < _PASSING,
            x=x,
            y=y,
        )


def _open(root: Path) -> RunFolder:
    return open_run_folder(root, read_run_info(root / "RunInfo.xml"))


def read_all(folder: RunFolder) -> None:
    """Every tile as columns: bases, qualities, names, index sequences and whose they are."""
    info = folder.run_info
    plan = plan_lanes(info, None, read_sample_sheet(folder.root / "SampleSheet.csv"))[1]
    for lane, number in info.tiles:
        tile = read_tile(folder, lane, number)
        code, index1, index2 = tile.calls.group((101, 8), (109, 8))
        entry, _, _ = match(plan, index1, index2)
        order = np.argsort(entry[code], kind="stable").astype(np.uint32)
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            tile.calls.emit(part, [(0, 101), (117, 101)])
            tile.calls.names(part, tile.x, tile.y, f"BLSIM01:1:HBASELAKE:{lane}:{number}", 2)


def inflate_all(folder: RunFolder) -> None:
    """Every member of every CBCL file through zlib."""
    for cycle in range(1, folder.run_info.cycles + 1):
        for lane, tile in folder.run_info.tiles:
            header, index = folder.cbcl(lane, tile, cycle)
            with open(header.path, "rb") as file:
                file.seek(int(header.offsets[index]))
                zlib.decompress(file.read(int(header.stored[index])), 31)


if __name__ == "__main__":
    main()
