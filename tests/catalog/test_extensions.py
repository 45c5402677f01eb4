"""DuckDB's extensions: none is loaded that DuckDB did not sign, and verifying costs no query its start."""

import hashlib
import importlib
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from baselake.catalog import extensions

NAMES = ("ducklake", "sqlite_scanner")


def _wheel_file(name: str) -> Path:
    folder = Path(importlib.import_module(f"duckdb_extension_{name}").__path__[0])
    (path,) = folder.glob(f"extensions/*/{name}.duckdb_extension")
    return path


def _tampered(tmp_path: Path, name: str, called: str | None = None) -> Path:
    """A copy of an extension, of which one bit is another."""
    copy = tmp_path / f"{called or name}.duckdb_extension"
    shutil.copyfile(_wheel_file(name), copy)
    with open(copy, "r+b") as file:
        file.seek(0x400)
        (byte,) = file.read(1)
        file.seek(0x400)
        file.write(bytes([byte ^ 1]))
    return copy


@pytest.mark.parametrize("name", ["ducklake", "sqlite_scanner", "postgres_scanner"])
def test_digests_are_of_files_that_duckdb_itself_verifies(name: str) -> None:
    path = _wheel_file(name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in extensions._VERIFIED
    # Without `allow_unsigned_extensions` DuckDB loads nothing whose signature is not its own.
    with duckdb.connect() as connection:
        connection.load_extension(str(path))


def test_another_file_is_left_to_duckdb_which_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tampered = _tampered(tmp_path, "ducklake")
    monkeypatch.setattr(extensions, "_found", lambda name: tampered)
    with pytest.raises(duckdb.Error, match="signature"):
        extensions.open_duckdb({}, NAMES)


def test_a_file_that_was_read_before_is_read_again_when_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ducklake.duckdb_extension"
    shutil.copy2(_wheel_file("ducklake"), path)
    found = extensions._found
    monkeypatch.setattr(extensions, "_found", lambda name: path if name == "ducklake" else found(name))
    extensions.open_duckdb({}, NAMES).close()
    times = path.stat()
    with open(path, "r+b") as file:
        file.seek(0x400)
        file.write(bytes([_wheel_file("ducklake").read_bytes()[0x400] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(duckdb.Error, match="signature"):
        extensions.open_duckdb({}, NAMES)


def test_what_is_loaded_later_must_be_signed(tmp_path: Path) -> None:
    with extensions.open_duckdb({}, NAMES) as connection:
        with pytest.raises(duckdb.Error, match="signature"):
            connection.load_extension(str(_tampered(tmp_path, "postgres_scanner")))
        with pytest.raises(duckdb.Error, match="allow_unsigned_extensions"):
            connection.execute("SET allow_unsigned_extensions = true")


def test_an_installed_extension_goes_before_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert extensions._found("ducklake") == _wheel_file("ducklake")
    monkeypatch.setattr(extensions, "_INSTALLED", tmp_path)
    installed = tmp_path / f"v{duckdb.__version__}" / "linux_amd64" / "ducklake.duckdb_extension"
    installed.parent.mkdir(parents=True)
    shutil.copyfile(_wheel_file("ducklake"), installed)
    assert extensions._found("ducklake") == installed
    extensions.open_duckdb({}, NAMES).close()


def test_what_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extensions._WHEELS, "ducklake", "no_such_wheel")
    with pytest.raises(extensions.MissingDependencyError, match="pip install no-such-wheel==1"):
        extensions.open_duckdb({}, NAMES)
