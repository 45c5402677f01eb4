"""What is signed can be held against the key, and does not say who was erased."""

import json
import stat
from pathlib import Path

import pytest

from baselake.catalog.erase.certificate import sign, verify
from baselake.catalog.erase.keys import Keys, open_keys, public_key
from baselake.errors import ConflictError, InputError


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return open_keys(tmp_path / "keys", tmp_path / "lake")


@pytest.fixture
def certificate(tmp_path: Path, keys: Keys) -> Path:
    path = tmp_path / "certificate.json"
    path.write_text(sign({"subject": keys.pseudonym("MARTHA"), "rows_removed": {"samples": 1}}, keys))
    return path


def test_keys_are_made_once_and_their_owners_alone(tmp_path: Path, keys: Keys) -> None:
    again = open_keys(tmp_path / "keys", tmp_path / "lake")
    assert (again.public, again.subjects) == (keys.public, keys.subjects)
    assert public_key(tmp_path / "keys") == keys.public
    for name in ("erasure-signing.pem", "erasure-subjects.key"):
        assert stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) == 0o600
    (tmp_path / "keys" / "erasure-signing.pem").chmod(0o644)
    with pytest.raises(InputError, match=r"others than its owner may read the key.*chmod 600"):
        open_keys(tmp_path / "keys", tmp_path / "lake")


def test_keys_are_never_in_the_lake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="in every copy of it"):
        open_keys(tmp_path / "lake" / "keys", tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_it_is_what_was_signed_and_about_whom_it_should_be(certificate: Path, keys: Keys) -> None:
    assert "MARTHA" not in certificate.read_text()
    statement = verify(certificate, keys.public, keys=keys, sample="MARTHA")
    assert statement["rows_removed"] == {"samples": 1}
    with pytest.raises(ConflictError, match="about another sample"):
        verify(certificate, keys.public, keys=keys, sample="BERTRAM")


def test_any_change_shows(certificate: Path, keys: Keys, tmp_path: Path) -> None:
    whole = json.loads(certificate.read_text())
    for key in whole:
        changed = {**whole, key: "00" * 32} if key != "signature" else {**whole, key: "00" * 64}
        certificate.write_text(json.dumps(changed))
        with pytest.raises((InputError, ConflictError)):
            verify(certificate, keys.public)
    certificate.write_text("not JSON")
    with pytest.raises(InputError, match="not a certificate"):
        verify(certificate, keys.public)


def test_another_key_is_not_trusted(certificate: Path, tmp_path: Path) -> None:
    other = open_keys(tmp_path / "others", tmp_path / "lake")
    with pytest.raises(ConflictError, match="signed with another key"):
        verify(certificate, other.public)
    with pytest.raises(ConflictError, match="--public-key"):
        verify(certificate, None)
