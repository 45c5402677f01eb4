"""The command line: what it prints where, and how it fails."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baselake.catalog.catalog import connect
from baselake.cli.page import page

from ..commands import BASELAKE

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path, lake: Path | None = None, **options: object) -> subprocess.CompletedProcess:
    """The command as a user runs it, output captured as bytes."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BASELAKE_")}
    if lake is not None:
        environment["BASELAKE_LAKE"] = str(lake)
    command = [*BASELAKE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=environment, **options)  # type: ignore[call-overload,no-any-return]


def test_init_makes_a_lake_once(tmp_path: Path) -> None:
    assert run("init", "--lake", tmp_path / "a").returncode == 0
    assert (tmp_path / "a" / "catalog.sqlite").is_file()
    again = run("init", lake=tmp_path / "a")
    assert (again.returncode, again.stderr) == (0, f"already there: {tmp_path / 'a'}\n".encode())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.doc").touch()
    refused = run("--lake", tmp_path / "b", "init")
    assert refused.returncode == 1
    assert b"the folder is not empty (it holds thesis.doc)" in refused.stderr


def test_rows_go_to_stdout_in_the_format_asked_for(lake: Path) -> None:
    query = "SELECT 1 AS a, 'x,y' AS b, [1, 2] AS c, NULL AS d UNION ALL SELECT 2, 'z', NULL, NULL ORDER BY a"
    assert run("sql", query, lake=lake).stdout.decode() == 'a,b,c,d\n1,"x,y","[1, 2]",\n2,z,,\n'
    rows = [{"a": 1, "b": "x,y", "c": [1, 2], "d": None}, {"a": 2, "b": "z", "c": None, "d": None}]
    assert json.loads(run("sql", query, "--format", "json", lake=lake).stdout) == rows
    parquet = run("sql", query, "--format", "parquet", lake=lake).stdout
    assert pq.read_table(io.BytesIO(parquet)).to_pylist() == rows
    arrow = run("sql", query, "--format", "arrow", lake=lake).stdout
    assert pa.ipc.open_stream(arrow).read_all().to_pylist() == rows
    assert "x,y" in run("sql", query, "--format", "table", lake=lake).stdout.decode()
    assert run("sql", "-", lake=lake, input=b"SELECT 5 AS five").stdout == b"five\n5\n"
    assert json.loads(run("sql", "SELECT 1 WHERE false", "--format", "json", lake=lake).stdout) == []


def test_csv_is_what_others_read(lake: Path, tmp_path: Path) -> None:
    texts = ["a,b", 'say "so"', "two\nlines", "cr\r", "", " lead", "#no comment", "é", "NULL", "'"]
    values = ", ".join(
        f"({n}, chr(34) || '{text.replace(chr(39), 2 * chr(39))}')" for n, text in enumerate(texts)
    )
    query = f'SELECT n AS "n, of", substr(t, 2) AS text, NULL AS nothing FROM (VALUES {values}) v(n, t) ORDER BY n'
    out = tmp_path / "out.csv"
    out.write_text("there before\n")
    with open(out, "ab") as file:
        environment = {**os.environ, "BASELAKE_LAKE": str(lake)}
        subprocess.run([*BASELAKE, "sql", query, "--format", "csv"], stdout=file, env=environment, check=True)
    with open(out, newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["there before"],
        ["n, of", "text", "nothing"],
        *([str(n), text, ""] for n, text in enumerate(texts)),
    ]


