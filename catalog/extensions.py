"""Loading DuckDB's extensions without a network."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import duckdb

from baselake.errors import MissingDependencyError

# Extension name -> the wheel that carries it. DuckDB verifies the signature of each when it loads.
_WHEELS = {
    "ducklake": "duckdb_extension_ducklake",
    "httpfs": "duckdb_extension_httpfs",
    "postgres_scanner": "duckdb_extension_postgres_scanner",
    "sqlite_scanner": "duckdb_extension_sqlite_scanner",
}


def load_extensions(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Load extensions: an installed one where there is one, else the one in the wheel.

    Raises:
        MissingDependencyError: neither is there.
    """
    rows = connection.execute("SELECT extension_name FROM duckdb_extensions() WHERE installed").fetchall()
    installed = {name for (name,) in rows}
    for name in names:
        module = _WHEELS[name]
        if name in installed:
            connection.load_extension(name)
            continue
        try:
            package = importlib.import_module(module)
        except ImportError as error:
            raise MissingDependencyError(
                f"DuckDB's extension {name} is not installed",
                "",
                f"Run: pip install {module.replace('_', '-')}=={duckdb.__version__}",
            ) from error
        folder = Path(package.__path__[0])
        (path,) = folder.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension")
        connection.load_extension(str(path))
