"""The whole path on planted variants, as `make demo` runs it."""

import io
from pathlib import Path

import pytest

from baselake.demo import run_demo
from baselake.errors import ConflictError
from baselake.progress import QUIET, LogProgress


@pytest.mark.slow
def test_the_demo_keeps_its_promise(tmp_path: Path) -> None:
    shown = io.StringIO()
    result = run_demo(tmp_path / "demo", LogProgress(shown))
    assert result.passed, result.scores
    assert {score.kind for score in result.scores} == {"snv", "insertion", "deletion"}
    assert all(score.planted > 100 for score in result.scores)
    assert set(result.rows["contig"].to_pylist()) >= {"chr1", "chr2", "chrX"}
    for step in ("planted", "sequence", "watching", "complete", "align", "call"):
        assert step in shown.getvalue()


def test_the_demo_touches_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConflictError, match="not empty"):
        run_demo(tmp_path, QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
