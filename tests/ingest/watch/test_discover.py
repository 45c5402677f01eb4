"""Which folders are looked into for runs."""

import os
from pathlib import Path

import pytest

from baselake.errors import InputError
from baselake.ingest.watch.discover import find_runs
from baselake.ingest.watch.watched import Watched, stamps

RUN_INFO = (
    '<RunInfo Version="2"><Run Id="R" Number="1"><Flowcell>F</Flowcell><Instrument>I</Instrument>'
    '<Date>240722</Date><Reads><Read Number="1" NumCycles="1" IsIndexedRead="N"/></Reads>'
    '<FlowcellLayout LaneCount="1" SurfaceCount="1" SwathCount="1" TileCount="1"/></Run></RunInfo>'
)


def make_run(folder: Path, text: str = RUN_INFO) -> Path:
    folder.mkdir(parents=True)
    (folder / "RunInfo.xml").write_text(text)
    return folder


def names(root: Path, depth: int = 2) -> list[str]:
    return [str(one.folder.relative_to(root)) for one in find_runs(root, depth)]


def test_runs_are_found_as_deep_as_asked_for(tmp_path: Path) -> None:
    for name in ("top", "seq1/middle", "seq1/2024/deep"):
        make_run(tmp_path / name)
    assert names(tmp_path, 0) == []
    assert names(tmp_path, 1) == ["top"]
    assert names(tmp_path, 2) == ["seq1/middle", "top"]
    assert names(tmp_path, 3) == ["seq1/2024/deep", "seq1/middle", "top"]


def test_a_run_folder_itself_can_be_watched(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    assert names(tmp_path / "run") == ["."]


def test_hidden_folders_links_and_files_are_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "elsewhere" / "run")
    share = tmp_path / "share"
    make_run(share / ".rsync" / "run")
    (share / "loop").symlink_to(share)
    (share / "run").symlink_to(run)
    (share / "RunInfo.txt").write_text("no folder")
    assert names(share, 5) == []


def test_in_a_run_no_other_is_looked_for(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    make_run(tmp_path / "run" / "Thumbnail_Images" / "copy")
    assert names(tmp_path, 5) == ["run"]


def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "bad", "<RunInfo>")
    make_run(tmp_path / "good")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    bad, closed, good = find_runs(tmp_path, 1)
    assert (bad.source, bad.listed) == (None, True)
    assert (bad.error or "").startswith(f"{tmp_path}/bad/RunInfo.xml, line 1")
    assert (closed.source, closed.listed) == (None, False)
    assert closed.error == f"{tmp_path}/closed: cannot be read now (Permission denied)"
    assert good.source is not None


def test_base_calls_without_a_description_may_still_get_one(tmp_path: Path) -> None:
    (tmp_path / "run" / "Data" / "Intensities" / "BaseCalls" / "L001").mkdir(parents=True)
    (found,) = find_runs(tmp_path, 5)
    assert (found.source, found.missing, found.listed) == (None, True, True)
    assert (found.error or "").startswith(f"{tmp_path}/run/RunInfo.xml: the file is missing")


def test_a_description_is_read_once_while_it_stays_the_same(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    known = {one.folder: one for one in find_runs(tmp_path, 1)}
    (again,) = find_runs(tmp_path, 1, known)
    assert again.source is known[run].source is not None
    (run / "RunInfo.xml").write_text(RUN_INFO.replace('Id="R"', 'Id="OTHER"'))
    (changed,) = find_runs(tmp_path, 1, known)
    assert changed.source is not None
    assert changed.source.describe().run_id == "OTHER"
    # What was opened before is of the file as it was.
    with pytest.raises(InputError, match="replaced just now"):
        again.source.progress()


def test_a_share_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(find_runs(tmp_path / "absent", 2))


def test_a_file_whose_rights_are_mended_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "s_1_1101.bcl"
    path.touch()
    watched = Watched(folder=tmp_path, faulty=stamps([path]))
    assert watched.mended() == ""
    path.chmod(0o600)
    assert watched.mended() != ""
