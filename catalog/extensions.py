"""Loading DuckDB's extensions without a network, none of them unverified.

DuckDB verifies an extension's signature with a SHA-256 of its own that takes an eighth of a second a file, at every
start. The digests of the files in the wheels are therefore kept here, set down when DuckDB had verified them: a file
that has one of them is the file that was signed, which the processor's SHA-256 tells five times as fast. Any other
file is left to DuckDB, which refuses what it did not sign.

On a processor without instructions for SHA-256 that is a quarter of a second still. So the digest of a file is noted
in the user's cache folder, beside what the file system says of the file: nobody writes to it, or puts another one in
its place, without a new time of change, which no program can set. Who can write these notes acts as this user already.
"""

import contextlib
import hashlib
import importlib
import os
import stat
import tempfile
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
    """Looked up once by a process that opens many lakes; a file that was written or replaced since is another one."""
    told = f"{extension} {inode} {size} {written} {changed}"
    note = _notes() / hashlib.sha256(told.encode()).hexdigest()
    digest = _noted(note)
    if digest is None:
        with open(extension, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest in _VERIFIED:
            _note(note, digest)
    return digest in _VERIFIED


def _notes() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "baselake" / "extensions"


def _noted(note: Path) -> str | None:
    """The digest that a note has; None where there is none that only this user can have written."""
    try:
        descriptor = os.open(note, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(descriptor) as file:
        found = os.fstat(descriptor)
        mine = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return file.read(65).strip() if mine else None


def _note(note: Path, digest: str) -> None:
    # Without a folder that can be written, as in some containers, the file is read again the next time.
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, part = tempfile.mkstemp(dir=note.parent)  # readable by this user alone
        with open(descriptor, "w") as file:
            file.write(f"{digest}\n")
        os.replace(part, note)
