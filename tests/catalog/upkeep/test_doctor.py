"""The doctor finds each kind of damage, names it, and mends what can be mended."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.files import stored_files
from baselake.catalog.metadata import metadata_change
from baselake.catalog.upkeep.backup import backup
from baselake.catalog.upkeep.check import Finding
from baselake.catalog.upkeep.doctor import Others, Repair, examine
from baselake.errors import LakeError

from ..conftest import Place
from ..writer_process import reads
from .lakes import fill, state

pytestmark = pytest.mark.mostly_files


def data_file(catalog: Catalog, pattern: str) -> Path:
    """The file of the fewest rows: names of jobs of the same second are in no order."""
    paths = (catalog.layout.data / "main").rglob(pattern)
    return min(paths, key=lambda path: (pq.read_metadata(path).num_rows, path.name))


def flip(path: Path, at: int = 8) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def file_of(catalog: Catalog, sample: str) -> Path:
    """The file of a sample's calls."""
    (name,) = catalog.query("SELECT DISTINCT filename AS f FROM genotypes WHERE sample_id = ?", [sample])[
        "f"
    ].to_pylist()
    return Path(name)


def flipped_byte(catalog: Catalog) -> str:
    path = file_of(catalog, "S1")
    flip(path)
    return str(path)


def truncated_file(catalog: Catalog) -> str:
    path = file_of(catalog, "S2")
    path.write_bytes(path.read_bytes()[:-10])
    return str(path)


def missing_file(catalog: Catalog) -> str:
    path = data_file(catalog, "read_records/run_id=R1/*/*.parquet")
    path.unlink()
    return str(path)


def orphan(catalog: Catalog) -> str:
    path = catalog.layout.data / "main" / "runs" / "20200101T000000-0123456789ab-0001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"nobody's")
    os.utime(path, (0, 0))
    return str(path)


def stale_size(catalog: Catalog) -> str:
    path = data_file(catalog, "variants/*/contig=1/*.parquet")
    with metadata_change(catalog, "a size") as cursor:
        cursor.execute(
            "UPDATE __ducklake_metadata_lake.ducklake_data_file SET file_size_bytes = file_size_bytes + 1"
            " WHERE path LIKE ?",
            [f"%{path.name}"],
        )
    return str(path)


def damaged_object(catalog: Catalog) -> str:
    path = sorted(catalog.layout.objects.rglob("*-sheet.csv"))[0]
    flip(path, 0)
    return str(path)


def lost_index(catalog: Catalog) -> str:
    (path,) = catalog.layout.references.glob("*.fai")
    path.unlink()
    return str(path)


def changed_base(catalog: Catalog) -> str:
    (path,) = catalog.layout.references.glob("*.fa")
    path.write_text(path.read_text().replace("ACGTACGTAG", "ACGTACGTAC"))
    return str(path)


# What each does to the lake, what it is called, what it concerns.
DAMAGE: dict[str, tuple[Callable[[Catalog], str], str | None]] = {
    "damaged": (flipped_byte, "3 rows of genotypes (reference r, sample S1, contig 1)"),
    "truncated": (truncated_file, "2 rows of genotypes (reference r, sample S2, contig 1)"),
    "missing": (missing_file, "4 rows of read_records (run R1, lane unknown)"),
    "orphan": (orphan, None),
    "stale size": (stale_size, "2 rows of variants (reference r, contig 1)"),
    "damaged object": (damaged_object, "sheet.csv of run R1"),
    "missing index": (
        lost_index,
        "assembly tiny, without which nothing on it can be aligned, called or exported",
    ),
    "damaged assembly": (
        changed_base,
        "assembly tiny, without which nothing on it can be aligned, called or exported",
    ),
}


def told(catalog: Catalog, found: Finding) -> tuple[str, str, str | None]:
    return found.kind, str(catalog.layout.root / found.path), found.concerns


@contextmanager
def a_filled_lake(catalog: Catalog, tmp_path: Path) -> Iterator[Path]:
    """The folder of its backup."""
    fill(catalog, tmp_path / "from")
    assert backup(catalog, tmp_path / "b.sqlite", data=tmp_path / "copies").findings == []
    yield tmp_path / "copies"


def test_each_kind_of_damage_alone_and_all_together_is_found_named_and_mended(
    opened: Catalog, tmp_path: Path
) -> None:
    with a_filled_lake(opened, tmp_path):
        before = state(opened)
        assert examine(opened).findings == []
        expected = []
        for name, (harm, concerns) in DAMAGE.items():
            expected.append(
                (
                    name.removesuffix(" object").removesuffix(" index").removesuffix(" assembly"),
                    harm(opened),
                    concerns,
                )
            )
            found = examine(opened)
            assert not found.well
            assert sorted(told(opened, one) for one in found.findings) == sorted(expected[-1:]), name
            assert examine(opened, repair=Repair()).well, name
            assert examine(opened).findings == [], name
        for harm, _ in DAMAGE.values():
            harm(opened)
        found = examine(opened)
        assert sorted(told(opened, one) for one in found.findings) == sorted(expected)
        assert all(one.remedy for one in found.findings)
        mended = examine(opened, repair=Repair())
        assert {one.outcome for one in mended.findings} == {"repaired"}
        assert examine(opened).findings == []
        assert state(opened) == before


def test_a_quick_look_reads_no_file_whole(opened: Catalog, tmp_path: Path) -> None:
    with a_filled_lake(opened, tmp_path):
        flipped_byte(opened)
        assert examine(opened, quick=True).findings == []
        for harm in (truncated_file, missing_file, stale_size, orphan):
            harm(opened)
        kinds = {one.kind for one in examine(opened, quick=True).findings}
        assert kinds == {"truncated", "missing", "stale size", "orphan"}


