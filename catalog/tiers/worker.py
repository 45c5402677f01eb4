"""`python -m baselake.catalog.tiers.worker LAKE PARENT`: one application of policy, for the daemon.

Its story goes to standard error. It ends with its parent, however that ends; killed at any point it loses nothing.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

from baselake.catalog.catalog import connect
from baselake.catalog.tiers.policy import apply_policy
from baselake.errors import BaselakeError
from baselake.progress import LogProgress

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Move what policy moves."""
    lake, parent = Path(sys.argv[1]), int(sys.argv[2])
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # the daemon ended before the line above
    progress = LogProgress()
    try:
        with connect(lake) as catalog:
            done = apply_policy(catalog, progress)
    except BaselakeError as error:
        progress.note(f"tiers: {' '.join(str(error).split())}")
        sys.exit(1)
    if done.files or done.removed:
        progress.note(
            f"tiers: moved {done.files:,} files of {done.bytes:,} bytes; removed {done.removed:,} old copies"
        )


if __name__ == "__main__":
    main()
