"""The keys with which certificates are signed: outside the lake, made when they are first used."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from baselake.errors import InputError, StorageError

_SIGNING, _PUBLIC, _SUBJECTS = "erasure-signing.pem", "erasure-signing.pub", "erasure-subjects.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys in one folder.

    Attributes:
        folder: where they are, and the certificates that were issued.
        signing: signs certificates.
        subjects: 32 bytes; makes an identifier a pseudonym that only who holds them can make again.
    """

    folder: Path
    signing: Ed25519PrivateKey
    subjects: bytes

    @property
    def public(self) -> str:
        """The public key, hexadecimal."""
        return _hexadecimal(self.signing.public_key())

    def pseudonym(self, sample: str) -> str:
        """What a sample is called where its identifier must not stand: HMAC-SHA256, hexadecimal."""
        return hmac.new(self.subjects, sample.encode(), hashlib.sha256).hexdigest()


def open_keys(folder: Path, lake: Path) -> Keys:
    """The keys in a folder, made where there are none.

    Args:
        folder: where they are or are to be.
        lake: the lake's folder, in which they must not be.

    Raises:
        InputError: the folder lies in the lake, or others may read the keys.
        StorageError: the folder cannot be read or written.
    """
    if lake.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(
            "the keys would lie in the lake, and in every copy of it", str(folder), "Choose another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        signing = _kept(folder / _SIGNING, _new_signing_key)
        subjects = _kept(folder / _SUBJECTS, lambda: secrets.token_bytes(32))
        key = serialization.load_pem_private_key(signing, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError("not an Ed25519 key", str(folder / _SIGNING), "Put the right key there")
        public = folder / _PUBLIC
        if not public.is_file():
            public.write_text(_hexadecimal(key.public_key()) + "\n")
    except OSError as error:
        raise StorageError(
            error.strerror or str(error),
            str(folder),
            "Make it writable, or set BASELAKE_KEYS to another folder",
        ) from error
    return Keys(folder=folder, signing=key, subjects=subjects)


def public_key(folder: Path) -> str | None:
    """The public key that is kept in a folder, hexadecimal; None where there is none."""
    path = folder / _PUBLIC
    return path.read_text().strip() if path.is_file() else None


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    if not path.exists():
        content = make()
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(part, path)  # fails where another process was first: its key is the one
        except FileExistsError:
            return _kept(path, make)
        finally:
            part.unlink()
    if path.stat().st_mode & 0o077:
        raise InputError("others than its owner may read the key", str(path), f"Run: chmod 600 {path}")
    return path.read_bytes()


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _hexadecimal(key: Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
