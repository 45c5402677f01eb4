"""DuckDB's extensions: none is loaded that DuckDB did not sign, and verifying costs no query its start."""

import hashlib
import importlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO

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


def _digests_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read for their digest from now on, by what are new processes to the module."""
    extensions._has_verified_digest.cache_clear()
    read: list[str] = []
    digest = hashlib.file_digest

    def counted(file: BinaryIO, algorithm: str) -> object:
        read.append(Path(file.name).stem)
        return digest(file, algorithm)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return read


def test_a_file_is_read_for_its_digest_once_and_not_at_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    read = _digests_read(monkeypatch)
    extensions.open_duckdb({}, NAMES).close()
    assert sorted(read) == sorted(NAMES)
    extensions._has_verified_digest.cache_clear()  # as a new process
    extensions.open_duckdb({}, NAMES).close()
    assert len(read) == len(NAMES)


def test_a_note_that_another_user_may_write_or_of_another_digest_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    read = _digests_read(monkeypatch)
    extensions.open_duckdb({}, ("ducklake",)).close()
    (note,) = (tmp_path / "cache" / "baselake" / "extensions").iterdir()
    assert note.stat().st_mode & 0o077 == 0
    note.chmod(0o666)
    extensions._has_verified_digest.cache_clear()
    extensions.open_duckdb({}, ("ducklake",)).close()
    assert read == ["ducklake", "ducklake"]
    # A note that names no digest of ours lets nothing be loaded unsigned.
    tampered = _tampered(tmp_path, "ducklake")
    monkeypatch.setattr(extensions, "_found", lambda name: tampered)
    with pytest.raises(duckdb.Error, match="signature"):
        extensions.open_duckdb({}, ("ducklake",))
    assert len(list(note.parent.iterdir())) == 1  # nothing is noted of it


def test_a_cache_folder_that_cannot_be_written_costs_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    read = _digests_read(monkeypatch)
    extensions.open_duckdb({}, ("ducklake",)).close()
    extensions._has_verified_digest.cache_clear()
    extensions.open_duckdb({}, ("ducklake",)).close()
    assert read == ["ducklake", "ducklake"]
