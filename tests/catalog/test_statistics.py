"""A new lake's tables have the statistics that DuckLake makes with the first row, so that it need not ask for them."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog, connect
from baselake.config import Config

METADATA = "__ducklake_metadata_lake"


def statistics(catalog: Catalog, table: str) -> list[tuple[object, ...]]:
    cursor = catalog.connection.cursor()
    of_table = (
        f"(SELECT table_id FROM {METADATA}.ducklake_table WHERE table_name = ? AND end_snapshot IS NULL)"
    )
    rows = cursor.execute(
        f"SELECT record_count, next_row_id FROM {METADATA}.ducklake_table_stats WHERE table_id = {of_table}",
        [table],
    ).fetchall()
    rows += cursor.execute(
        f"SELECT column_id, contains_null, contains_nan, min_value, max_value, extra_stats"
        f" FROM {METADATA}.ducklake_table_column_stats WHERE table_id = {of_table} ORDER BY column_id",
        [table],
    ).fetchall()
    cursor.close()
    return rows


def fill(catalog: Catalog) -> None:
    """Rows of lists, maps, times, floats that are none, and NULL."""
    when = datetime(2026, 1, 1, tzinfo=UTC)
    metrics = {"run_id": ["r", "q"], "lane": pa.array([1, None], pa.int16())}
    for rows in (metrics, {"run_id": ["s"], "value": pa.array([float("nan")])}):
        with catalog.record() as tx:
            tx.insert("run_metrics", pa.table(rows))
            tx.insert("runs", pa.table({"run_id": rows["run_id"], "started": [when] * len(rows["run_id"])}))
    with catalog.record() as tx:
        tx.insert("lineage", pa.table({"job_id": ["j"], "inputs": [["a", "b"]], "started": [when]}))


def test_no_table_of_a_new_lake_is_without(catalog: Catalog) -> None:
    without = catalog.query(
        f"SELECT table_name FROM {METADATA}.ducklake_table WHERE end_snapshot IS NULL"
        f" AND table_id NOT IN (SELECT table_id FROM {METADATA}.ducklake_table_stats)"
    )
    assert without["table_name"].to_pylist() == []
    assert statistics(catalog, "genotypes")[0] == (0, 0)


def test_they_become_what_they_are_where_a_table_had_none(
    empty_lake: Path, config: Config, tmp_path: Path
) -> None:
    found = []
    for had in ("statistics", "none"):
        with connect(Path(shutil.copytree(empty_lake, tmp_path / had)), config) as catalog:
            if had == "none":
                empty = f"(SELECT table_id FROM {METADATA}.ducklake_table_stats WHERE record_count = 0)"
                for table in ("ducklake_table_column_stats", "ducklake_table_stats"):
                    catalog.connection.execute(f"DELETE FROM {METADATA}.{table} WHERE table_id IN {empty}")
                assert statistics(catalog, "runs") == []
            fill(catalog)
            found.append([statistics(catalog, table) for table in ("run_metrics", "runs", "lineage")])
            assert (
                catalog.query("SELECT count(*) AS n FROM run_metrics WHERE isnan(value)")["n"][0].as_py() == 1
            )
            assert catalog.query("SELECT min(run_id) AS first FROM runs")["first"][0].as_py() == "q"
    assert found[0] == found[1]
    assert all(rows[0][0] > 0 and len(rows) > 3 for rows in found[0])
