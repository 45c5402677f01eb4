"""Compaction changes no row at any snapshot, and what pruning and statistics say stays right."""

import threading
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.upkeep import compact as compaction
from baselake.catalog.upkeep.compact import LiveFile, compact, live_files, plan
from baselake.catalog.upkeep.doctor import examine
from baselake.errors import NotFoundError

from ..conftest import Place
from ..writer_process import write_alleles, write_reads
from .lakes import fill, rows, state, write_genotypes

pytestmark = pytest.mark.mostly_files


def files(catalog: Catalog, table: str) -> list[LiveFile]:
    return live_files(catalog, table)


def test_every_snapshot_shows_what_it_showed(opened: Catalog, tmp_path: Path) -> None:
    fill(opened, tmp_path / "from")
    before = state(opened)
    newest = max(before)
    done = compact(opened, min_files=2)
    assert {one.outcome for one in done} == {"done"}
    after = state(opened)
    assert all(after[number] == before[number] for number in set(before) & set(after))
    assert after[max(after)] == before[newest]
    for table in ("read_records", "variants", "runs", "lineage"):
        assert opened.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py() == len(rows(opened, table))
    assert len(files(opened, "variants")) == len(files(opened, "runs")) == 1
    assert files(opened, "variants")[0].deleted == 0
    assert examine(opened).findings == []


