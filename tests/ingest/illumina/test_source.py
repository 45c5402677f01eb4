"""What a run folder says of how the run ended."""

from pathlib import Path

import pytest

from baselake.ingest.illumina.source import IlluminaRun
from tests.ingest.illumina.made_runs import random_tile, write_run


@pytest.mark.parametrize(
    ("text", "aborted"),
    [
        ("<CompletionStatus>CompletedAsPlanned</CompletionStatus>", None),
        ("<RunStatus>RunCompleted</RunStatus>", None),
        ("<CompletionStatus>UserEndedEarly</CompletionStatus>", "UserEndedEarly"),
        ("<CompletionStatus>ExceptionEndedEarly</CompletionStatus>", "ExceptionEndedEarly"),
        ("<RunStatus>RunErrored</RunStatus>", "RunErrored"),
    ],
)
def test_a_run_that_was_given_up_says_so(tmp_path: Path, text: str, aborted: str | None) -> None:
    folder = write_run(tmp_path / "run", [random_tile(1, 1101, 5, 3)]).root
    for marker in ("RTAComplete.txt", "CopyComplete.txt"):
        (folder / marker).unlink()
    assert not IlluminaRun.open(folder).progress().ended
    (folder / "RunCompletionStatus.xml").write_text(f"<RunCompletionStatus>{text}</RunCompletionStatus>")
    progress = IlluminaRun.open(folder).progress()
    assert progress.ended
    assert progress.aborted == (f"RunCompletionStatus.xml says {aborted}" if aborted else None)
