"""Build of the native kernels; everything else is in pyproject.toml.

Every C++ file beside the Python that calls it becomes one extension module: `compute/pileup/twin.cpp` is
`baselake.compute.pileup._twin`. `BASELAKE_BUILD_ONLY=compute.pileup` builds just those under that package.
"""

import os
import platform
from pathlib import Path

from pybind11.setup_helpers import Pybind11Extension, build_ext
from setuptools import setup

FOLDERS = ("lake", "catalog", "ingest", "compute")
# The x86-64-v3 baseline (AVX2, FMA, BMI2) is every server CPU since 2013 (Intel) and 2015 (AMD).
# No -ffast-math: likelihoods must be the same on every machine.
FLAGS = ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra"]
if platform.machine() in ("x86_64", "AMD64"):
    FLAGS.append("-march=x86-64-v3")


def extensions() -> list[Pybind11Extension]:
    only = os.environ.get("BASELAKE_BUILD_ONLY", "")
    found = []
    for folder in FOLDERS:
        # Those of `lake` are included from everywhere.
        headers = [str(header) for part in {folder, "lake"} for header in sorted(Path(part).rglob("*.h"))]
        for source in sorted(Path(folder).rglob("*.cpp")):
            package = ".".join(source.parent.parts)
            if not package.startswith(only):
                continue
            found.append(
                Pybind11Extension(
                    f"baselake.{package}._{source.stem}",
                    [str(source)],
                    cxx_std=20,
                    extra_compile_args=list(FLAGS),  # to which each adds its own
                    include_dirs=["."],
                    depends=headers,
                )
            )
    # Longest first: one that is begun last is compiled alone.
    return sorted(found, key=lambda one: Path(one.sources[0]).stat().st_size, reverse=True)


setup(ext_modules=extensions(), cmdclass={"build_ext": build_ext})
