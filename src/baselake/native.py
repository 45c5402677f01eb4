"""What the native kernels need of the machine."""

import platform
from pathlib import Path

from baselake.errors import MissingDependencyError

# The kernels are compiled for the x86-64-v3 baseline (setup.py); these are its flags as Linux names them.
_X86_64_V3 = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})


def check_processor() -> None:
    """Refuse a processor on which the kernels would die of an illegal instruction.

    Raises:
        MissingDependencyError: it lacks a part of the baseline.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            missing = _X86_64_V3 - set(line.split())
            if missing:
                raise MissingDependencyError(
                    f"this processor lacks {', '.join(sorted(missing))}",
                    platform.node(),
                    "Use an x86-64-v3 processor (Intel Haswell, AMD Excavator or later)",
                )
            return
