"""Samples that are committed at the same moment and bring the same new alleles leave one row of each."""

import subprocess
import sys
from pathlib import Path

from baselake.catalog.catalog import connect, create
from baselake.catalog.references import add_reference
from baselake.config import Config
from tests.ingest.vcf.vcf_files import write_vcf

CODE = """
import sys
from pathlib import Path
from baselake.catalog.catalog import connect
from baselake.ingest.vcf.imports import ingest_vcf

with connect(Path(sys.argv[1])) as catalog:
    print("open", flush=True)
    sys.stdin.readline()
    for path in sys.argv[2:]:
        ingest_vcf(catalog, [Path(path)])
"""


def test_two_processes_that_share_new_alleles_leave_one_row_of_each(tmp_path: Path, config: Config) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 300}\n")
    create(tmp_path / "lake", config)
    with connect(tmp_path / "lake", config) as catalog:
        add_reference(catalog, tmp_path / "r.fa", "flat")
    rounds = 3
    commands = []
    for who in ("A", "B"):
        files = [
            write_vcf(
                tmp_path / f"{who}{number}.vcf",
                [f"1 {place} . A C . . . GT 0/1" for place in range(10 + number, 290, rounds)],
                (f"{who}{number}",),
            )
            for number in range(rounds)
        ]
        commands.append([sys.executable, "-c", CODE, tmp_path / "lake", *files])
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    for process in processes:  # both at once
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with connect(tmp_path / "lake", config) as catalog:
        found = catalog.query("SELECT variant_id, ac, an FROM allele_frequency('all')").to_pylist()
        assert len(found) == 280
        assert {(row["ac"], row["an"]) for row in found} == {(2, 4)}
        rows = catalog.query(
            "SELECT count(*) AS n, count(DISTINCT variant_id) AS ids FROM variants"
        ).to_pylist()
        assert rows == [{"n": 280, "ids": 280}]
