"""Compiles a .cu file, as it stands, for the emulated device."""

import fcntl
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_FLAGS = [
    *("-std=c++20", "-shared", "-fPIC", "-march=x86-64-v3", "-Wall", "-Wextra", "-Werror"),
    # A .cu file says itself what is fused; the unroll pragmas are nvcc's.
    *("-ffp-contract=off", "-Wno-unknown-pragmas", "-Wno-attributes"),
    f"-I{ROOT}",
    f"-I{_HERE}",
]
_PLAIN = ["-O2"]
_SANITIZED = ["-O1", "-fsanitize=address,bounds", "-fsanitize-sections=emulated_shared"]
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(([^)]*)\)\s+)?(\w+)\s*\(', re.DOTALL
)
_DYNAMIC = re.compile(r"extern\s+__shared__\s+([\w ]+?)\s+(\w+)\[\];")


def compiled(source: Path, *, sanitized: bool = False) -> Path:
    """A shared library of a file's kernels; made once for each content.

    Args:
        source: the .cu file.
        sanitized: watched by AddressSanitizer, whose library must then be loaded first (LD_PRELOAD).

    Raises:
        AssertionError: it does not compile.
    """
    flags = [*_FLAGS, *(_SANITIZED if sanitized else _PLAIN)]
    text = source.read_text()
    parts = [text, *(path.read_text() for path in sorted(_HERE.glob("*.h")) + sorted(_HERE.glob("*.cpp")))]
    parts += [(ROOT / name).read_text() for name in re.findall(r'#include "(compute/[^"]+)"', text)]
    digest = hashlib.sha256("\0".join([*flags, *parts]).encode()).hexdigest()[:20]
    folder = Path(tempfile.gettempdir()) / f"baselake-emulation-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder / f"{source.parent.name}-{source.stem}-{digest}.so"
    with open(folder / f"{digest}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one compiles
        if not made.exists():
            _compile(source, text, flags, made)
    return made


def kernels(source: Path) -> dict[str, int]:
    """The kernels of a .cu file, and the threads their launch bounds allow; 0: any."""
    with tempfile.TemporaryDirectory() as scratch:
        unit = Path(scratch) / "unit.cpp"
        unit.write_text(f'#include "machine.h"\n#include "{source}"\n')
        expanded = _run(["g++", "-E", "-P", *_FLAGS, str(unit)])
    constants = dict(re.findall(r"constexpr int (\w+) = (\d+);", expanded))
    found = {}
    for bounds, name in _KERNEL.findall(expanded):
        threads = bounds.partition(",")[0].strip() or "0"
        found[name] = int(constants.get(threads, threads))
    return found


def _compile(source: Path, text: str, flags: list[str], made: Path) -> None:
    with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
        # Dynamic shared memory has its size from the launch: an array of unknown bound becomes a pointer to it.
        changed = _DYNAMIC.sub(r"\1* const \2 = static_cast<\1*>(emulated::block.dynamic_shared);", text)
        unit = Path(scratch) / "unit.cpp"
        registered = "\n".join(
            f'const emulated::Registered<&{name}> registered_{name}{{"{name}", {threads}}};'
            for name, threads in kernels(source).items()
        )
        plain = "#define __global__\n#define __launch_bounds__(...)\n"
        unit.write_text(f'{plain}#include "machine.h"\n#line 1 "{source}"\n{changed}\n{registered}\n')
        part = Path(scratch) / made.name
        _run(["g++", *flags, str(unit), str(_HERE / "machine.cpp"), "-o", str(part)])
        os.replace(part, made)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
