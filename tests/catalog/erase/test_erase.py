"""After an erasure nothing of a sample is left at any snapshot, and everything of everybody else is as it was."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.decoding import Decoder
from baselake.catalog.erase.erasure import Erased, erase_sample, preview
from baselake.catalog.erase.keys import Keys, open_keys
from baselake.catalog.export.kept import open_kept
from baselake.catalog.files import stored_files
from baselake.catalog.objects import kept_objects
from baselake.catalog.tiers.define import add_tier
from baselake.catalog.tiers.policy import apply_policy
from baselake.catalog.tiers.settings import set_rule
from baselake.catalog.upkeep.doctor import examine
from baselake.catalog.work.queue import Terms, pending, take
from baselake.errors import LakeError, NotFoundError
from baselake.lake.location import checksum_of
from baselake.lake.partition import LakeLayout
from baselake.lake.schema import ALIGNMENTS, BLOCK_ROW, COUNTS, shown_name
from baselake.lake.tiers import Rule, Tier

from ..conftest import Place
from ..shown import decoded, shown
from .people import RUN, align, call, import_reads, read_name
from .people import table as rows_of

pytestmark = pytest.mark.mostly_files

WHO = "MARTHA"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return open_keys(tmp_path / "keys", tmp_path / "lake")


class Case(NamedTuple):
    """An erasure that was done: the lake, its snapshots before, what they held, and what was found of the sample."""

    place: Place
    versions: list[int]
    before: dict[str, list[str]]
    traced: list[tuple[str, str]]
    erased: Erased


def erase(place: Place, keys: Keys, sample: str = WHO) -> Erased:
    with connect(*place) as catalog:
        return erase_sample(catalog, sample, keys, "the test")


def snapshots(catalog: Catalog) -> list[int]:
    rows = catalog.query("SELECT snapshot_id FROM lake.snapshots() WHERE snapshot_id > 0 ORDER BY 1")
    return rows["snapshot_id"].to_pylist()


def tables(catalog: Catalog) -> list[str]:
    stored = catalog.query(
        "SELECT table_name AS n FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        " AND table_catalog = 'lake' ORDER BY 1"
    )["n"].to_pylist()
    # Sums that its calls are in go from every snapshot, and are told of in test_shared_files.py.
    return [name for name in map(shown_name, stored) if name not in COUNTS]


# What a row of a table is somebody else's by; rows that are nobody's stay too.
OTHERS = {
    "samples": f"sample_id <> '{WHO}'",
    "read_groups": f"sample_id <> '{WHO}'",
    "alignments": f"sample_id <> '{WHO}'",
    "genotypes": f"sample_id <> '{WHO}'",
    "source_files": f"NOT list_contains(sample_ids, '{WHO}')",
    "read_records": f"name NOT LIKE '{read_name(WHO, 0).rsplit(':', 1)[0]}:%'",
    "barcode_assignments": f"NOT starts_with(read_group_id, '{WHO}.')",
    "barcode_counts": "index1_seq <> 'ACGT'",
    "variants": "variant_id NOT IN ('chr1-11-A-C', 'chr1-31-A-C')",
}  # fmt: skip
# Columns that name files, whose paths change, or that tell of the sample among other things.
CHANGED = {
    "lineage": ["inputs", "outputs", "parameters"],
    "samples": ["father"],
    "sample_sheets": ["text"],
    "objects": ["path", "bytes", "sha256"],
    "run_tiles": ["clusters", "clusters_pf"],
}


def at_all_snapshots(catalog: Catalog, versions: list[int], *, of_the_sample: bool) -> dict[str, list[str]]:
    """Rows at each snapshot with the number DuckLake gave them, by table: the sample's, or everybody else's."""
    seen = {}
    for table in tables(catalog):
        columns = f"* EXCLUDE ({', '.join(CHANGED[table])})" if table in CHANGED else "*"
        where = OTHERS.get(table, "true")
        rows = catalog.query(
            " UNION ALL ".join(
                f"SELECT {version} AS version, {columns} FROM {shown(table, version)}"
                f" WHERE {'NOT' if of_the_sample else ''} ({where})"
                for version in versions
            )
        )
        seen[table] = sorted(map(repr, rows.to_pylist()))
    return seen


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def before_and_after(
    request: pytest.FixtureRequest,
    people_on: Callable[[str], AbstractContextManager[Place]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Case]:
    """One erasure, which the tests look at from all sides."""
    folder = tmp_path_factory.mktemp("erased")
    with people_on(request.param) as place:
        with connect(*place) as catalog:
            versions = snapshots(catalog)
            before = at_all_snapshots(catalog, versions, of_the_sample=False)
            take(catalog, "asm", "worker", Terms(), lambda free: None)  # derives what samples wait for
            assert WHO in {work.sample_id for work in pending(catalog)}
        traced = traces(place)
        erased = erase(place, open_keys(folder / "keys", place.lake))
        yield Case(place, versions, before, traced, erased)


def test_everybody_else_is_as_before_at_every_snapshot(before_and_after: Case) -> None:
    case = before_and_after
    with connect(*case.place) as catalog:
        assert at_all_snapshots(catalog, case.versions, of_the_sample=False) == case.before


def test_workers_know_of_everybody_else(before_and_after: Case) -> None:
    with connect(*before_and_after.place) as catalog:
        waiting = {work.sample_id for work in pending(catalog)}
        samples = catalog.query("SELECT sample_id FROM samples")["sample_id"].to_pylist()
    assert waiting
    assert waiting <= set(samples)


def test_what_statistics_count_is_there(before_and_after: Case) -> None:
    with connect(*before_and_after.place) as catalog:
        for table in tables(catalog):
            scanned = catalog.query(f'SELECT * FROM "{table}"').num_rows
            assert catalog.query(f'SELECT count(*) AS n FROM "{table}"')["n"][0].as_py() == scanned


def test_bounds_are_of_what_is_there(before_and_after: Case) -> None:
    """DuckDB packs integers by the bounds that the catalog tells: by wrong ones it would show other numbers."""
    with connect(*before_and_after.place) as catalog:
        for table in tables(catalog):
            scanned = catalog.query(f'SELECT * FROM "{table}"')
            for field in scanned.schema:
                if pa.types.is_integer(field.type):
                    shown = catalog.query(f'SELECT DISTINCT "{field.name}" AS it FROM "{table}"')["it"]
                    assert set(shown.to_pylist()) == set(scanned[field.name].to_pylist()), (table, field.name)
        assert examine(catalog).findings == []


def test_the_sample_is_at_no_snapshot(before_and_after: Case) -> None:
    case = before_and_after
    with connect(*case.place) as catalog:
        left = at_all_snapshots(catalog, [*case.versions, max(case.versions) + 1], of_the_sample=True)
        assert {table: rows for table, rows in left.items() if rows} == {}
        for version in case.versions:
            at = f"AT (VERSION => {version})"
            sheets = catalog.query(f"SELECT text FROM sample_sheets {at}")["text"].to_pylist()
            assert all("MARTHA-2" in text and "MARTHA," not in text for text in sheets)
            tiles = catalog.query(f"SELECT clusters, clusters_pf FROM run_tiles {at}").to_pylist()
            assert all(tile == {"clusters": 12, "clusters_pf": 9} for tile in tiles)
            fathers = catalog.query(f"SELECT father FROM samples {at} WHERE father IS NOT NULL")
            assert fathers.num_rows == 0


# ---------------------------------------------------------------------------------------------------------
# Nothing is found, searched for in another way than the erasure does.


def every_byte(place: Place) -> dict[str, bytes]:
    """All there is: files as they lie, the values of Parquet files, their dictionaries, and a dump of the catalog."""
    found = {}
    for path in place.lake.rglob("*"):
        found[f"name {path}"] = str(path).encode()
        if path.is_file():
            found[f"raw {path}"] = path.read_bytes()
        if path.suffix == ".parquet":
            stored = pq.read_table(path)
            found[f"values {path}"] = repr(stored.to_pydict()).encode()
            if BLOCK_ROW in stored.column_names:
                text = Decoder(LakeLayout(place.lake)).file_rows(stored, str(path), 0)
                found[f"decoded {path}"] = repr(text.to_pydict()).encode()
            schema = pq.ParquetFile(path).schema_arrow
            text = [field.name for field in schema if pa.types.is_string(field.type) and field.name != "name"]
            text = [name for name in text if name != "variant_id"]
            coded = pq.ParquetFile(path, read_dictionary=text).read(columns=text)
            dictionaries = [
                chunk.dictionary.to_pylist()
                for column in coded.columns
                if pa.types.is_dictionary(column.type)
                for chunk in column.chunks
            ]
            found[f"dictionaries {path}"] = repr(dictionaries).encode()
            found[f"footer {path}"] = repr(pq.ParquetFile(path).metadata.to_dict()).encode()
    found["catalog"] = "\n".join(dump(place)).encode()
    return found


def dump(place: Place) -> list[str]:
    if not place.config.catalog:
        import sqlite3

        with sqlite3.connect(place.lake / "catalog.sqlite") as database:
            return list(database.iterdump())
    import psycopg

    with psycopg.connect(place.config.catalog) as connection:
        names = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        ).fetchall()
        rows = [
            repr(row) for (name,) in names for row in connection.execute(f'SELECT * FROM "{name}"').fetchall()
        ]
        return rows + [repr(row) for row in connection.execute("SELECT * FROM pg_stats").fetchall()]


def traces(place: Place) -> list[tuple[str, str]]:
    wanted = [read_name(WHO, i) for i in range(7)] + ["MARTHA_", "MARTHA.", "MARTHA,", "MARTHA'", "=MARTHA/"]
    found = []
    for where, data in every_byte(place).items():
        text = data.replace(b"MARTHA-2", b"")  # another person
        found += [(where, each) for each in [*wanted, WHO] if each.encode() in text]
    return found


def test_no_byte_of_the_sample_is_in_any_file_or_the_catalog(before_and_after: Case) -> None:
    assert len(before_and_after.traced) > 20
    assert traces(before_and_after.place) == []


# ---------------------------------------------------------------------------------------------------------
# The lake goes on working.


def everything(catalog: Catalog) -> dict[str, list[dict[str, object]]]:
    return {
        table: catalog.query(f"SELECT * FROM {shown(table)} ORDER BY number").to_pylist()
        for table in tables(catalog)
    }


def test_the_lake_goes_on_working(lake_of_people: Place, keys: Keys) -> None:
    place = lake_of_people
    erase(place, keys)
    with connect(*place) as catalog:
        files = stored_files(catalog.connection, catalog.layout)
        for file in files:
            path = Path(file.location)
            assert (file.checksum, file.bytes) == (checksum_of(str(path)), path.stat().st_size)
        there = {str(path) for path in (place.lake / "data").rglob("*.parquet")}
        scheduled = catalog.query(
            "SELECT path FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
        )["path"].to_pylist()
        assert there == {file.location for file in files} | {
            f"{place.lake}/data/{path}" for path in scheduled
        }
        import_reads(catalog, "BERTRAM", 3, lane=3)
        import_reads(catalog, WHO, 2)  # anew, with another consent
        align(catalog, WHO, 2)
        call(catalog, "BERTRAM", [50])
        with catalog.record() as tx:
            tx.execute(f"DELETE FROM stored_reads WHERE {decoded('name')} = ?", [read_name("BERTRAM", 2)])
        with catalog.record() as tx:
            tx.execute("UPDATE samples SET sex = 'male' WHERE sample_id = 'BERTRAM'")
        now = {
            table: catalog.query(f"SELECT * FROM {shown(table)} ORDER BY number").to_pylist()
            for table in tables(catalog)
        }
        connection = catalog.connection
        connection.execute("CALL ducklake_merge_adjacent_files('lake')")
        for table in ("samples", "read_groups"):
            connection.execute(
                f"CALL ducklake_rewrite_data_files('lake', '{table}', delete_threshold => 0.01)"
            )
        after = {
            table: catalog.query(f"SELECT * FROM {shown(table)} ORDER BY number").to_pylist() for table in now
        }
        assert after == now
        connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now() + INTERVAL 1 DAY)")
        connection.execute("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)")
        after = {
            table: catalog.query(f"SELECT * FROM {shown(table)} ORDER BY number").to_pylist() for table in now
        }
        assert after == now
    erase(place, keys)  # and what was made of the past by then


def test_a_job_that_an_erasure_overtook_brings_nothing_back(lake_of_people: Place, keys: Keys) -> None:
    place = lake_of_people
    with connect(*place) as catalog:
        for sample in ("BERTRAM", WHO):
            partition = {"reference": "GRCh38", "sample_id": sample, "contig": "chr9"}
            with ExitStack() as refused:
                if sample == WHO:
                    refused.enter_context(pytest.raises(LakeError, match="1 of the job's samples went out"))
                with catalog.job("align") as job:
                    if sample == WHO:
                        erase(place, keys)
                    with job.writer("alignments", partition) as out:
                        out.write(
                            rows_of(ALIGNMENTS, [{**partition, "name": read_name(sample, 0), "start": 1}])
                        )
                    with job.commit():
                        pass
        here = catalog.query("SELECT sample_id FROM alignments WHERE contig = 'chr9'")["sample_id"]
        assert here.to_pylist() == ["BERTRAM"]
    assert traces(place) == []


def test_who_is_not_there_cannot_be_erased(lake_of_people: Place, keys: Keys) -> None:
    with pytest.raises(NotFoundError, match="nothing of a sample 'MART'"):
        erase(lake_of_people, keys, "MART")
    assert not list((lake_of_people.lake / "erasures").glob("*"))


def test_a_sheet_on_another_tier_is_erased_with_its_old_copy(
    lake_of_people: Place, keys: Keys, tmp_path: Path
) -> None:
    (tmp_path / "warm").mkdir()
    with connect(*lake_of_people) as catalog:
        add_tier(catalog, Tier(name="warm", url=str(tmp_path / "warm")))
        set_rule(catalog, Rule(table="objects", tier="warm", after_seconds=0))
        assert apply_policy(catalog).files == 1
    (moved,) = [path for path in (tmp_path / "warm").rglob("*") if path.is_file()]
    (old,) = [path for path in (lake_of_people.lake / "objects").rglob("*") if path.is_file()]
    assert WHO.encode() in moved.read_bytes()
    assert not erase(lake_of_people, keys).findings
    assert not moved.exists()
    assert not old.exists()
    with connect(*lake_of_people) as catalog:
        (sheet,) = kept_objects(catalog)
        assert sheet.location.startswith(f"{lake_of_people.lake}/objects/")
        with open_kept(catalog, RUN, "SampleSheet.csv") as file:
            assert b"BERTRAM" in (text := file.read())
        assert f"{WHO}-2".encode() in text
        assert f"{WHO},".encode() not in text
        apply_policy(catalog)
        assert examine(catalog).findings == []


def test_what_is_left_of_it_on_another_tier_is_found(
    lake_of_people: Place, keys: Keys, tmp_path: Path
) -> None:
    """The proof reads kept files wherever they lie."""
    (tmp_path / "warm").mkdir()
    with connect(*lake_of_people) as catalog:
        (tmp_path / "notes").write_text(f"about {WHO}\n")
        with catalog.job("keep", {"run_id": "OTHER"}) as job:
            stored = job.object(tmp_path / "notes", "OTHER", "notes.gz")
            row = {"run_id": "OTHER", "name": "notes.gz", "path": stored.path, "bytes": stored.bytes}
            row |= {"sha256": stored.sha256, "kind": "metadata", "job_id": job.id}
            with job.commit() as tx:
                tx.insert("objects", pa.Table.from_pylist([row]))
        add_tier(catalog, Tier(name="warm", url=str(tmp_path / "warm")))
        set_rule(catalog, Rule(table="objects", tier="warm", after_seconds=0))
        assert apply_policy(catalog).files == 2
        apply_policy(catalog, now=int(time.time()) + 1_000_000)
    (found,) = erase(lake_of_people, keys).findings
    assert found.where.startswith(f"{tmp_path}/warm/objects/OTHER/")


def test_a_dry_run_tells_and_changes_nothing(lake_of_people: Place) -> None:
    before = {path: path.read_bytes() for path in (lake_of_people.lake / "data").rglob("*") if path.is_file()}
    with connect(*lake_of_people, read_only=True) as catalog:
        plan = preview(catalog, WHO)
    rows: dict[str, int] = {}
    for decision in plan.decisions:
        rows[decision.file.table] = rows.get(decision.file.table, 0) + decision.removed
    assert rows["read_records"] == 7 + 6
    assert (rows["alignments"], rows["genotypes"], rows["variants"]) == (7, 3, 2)
    assert [(kept.run_id, kept.name) for kept in plan.kept] == [(RUN, "SampleSheet.csv")]
    assert {
        path: path.read_bytes() for path in (lake_of_people.lake / "data").rglob("*") if path.is_file()
    } == before
