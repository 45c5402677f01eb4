"""Encrypted files: as OpenSSL encrypts them, read at any place, with keys that are there or not."""

import io
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselake.errors import ConflictError, InputError, StorageError
from baselake.lake.encryption import EncryptedOutput, decrypted
from baselake.lake.keyring import Keyring, begin_keyring, key_name, required_keyring
from baselake.lake.location import open_location, size_of
from baselake.lake.store import open_store

KEY = bytes(range(32))


def encrypted(data: bytes, *cuts: int) -> bytes:
    """As it is written piece by piece."""
    stored = io.BytesIO()
    out = EncryptedOutput(stored, KEY)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        assert out.write(data[start:end]) == end - start
    assert out.tell() == len(data)
    return stored.getvalue()


def test_openssl_decrypts_it(tmp_path: Path) -> None:
    """Which is the way back where there is no baselake."""
    data = bytes(range(256)) * 9 + b"the end"
    (tmp_path / "file").write_bytes(encrypted(data, 1, 17, 1000))
    command = ["openssl", "enc", "-d", "-aes-256-ctr", "-K", KEY.hex(), "-iv", "0" * 32]
    plain = subprocess.run([*command, "-in", tmp_path / "file"], check=True, capture_output=True).stdout
    assert plain == data


@given(
    data=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=4),
    reads=st.lists(st.tuples(st.integers(0, 310), st.integers(0, 310)), max_size=8),
)
def test_any_stretch_can_be_read_by_itself(
    data: bytes, cuts: list[int], reads: list[tuple[int, int]]
) -> None:
    stored = encrypted(data, *cuts)
    assert len(stored) == len(data)
    with decrypted(io.BytesIO(stored), KEY) as file:
        for start, size in reads:
            assert file.seek(start) == start
            assert file.read(size) == data[start : start + size]
        file.seek(0)
        assert file.read() == data


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    (tmp_path / "keys").mkdir()
    monkeypatch.setenv("BASELAKE_KEYRING", str(tmp_path / "keys"))
    return Keyring(open_store(str(tmp_path / "keys")))


def test_a_file_is_decrypted_when_the_keyring_has_its_key(ring: Keyring, tmp_path: Path) -> None:
    path = tmp_path / "J-0001.parquet"
    path.write_bytes(b"plain")
    with open_location(str(path)) as file:
        assert file.read() == b"plain"  # no lake of this process is encrypted
    begin_keyring("", "/lake", lambda lake: None)
    with open_location(str(path)) as file:
        assert file.read() == b"plain"  # older than the lake's encryption
    path = tmp_path / "J-0002.parquet"
    ring.put(path.name, KEY)
    path.write_bytes(encrypted(b"secret"))
    with open_location(str(path)) as file:
        assert file.read() == b"secret"
    assert size_of(str(path)) == 6
    ring.destroy([path.name, "of no file"])
    assert ring.key(path.name) is None


def test_keys_are_new_each_time_and_kept(ring: Keyring) -> None:
    ring.begin("a lake")
    first, second = ring.make("one"), ring.make("two")
    assert first != second
    assert (ring.key("one"), ring.key("two"), ring.key("three")) == (first, second, None)
    assert ring.names() == {"one", "two"}
    assert ring.make("one") != first


def test_data_files_have_keys_by_name_and_kept_objects_by_run_too() -> None:
    assert key_name("/lake/data/main/genotypes/sample_id=A/J-0001.parquet") == "J-0001.parquet"
    assert key_name("s3://bucket/main/genotypes/sample_id=A/J-0001.parquet") == "J-0001.parquet"
    assert key_name("/lake/objects/R1/0123-a.pod5") == "objects/R1/0123-a.pod5"


def test_a_keyring_is_one_lakes(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    identity = begin_keyring("", "/lake", kept.append)
    assert kept == [identity]
    assert begin_keyring(identity, "/lake", kept.append) == identity  # it may be asked for again
    assert required_keyring(identity, "/lake").owner() == identity
    with pytest.raises(ConflictError, match="another lake's"):
        begin_keyring("", "/other", kept.append)
    with pytest.raises(StorageError, match="another lake's"):
        required_keyring("other", "/other")
    monkeypatch.delenv("BASELAKE_KEYRING")
    with pytest.raises(StorageError, match="no keyring"):
        required_keyring(identity, "/lake")
    with pytest.raises(StorageError, match="no keyring"):
        begin_keyring("", "/lake", kept.append)
    assert kept == [identity]  # nothing is written where it fails


def test_a_keyring_does_not_lie_in_its_lake(ring: Keyring, tmp_path: Path) -> None:
    for lake in (tmp_path, tmp_path / "keys"):
        with pytest.raises(InputError, match="lies in the lake"):
            begin_keyring("", str(lake), lambda lake: None)
    begin_keyring("", str(tmp_path / "key"), lambda lake: None)


def test_what_a_crash_left_between_is_done_by_the_next_call(ring: Keyring) -> None:
    kept: list[str] = []

    def die(identity: str) -> None:
        kept.append(identity)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin_keyring("", "/lake", die)
    assert ring.owner() is None
    assert begin_keyring(kept[0], "/lake", die) == ring.owner() == kept[0]


def test_a_keyring_that_is_not_mounted_is_no_lake_without_encryption(ring: Keyring, tmp_path: Path) -> None:
    identity = begin_keyring("", "/lake", lambda lake: None)
    ring.make("one")
    (tmp_path / "keys").rename(tmp_path / "unmounted")
    (tmp_path / "keys").mkdir()
    away = Keyring(open_store(str(tmp_path / "keys")))
    for ask in (lambda: away.key("one"), lambda: away.make("two"), lambda: required_keyring(identity, "")):
        with pytest.raises(StorageError, match="there is no keyring here"):
            ask()


def test_a_damaged_key_is_told(ring: Keyring, tmp_path: Path) -> None:
    ring.begin("a lake")
    (tmp_path / "keys" / "one").write_text("0123")
    with pytest.raises(StorageError, match="this is no key") as raised:
        ring.key("one")
    assert raised.value.where == str(tmp_path / "keys" / "one")
