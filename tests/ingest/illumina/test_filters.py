"""Filter files: good ones are read, and Picard's bad ones are refused where they are wrong."""

from pathlib import Path

import numpy as np
import pytest

from baselake.errors import InputError, NotFoundError, TruncatedInputError
from baselake.ingest.illumina.filters import filter_clusters, read_filter


def test_a_good_file_is_read(shared_data: Path) -> None:
    path = shared_data / "run_folders" / "picard" / "readerTests" / "pf_passing.filter"
    assert filter_clusters(path) == 64
    flags = read_filter(path)
    np.testing.assert_array_equal(flags, np.frombuffer(path.read_bytes()[12:], np.uint8) == 1)
    np.testing.assert_array_equal(read_filter(path, 10, 20), flags[10:30])
    with pytest.raises(InputError, match="64 clusters where the tile's are 60 to 69"):
        read_filter(path, 60, 10)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("pf_badOpeningBytes", InputError, "256 instead of 0 at byte 0"),
        ("pf_badVersionBytes", InputError, "version 16777219 at byte 4"),
        ("pf_failing1", InputError, "34 instead of 0 or 1 at byte 24, cluster 12"),
        ("pf_failing2", InputError, "version 17 at byte 4"),
        ("pf_tooLarge", InputError, "76 bytes where 48 clusters take 60"),
        ("pf_tooShort", TruncatedInputError, "76 bytes where 172 are"),
    ],
)
def test_a_bad_file_is_refused(shared_data: Path, name: str, error: type[InputError], message: str) -> None:
    path = shared_data / "run_folders" / "picard" / "readerTests" / f"{name}.filter"
    with pytest.raises(error, match=message) as raised:
        read_filter(path)
    assert raised.value.where == str(path)


def test_a_file_without_a_whole_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s_1_1101.filter"
    with pytest.raises(NotFoundError):
        read_filter(path)
    path.write_bytes(b"\0" * 11)
    with pytest.raises(TruncatedInputError, match="11 bytes where 12"):
        read_filter(path)
