"""`baselake watch` as a service runs it: real run folders, real workers, signals."""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.commands import baselake, count, start
from tests.ingest.illumina.run_folders import DUAL, RUN, Sample, sheet_of, tile_of, write_folder

QUICK = (
    "--interval",
    "0.2",
    "--settle",
    "0.2",
    "--settle-unmarked",
    "0.2",
    "--patience",
    "0.2",
    "--reserve",
    "0",
)
BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA")
SAMPLES = [
    Sample(name=name, index1=barcode[:8], index2=barcode[8:])
    for name, barcode in zip(("NA1", "NA2"), BARCODES, strict=True)
]


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of everything in a folder."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def test_runs_on_a_share_are_imported_and_the_share_is_only_read(lake: Path, tmp_path: Path) -> None:
    share = tmp_path / "share"
    tiles = [tile_of(lane, 1101, 60, DUAL, BARCODES) for lane in (1, 2)]
    write_folder(share / "seq1" / RUN, tiles, sheet=sheet_of(SAMPLES))
    before = snapshot(share)
    done = baselake(lake, "watch", share, "--once", "--metrics-port", "0", *QUICK)
    assert snapshot(share) == before
    assert count(lake, "runs WHERE state = 'complete'") == 1
    reads = count(lake, "reads WHERE sample_id = 'NA1'")
    assert reads > 0
    assert f"{RUN}: complete, 2 units" in done.stderr
    (share / "seq1" / RUN / "SampleSheet.csv").write_text(sheet_of(SAMPLES[1:]))
    baselake(lake, "watch", share, "--once", "--metrics-port", "0", *QUICK)
    assert count(lake, "reads WHERE sample_id = 'NA1'") == 0
    assert count(lake, "run_tiles") == 2


def test_sigterm_ends_it_cleanly(lake: Path, tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    daemon = start(lake, "watch", share, "--metrics-port", str(port), "--interval", "9999")
    try:
        until_healthy(port)
        second = baselake(lake, "watch", share, "--metrics-port", "0", status=1)
        assert f"the lake is watched by another process ({daemon.pid})" in second.stderr
        os.kill(daemon.pid, signal.SIGTERM)
        _, said = daemon.communicate(timeout=600)  # and not after the interval
    finally:
        daemon.kill()
    assert daemon.returncode == 0
    lines = [line.split(" ", 1)[1] for line in said.splitlines()]
    assert lines == [f"watching {share}", "ended"]


def until_healthy(port: int) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                assert answer.status == 200
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("no look at the share within ten minutes")


def test_wrong_options_are_named(lake: Path, tmp_path: Path) -> None:
    for option, value, said in (
        ("--reserve", "much", "'much' is not a size"),
        ("--allow-missing", "everything", "'everything' is not one of"),
        ("--sheets", str(tmp_path / "absent"), "does not exist"),
    ):
        assert said in baselake(lake, "watch", tmp_path, option, value, status=2).stderr
