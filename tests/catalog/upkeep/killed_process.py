"""Upkeep that dies: `killed_process.py LAKE WHAT MODULE FUNCTION before|after FOLDER`.

The process kills itself when FUNCTION of MODULE is called for the first time, or has returned.
"""

import importlib
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from baselake.catalog.catalog import connect
from baselake.catalog.upkeep.backup import backup
from baselake.catalog.upkeep.compact import compact
from baselake.catalog.upkeep.expire import expire
from baselake.catalog.upkeep.restore import restore


def arm(module: str, function: str, when: str) -> None:
    place = importlib.import_module(module)
    whole = getattr(place, function)

    def dying(*arguments: object, **named: object) -> object:
        result = whole(*arguments, **named) if when == "after" else None
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, function, dying)


def main() -> None:
    lake, what, module, function, when, folder = sys.argv[1:]
    if what == "restore":
        arm(module, function, when)
        restore(Path(folder) / "b.sqlite", Path(lake), data=[Path(folder) / "copies"])
        return
    with connect(Path(lake)) as catalog:
        arm(module, function, when)
        if what == "compact":
            compact(catalog, min_files=2)
        elif what == "expire":
            expire(catalog, timedelta(0), grace=timedelta(0))
        else:
            backup(catalog, Path(folder) / "b.sqlite", data=Path(folder) / "copies")


if __name__ == "__main__":
    main()
