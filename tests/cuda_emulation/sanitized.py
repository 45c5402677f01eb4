"""Runs a function of another module in a process that AddressSanitizer watches.

run_sanitized("tests.compute.pairhmm_cases", "compare_some")
"""

import os
import subprocess
import sys

from .build import ROOT


def run_sanitized(module: str, function: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Calls `module.function(*arguments)` in a new process; it fails where memory is misused.

    A module that is run so loads its kernels by `Machine(sanitized=True)`.
    """
    library = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0",
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": "1",
    }
    call = f"import sys, {module} as module; module.{function}(*sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", call, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT
    )
