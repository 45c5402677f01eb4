"""How one table of bulk data is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """How one table is stored.

    Attributes:
        name: table name in the catalog.
        schema: Arrow schema; field metadata is not used.
        partition_by: columns that become `key=value` folders, outermost first.
        sort_by: columns that rows of one file are sorted by.
        dictionary: columns that repeat and are dictionary-encoded.
        encodings: Parquet encodings of other columns.
        required: columns that never hold NULL, which files then need not tell of each row.
        batch_rows: rows that Arrow's writer takes at a time; for each batch it looks through a dictionary's values.
        row_group_rows: rows in a row group; small enough that a 100 kb query skips most of a file.
        uncompressed: columns that are compressed already.
        stored: the table that holds the rows, their large columns coded in blocks (lake/columns); None: this one.
            The schema of a table that is stored so is that of the view which shows it.
    """

    name: str
    schema: pa.Schema
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    dictionary: tuple[str, ...] = ()
    encodings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    required: frozenset[str] = frozenset()
    batch_rows: int = 1024
    row_group_rows: int = 65_536
    uncompressed: tuple[str, ...] = ()
    stored: "TableSpec | None" = None
