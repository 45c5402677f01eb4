"""A process that erases and dies at a point: `erase_process.py LAKE KEYS SAMPLE [FUNCTION CALLS before|after]`."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from baselake.catalog.catalog import connect
from baselake.catalog.erase import erasure
from baselake.catalog.erase.keys import open_keys


def dying(function: Callable[..., Any], calls: int, when: str) -> Callable[..., Any]:
    """The function, killing the process at its n-th call."""
    left = calls

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **options)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def main() -> None:
    lake, keys, sample, *point = sys.argv[1:]
    if point:
        name, calls, when = point
        setattr(erasure, name, dying(getattr(erasure, name), int(calls), when))
    with connect(Path(lake)) as catalog:
        erased = erasure.erase_sample(catalog, sample, open_keys(Path(keys), Path(lake)), "the test")
    print(erased.certificate, *erased.findings)


if __name__ == "__main__":
    main()
