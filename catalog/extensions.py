"""Loading DuckDB's extensions without a network, none of them unverified.

DuckDB verifies an extension's signature with a SHA-256 of its own that takes an eighth of a second a file, at every
start. The digests of the files in the wheels are therefore kept here, set down when DuckDB had verified them: a file
that has one of them is the file that was signed, which the processor's SHA-256 tells five times as fast. Any other
file is left to DuckDB, which refuses what it did not sign.
"""

import hashlib
import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from baselake.errors import MissingDependencyError

# Extension name -> the wheel that carries it.
_WHEELS = {"ducklake": "duckdb_extension_ducklake", "sqlite_scanner": "duckdb_extension_sqlite_scanner"}
# SHA-256 of DuckDB 1.5.5's ducklake and sqlite_scanner for linux_amd64, whose signatures DuckDB verified.
_VERIFIED = {
    "e51bf9e8d933d0e83780ae096455501b542cf962569a2ce5613532d702c08302",
    "693d2bf90779df23ca5ebe0688639b9adfc11c2d55ae3466b33e28be16afaa5e",
}


def open_duckdb(settings: dict[str, str | int | bool]) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with what the catalog needs loaded: from the wheels, or as installed where there are none.

    Args:
        settings: DuckDB's configuration.

    Raises:
        MissingDependencyError: an extension is neither in a wheel nor installed.
    """
    extensions = [_in_wheel(module, name) or name for name, module in _WHEELS.items()]
    with ThreadPoolExecutor(len(extensions)) as pool:
        verified = all(pool.map(_is_verified, extensions))
    connection = duckdb.connect(config={**settings, "allow_unsigned_extensions": verified})
    for name, extension in zip(_WHEELS, extensions, strict=True):
        try:
            connection.load_extension(str(extension))
        except duckdb.Error as error:
            if isinstance(extension, Path):
                raise
            raise MissingDependencyError(
                f"DuckDB's extension {name} is not installed",
                "",
                f"Run: pip install {_WHEELS[name].replace('_', '-')}=={duckdb.__version__}",
            ) from error
    # What a query loads later DuckDB verifies itself; it refuses to turn this on again.
    connection.execute("SET allow_unsigned_extensions = false")
    return connection


def _in_wheel(module: str, name: str) -> Path | None:
    try:
        package = importlib.import_module(module)
    except ImportError:
        return None
    folder = Path(package.__path__[0])
    (path,) = folder.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension")
    return path


def _is_verified(extension: Path | str) -> bool:
    if not isinstance(extension, Path):
        return False
    with open(extension, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() in _VERIFIED