def test_what_has_no_copy_stays_and_is_said(opened: Catalog, tmp_path: Path) -> None:
    fill(opened, tmp_path / "from")
    missing_file(opened)
    report = examine(opened, repair=Repair())
    assert [(one.kind, one.outcome) for one in report.findings] == [("missing", "no copy of it is known")]
    assert not report.well


def test_a_damaged_copy_mends_nothing(opened: Catalog, tmp_path: Path) -> None:
    with a_filled_lake(opened, tmp_path) as copies:
        path = Path(missing_file(opened))
        copy = copies / path.relative_to(opened.layout.root)
        flip(copy)
        (found,) = examine(opened, repair=Repair()).findings
        assert found.outcome == f"{copy} is damaged"
        assert not path.exists()


def test_files_that_were_never_summed_are_summed(opened: Catalog, tmp_path: Path) -> None:
    fill(opened, tmp_path / "from")
    with metadata_change(opened, "sums") as cursor:
        cursor.execute("UPDATE __ducklake_metadata_lake.baselake_files SET checksum = NULL")
    report = examine(opened)
    assert report.findings == []
    files = stored_files(opened.connection, opened.layout)
    assert report.summed == len(files)
    assert all(file.checksum is not None and file.written is not None for file in files)
    assert examine(opened).summed == 0


def test_a_damaged_file_that_tells_of_objects_is_named_and_mended_with_them(
    opened: Catalog, tmp_path: Path
) -> None:
    with a_filled_lake(opened, tmp_path):
        data_file(opened, "objects/*.parquet").unlink()
        damaged_object(opened)
        kinds = [one.kind for one in examine(opened).findings]
        assert kinds == ["missing", "unreadable"]
        mended = examine(opened, repair=Repair())
        assert [(one.kind, one.outcome) for one in mended.findings] == [
            ("missing", "repaired"),
            ("damaged", "repaired"),
        ]


def test_the_files_of_a_job_at_work_are_no_orphans(opened: Catalog) -> None:
    with opened.job("ingest") as job, job.writer("read_records", {"run_id": "R", "lane": None}) as out:
        out.write(reads("R", 3))
        (job.scratch / "run-00000.arrow").write_bytes(b"spilled")
        assert examine(opened).findings == []


def test_a_young_orphan_is_left_and_an_old_one_goes(opened: Catalog) -> None:
    path = Path(orphan(opened))
    os.utime(path, (time.time() - 600, time.time() - 600))
    (found,) = examine(opened, repair=Repair(safe_age=timedelta(hours=1))).findings
    assert found.outcome == "left: it is younger than 1:00:00"
    assert examine(opened, repair=Repair(safe_age=timedelta(minutes=5))).well
    assert not path.exists()


def test_what_others_answer_for_is_no_orphan(opened: Catalog) -> None:
    path = orphan(opened)
    others = Others(copies=lambda _: {}, vouched=lambda _: [path])
    assert [one.kind for one in examine(opened).findings] == ["orphan"]
    assert examine(opened, others=others).findings == []


def test_an_index_for_aligning_belongs_to_its_assembly(opened: Catalog, tmp_path: Path) -> None:
    with a_filled_lake(opened, tmp_path):
        (fasta,) = opened.layout.references.glob("*.fa")
        fasta.with_suffix(".sr.mmi").write_bytes(b"index")
        fasta.with_name("of-no-assembly.sr.mmi").write_bytes(b"index")
        (found,) = examine(opened).findings
        assert (found.kind, Path(found.path).name) == ("orphan", "of-no-assembly.sr.mmi")
        fasta.with_name("of-no-assembly.sr.mmi").unlink()


def test_a_job_of_a_node_that_never_came_back_is_cleared_up_after(opened: Catalog) -> None:
    left = opened.layout.data / "main" / "runs" / "20200101T000000-0123456789ab-0001.parquet"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half")
    journal = opened.layout.job_journal("20200101T000000-0123456789ab")
    journal.write_text(f"{left.relative_to(opened.layout.root)}\n")
    kinds = {one.kind for one in examine(opened).findings}
    assert kinds == {"dead job", "orphan"}
    assert examine(opened, repair=Repair()).well
    assert not journal.exists()
    assert not left.exists()


@pytest.mark.parametrize("damage", ["damaged", "missing"])
def test_the_command_ends_with_1_until_all_is_well(opened: Catalog, tmp_path: Path, damage: str) -> None:
    from ...commands import baselake

    with a_filled_lake(opened, tmp_path) as copies:
        lake = opened.layout.root
        assert baselake(lake, "doctor").stdout.splitlines() == [
            "kind,path,table,what,concerns,remedy,outcome"
        ]
        harm, concerns = DAMAGE[damage]
        harm(opened)
        seen = baselake(lake, "doctor", "--format", "table", status=1).stdout
        assert f"concerns {concerns}" in seen
        assert "Try: " in seen
        baselake(lake, "doctor", "--repair", "--from", copies)
        baselake(lake, "doctor", "--quick")


def test_a_lake_opens_to_be_mended_whatever_is_damaged(opened: Catalog, tmp_path: Path, place: Place) -> None:
    """Its release is told by a table, whose files may be those that are gone."""
    backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    shutil.rmtree(opened.layout.data / "main" / "schema_migrations")
    with pytest.raises(LakeError, match=r"cannot be read.*baselake doctor"):
        connect(*place)
    with connect(*place, damaged=True) as damaged:
        assert {one.kind for one in examine(damaged).findings} == {"missing"}
        assert examine(damaged, repair=Repair()).well
    with connect(*place) as mended:
        assert examine(mended).findings == []