def test_files_of_several_samples_become_one_in_tiles(
    opened: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "TILE_ROWS", 20)
    # By name S10 and S11 stand before S2; they come last.
    for number in (8, 3, 0, 9, 1, 5, 2, 7, 6, 4, 11, 10):
        write_genotypes(opened, f"S{number}", list(range(number // 4, 100 + number // 4, 10)))
    before = rows(opened, "genotypes")
    compact(opened, ["genotypes"], min_files=2)
    (file,) = files(opened, "genotypes")
    assert rows(opened, "genotypes") == before
    parquet = pq.ParquetFile(file.location)
    tiles = [parquet.read_row_group(i) for i in range(parquet.num_row_groups)]
    # Six tiles: half the samples in each, a third of the contig.
    assert {len(set(tile["sample_id"].to_pylist())) for tile in tiles} == {6}
    starts = [(min(tile["start"].to_pylist()), max(tile["start"].to_pylist())) for tile in tiles]
    assert len(tiles) == 6
    assert all(last - first < 50 for first, last in starts)
    for tile in tiles:
        here = list(zip(tile["start"].to_pylist(), tile["sample_id"].to_pylist(), strict=True))
        assert here == sorted(here)
    # Each half is neighbours by name, however their files came.
    halves = {(min(ids), max(ids)) for tile in tiles for ids in [tile["sample_id"].to_pylist()]}
    assert halves == {("S0", "S3"), ("S4", "S9")}


def test_a_table_that_is_sorted_stays_sorted_and_is_written_as_ours(opened: Catalog) -> None:
    for start in (30, 10, 20):
        write_alleles(opened, [start, start + 100])
    compact(opened, ["variants"], min_files=2)
    (file,) = files(opened, "variants")
    parquet = pq.ParquetFile(file.location)
    assert parquet.read(["start"])["start"].to_pylist() == [10, 20, 30, 110, 120, 130]
    column = parquet.metadata.row_group(0).column(parquet.schema_arrow.get_field_index("start"))
    assert "DELTA_BINARY_PACKED" in column.encodings
    assert column.compression == "ZSTD"


def test_lineage_tells_which_files_became_which(opened: Catalog) -> None:
    for number in range(3):
        write_reads(opened, "R", 2 + number)
    old = {
        f"data/main/read_records/{Path(file.location).relative_to(opened.layout.data / 'main' / 'read_records')}"
        for file in files(opened, "read_records")
    }
    compact(opened, ["read_records"], min_files=2)
    (row,) = opened.query("SELECT * FROM lineage WHERE operation = 'compact'").to_pylist()
    (new,) = files(opened, "read_records")
    assert set(row["inputs"]) == old
    assert row["outputs"] == [str(Path(new.location).relative_to(opened.layout.root))]
    assert new.name.startswith(row["job_id"])


def test_one_large_file_is_not_written_again_for_a_few_small_ones() -> None:
    def file(number: int, size: int, deleted: int = 0) -> LiveFile:
        return LiveFile(
            table="t", file_id=number, name=str(number), hot=True, location=f"/{number}", bytes=size, rows=100,
            deleted=deleted, delete_file_id=-1, first_row=number, columns=None, partition=None,
        )  # fmt: skip

    small = compaction._small([file(0, 500), *(file(n, 10) for n in range(1, 9))], 128 << 20)
    assert [one.file_id for one in small] == list(range(1, 9))
    enough = compaction._small([file(0, 80), *(file(n, 10) for n in range(1, 9))], 128 << 20)
    assert len(enough) == 9
    assert compaction._small([file(0, 200 << 20)], 128 << 20) == []
    assert compaction._small([file(0, 200 << 20, deleted=30)], 128 << 20) != []
    # Of a table whose order counts, the last files alone.
    last = compaction._last([file(0, 10), file(1, 900), file(2, 10), file(3, 10)], 128 << 20)
    assert [one.file_id for one in last] == [2, 3]
    assert compaction._last([file(0, 10), replace(file(1, 10), hot=False)], 128 << 20) == []


def test_an_append_and_a_delete_meanwhile_are_kept(opened: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for start in (10, 20):
        write_alleles(opened, [start])
    write = compaction._write

    def slow(*arguments: object) -> int:
        written: int = write(*arguments)  # type: ignore[arg-type]
        write_alleles(opened, [30])
        with opened.record() as tx:
            tx.execute("DELETE FROM variants WHERE start = 10")
        return written

    monkeypatch.setattr(compaction, "_write", slow)
    (done,) = compact(opened, ["variants"], min_files=2)
    assert done.outcome == "changed"
    assert [row["start"] for row in rows(opened, "variants")] == [20, 30]
    monkeypatch.setattr(compaction, "_write", write)
    (done,) = compact(opened, ["variants"], min_files=2)
    assert done.outcome == "done"
    assert [row["start"] for row in rows(opened, "variants")] == [20, 30]
    assert examine(opened).findings == []


def test_two_at_once_do_it_once(opened: Catalog, place: Place) -> None:
    for start in range(6):
        write_alleles(opened, [start])
    outcomes: list[str] = []

    def run() -> None:
        with connect(*place) as other:
            outcomes.extend(one.outcome for one in compact(other, ["variants"], min_files=2))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("done") == 1
    assert [row["start"] for row in rows(opened, "variants")] == list(range(6))


def test_a_table_that_is_not_there_is_named(opened: Catalog) -> None:
    with pytest.raises(NotFoundError, match="no table 'read'"):
        plan(opened, ["read"])


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 40)),
            st.tuples(st.just("delete"), st.integers(0, 40)),
            st.tuples(st.just("compact"), st.just(0)),
        ),
        min_size=4,
        max_size=9,
    )
)
def test_any_story_of_changes_reads_the_same_at_every_snapshot(
    catalog: Catalog, steps: list[tuple[str, int]]
) -> None:
    shown: dict[int, list[int]] = {}
    for step, number in steps:
        if step == "add":
            write_alleles(catalog, [number, number + 3])
        elif step == "delete":
            with catalog.record() as tx:
                tx.execute("DELETE FROM variants WHERE start BETWEEN ? AND ?", [number, number + 5])
        else:
            compact(catalog, min_files=1)
        shown[catalog.newest_snapshot()] = [row["start"] for row in rows(catalog, "variants")]
    for snapshot, starts in shown.items():
        assert sorted(row["start"] for row in rows(catalog, "variants", snapshot)) == sorted(starts)
    assert examine(catalog, quick=True).findings == []
