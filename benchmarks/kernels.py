"""What the GPU kernels compile to: registers, spills, shared memory and occupancy, for each architecture.

    python benchmarks/kernels.py > docs/gpu-kernels.md

No GPU is needed. The compiler is NVRTC, the one CuPy uses where the kernels run (pip: nvidia-cuda-nvrtc).
"""

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

from baselake.compute.device import COMPILE_OPTIONS

ROOT = Path(__file__).parents[1]
KERNELS = tuple(sorted((ROOT / "compute").glob("*/kernel.cu")))
THREADS = 128
"""Of a block of every kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Limits of one multiprocessor: CUDA C++ Programming Guide, technical specifications per compute capability.

    Attributes:
        name: as compilers call it.
        warps: that may be resident.
        blocks: that may be resident.
        registers: 32-bit, in four partitions.
        shared_bytes: of shared memory.
    """

    name: str
    warps: int = 64
    blocks: int = 32
    registers: int = 65_536
    shared_bytes: int


ARCHITECTURES = (
    Architecture(name="sm_80", shared_bytes=164 << 10),  # A100
    Architecture(name="sm_90", shared_bytes=228 << 10),  # H100
    Architecture(name="sm_100", shared_bytes=228 << 10),  # B200
)
_WARP, _PARTITIONS = 32, 4
_REGISTER_UNIT = 256  # registers are given to a warp in so many
_SHARED_UNIT, _SHARED_RESERVED = 128, 1024  # bytes of a block


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What one kernel takes on one architecture.

    Attributes:
        name: the kernel.
        registers: 32-bit, of a thread.
        stack_bytes: of a thread, in local memory.
        spilled_bytes: stored and loaded for want of registers.
        shared_bytes: static, of a block.
    """

    name: str
    registers: int
    stack_bytes: int
    spilled_bytes: int
    shared_bytes: int

    def occupancy(self, architecture: Architecture, threads: int = THREADS) -> float:
        """Resident warps as a share of those a multiprocessor may have: the CUDA occupancy calculation."""
        warps = -(-threads // _WARP)
        of_warp = -(-self.registers * _WARP // _REGISTER_UNIT) * _REGISTER_UNIT
        by_registers = architecture.registers // _PARTITIONS // of_warp * _PARTITIONS // warps
        taken = -(-(self.shared_bytes + _SHARED_RESERVED) // _SHARED_UNIT) * _SHARED_UNIT
        blocks = min(
            architecture.blocks,
            architecture.warps // warps,
            by_registers,
            architecture.shared_bytes // taken,
        )
        return blocks * warps / architecture.warps


_ENTRY = re.compile(
    r"entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers([^\n]*)",
    re.DOTALL,
)


class Compiler:
    """NVRTC.

    Raises:
        FileNotFoundError: it is not installed.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(_library()))
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.version = f"{major.value}.{minor.value}"

    def compiled(self, source: Path, architecture: Architecture) -> list[Compiled]:
        """The kernels of a .cu file, compiled as where they run, by name.

        Raises:
            RuntimeError: it does not compile, or with a warning.
        """
        nvrtc, program = self._library, ctypes.c_void_p()
        nvrtc.nvrtcCreateProgram(
            ctypes.byref(program), source.read_bytes(), str(source).encode(), 0, None, None
        )
        options = [
            *COMPILE_OPTIONS,
            "--device-as-default-execution-space",  # CuPy's
            f"-I{ROOT}",
            f"--gpu-architecture={architecture.name}",
            "--ptxas-options=-v",
        ]
        failed = nvrtc.nvrtcCompileProgram(
            program, len(options), (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        )
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
        text = log.value.decode()
        if failed or "warning" in text:
            raise RuntimeError(f"{source} for {architecture.name}: {text}")
        found = []
        for name, stack, stored, loaded, registers, rest in _ENTRY.findall(text):
            shared = re.search(r"(\d+) bytes smem", rest)
            found.append(
                Compiled(
                    name=name,
                    registers=int(registers),
                    stack_bytes=int(stack),
                    spilled_bytes=int(stored) + int(loaded),
                    shared_bytes=int(shared[1]) if shared else 0,
                )
            )
        return sorted(found, key=lambda one: one.name)


def _library() -> Path:
    import nvidia

    for folder in nvidia.__path__:
        for path in sorted(Path(folder).glob("*/lib/libnvrtc.so.*")):
            return path
    raise FileNotFoundError("no libnvrtc in the packages of nvidia")


def table(compiler: Compiler) -> str:
    """The page, in Markdown."""
    lines = [
        "# What the GPU kernels compile to",
        "",
        "Written by `python benchmarks/kernels.py`; a test compiles them again and compares. A cell has registers of",
        "a thread, bytes spilled, bytes of shared memory that a kernel declares, and the occupancy of a multiprocessor",
        f"by blocks of {THREADS} threads (the CUDA occupancy calculation, with the limits of the CUDA C++ Programming",
        "Guide). `pileup_genotypes` is given 24 bytes more for each fragment of its deepest table.",
        "",
        f"NVRTC {compiler.version}, `{' '.join(COMPILE_OPTIONS)}`.",
        "",
        f"| kernel | {' | '.join(a.name for a in ARCHITECTURES)} |",
        f"|---|{'---|' * len(ARCHITECTURES)}",
    ]
    for source in KERNELS:
        columns = [compiler.compiled(source, architecture) for architecture in ARCHITECTURES]
        for row in zip(*columns, strict=True):
            cells = (
                f"{one.registers}, {one.spilled_bytes}, {one.shared_bytes}, {one.occupancy(architecture):.0%}"
                for one, architecture in zip(row, ARCHITECTURES, strict=True)
            )
            lines.append(f"| {row[0].name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(Compiler()), end="")
