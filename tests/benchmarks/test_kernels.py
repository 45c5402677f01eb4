"""Every GPU kernel compiles for every architecture, keeps its registers, and stands in the table."""

import importlib.util
import os
import re
import sys
from types import ModuleType
from typing import Any

import pytest

from ..cuda_emulation.build import ROOT, kernels

PAGE = ROOT / "docs" / "gpu-kernels.md"
# Most registers of a thread that leave room for as many blocks of 128 threads: 128 for four, 255 for two.
LIMITS = {"pairhmm_float": 128, "pairhmm_double": 255, "smithwaterman_8": 96, "smithwaterman_16": 168}
MOST_REGISTERS = 255


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kernels", ROOT / "benchmarks" / "kernels.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["kernels"] = loaded  # dataclasses look their module up
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def compiler(module: ModuleType) -> Any:
    try:
        return module.Compiler()
    except (ImportError, FileNotFoundError, OSError) as error:
        what = f"NVRTC is not installed ({error}); pip install nvidia-cuda-nvrtc"
        if os.environ.get("BASELAKE_REQUIRE_PEERS"):
            pytest.fail(what)
        pytest.skip(what)


def rows_of(page: str, architecture: str) -> dict[str, str]:
    """What a page's table says of each kernel on an architecture."""
    (header,) = re.findall(r"^\| kernel \| (.*) \|$", page, re.MULTILINE)
    column = header.split(" | ").index(architecture)
    rows = re.findall(r"^\| (\w+) \| (\d.*) \|$", page, re.MULTILINE)
    return {name: cells.split(" | ")[column] for name, cells in rows}


def prose_of(page: str) -> list[str]:
    return [line for line in page.splitlines() if not line.startswith("|")]


# Each takes as long as the other, and what a kernel takes on one it takes nearly on the other.
@pytest.mark.parametrize(
    "name",
    [
        "sm_90",
        pytest.param("sm_80", marks=pytest.mark.exhaustive),
        pytest.param("sm_100", marks=pytest.mark.exhaustive),
    ],
)
def test_the_page_tells_what_this_compiler_makes(
    module: ModuleType, compiler: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text()
    (architecture,) = (one for one in module.ARCHITECTURES if one.name == name)
    monkeypatch.setattr(module, "ARCHITECTURES", (architecture,))
    made = module.table(compiler)
    rows = rows_of(made, name)
    written = {
        name: threads for path in ROOT.glob("compute/*/*.cu") for name, threads in kernels(path).items()
    }
    assert rows.keys() == written.keys()
    assert set(written.values()) == {module.THREADS}
    for kernel, cell in rows.items():
        registers, spilled, shared, occupancy = (int(part.rstrip("%")) for part in cell.split(", "))
        assert spilled == 0, kernel
        assert registers <= next(
            (n for key, n in LIMITS.items() if kernel.startswith(key)), MOST_REGISTERS
        ), kernel
        assert shared <= 48 << 10, kernel  # what a block may have without asking
        assert occupancy >= 12, kernel
    # Another compiler may use some registers more or less; the table is of the one it names.
    version = re.search(r"NVRTC (\S+),", page)
    assert version is not None
    if version[1] == compiler.version:
        told = "run: python benchmarks/kernels.py > docs/gpu-kernels.md"
        assert rows_of(page, name) == rows, told
        assert prose_of(page) == prose_of(made), told


def test_the_page_has_a_column_for_each_architecture(module: ModuleType) -> None:
    (header,) = re.findall(r"^\| kernel \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert header.split(" | ") == [one.name for one in module.ARCHITECTURES] == ["sm_80", "sm_90", "sm_100"]


@pytest.mark.parametrize(
    ("registers", "shared", "threads", "expected"),
    [
        (32, 0, 128, 1.0),  # all that are allowed
        (64, 0, 128, 0.5),
        (128, 0, 128, 0.25),
        (129, 0, 128, 0.1875),  # 4352 registers a warp: three in a partition
        (255, 0, 128, 0.125),
        (32, 100 << 10, 128, 0.125),  # two blocks of shared memory on an H100
        (32, 0, 32, 0.5),  # 32 blocks
    ],
)
def test_occupancy_is_that_of_the_calculator(
    module: ModuleType, registers: int, shared: int, threads: int, expected: float
) -> None:
    kernel = module.Compiled(
        name="k", registers=registers, stack_bytes=0, spilled_bytes=0, shared_bytes=shared
    )
    (h100,) = (one for one in module.ARCHITECTURES if one.name == "sm_90")
    assert kernel.occupancy(h100, threads) == expected
