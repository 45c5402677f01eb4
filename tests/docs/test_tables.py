"""docs/tables.md says what a new lake holds."""

import re
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.lake.schema import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def documented() -> dict[str, dict[str, str]]:
    """Types by column, by table."""
    tables: dict[str, dict[str, str]] = {}
    table: dict[str, str] = {}
    for line in PAGE.read_text().splitlines():
        if heading := re.fullmatch(r"### `(\w+)`", line):
            table = tables[heading[1]] = {}
        elif row := re.fullmatch(r"\| `(\w+)` \| (.+?) \| (.+) \|", line):
            assert row[1] not in table, f"{row[1]} stands twice"
            table[row[1]] = row[2]
    return tables


def test_every_table_view_column_and_type_is_documented(catalog: Catalog) -> None:
    rows = catalog.query(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_catalog = current_catalog() AND table_schema = 'main'"
        " ORDER BY table_name, ordinal_position"
    ).to_pylist()
    there: dict[str, dict[str, str]] = {}
    for row in rows:
        there.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    assert documented() == there


def test_columns_stand_in_the_order_of_the_schema() -> None:
    for name, spec in TABLES.items():
        assert list(documented()[name]) == spec.schema.names
