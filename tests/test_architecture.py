"""Rows go one way through the packages, and what is installed is what stands in the folders."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import baselake
from baselake.catalog.connection import RELEASE

ROOT = Path(__file__).parents[1]
FOLDERS = ("lake", "catalog", "ingest", "compute")


def test_no_import_goes_against_the_layers() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_packages_are_links_to_the_folders_at_the_top(folder: str) -> None:
    assert os.readlink(ROOT / "src" / "baselake" / folder) == f"../../{folder}"


def test_the_wheel_holds_every_module_and_statement(tmp_path: Path) -> None:
    environment = {**os.environ, "BASELAKE_BUILD_ONLY": "nothing"}
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        ROOT,
    ]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"baselake/{path.relative_to(ROOT)}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sql", ".cu") or path.name == "model.h"
    }
    wanted |= {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "baselake").glob("cli/*.py")}
    assert wanted <= held


def test_only_these_places_know_the_accelerator_and_the_stores() -> None:
    for module, places in {
        "cupy": ("compute",),
        "kvikio": ("compute",),
        "s3fs": ("lake",),
        "fsspec": ("lake",),
    }.items():
        for path in ROOT.glob("*/**/*.py"):
            folder = path.relative_to(ROOT).parts[0]
            if folder in (*FOLDERS, "src") and folder not in places:
                assert f"import {module}" not in path.read_text(), path


def test_no_module_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in (*FOLDERS, "src", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".cpp", ".h", ".cu") and not path.is_symlink()
    }
    assert {path: lines for path, lines in long.items() if lines > 600} == {}


def test_the_release_is_the_same_wherever_it_stands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["version"], baselake.__version__, RELEASE} == {RELEASE}
    assert f"\n## {RELEASE} " in (ROOT / "CHANGELOG.md").read_text()
