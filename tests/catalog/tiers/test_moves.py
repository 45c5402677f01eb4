"""Files move while queries go on, and none is ever lost or unknown."""

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.files import stored_files
from baselake.catalog.metadata import metadata_change
from baselake.catalog.references import add_reference
from baselake.catalog.restore import restore_snapshot
from baselake.catalog.tiers import move
from baselake.catalog.tiers.define import add_tier, set_tier
from baselake.catalog.tiers.move import Relocation, relocate
from baselake.catalog.tiers.placement import Stores, held_files, mover_lock
from baselake.catalog.tiers.policy import apply_policy, plan_moves, recall, tier_figures
from baselake.catalog.tiers.removals import copies_of, hasten_removals, pending_removals, remove_copies
from baselake.catalog.tiers.settings import find_tier, pin, set_rule, unpin
from baselake.config import Config
from baselake.errors import LakeError, NotFoundError, StorageError
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.lake.store import LocalStore, S3Store, Store
from baselake.lake.tiers import Rule, Tier
from baselake.progress import QUIET
from tests.ingest.vcf.vcf_files import write_vcf

from ..history import merge, newest
from ..shown import decoded
from ..writer_process import write_alleles
from .lakes import EVERYTHING, missing_files, send_all, tiers_of_reads, unknown_files, write_run


def test_a_moved_file_is_read_where_it_lies(tiered: Catalog, later: int) -> None:
    for run in ("R1", "a b/c%20é", "R3"):
        write_run(tiered, run)
    before = tiered.query(EVERYTHING)
    send_all(tiered, "warm")
    done = apply_policy(tiered)
    assert (done.files, done.removed) == (3, 0)
    assert tiers_of_reads(tiered) == {"warm": 3}
    assert tiered.query(EVERYTHING) == before
    assert [
        tiered.query("SELECT count(seq) AS n FROM read_records WHERE run_id = ?", [run])["n"][0].as_py()
        for run in ("R1", "a b/c%20é", "R3", "absent")
    ] == [20, 20, 20, 0]
    # The old copies go when their time has come, and not before.
    old = [Path(copy.location) for copy in pending_removals(tiered)]
    assert len(old) == 3
    assert all(path.is_file() for path in old)
    assert apply_policy(tiered).removed == 0
    assert apply_policy(tiered, now=later).removed == 3
    assert not any(path.exists() for path in old)
    assert tiered.query(EVERYTHING) == before
    assert (unknown_files(tiered), missing_files(tiered), pending_removals(tiered)) == (set(), set(), [])


def test_it_is_the_same_with_the_catalog_on_postgresql(
    tmp_path: Path, database: str, config: Config, tape: Tier, later: int
) -> None:
    create(tmp_path / "shared", config, catalog=database)
    on_server = replace(config, catalog=database)
    with connect(tmp_path / "shared", on_server) as catalog, connect(tmp_path / "shared", on_server) as other:
        for run in ("R1", "R2"):
            write_run(catalog, run)
        before = other.query(EVERYTHING)
        (tmp_path / "warm").mkdir()
        add_tier(catalog, Tier(name="warm", url=str(tmp_path / "warm")))
        add_tier(catalog, tape)
        send_all(catalog, "warm")
        pin(catalog, "R2")
        assert apply_policy(catalog).files == 1
        assert other.query(EVERYTHING) == before
        unpin(other, "R2")
        send_all(other, "tape")
        assert apply_policy(other).files == 2
        with pytest.raises(StorageError, match="recall R1"):
            catalog.query("SELECT seq FROM read_records WHERE run_id = 'R1'")
        recall(catalog, None, table="read_records")
        apply_policy(other)
        recall(other, "R1")
        recall(other, "R2")
        assert catalog.query(EVERYTHING) == before
        assert apply_policy(catalog, now=later).removed > 0
        assert catalog.query(EVERYTHING) == before
        assert (unknown_files(catalog), missing_files(catalog)) == (set(), set())


def test_the_small_tables_stay(tiered: Catalog) -> None:
    write_run(tiered, "R1")
    send_all(tiered, "warm")
    apply_policy(tiered)
    files = stored_files(tiered.connection, tiered.layout)
    hot = str(tiered.layout.data)
    assert {file.table for file in files if not file.location.startswith(hot)} == {"read_records"}