def test_a_reader_that_has_seen_enough_may_leave(lake: Path) -> None:
    query = [*BASELAKE, "sql", "FROM range(1000000000)", "--format", "csv"]
    environment = {**os.environ, "BASELAKE_LAKE": str(lake)}
    with subprocess.Popen(query, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as asked:
        assert asked.stdout is not None
        assert asked.stderr is not None
        assert asked.stdout.readline() == b"range\n"
        asked.stdout.close()
        assert asked.stderr.read() == b""
        asked.wait(timeout=60)


def test_ctrl_c_ends_a_query(lake: Path) -> None:
    query = [
        *BASELAKE,
        "sql",
        "SELECT sum(a * b) FROM range(1000000000) t(a), range(1000) u(b)",
        "--format",
        "csv",
    ]
    environment = {**os.environ, "BASELAKE_LAKE": str(lake)}
    with subprocess.Popen(
        query,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # A shell's background jobs, and what they start, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as asked:
        time.sleep(5)
        asked.send_signal(signal.SIGINT)
        out, err = asked.communicate(timeout=60)
    assert (asked.returncode, out) == (130, b"")
    assert b"interrupted" in err


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT nonsense FROM variants", "nonsense"),
        ("SELECT start, end FROM variants", 'write "end" and "references" in double quotes'),
        ("INSERT INTO samples(sample_id) VALUES ('x')", "read-only"),
        ("SELECT CAST('x' AS INTEGER)", "Could not convert string 'x'"),
    ],
)
def test_a_wrong_query_is_one_line_on_stderr(lake: Path, query: str, message: str) -> None:
    done = run("sql", query, lake=lake)
    assert done.returncode == 1
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_errors_say_what_where_and_what_to_do(lake: Path, tmp_path: Path) -> None:
    for arguments, where, expected in (
        (["status"], tmp_path / "absent", f"{tmp_path / 'absent'}: no lake here. Run: baselake init"),
        (["call", "NA1"], lake, "no sample 'NA1'"),
        (["call", "--device", "tpu"], lake, "'tpu' is no device. Give auto, cpu, gpu or gpu:N"),
        (["ingest", tmp_path / "absent.fastq"], lake, f"{tmp_path / 'absent.fastq'}: no such file"),
        (["reference", "add", tmp_path / "absent.fa", "--name", "x"], lake, "absent.fa: no such file"),
        (["sql", "FROM runs", "--at", "99999"], lake, "no snapshot 99999"),
    ):
        done = run(*arguments, lake=where)
        assert (done.returncode, done.stdout) == (1, b""), arguments
        assert expected in done.stderr.decode()
        assert b"Traceback" not in done.stderr
        assert done.stderr.count(b"\n") == 1
    assert b"Traceback" in run("--debug", "status", lake=tmp_path / "absent").stderr


def test_wrong_usage_exits_2(lake: Path) -> None:
    assert run("no-such-verb").returncode == 2
    assert run("sql").returncode == 2
    assert run("sql", "SELECT 1", "--format", "xml", lake=lake).returncode == 2


def test_a_closed_pipe_is_no_error(lake: Path) -> None:
    command = (
        f"{sys.executable} -c 'from baselake.cli import main; main()' sql 'FROM range(3000000)' | head -1"
    )
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env={**os.environ, "BASELAKE_LAKE": str(lake)},
        capture_output=True,
    )
    assert (done.stdout, done.stderr) == (b"range\n", b"")


def test_wrong_settings_are_named(lake: Path) -> None:
    (lake / "baselake.toml").write_text("treads = 3\n")
    assert b"baselake.toml, treads: no such setting" in run("status", lake=lake).stderr
    (lake / "baselake.toml").write_text('memory_bytes = "many"\n')
    assert b"'many' is not a positive number" in run("status", lake=lake).stderr


def test_status_lists_every_table_and_view(lake: Path) -> None:
    rows = json.loads(run("status", "--format", "json", lake=lake).stdout)
    assert {row["table"] for row in rows} >= {
        "reads",
        "read_records",
        "alignments",
        "variants",
        "genotypes",
    } - {"reads"}
    for verb in ("runs", "samples"):
        assert json.loads(run(verb, "--format", "json", lake=lake).stdout) == []


def test_the_page_in_docs_is_what_help_says() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == page(), "run: make docs"


def test_a_state_is_named_looked_at_and_restored(lake: Path) -> None:
    def samples(*at: str) -> list[str]:
        done = run("sql", "SELECT sample_id FROM samples ORDER BY 1", *at, lake=lake)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().split()[1:]

    with connect(lake) as catalog, catalog.record() as tx:
        tx.execute("INSERT INTO samples (sample_id) VALUES ('S1')")
    named = run("snapshots", "name", "one", lake=lake)
    assert (named.returncode, named.stderr) == (0, b"snapshot 2 is named one\n")
    with connect(lake) as catalog, catalog.record() as tx:
        tx.execute("INSERT INTO samples (sample_id) VALUES ('S2')")
    assert samples() == ["S1", "S2"]
    assert samples("--at", "one") == samples("--at", "2") == ["S1"]
    for verb in (["samples"], ["status"], ["runs"], ["reference", "list"]):
        assert run(*verb, "--at", "one", lake=lake).returncode == 0
    assert run("samples", "--at", "one", lake=lake).stdout.decode().split("\n")[1].startswith("S1,")
    assert b",[one]," in run("snapshots", lake=lake).stdout
    done = run("snapshots", "restore", "one", lake=lake)
    assert (done.returncode, done.stderr) == (0, b"the lake is as it was at one, in snapshot 4\n")
    assert samples() == ["S1"]
    assert samples("--at", "3") == ["S1", "S2"]
    assert run("snapshots", "unname", "one", lake=lake).returncode == 0
    gone = run("samples", "--at", "one", lake=lake)
    assert (gone.returncode, b"no snapshot is named 'one'" in gone.stderr) == (1, True)
