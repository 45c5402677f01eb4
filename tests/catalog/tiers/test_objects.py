"""Kept files move between tiers as data files do, and whoever needs one finds it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.export.kept import open_kept
from baselake.catalog.objects import kept_objects
from baselake.catalog.restore import restore_snapshot
from baselake.catalog.snapshots import name_snapshot
from baselake.catalog.tiers import move
from baselake.catalog.tiers.define import add_tier, remove_tier
from baselake.catalog.tiers.heat import read_heat
from baselake.catalog.tiers.move import Relocation, relocate
from baselake.catalog.tiers.placement import held_files
from baselake.catalog.tiers.policy import apply_policy, plan_moves, recall, tier_figures
from baselake.catalog.tiers.removals import pending_removals
from baselake.catalog.tiers.settings import pin, set_rule
from baselake.catalog.upkeep.backup import backup
from baselake.catalog.upkeep.doctor import Repair, examine
from baselake.catalog.upkeep.expire import expire
from baselake.catalog.upkeep.restore import restore
from baselake.config import Config
from baselake.errors import ConflictError, StorageError
from baselake.ingest.objects import RunObject, keep_objects
from baselake.lake.keyring import Keyring
from baselake.lake.store import LocalStore
from baselake.lake.tiers import Rule, Tier

from ..history import newest
from .lakes import missing_files, unknown_files, write_run

SIGNAL = bytes(range(256)) * 400
NOW = timedelta(0)


def keep(catalog: Catalog, folder: Path, run: str, **contents: bytes) -> None:
    """Have a run bring files, whose names end in .bin."""
    folder.mkdir(exist_ok=True)
    items = []
    for name, content in contents.items():
        (folder / f"{name}.bin").write_bytes(content)
        items.append(RunObject(path=folder / f"{name}.bin", name=f"raw/{name}.bin", kind="pod5"))
    keep_objects(catalog, run, items)


def given(catalog: Catalog, run: str, name: str) -> bytes:
    with open_kept(catalog, run, f"raw/{name}.bin") as file:
        return file.read()


def send(catalog: Catalog, tier: str) -> None:
    set_rule(catalog, Rule(table="objects", tier=tier, after_seconds=0))


def tiers_of(catalog: Catalog) -> dict[str, str]:
    """On which tier each kept file lies, by its name without the digest."""
    return {one.path.partition("-")[2]: one.tier for one in held_files(catalog) if one.table == "objects"}


def locations(catalog: Catalog) -> Sequence[str]:
    return [kept.location for kept in kept_objects(catalog)]


@pytest.fixture
def filled(tiered: Catalog, tmp_path: Path) -> Catalog:
    """Two kept files of a run whose name is hard to spell, and one of another with the same name and content."""
    keep(tiered, tmp_path / "came", "R 1/é", signal=SIGNAL, sheet=b"one")
    keep(tiered, tmp_path / "came", "R2", sheet=b"one")
    return tiered


def test_a_moved_file_is_given_back_from_where_it_lies(filled: Catalog, warm_url: str, later: int) -> None:
    send(filled, "warm")
    assert apply_policy(filled).files == 3
    assert set(tiers_of(filled).values()) == {"warm"}
    assert all(location.startswith(f"{warm_url}/objects/") for location in locations(filled))
    assert given(filled, "R 1/é", "signal") == SIGNAL
    old = [Path(copy.location) for copy in pending_removals(filled)]
    assert len(old) == 3
    assert all(path.is_file() for path in old)
    assert apply_policy(filled, now=later).removed == 3
    assert not any(path.exists() for path in old)
    assert (given(filled, "R 1/é", "sheet"), given(filled, "R2", "sheet")) == (b"one", b"one")
    assert (unknown_files(filled), missing_files(filled), pending_removals(filled)) == (set(), set(), [])


def test_its_bytes_and_cost_are_counted_where_it_lies(filled: Catalog) -> None:
    send(filled, "warm")
    figures = {row["tier"]: row for row in tier_figures(filled).to_pylist()}
    assert (figures["hot"]["files"], figures["hot"]["bytes"]) == (3, len(SIGNAL) + 6)
    assert {one.file.table for one in plan_moves(filled).moves} == {"objects"}
    apply_policy(filled)
    figures = {row["tier"]: row for row in tier_figures(filled).to_pylist()}
    assert (figures["hot"]["files"], figures["hot"]["old_copy_bytes"]) == (0, len(SIGNAL) + 6)
    assert (figures["warm"]["files"], figures["warm"]["bytes"]) == (3, len(SIGNAL) + 6)
    with pytest.raises(ConflictError, match="3 files lie on tier 'warm'"):
        remove_tier(filled, "warm")


def test_a_pinned_run_keeps_its_files_hot(filled: Catalog) -> None:
    pin(filled, "R2")
    send(filled, "warm")
    assert apply_policy(filled).files == 2
    assert sorted(tiers_of(filled).items()) == [("sheet.bin", "hot"), ("signal.bin", "warm")]


def test_only_what_is_old_enough_moves_and_giving_it_back_counts_as_a_read(
    filled: Catalog, later: int
) -> None:
    set_rule(filled, Rule(table="objects", tier="warm", after_seconds=later))
    assert not plan_moves(filled).moves
    set_rule(filled, Rule(table="objects", tier="warm", after_seconds=0, idle_seconds=3600))
    assert len(plan_moves(filled, now=later).moves) == 3
    given(filled, "R2", "sheet")
    (path,) = (kept.path for kept in kept_objects(filled) if kept.run_id == "R2")
    assert read_heat(filled)[path].reads == 1
    read = read_heat(filled)[path].last_read
    # An hour after it was read, not after it came.
    soon = [move.file.name for move in plan_moves(filled, now=read + 3599).moves]
    assert path not in soon


def test_a_run_is_recalled_and_a_sample_does_not_bring_raw_signal(filled: Catalog, later: int) -> None:
    write_run(filled, "R2")
    send(filled, "warm")
    set_rule(filled, Rule(table="read_records", tier="warm", after_seconds=0))
    assert apply_policy(filled).files == 4
    apply_policy(filled, now=later)
    assert recall(filled, "R2")[0].files == 2
    assert recall(filled, None, table="objects")[0].files == 2
    assert set(tiers_of(filled).values()) == {"hot"}
    apply_policy(filled, now=later)
    assert (unknown_files(filled), missing_files(filled)) == (set(), set())
    # The reads of the sample's run come with the sample, the run's raw files do not: no query reads them.
    write_run(filled, "R 1/é")
    with filled.record() as tx:
        tx.execute(
            "INSERT INTO read_groups BY NAME SELECT 'g' AS read_group_id, 'S' AS sample_id, 'R 1/é' AS run_id"
        )
    apply_policy(filled)
    came, _ = recall(filled, "S")
    assert came.files == 1


def test_what_lies_on_a_cold_tier_says_how_it_is_recalled(
    filled: Catalog, tape: Tier, later: int, config: Config
) -> None:
    add_tier(filled, tape)
    send(filled, "tape")
    apply_policy(filled)
    apply_policy(filled, now=later)
    said = re.escape("baselake tiers recall 'R 1/é' --table objects")
    with pytest.raises(StorageError, match=f"on tier 'tape', from which.*{said}"):
        given(filled, "R 1/é", "signal")
    assert recall(filled, "R 1/é", table="objects")[0].files == 2
    assert given(filled, "R 1/é", "signal") == SIGNAL


def test_all_snapshots_find_it_and_earlier_content_moves_too(
    filled: Catalog, tmp_path: Path, config: Config, later: int
) -> None:
    then = newest(filled)
    keep(filled, tmp_path / "came", "R2", sheet=b"two, which is longer")
    send(filled, "warm")
    assert apply_policy(filled).files == 4
    apply_policy(filled, now=later)
    with connect(filled.layout.root, config, at=then) as past:
        assert given(past, "R2", "sheet") == b"one"
    assert given(filled, "R2", "sheet") == b"two, which is longer"
    restore_snapshot(filled, then)
    assert given(filled, "R2", "sheet") == b"one"


def test_the_same_content_that_comes_again_is_not_stored_twice(
    filled: Catalog, tmp_path: Path, later: int
) -> None:
    send(filled, "warm")
    apply_policy(filled)
    apply_policy(filled, now=later)
    keep(filled, tmp_path / "came", "R2", sheet=b"another")
    keep(filled, tmp_path / "came", "R2", sheet=b"one")
    assert given(filled, "R2", "sheet") == b"one"
    assert [path.name[17:] for path in filled.layout.objects.rglob("*.bin")] == ["sheet.bin"]  # the other one
    assert (unknown_files(filled), missing_files(filled)) == (set(), set())


def test_a_damaged_file_is_named_and_stays(filled: Catalog) -> None:
    (kept,) = (one for one in kept_objects(filled) if one.name == "raw/signal.bin")
    Path(kept.location).write_bytes(b"\1" + SIGNAL[1:])
    send(filled, "warm")
    with pytest.raises(StorageError, match="damaged, and not moved: its bytes"):
        apply_policy(filled)
    assert tiers_of(filled) == {"signal.bin": "hot", "sheet.bin": "warm"}
    Path(kept.location).write_bytes(SIGNAL)
    assert apply_policy(filled).files == 1


def test_a_damaged_file_does_not_take_the_place_of_its_sound_old_copy(
    lake: Path, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "warm").mkdir()
    with connect(lake, config) as catalog:
        add_tier(catalog, Tier(name="warm", url=str(tmp_path / "warm")))
        keep(catalog, tmp_path / "came", "R", signal=SIGNAL)
        send(catalog, "warm")
        apply_policy(catalog)
        Path(locations(catalog)[0]).write_bytes(b"\1" + SIGNAL[1:])
        # The old copy is still there, and proven by what it adds up to.
        recall(catalog, "R")
        assert given(catalog, "R", "signal") == SIGNAL


def test_a_killed_move_leaves_nothing_unknown(
    filled: Catalog, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(filled, "warm")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(move, "_register", die)
        with pytest.raises(KeyboardInterrupt):
            apply_policy(filled)
    assert set(tiers_of(filled).values()) == {"hot"}
    assert len(pending_removals(filled)) == 3
    assert apply_policy(filled).files == 3
    apply_policy(filled, now=later)
    assert (unknown_files(filled), missing_files(filled)) == (set(), set())


def test_doctor_looks_where_it_lies_and_finds_no_orphan(filled: Catalog, later: int, warm_url: str) -> None:
    send(filled, "warm")
    apply_policy(filled)
    assert examine(filled).findings == []
    apply_policy(filled, now=later)
    assert examine(filled).findings == []
    if warm_url.startswith("/"):
        gone = Path(locations(filled)[0])
        gone.unlink()
        (found,) = examine(filled).findings
        assert (found.kind, found.path, found.table) == ("missing", str(gone), "objects")


def test_doctor_mends_it_from_a_backup_in_its_place(
    filled: Catalog, later: int, warm_url: str, tmp_path: Path
) -> None:
    if not warm_url.startswith("/"):
        pytest.skip("a damaged file is made by writing into the tier's directory")
    send(filled, "warm")
    apply_policy(filled)
    apply_policy(filled, now=later)
    assert backup(filled, tmp_path / "b.sqlite", data=tmp_path / "mirror").findings == []
    for location in locations(filled):
        Path(location).write_bytes(b"\0")
    report = examine(filled, repair=Repair())
    assert [one.outcome for one in report.findings] == ["repaired"] * 3
    assert missing_files(filled) == set()


def test_a_backup_restores_it(
    filled: Catalog, later: int, config: Config, tmp_path: Path, warm_url: str
) -> None:
    send(filled, "warm")
    apply_policy(filled)
    keep(filled, tmp_path / "came", "R3", sheet=b"hot")
    assert backup(filled, tmp_path / "b.sqlite", data=tmp_path / "mirror").copied >= 4
    done = restore(tmp_path / "b.sqlite", tmp_path / "again", config, data=[tmp_path / "mirror"])
    assert done.report.findings == []
    with connect(tmp_path / "again", config) as again:
        assert given(again, "R 1/é", "signal") == SIGNAL
        assert given(again, "R3", "sheet") == b"hot"


def test_what_no_snapshot_has_goes_with_all_its_copies(
    filled: Catalog, tmp_path: Path, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(filled, "warm")
    apply_policy(filled)  # the old copies are still there
    keep(filled, tmp_path / "came", "R2", sheet=b"two, which is longer")
    monkeypatch.setattr("baselake.catalog.upkeep.expire.GRACE", NOW)
    assert len(pending_removals(filled)) == 3
    filled.lease()
    gone = expire(filled, NOW, grace=NOW)
    assert gone.files_removed >= 1
    assert [kept.name for kept in kept_objects(filled)].count("raw/sheet.bin") == 2
    assert len(pending_removals(filled)) == 2
    assert unknown_files(filled) == set()
    keep(filled, tmp_path / "came", "R2", sheet=b"one")
    apply_policy(filled, now=later)
    assert given(filled, "R2", "sheet") == b"one"
    assert (unknown_files(filled), missing_files(filled)) == (set(), set())


def test_a_named_snapshot_keeps_it(filled: Catalog, tmp_path: Path, later: int) -> None:
    name_snapshot(filled, "reported")
    then = newest(filled)
    keep(filled, tmp_path / "came", "R2", sheet=b"two, which is longer")
    send(filled, "warm")
    apply_policy(filled)
    apply_policy(filled, now=later)
    expire(filled, NOW, grace=NOW)
    with connect(filled.layout.root, filled.config, at=then) as past:
        assert given(past, "R2", "sheet") == b"one"


def test_it_is_the_same_on_postgresql_and_encrypted(
    tmp_path: Path, database: str, config: Config, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASELAKE_KEYRING", str(tmp_path / "keys"))
    (tmp_path / "keys").mkdir()
    (tmp_path / "warm").mkdir()
    lake = tmp_path / "secret"
    create(lake, catalog=database, encrypted=True)
    with connect(lake) as catalog:
        add_tier(catalog, Tier(name="warm", url=str(tmp_path / "warm")))
        keep(catalog, tmp_path / "came", "R", signal=SIGNAL)
        send(catalog, "warm")
        assert apply_policy(catalog).files == 1
        apply_policy(catalog, now=later)
        (location,) = locations(catalog)
        assert hashlib.sha256(Path(location).read_bytes()).hexdigest() != hashlib.sha256(SIGNAL).hexdigest()
        assert given(catalog, "R", "signal") == SIGNAL
        # It comes again: no new key, which would make noise of the file that is there.
        keep(catalog, tmp_path / "came", "R", signal=b"other")
        keep(catalog, tmp_path / "came", "R", signal=SIGNAL)
        assert given(catalog, "R", "signal") == SIGNAL
        assert examine(catalog).findings == []
        assert len(Keyring(LocalStore(root=tmp_path / "keys")).names()) == len(held_files(catalog)) + len(
            [1 for path in (lake / "data").rglob("*.parquet")]
        )
        relocate(
            catalog, [Relocation(file=one, tier="hot") for one in held_files(catalog) if one.tier != "hot"]
        )
        assert given(catalog, "R", "signal") == SIGNAL


def test_who_writes_without_tiers_pays_nothing(lake: Path, config: Config, tmp_path: Path) -> None:
    with connect(lake, replace(config)) as catalog:
        keep(catalog, tmp_path / "came", "R", signal=SIGNAL)
        given(catalog, "R", "signal")
        assert not catalog.layout.reads.exists()