def test_a_query_that_began_before_reads_to_its_end(tiered: Catalog, later: int) -> None:
    for run in range(8):
        write_run(tiered, f"R{run}", 3000)
    send_all(tiered, "warm")
    under_way = tiered.stream("SELECT name, seq FROM read_records", batch_rows=100)
    rows = under_way.read_next_batch().num_rows
    assert apply_policy(tiered).files == 8
    rows += sum(batch.num_rows for batch in under_way)
    assert rows == 24_000
    apply_policy(tiered, now=later)
    assert tiered.query("SELECT count(seq) AS n FROM read_records")["n"][0].as_py() == 24_000


def test_who_opened_the_lake_before_there_was_a_tier_reads_on(
    lake: Path, config: Config, warm_url: str, later: int
) -> None:
    with connect(lake, config) as catalog, connect(lake, config, read_only=True) as reader:
        write_run(catalog, "R1")
        before = reader.query(EVERYTHING)
        add_tier(catalog, Tier(name="warm", url=warm_url))
        send_all(catalog, "warm")
        apply_policy(catalog)
        apply_policy(catalog, now=later)
        assert reader.query(EVERYTHING) == before
        assert reader.query("SELECT count(seq) AS n FROM reads")["n"][0].as_py() == 20


def test_files_of_past_snapshots_move_too(tiered: Catalog, config: Config, later: int) -> None:
    write_run(tiered, "R1")
    then = tiered.query(EVERYTHING)
    snapshot = tiered.query("SELECT id FROM lake.current_snapshot()")["id"][0].as_py()
    with tiered.record() as tx:
        tx.execute("DELETE FROM stored_reads WHERE run_id = 'R1'")
    write_run(tiered, "R2")
    send_all(tiered, "warm")
    assert apply_policy(tiered).files == 2
    apply_policy(tiered, now=later)
    with connect(tiered.layout.root, config, at=snapshot) as past:
        assert past.query(EVERYTHING) == then
    assert tiered.query("SELECT DISTINCT run_id FROM read_records")["run_id"].to_pylist() == ["R2"]


def test_rows_of_moved_files_are_deleted_like_any(tiered: Catalog, later: int) -> None:
    write_run(tiered, "R1")
    with tiered.record() as tx:
        tx.execute(f"DELETE FROM stored_reads WHERE {decoded('name')} LIKE '%:3'")
    send_all(tiered, "warm")
    apply_policy(tiered)
    apply_policy(tiered, now=later)
    assert tiered.query(EVERYTHING).num_rows == 19
    with tiered.record() as tx:
        tx.execute(f"DELETE FROM stored_reads WHERE {decoded('name')} LIKE '%:4'")
    assert tiered.query(EVERYTHING).num_rows == 18
    recall(tiered, "R1")
    assert tiered.query(EVERYTHING).num_rows == 18
    assert tiers_of_reads(tiered) == {"hot": 1}


def test_a_lake_that_is_mounted_elsewhere_finds_its_files(
    tiered: Catalog, config: Config, tmp_path: Path, later: int
) -> None:
    write_run(tiered, "R1")
    write_run(tiered, "R2")
    pin(tiered, "R2")
    before = tiered.query(EVERYTHING)
    send_all(tiered, "warm")
    apply_policy(tiered)
    tiered.layout.root.rename(tmp_path / "elsewhere")
    with connect(tmp_path / "elsewhere", config) as moved:
        assert moved.query(EVERYTHING) == before
        unpin(moved, "R2")
        assert apply_policy(moved, now=later).removed == 1
        assert moved.query(EVERYTHING) == before
        assert unknown_files(moved) == set()
        recall(moved, "R1")
        assert moved.query(EVERYTHING) == before


def test_a_pinned_sample_stays_with_its_runs(tiered: Catalog) -> None:
    write_run(tiered, "R1")
    write_run(tiered, "R2")
    with tiered.record() as tx:
        tx.insert(
            "read_groups",
            pa.table({"read_group_id": ["g"], "sample_id": ["S1"], "run_id": ["R1"]}),
        )
    send_all(tiered, "warm")
    pin(tiered, "S1")
    assert apply_policy(tiered).files == 1
    assert tiers_of_reads(tiered) == {"hot": 1, "warm": 1}
    unpin(tiered, "S1")
    assert apply_policy(tiered).files == 1


