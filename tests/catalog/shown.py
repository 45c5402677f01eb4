"""Rows of tables with the numbers that DuckLake gives them, at any snapshot; those of coded ones decoded."""

from baselake.lake.schema import BLOCK_ROW, CODED, TABLES, stored_name


def decoded(column: str) -> str:
    """A coded column of a stored table, as SQL: to delete rows by, for instance."""
    place = f"decode_{column}(filename, file_row_number, {BLOCK_ROW})"
    return f"CASE WHEN {BLOCK_ROW} IS NULL THEN {column} ELSE {place} END"


def shown(table: str, snapshot: int | None = None) -> str:
    """A query in brackets: `number` and the columns that users see, of the newest snapshot or of one."""
    at = "" if snapshot is None else f" AT (VERSION => {snapshot})"
    stored = stored_name(table)
    if stored == table:
        return f'(SELECT rowid AS number, * FROM "{table}"{at})'
    columns = ", ".join(
        f'{decoded(name)} AS "{name}"' if name in CODED else f'"{name}"'
        for name in TABLES[table].schema.names
    )
    return f'(SELECT rowid AS number, {columns} FROM "{stored}"{at})'
