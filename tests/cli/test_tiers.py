"""`baselake tiers` as an operator uses it."""

import csv
import json
import time
from pathlib import Path

import pytest

from baselake.catalog.catalog import connect
from baselake.config import Config
from tests.catalog.tiers.lakes import tiers_of_reads, write_run
from tests.commands import baselake, start
from tests.ingest.illumina.run_folders import DUAL, RUN, Sample, sheet_of, tile_of, write_folder


def rows(text: str) -> list[dict[str, str]]:
    found = list(csv.DictReader(text.splitlines()))
    assert all(None not in row for row in found), text
    return found


@pytest.fixture
def filled(tmp_path: Path, bucket: str, config: Config) -> Path:
    """A lake with a warm tier on S3 and tape, and a run."""
    (tmp_path / "tape").mkdir()
    lake = tmp_path / "filled"
    tiers = ("--tier", f"warm={bucket}", "--tier", f"tape=cold:{tmp_path / 'tape'}")
    baselake(lake, "init", *tiers)
    assert "already there" in baselake(lake, "init", *tiers).stderr
    with connect(lake, config) as catalog:
        write_run(catalog, "R1", files=2)
    return lake


def files(lake: Path) -> dict[str, int]:
    return {row["tier"]: int(row["files"]) for row in rows(baselake(lake, "tiers").stdout)}


def test_from_policy_to_recall(filled: Path) -> None:
    lake = filled
    assert files(lake) == {"hot": 2, "warm": 0, "tape": 0}
    baselake(
        lake, "tiers", "set", "hot", "--capacity", "1T", "--high", "90", "--low", "80", "--zone", "rack1"
    )
    baselake(lake, "tiers", "set", "warm", "--cost", "12.5")
    shown = {row["tier"]: row for row in rows(baselake(lake, "tiers").stdout)}
    assert (shown["hot"]["capacity_bytes"], shown["hot"]["marks"]) == (str(2**40), "90% to 80%")
    assert (shown["warm"]["cost_per_month"], shown["hot"]["zone"]) == ("0.0", "rack1")

    baselake(lake, "tiers", "policy", "set", "read_records", "--after", "0s", "--to", "warm")
    assert rows(baselake(lake, "tiers", "policy").stdout) == [
        {"table": "read_records", "to": "warm", "after": "0s", "idle": ""}
    ]
    assert "policy would move 2 files" in baselake(lake, "tiers").stderr
    (planned,) = json.loads(baselake(lake, "tiers", "apply", "--dry-run", "--format", "json").stdout)
    assert (planned["from"], planned["to"], planned["files"], planned["reason"]) == (
        "hot",
        "warm",
        2,
        "0s old",
    )
    baselake(lake, "tiers", "pin", "R1")
    assert rows(baselake(lake, "tiers", "pin").stdout) == [{"pinned": "R1", "until": ""}]
    assert "moved 0 files" in baselake(lake, "tiers", "apply").stderr
    baselake(lake, "tiers", "unpin", "R1")
    assert "moved 2 files" in baselake(lake, "tiers", "apply").stderr
    assert files(lake) == {"hot": 0, "warm": 2, "tape": 0}
    query = ("sql", "SELECT sum(length(seq)) AS n FROM read_records")
    assert baselake(lake, *query).stdout.split() == ["n", "2000"]

    baselake(lake, "tiers", "policy", "set", "read_records", "--idle", "0s", "--to", "tape")
    assert "moved 2 files" in baselake(lake, "tiers", "apply").stderr
    asked = baselake(lake, *query, status=1)
    assert "Run: baselake tiers recall R1 --table read_records" in asked.stderr
    assert "brought back 2 files" in baselake(lake, "tiers", "recall", "R1").stderr
    assert baselake(lake, *query).stdout.split() == ["n", "2000"]
    assert files(lake) == {"hot": 2, "warm": 0, "tape": 0}


def test_tiers_come_and_go(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    baselake(lake, "tiers", "add", "a", str(tmp_path / "a"), "--cold", "--capacity", "1G")
    baselake(lake, "tiers", "set", "a", "--url", f"file://{tmp_path / 'b'}")
    (hot, there) = rows(baselake(lake, "tiers").stdout)
    assert (hot["tier"], there["url"], there["kind"]) == ("hot", str(tmp_path / "b"), "cold")
    baselake(lake, "tiers", "remove", "a")
    assert list(files(lake)) == ["hot"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("add", "x", "/no/such/place"), 1, "/no/such/place: there is no such directory"),
        (("add", "x", "s3://absent-bucket/x"), 1, "s3://absent-bucket/x: there is no bucket"),
        (("add", "x y", "/tmp"), 2, "letters, digits and _"),
        (("add", "x", "/tmp", "--capacity", "many"), 2, "--capacity"),
        (("policy", "set", "read_records", "--to", "warm", "--after", "1w"), 2, "30d"),
        (("policy", "set", "read_records", "--to", "nowhere", "--after", "1d"), 1, "no tier 'nowhere'"),
        (("recall",), 2, "Name a sample"),
        (("recall", "S9"), 1, "there are no files of 'S9'"),
        (("remove", "hot"), 1, "the hot tier is the lake's own folder"),
    ],
)
def test_what_cannot_be_is_told(
    lake: Path, bucket: str, arguments: tuple[str, ...], status: int, said: str
) -> None:
    assert said in baselake(lake, "tiers", *arguments, status=status).stderr


def test_the_daemon_moves_files_between_its_looks(lake: Path, tmp_path: Path, config: Config) -> None:
    for folder in ("share", "tape"):
        (tmp_path / folder).mkdir()
    samples = [Sample(name="NA1", index1="ACGTACGT", index2="TTGCAATC")]
    write_folder(
        tmp_path / "share" / RUN,
        [tile_of(1, 1101, 60, DUAL, ("ACGTACGTTTGCAATC",))],
        sheet=sheet_of(samples),
    )
    baselake(lake, "tiers", "add", "tape", str(tmp_path / "tape"), "--cold")
    baselake(lake, "tiers", "policy", "set", "read_records", "--after", "0s", "--to", "tape")
    quick = ("--interval", "0.2", "--settle", "0.2", "--settle-unmarked", "0.2", "--reserve", "0")
    daemon = start(lake, "watch", tmp_path / "share", "--metrics-port", "0", "--apply-tiers", "1", *quick)
    try:
        deadline = time.monotonic() + 300
        while tiers_of(lake, config).get("tape") is None:
            assert time.monotonic() < deadline
            assert daemon.poll() is None
            time.sleep(0.2)
    finally:
        daemon.terminate()
        said = daemon.communicate()[1]
    assert daemon.returncode == 0, said


def tiers_of(lake: Path, config: Config) -> dict[str, int]:
    with connect(lake, config, read_only=True) as catalog:
        return tiers_of_reads(catalog)