def test_calls_that_stand_in_one_file_with_those_of_others_are_a_samples_too(
    tiered: Catalog, later: int, tmp_path: Path
) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 100}\n")
    add_reference(tiered, tmp_path / "r.fa", "flat")
    for samples in (("A", "C"), ("X", "Z")):
        calls = [f"1 {n} . A C . . . GT 0/1 0/1" for n in (5, 9)]
        ingest_vcf(tiered, [write_vcf(tmp_path / f"{samples[0]}.vcf", calls, samples)])
    set_rule(tiered, Rule(table="genotypes", tier="warm", after_seconds=0))

    def hot() -> list[tuple[str, ...]]:
        found = [one for one in held_files(tiered) if one.table == "genotypes" and one.tier == "hot"]
        return sorted(one.samples or () for one in found)

    pin(tiered, "C")
    pin(tiered, "M")  # nobody, though the name lies between those of others
    apply_policy(tiered)
    assert hot() == [("A", "C")]
    unpin(tiered, "C")
    apply_policy(tiered)
    assert hot() == []
    assert recall(tiered, "X", table="genotypes")[0].files == 1
    assert hot() == [("X", "Z")]
    assert plan_moves(tiered).moves == ()  # it stays for a while
    with pytest.raises(NotFoundError, match="no files of 'M'"):
        recall(tiered, "M")


def test_a_recalled_run_comes_back_and_stays_for_a_while(tiered: Catalog, later: int) -> None:
    for run in ("R1", "R2"):
        write_run(tiered, run)
    before = tiered.query(EVERYTHING)
    send_all(tiered, "warm")
    apply_policy(tiered)
    apply_policy(tiered, now=later)
    done, waiting = recall(tiered, "R1", keep_seconds=3600)
    assert (done.files, waiting) == (1, 0)
    assert tiers_of_reads(tiered) == {"hot": 1, "warm": 1}
    assert tiered.query(EVERYTHING) == before
    assert plan_moves(tiered).moves == ()
    assert [one.file.name for one in plan_moves(tiered, now=later).moves] != []


def test_a_recall_takes_an_old_copy_that_is_still_there(
    tiered: Catalog, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tiered, "R1")
    before = tiered.query(EVERYTHING)
    send_all(tiered, "warm")
    apply_policy(tiered)

    def put(*_: object) -> None:
        raise AssertionError("the copy is there")

    monkeypatch.setattr(LocalStore, "put", put)
    recall(tiered, "R1", keep_seconds=10 * 86_400)
    assert [copy.reason for copy in pending_removals(tiered)] == ["moved"]  # the one on the warm tier
    apply_policy(tiered, now=later)
    assert tiered.query(EVERYTHING) == before
    assert (unknown_files(tiered), missing_files(tiered)) == (set(), set())


def test_every_copy_of_a_file_is_known_and_can_go_at_once(tiered: Catalog) -> None:
    """Which an erasure needs."""
    write_run(tiered, "R1")
    (held,) = held_files(tiered)
    name, first = held.name, held.location
    send_all(tiered, "warm")
    apply_policy(tiered)
    assert copies_of(tiered, [name, "none"]) == {
        name: [Stores(tiered).of("warm").location(held.path), first],
        "none": [],
    }
    hasten_removals(tiered, [name])
    with mover_lock(tiered, QUIET):
        assert remove_copies(tiered) == 1
    assert not Path(first).exists()
    assert len(copies_of(tiered, [name])[name]) == 1


# ---------------------------------------------------------------------------------------------------------
# What goes wrong.


@pytest.mark.parametrize("how", ["size", "bytes"])
def test_a_damaged_file_is_named_and_stays_and_the_others_move(tiered: Catalog, how: str) -> None:
    for run in ("R1", "R2", "R3"):
        write_run(tiered, run)
    (held,) = (one for one in held_files(tiered) if "R2" in one.path)
    damaged = Path(held.location)
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] if how == "size" else whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    send_all(tiered, "warm")
    with pytest.raises(
        StorageError, match=rf"{re.escape(str(damaged))}: the file is damaged, and not moved: .*{how}"
    ):
        apply_policy(tiered)
    assert tiers_of_reads(tiered) == {"hot": 1, "warm": 2}
    with pytest.raises(StorageError):
        apply_policy(tiered)
    assert unknown_files(tiered) == set()


