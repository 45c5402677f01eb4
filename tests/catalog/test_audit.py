"""The audit has everything that changed the lake, names nobody, and shows when it was tampered with."""

import json
from dataclasses import replace

import pytest

from baselake.catalog import audit
from baselake.catalog import job as jobs
from baselake.catalog.audit import read_audit, readable, subjects, verify_audit
from baselake.catalog.catalog import Catalog, connect
from baselake.errors import LakeError

from .conftest import Place
from .erase.people import align, import_reads

TABLE = "__ducklake_metadata_lake.baselake_audit"


def shown(catalog: Catalog) -> list[dict[str, object]]:
    return readable(read_audit(catalog.connection), subjects(catalog.connection))


def test_every_change_is_told_with_who_when_and_what(
    opened: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASELAKE_USER", "martin")
    import_reads(opened, "MARTHA", 2)
    align(opened, "MARTHA", 2)
    rows = shown(opened)
    assert [(row["number"], row["operation"]) for row in rows] == [(1, "ingest"), (2, "align")]
    assert all(str(row["who"]).startswith("martin@") for row in rows)
    assert rows[0]["parameters"] == "folder=/seq/MARTHA, sample=MARTHA"
    jobs_done = opened.query("SELECT job_id FROM lineage ORDER BY started")["job_id"].to_pylist()
    assert [row["job_id"] for row in rows] == jobs_done
    newest = opened.query("SELECT id FROM lake.current_snapshot()")["id"][0].as_py()
    assert [row["snapshot"] for row in rows] == [newest - 1, newest]
    verify_audit(read_audit(opened.connection), "here")


def test_nobody_is_named_in_it(opened: Catalog) -> None:
    import_reads(opened, "MARTHA", 2)
    import_reads(opened, "MARTHA-2", 2)
    text = json.dumps([row.entry for row in read_audit(opened.connection)])
    assert "MARTHA" not in text
    assert "MARTHA" not in str(
        opened.query("SELECT * FROM __ducklake_metadata_lake.ducklake_snapshot_changes").to_pylist()
    )
    assert [row["parameters"] for row in shown(opened)] == [
        "folder=/seq/MARTHA, sample=MARTHA",
        "folder=/seq/MARTHA-2, sample=MARTHA-2",
    ]


def test_what_its_writer_could_not_set_down_the_next_one_does(
    opened: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "record_audit", fail)
        with pytest.warns(UserWarning, match="disk full"):
            import_reads(opened, "MARTHA", 2)
    assert read_audit(opened.connection) == []
    align(opened, "MARTHA", 2)
    assert [row["operation"] for row in shown(opened)] == ["ingest", "align"]


@pytest.mark.parametrize(
    "tampering",
    [
        f"UPDATE {TABLE} SET entry = replace(entry, 'align', 'alien') WHERE number = 2",
        f"DELETE FROM {TABLE} WHERE number = 1",
        f"DELETE FROM {TABLE} WHERE number = 2",
        f"UPDATE {TABLE} SET snapshot = 99 WHERE number = 3",
        f"INSERT INTO {TABLE} VALUES (4, NULL, '{{}}', 'abc')",
    ],
)
def test_tampering_shows(catalog: Catalog, tampering: str) -> None:
    import_reads(catalog, "MARTHA", 1)
    align(catalog, "MARTHA", 1)
    align(catalog, "MARTHA", 1, "chr2")
    verify_audit(read_audit(catalog.connection), "here")
    catalog.connection.execute(tampering)
    with pytest.raises(LakeError, match="does not hang together at row"):
        verify_audit(read_audit(catalog.connection), "here")


def test_reads_are_told_where_the_lake_says_so(place: Place) -> None:
    from baselake.api import Lake

    with connect(*place) as catalog:
        import_reads(catalog, "MARTHA", 2)
    settings = replace(place.config, audit_reads=True)
    with Lake(connect(place.lake, settings, read_only=True)) as lake:
        lake.sql("SELECT count(*) FROM reads WHERE sample_id = 'MARTHA' AND name <> 'x''y'")
        entry = audit.read_audit(lake.catalog.connection)[-1].entry
    assert "MARTHA" not in entry
    said = json.loads(entry)["baselake"]
    assert said["operation"] == "sql"
    assert said["parameters"] == {"query": "SELECT count(*) FROM reads WHERE sample_id = '?' AND name <> '?'"}
    with Lake(connect(place.lake, place.config, read_only=True)) as lake:
        lake.sql("SELECT 1")
        assert len(audit.read_audit(lake.catalog.connection)) == 2


def test_literals_do_not_get_into_it() -> None:
    assert (
        audit.without_literals("SELECT 'a''b', x FROM t WHERE y = ''") == "SELECT '?', x FROM t WHERE y = '?'"
    )
