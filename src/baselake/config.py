"""Settings, read once at the edge of the program and passed down.

Order of precedence: environment, then `baselake.toml` in the lake's folder, then the defaults below.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from baselake.errors import InputError

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
    """

    threads: int
    memory_bytes: int
    commit_timeout_seconds: int


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


def load_config(lake: Path, environ: Mapping[str, str]) -> Config:
    """The settings for one lake.

    Raises:
        InputError: `baselake.toml` or a `BASELAKE_` variable holds something that is no setting.
    """
    path = lake / "baselake.toml"
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
    ):
        if environ.get(name):
            chosen[key] = (environ[name], f"environment, {name}")

    known = {field.name for field in fields(Config)}
    values: dict[str, int] = {}
    for key, (value, where) in chosen.items():
        if key not in known:
            raise InputError("no such setting", where, f"The settings are {', '.join(sorted(known))}")
        try:
            number = parse_bytes(str(value)) if key == "memory_bytes" else int(str(value))
        except ValueError:
            number = 0
        if number < 1:
            raise InputError(f"{value!r} is not a positive number", where, "Give a number from 1 up")
        values[key] = number
    defaults = default_config()
    return Config(**{name: values.get(name, getattr(defaults, name)) for name in known})