def test_a_copy_that_arrives_damaged_is_never_registered(
    tiered: Catalog, monkeypatch: pytest.MonkeyPatch, warm_url: str
) -> None:
    write_run(tiered, "R1")
    send_all(tiered, "warm")
    honest = move.verify

    def corrupt(store: Store, name: str, size: int, expected: str) -> None:
        store.put(name, [bytes(size)], size)
        honest(store, name, size, expected)

    with monkeypatch.context() as broken:
        broken.setattr(move, "verify", corrupt)
        with pytest.raises(StorageError, match=rf"{re.escape(warm_url)}.*the copy is not what was written"):
            apply_policy(tiered)
    assert tiers_of_reads(tiered) == {"hot": 1}
    assert [copy.reason for copy in pending_removals(tiered)] == ["unfinished"]
    assert apply_policy(tiered).files == 1
    assert (unknown_files(tiered), missing_files(tiered)) == (set(), set())


def test_a_file_that_is_dropped_while_it_is_copied_is_not_brought_back(
    tiered: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As compaction and snapshot expiry do."""
    write_run(tiered, "R1")
    write_run(tiered, "R2")
    (dropped,) = (one for one in held_files(tiered) if "R1" in one.path)
    register = move._register

    def drop_first(catalog: Catalog, copied: Iterable[object]) -> object:
        with metadata_change(catalog, "a test") as cursor:
            cursor.execute(
                "DELETE FROM __ducklake_metadata_lake.ducklake_data_file WHERE split_part(path, '/', -1) = ?",
                [dropped.name],
            )
        return register(catalog, copied)  # type: ignore[arg-type]

    send_all(tiered, "warm")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(move, "_register", drop_first)
        assert apply_policy(tiered).files == 1
    assert tiers_of_reads(tiered) == {"warm": 1}
    reasons = {copy.name: copy.reason for copy in pending_removals(tiered)}
    assert reasons[dropped.name] == "unfinished"
    with mover_lock(tiered, QUIET):
        assert remove_copies(tiered, unfinished=True) == 1
    assert unknown_files(tiered) == {dropped.location}  # which who dropped it removes


def test_what_another_mover_moved_first_is_left_alone(tiered: Catalog) -> None:
    write_run(tiered, "R1")
    planned = [Relocation(file=one, tier="warm") for one in held_files(tiered)]
    assert relocate(tiered, planned)[0] == 1
    assert relocate(tiered, planned)[0] == 0
    assert (unknown_files(tiered), missing_files(tiered)) == (set(), set())


def test_the_place_of_a_file_is_never_removed(tiered: Catalog, later: int) -> None:
    """Whatever the list says."""
    write_run(tiered, "R1")
    (held,) = held_files(tiered)
    with metadata_change(tiered, "a test") as cursor:
        cursor.execute(
            "INSERT INTO __ducklake_metadata_lake.baselake_removals VALUES (?, ?, 1, 'moved', 0)",
            [f"data/{held.path}", held.name],
        )
    with mover_lock(tiered, QUIET):
        assert remove_copies(tiered, now=later) == 0
    assert (missing_files(tiered), pending_removals(tiered)) == (set(), [])


def test_a_full_tier_is_named_and_takes_what_fits(tiered: Catalog, warm_url: str) -> None:
    for run in ("R1", "R2", "R3"):
        write_run(tiered, run)
    size = max(one.bytes for one in held_files(tiered))
    set_tier(tiered, Tier(name="warm", url=warm_url, capacity_bytes=2 * size))
    send_all(tiered, "warm")
    with pytest.raises(StorageError, match=rf"{re.escape(warm_url)}: tier 'warm' is full.*--capacity"):
        apply_policy(tiered)
    assert tiers_of_reads(tiered) == {"hot": 1, "warm": 2}


def test_the_hot_tier_sheds_its_coldest_files_above_the_mark(tiered: Catalog) -> None:
    for run in range(6):
        write_run(tiered, f"R{run}")
    size = max(one.bytes for one in held_files(tiered))
    set_tier(tiered, Tier(name="hot", url="", capacity_bytes=6 * size, high=0.9, low=0.5))
    assert apply_policy(tiered).files == 3
    assert tiers_of_reads(tiered) == {"hot": 3, "warm": 3}
    figures = {row["tier"]: row for row in tier_figures(tiered).to_pylist()}
    assert (figures["hot"]["files"], figures["warm"]["files"]) == (3, 3)
    assert figures["hot"]["old_copy_bytes"] == figures["warm"]["bytes"]


def test_cost_is_by_terabyte_and_month(tiered: Catalog, warm_url: str) -> None:
    write_run(tiered, "R1")
    send_all(tiered, "warm")
    apply_policy(tiered)
    (held,) = held_files(tiered)
    set_tier(tiered, Tier(name="warm", url=warm_url, cost_per_tb_month=1e9))
    figures = {row["tier"]: row for row in tier_figures(tiered).to_pylist()}
    assert figures["warm"]["cost_per_month"] == round(held.bytes / 1000, 2)
    assert find_tier(tiered, "warm").cost_per_tb_month == 1e9


# ---------------------------------------------------------------------------------------------------------
# Killed.

KILLED = """
import os, sys
from pathlib import Path
from baselake.catalog.catalog import connect
from baselake.catalog.tiers import move, remote
from baselake.catalog.tiers.policy import apply_policy
move.HEARD_SECONDS = -1.0

def die(*_, **__):
    os._exit(9)

def half(store, name, pieces, size):
    # What a put that is killed in the middle leaves, on either kind of store.
    if name.endswith(".parquet") and store.url.startswith("/"):
        path = Path(store.location(name) + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    else:
        store._call("create_multipart_upload", name, Key=store._key(name))
    os._exit(9)

point = sys.argv[2]
if point == "journalled":
    move._copy = die
elif point == "copying":
    from baselake.lake.store import LocalStore, S3Store
    LocalStore.put = S3Store.put = half
elif point == "copied":
    move._register = die
elif point == "registered":
    register = move._register
    move._register = lambda *given: (register(*given), os._exit(9))
with connect(Path(sys.argv[1])) as catalog:
    apply_policy(catalog)
"""


@pytest.mark.parametrize("point", ["journalled", "copying", "copied", "registered"])
def test_a_killed_mover_loses_nothing_and_leaves_nothing_unknown(
    tiered: Catalog, point: str, later: int
) -> None:
    for run in ("R1", "R2"):
        write_run(tiered, run)
    before = tiered.query(EVERYTHING)
    send_all(tiered, "warm")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tiered.layout.root), point], capture_output=True, check=False
    )
    assert done.returncode == 9, done.stderr.decode()
    assert tiered.query(EVERYTHING) == before
    assert missing_files(tiered) == set()
    assert not {path for path in unknown_files(tiered) if not path.endswith(".part")}
    assert tiers_of_reads(tiered) == ({"warm": 2} if point == "registered" else {"hot": 2})
    apply_policy(tiered)
    assert tiers_of_reads(tiered) == {"warm": 2}
    apply_policy(tiered, now=later)
    assert tiered.query(EVERYTHING) == before
    assert (unknown_files(tiered), missing_files(tiered), pending_removals(tiered)) == (set(), set(), [])
    assert unfinished_uploads(tiered) == 0


def unfinished_uploads(catalog: Catalog) -> int:
    store = Stores(catalog).of("warm")
    if not isinstance(store, S3Store):
        return 0
    return len(store._call("list_multipart_uploads", "", Prefix=store._key("")).get("Uploads") or ())


def test_a_catalog_that_refuses_leaves_everything_where_it_was(
    tiered: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tiered, "R1")
    send_all(tiered, "warm")
    with monkeypatch.context() as broken:
        broken.setattr(move, "_SUMS", "SELECT * FROM no_such_table")
        with pytest.raises(LakeError, match="the catalog refused the move"):
            apply_policy(tiered)
    assert tiers_of_reads(tiered) == {"hot": 1}
    assert missing_files(tiered) == set()
    assert apply_policy(tiered).files == 1


def test_a_part_of_a_merged_file_that_lies_elsewhere_is_restored(tiered: Catalog) -> None:
    """What a snapshot did not show of it is listed in the hot tier, where all is written."""
    write_alleles(tiered, [1, 2])
    then = newest(tiered)
    write_alleles(tiered, [3, 4])
    merge(tiered)
    moved = [Relocation(file=one, tier="warm") for one in held_files(tiered)]
    assert relocate(tiered, moved)[0] >= 1
    restore_snapshot(tiered, then)
    assert tiered.query("SELECT start FROM variants ORDER BY start")["start"].to_pylist() == [1, 2]
    files = stored_files(tiered.connection, tiered.layout)
    deletes = [file.location for file in files if file.kind == "deletes"]
    assert deletes
    assert all(Path(location).is_relative_to(tiered.layout.data) for location in deletes)
    assert missing_files(tiered) == set()
