"""What running jobs spill can be read on the disk of a plain lake, and is noise in an encrypted one."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

import baselake
from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.job import Job
from baselake.catalog.references import open_reference
from baselake.compute.align import align_samples
from baselake.ingest import bam_rows
from tests.ingest.sam_files import CONTIGS, sam_line, write_bam

NAME = b"SECRET:7:FC:1:1101:"
PAIRS = 1000  # of which little memory makes several runs


def on_disk(lake: Path) -> bytes:
    """Everything below scratch/, and what this process has open there although its name is gone."""
    scratch = lake / "scratch"
    found = [
        path.read_bytes() for path in scratch.rglob("*") if path.is_file() and "duckdb" not in path.parts
    ]
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:  # of the listing itself
            continue
        if target.startswith(f"{scratch}/") and target.endswith(" (deleted)"):
            found.append(descriptor.read_bytes())
    return b"".join(found)


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def encrypted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the lake is; it is made, with an assembly."""
    if request.param:
        (tmp_path / "keys").mkdir()
        monkeypatch.setenv("BASELAKE_KEYRING", str(tmp_path / "keys"))
    create(tmp_path / "lake", encrypted=request.param)
    draw = random.Random(1)
    with open(tmp_path / "r.fa", "w") as fasta:
        for contig, length in CONTIGS.items():
            fasta.write(f">{contig}\n{''.join(draw.choices('ACGT', k=length))}\n")
    with baselake.open(tmp_path / "lake") as lake:
        lake.add_reference(tmp_path / "r.fa", "r")
    return bool(request.param)


def frugal(catalog: Catalog) -> None:
    """Have what comes spill; DuckDB was opened with more."""
    catalog.config = replace(catalog.config, memory_bytes=1 << 18)


def test_an_import_of_unsorted_alignments(
    encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(2)
    bases = {number: "".join(draw.choices("ACGT", k=40)) for number in range(PAIRS)}
    lines = [
        sam_line(f"{NAME.decode()}{n}:1", flag, pos=n % 900 + 1, cigar="40M", seq=bases[n], qual="F" * 40)
        for flag, order in ((0x41, range(PAIRS)), (0x81, reversed(range(PAIRS))))
        for n in order
    ]
    bam = write_bam(tmp_path / "a.bam", lines)
    seen: list[bytes] = []
    take = bam_rows._Tables.take

    def look(tables: bam_rows._Tables, decoder: object) -> None:
        seen.append(on_disk(tmp_path / "lake"))
        take(tables, decoder)  # type: ignore[arg-type]

    monkeypatch.setattr(bam_rows._Tables, "take", look)
    with baselake.open(tmp_path / "lake") as lake:
        frugal(lake.catalog)
        lake.ingest([bam], sample="S")
        found = lake.sql("SELECT count(*) AS n FROM alignments WHERE name LIKE 'SECRET%'")["n"][0].as_py()
        assert found == 2 * PAIRS
    spilled = max(seen, key=len)
    assert len(spilled) > PAIRS * 40
    assert (NAME in spilled) is not encrypted


def test_aligning(encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = (tmp_path / "r.fa").read_text().split()[3]
    draw = random.Random(3)
    quality = "".join(draw.choices("#,:F", k=100))
    paths = [tmp_path / f"s_S1_L001_R{mate}_001.fastq" for mate in (1, 2)]
    with open(paths[0], "w") as one, open(paths[1], "w") as two:
        for n in range(PAIRS):
            start = draw.randrange(len(genome) - 300)
            last = genome[start + 200 : start + 300][::-1].translate(str.maketrans("ACGT", "TGCA"))
            for out, seq in ((one, genome[start : start + 100]), (two, last)):
                out.write(f"@{NAME.decode()}{n}:1\n{seq}\n+\n{quality}\n")
    with baselake.open(tmp_path / "lake") as lake:
        lake.ingest(paths, sample="S")
    seen: list[bytes] = []
    end = Job.end

    def look(job: Job) -> None:
        seen.append(on_disk(tmp_path / "lake"))
        end(job)

    monkeypatch.setattr(Job, "end", look)
    with connect(tmp_path / "lake") as catalog:
        frugal(catalog)
        align_samples(catalog, ["S"], open_reference(catalog, "r"))
        rows = catalog.query("SELECT count(*) AS n FROM alignments WHERE contig = 'chr2'")["n"][0].as_py()
        assert rows > 1.9 * PAIRS
    spilled = max(seen, key=len)
    assert len(spilled) > PAIRS * 40
    # Arrow's files by their beginning and their columns' names; reads by name and by what all of them have.
    for plain in (b"ARROW1", b"template", NAME, quality.encode()[:20]):
        assert (plain in spilled) is not encrypted, plain
