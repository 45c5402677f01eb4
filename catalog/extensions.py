"""Loading DuckDB's extensions without a network, none of them unverified.

DuckDB verifies an extension's signature with a SHA-256 of its own that takes an eighth of a second a file, at every
start. The digests of the files in the wheels are therefore kept here, set down when DuckDB had verified them: a file
that has one of them is the file that was signed, which the processor's SHA-256 tells five times as fast. Any other
file is left to DuckDB, which refuses what it did not sign.
"""

import hashlib
import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import duckdb

from baselake.errors import MissingDependencyError

# Extension name -> the wheel that carries it.
_WHEELS = {
    "ducklake": "duckdb_extension_ducklake",
    "httpfs": "duckdb_extension_httpfs",
    "postgres_scanner": "duckdb_extension_postgres_scanner",
    "sqlite_scanner": "duckdb_extension_sqlite_scanner",
}
# SHA-256 of DuckDB 1.5.5's extensions for linux_amd64, whose signatures DuckDB verified.
_VERIFIED = {
    "693d2bf90779df23ca5ebe0688639b9adfc11c2d55ae3466b33e28be16afaa5e",
    "b1ced4cfc6311313e117c2afb3eac76508718778dde0716421503c7dbfb5605c",
    "e51bf9e8d933d0e83780ae096455501b542cf962569a2ce5613532d702c08302",
}
_INSTALLED = Path("~/.duckdb/extensions")  # DuckDB's own folder of extensions, by version and platform


def open_duckdb(settings: dict[str, str | int | bool], names: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with extensions loaded: as installed, or from the wheels where they are not.

    Args:
        settings: DuckDB's configuration.
        names: the extensions.

    Raises:
        MissingDependencyError: an extension is neither installed nor in a wheel.
    """
    extensions = [_found(name) for name in names]
    with ThreadPoolExecutor(len(extensions)) as pool:
        verified = all(pool.map(_is_verified, extensions))
    connection = duckdb.connect(config={**settings, "allow_unsigned_extensions": verified})
    for extension in extensions:
        connection.load_extension(str(extension))
    # Where Python has no script to run (python -c, a notebook), DuckDB would draw a bar on standard output.
    connection.execute("SET enable_progress_bar = false")
    # What a query loads later DuckDB verifies itself; it refuses to turn this on again.
    connection.execute("SET allow_unsigned_extensions = false")
    return connection


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load one more extension into what `open_duckdb` opened; DuckDB itself verifies it.

    Raises:
        MissingDependencyError: it is neither installed nor in a wheel.
    """
    connection.load_extension(str(_found(name)))


def _found(name: str) -> Path:
    installed = _INSTALLED.expanduser() / f"v{duckdb.__version__}"
    for path in installed.glob(f"*/{name}.duckdb_extension"):
        return path
    module = _WHEELS[name]
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
    return path


def _is_verified(extension: Path) -> bool:
    found = extension.stat()
    return _has_verified_digest(extension, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@cache
def _has_verified_digest(extension: Path, inode: int, size: int, written: int, changed: int) -> bool:
    """Read once by a process that opens many lakes; a file that was written or replaced since is another one."""
    with open(extension, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() in _VERIFIED
