"""Settings, read once at the edge of the program and passed down.

Order of precedence: environment, then `baselake.toml` in the lake's folder, then the defaults below.
"""

import getpass
import json
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from baselake.errors import InputError

SETTINGS = "baselake.toml"  # in the lake's folder
# Of qualities on import; 0: none.
QUALITY_BINS = ("0", "4", "8")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting there is.

    Attributes:
        threads: cores one command may keep busy. `BASELAKE_THREADS`.
        memory_bytes: what sorting and SQL may hold in memory before they spill to disk. `BASELAKE_MEMORY`,
            with a unit: `8GiB`.
        commit_timeout_seconds: how long to wait for another writer's commit before giving up.
            `BASELAKE_COMMIT_TIMEOUT_SECONDS`.
        tier_grace_seconds: how long the old copy of a file that moved to another tier stays: longer than any query runs
            that may have begun before. `BASELAKE_TIER_GRACE_SECONDS`.
        catalog: URL of the PostgreSQL database that holds the catalog, without a password; empty: SQLite in the
            lake's folder. It is the lake's and no user's: `baselake init --catalog` writes it into `baselake.toml`.
        keys: folder of the keys that sign certificates of erasures, outside the lake; empty: `baselake/keys` in the
            user's configuration folder. `BASELAKE_KEYS`.
        audit_reads: queries and exports are set down in the audit too, and refused where they cannot be. It is the
            lake's: only `baselake.toml` has it.
        encrypted: the identity by which a lake whose files are encrypted knows its keyring; empty: files are plain. It
            is the lake's: `baselake init --encrypt` writes it into `baselake.toml`. The keyring itself is in
            `BASELAKE_KEYRING` alone (`lake/keyring.py`).
        quality_bins: base qualities are put into so many bins on import, 4 or 8; 0: they stay as they come.
            `BASELAKE_QUALITY_BINS`.
        node: the name of this machine, in lineage, leases of work and zones of tiers. It is no lake's: only
            `BASELAKE_NODE` sets it; else the host's name.
        zone: where this machine stands: tiers of that zone are near. Only `BASELAKE_ZONE` sets it.
    """

    threads: int
    memory_bytes: int
    commit_timeout_seconds: int
    tier_grace_seconds: int = 6 * 3600
    catalog: str = ""
    keys: str = ""
    audit_reads: bool = False
    encrypted: str = ""
    quality_bins: int = 0
    node: str = field(default_factory=socket.gethostname)
    zone: str = ""


def default_config() -> Config:
    """The settings of this machine: all cores this process may use and half of the physical memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Config(threads=len(os.sched_getaffinity(0)), memory_bytes=memory // 2, commit_timeout_seconds=600)


def parse_bytes(text: str) -> int:
    """Bytes from '512', '512MiB', '8G' (powers of 1024).

    Raises:
        ValueError: the text is not a number with one of the units k, M, G, T.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text, re.IGNORECASE)
    if match is None:
        raise ValueError(f"{text!r} is not a size")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def parse_duration(text: str) -> timedelta:
    """A time from '90s', '15m', '24h', '30d' or '2w'.

    Raises:
        ValueError: the text is not a number with one of the units s, m, h, d, w.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text, re.IGNORECASE)
    if match is None:
        raise ValueError(f"{text!r} is not a time, such as 24h or 30d")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2].lower()])


def load_config(lake: Path, environ: Mapping[str, str]) -> Config:
    """The settings for one lake.

    Raises:
        InputError: `baselake.toml` or a `BASELAKE_` variable holds something that is no setting.
    """
    path = lake / SETTINGS
    chosen: dict[str, tuple[object, str]] = {}
    if path.is_file():
        try:
            table = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"not valid TOML ({error})", str(path), "Correct the file") from error
        chosen.update({key: (value, f"{path}, {key}") for key, value in table.items()})
    for name, key in (
        ("BASELAKE_THREADS", "threads"),
        ("BASELAKE_MEMORY", "memory_bytes"),
        ("BASELAKE_COMMIT_TIMEOUT_SECONDS", "commit_timeout_seconds"),
        ("BASELAKE_TIER_GRACE_SECONDS", "tier_grace_seconds"),
        ("BASELAKE_KEYS", "keys"),
        ("BASELAKE_QUALITY_BINS", "quality_bins"),
    ):
        if environ.get(name):
            chosen[key] = (environ[name], f"environment, {name}")

    known = {one.name for one in fields(Config)} - {"node", "zone"}
    values: dict[str, Any] = {}
    catalog = ""
    audit_reads = False
    for key, (value, where) in chosen.items():
        if key not in known:
            raise InputError("no such setting", where, f"The settings are {', '.join(sorted(known))}")
        if key == "catalog":
            catalog = check_database_url(str(value), where)
            continue
        if key == "audit_reads":
            if not isinstance(value, bool):
                raise InputError(f"{value!r} is neither true nor false", where, "Write true or false")
            audit_reads = value
            continue
        if key == "quality_bins" and str(value) not in QUALITY_BINS:
            raise InputError(f"{value!r} is no number of bins", where, f"Give {', '.join(QUALITY_BINS)}")
        if key == "quality_bins" and str(value) == "0":
            continue
        if key in ("keys", "encrypted"):
            values[key] = str(value)
            continue
        try:
            number = parse_bytes(str(value)) if key == "memory_bytes" else int(str(value))
        except ValueError:
            number = 0
        if number < 1:
            raise InputError(f"{value!r} is not a positive number", where, "Give a number from 1 up")
        values[key] = number
    config = replace(default_config(), catalog=catalog, audit_reads=audit_reads, **values)
    return replace(
        config, node=environ.get("BASELAKE_NODE") or config.node, zone=environ.get("BASELAKE_ZONE", "")
    )


def keys_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """The folder of the keys that must not lie in the lake."""
    if config.keys:
        return Path(config.keys).expanduser()
    base = environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "baselake" / "keys"


def acting_user(environ: Mapping[str, str]) -> str:
    """Who is at work, as the audit and certificates have it: BASELAKE_USER, else the operating system's user."""
    user = environ.get("BASELAKE_USER")
    if not user:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a number without a name, as in many containers
            user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def check_database_url(url: str, where: str) -> str:
    """A PostgreSQL database's URL that is fit to be written down.

    Args:
        url: `postgresql://user@host:port/database`.
        where: where it was given, as errors call it.

    Raises:
        InputError: it is no such URL, or has a password in it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise InputError(
            f"{url!r} is not a database's URL", where, "Write it as postgresql://USER@HOST:PORT/DATABASE"
        )
    if parts.password or "password" in parse_qs(parts.query):
        raise InputError(
            "the database's URL has a password in it, which the lake would keep",
            where,
            "Leave it out, and give it in PGPASSWORD or ~/.pgpass",
        )
    return url


def keep_setting(lake: Path, key: str, value: str) -> None:
    """Write into a lake's settings one that is text; those that are there already stay."""
    path = lake / SETTINGS
    line = f"{key} = {json.dumps(value)}\n"  # a JSON string is a TOML string too
    text = path.read_text() if path.is_file() else ""
    if line in text.splitlines(keepends=True):
        return
    lake.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(line + text)  # before any [table]
    os.replace(part, path)
