"""Keys of encrypted files: one of 32 random bytes for each file, outside the lake, by the file's name.

The keyring is a store of its own, a folder or a prefix on S3, and comes as credentials do: from the environment alone
(`BASELAKE_KEYRING`). Nothing in a lake says where its keys are. A file has a key under its name for as long as the file
is to be read: without it all copies that there ever were of the file, in backups too, are noise.
"""

import os
import secrets
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

from baselake.errors import ConflictError, InputError, StorageError
from baselake.lake.store import WHICH_STORE, Store, open_store

VARIABLE = "BASELAKE_KEYRING"
KEY_BYTES = 32  # AES-256
_MARK = "baselake-keyring"  # says whose keys these are
# By their URLs, those of the encrypted lakes that this process has opened: files of other lakes have no keys.
_IN_USE: "dict[str, Keyring]" = {}
_REMEDY = "Mount it, or set the variable to where the lake's keys are"


class Keyring:
    """The keys of files; see the module. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # A key that is there never changes while its file is there.
        self.key = lru_cache(maxsize=4096)(self._key)

    @property
    def url(self) -> str:
        return self._store.url

    def begin(self, lake: str) -> None:
        """Make it the keyring of a lake, by the lake's identity.

        Raises:
            StorageError: the store fails.
        """
        text = lake.encode() + b"\n"
        self._store.put(_MARK, [text], len(text))

    def owner(self) -> str | None:
        """The identity of the lake whose keys these are; None: there is no keyring."""
        if self._store.size(_MARK) is None:
            return None
        return b"".join(self._store.get(_MARK)).decode().strip()

    def make(self, name: str) -> bytes:
        """A new key for a file, durable when this returns, in place of one that another file of that name had.

        Raises:
            StorageError: the keyring is not there, or its store fails.
        """
        key = new_key()
        self.put(name, key)
        return key

    def put(self, name: str, key: bytes) -> None:
        """Keep a key under a file's name; see `make`."""
        if self._store.size(_MARK) is None:
            raise _away(self.url)
        text = key.hex().encode() + b"\n"  # as `openssl enc -K` takes it
        self._store.put(name, [text], len(text))
        self.key.cache_clear()

    def _key(self, name: str) -> bytes | None:
        """The key of a file; None: it was never encrypted, or its key was destroyed.

        Raises:
            StorageError: the keyring is not there, its store fails, or the key is damaged.
        """
        where = self._store.location(name)
        try:
            with self._store.open(name) as file:
                text = file.read()
        except (FileNotFoundError, NotADirectoryError):
            if self._store.size(_MARK) is None:
                raise _away(self.url) from None
            return None
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(
                error.strerror or str(error), where, "Let this user read the keyring"
            ) from error
        try:
            key = bytes.fromhex(text.decode())
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise StorageError("this is no key", where, "Restore it from a copy of the keyring")
        return key

    def names(self) -> set[str]:
        """The files that have a key.

        Raises:
            StorageError: the store fails.
        """
        return {name for name, _ in self._store.list()} - {_MARK}

    def destroy(self, names: Iterable[str]) -> None:
        """Remove the keys of files; those that have none are passed over.

        Raises:
            StorageError: the store fails.
        """
        for name in names:
            self._store.delete(name)
        self.key.cache_clear()


def new_key() -> bytes:
    """A key that no file has."""
    return secrets.token_bytes(KEY_BYTES)


def _away(url: str) -> StorageError:
    return StorageError("there is no keyring here", f"{VARIABLE}={url}", _REMEDY)


def keyring() -> Keyring | None:
    """The keyring of this process, once a lake was opened that is encrypted; None: no file has a key."""
    return _IN_USE.get(os.environ.get(VARIABLE, ""))


def _opened() -> Keyring | None:
    url = os.environ.get(VARIABLE)
    return _store(url, *map(os.environ.get, WHICH_STORE)) if url else None


def begin_keyring(lake: str, where: str, keep: Callable[[str], None]) -> str:
    """Make this process' keyring that of an encrypted lake; the lake's identity.

    Args:
        lake: its identity; empty: it has none yet.
        where: the lake's folder.
        keep: writes a new identity into the lake. What a crash after that leaves undone is done by the next call.

    Raises:
        ConflictError: the keyring is another lake's.
        InputError: it lies in the lake.
        StorageError: this process has none, or its store fails.
    """
    ring = _opened()
    if ring is None:
        remedy = f"Set {VARIABLE} to an empty folder, or a prefix on S3, that is not in the lake"
        raise StorageError("there is no keyring for the keys of its files", where, remedy)
    if f"{ring.url}/".startswith(f"{where}/"):
        remedy = f"Set {VARIABLE} to a place that is in no copy and no backup of the lake"
        raise InputError("the keyring lies in the lake, whose files it is to lock", ring.url, remedy)
    owner = ring.owner()
    if owner not in (None, lake):
        told, remedy = f"{VARIABLE}={ring.url}", "Choose another folder: each lake has its own"
        raise ConflictError("the keyring is another lake's", told, remedy)
    if not lake:
        lake = secrets.token_hex(16)
        keep(lake)
    if owner is None:
        ring.begin(lake)
    _IN_USE[os.environ[VARIABLE]] = ring
    return lake


def required_keyring(lake: str, where: str) -> Keyring:
    """The keyring of an encrypted lake, which this process must have.

    Args:
        lake: its identity.
        where: the lake as errors call it.

    Raises:
        StorageError: there is none, or it is not this lake's.
    """
    ring = _opened()
    remedy = f"Set {VARIABLE} to where the lake's keys are"
    if ring is None:
        raise StorageError("the lake is encrypted, and this process has no keyring", where, remedy)
    owner = ring.owner()
    if owner is None:
        raise _away(ring.url)
    if owner != lake:
        raise StorageError("the keyring is another lake's", f"{VARIABLE}={ring.url}", remedy)
    _IN_USE[os.environ[VARIABLE]] = ring
    return ring


def key_name(location: str) -> str:
    """The name by which a file is known, and has its key, wherever it lies: names of data files are unique in the lake,
    those of kept files in their run's folder, so that theirs is `objects/RUN/NAME`.
    """
    parts = location.split("/")
    return "/".join(parts[-3:]) if parts[-3:-2] == ["objects"] else parts[-1]


def destroy_keys(locations: Iterable[str]) -> None:
    """Destroy the keys of files that nobody is to read again; nothing where this process has no keyring.

    Raises:
        StorageError: the keyring's store fails.
    """
    ring = keyring()
    if ring is not None:
        ring.destroy({key_name(location) for location in locations})


@cache
def _store(url: str, *which: str | None) -> Keyring:
    del which  # another address is another store
    return Keyring(open_store(url))
