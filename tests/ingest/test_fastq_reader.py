"""Reading FASTQ: what is accepted comes out as it went in, what is not is refused where it is wrong."""

import gzip
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.errors import InputError, NotFoundError, PairingError, TruncatedInputError
from baselake.ingest import compressed
from baselake.ingest.fastq_reader import FastqReader, read_head

IUPAC = "ACGTUNRYSWKMBDHVacgtunryswkmbdhv."
QUALITIES = "".join(map(chr, range(0x21, 0x7F)))
Read = tuple[str, str | None, str, str]  # name, comment, seq, qual


def read(*segments: Path, indexes: Sequence[Path] = ()) -> list[dict[str, object]]:
    """All rows of files, in the order of their batches."""
    with FastqReader(segments, indexes) as reader:
        return [row for batch in reader for row in batch.columns.to_pylist()]


def reads(*segments: Path) -> list[Read]:
    return [(row["name"], row["comment"], row["seq"], row["qual"]) for row in read(*segments)]  # type: ignore[misc]


def fastq(records: Sequence[Read], newline: str = "\n", width: int = 10**9, repeat: bool = False) -> bytes:
    """Records as FASTQ text, sequences longer than `width` wrapped."""

    def wrapped(text: str, width: int) -> list[str]:
        return [text[i : i + width] for i in range(0, len(text), width)] or [""]

    lines = []
    for name, comment, seq, qual in records:
        header = name if comment is None else f"{name} {comment}"
        quality_width = max(1, width - 1) if len(seq) > width else width
        lines += [f"@{header}", *wrapped(seq, width), f"+{header if repeat else ''}"]
        lines += wrapped(qual, quality_width)
    return "".join(line + newline for line in lines).encode()


@st.composite
def records(draw: st.DrawFn) -> Read:
    name = draw(
        st.text(QUALITIES, min_size=1, max_size=12).filter(lambda text: text[-2:] not in ("/1", "/2"))
    )
    comment = draw(st.none() | st.text(QUALITIES + " \t", max_size=12))
    seq = draw(st.text(IUPAC, max_size=60))
    qual = draw(st.text(QUALITIES, min_size=len(seq), max_size=len(seq)))
    return name, comment, seq, qual


class TestWhatComesOutIsWhatWentIn:
    @settings(max_examples=150, deadline=None)
    @given(
        expected=st.lists(records(), min_size=1, max_size=6),
        newline=st.sampled_from(["\n", "\r\n"]),
        width=st.sampled_from([1, 7, 25, 10**9]),
        repeat=st.booleans(),
        ending=st.sampled_from(["cut", "", "\n", "\n\r\n\n"]),
        block=st.sampled_from([1, 2, 3, 17, 64, 1 << 17]),
        compress=st.sampled_from(["no", "gzip", "members"]),
    )
    def test_any_layout_any_chunk_boundary(
        self,
        expected: list[Read],
        newline: str,
        width: int,
        repeat: bool,
        ending: str,
        block: int,
        compress: str,
    ) -> None:
        text = fastq(expected, newline, width, repeat)
        text = text.removesuffix(newline.encode()) if ending == "cut" else text + ending.encode()
        if compress == "gzip":
            text = gzip.compress(text)
        elif compress == "members":
            text = b"".join(gzip.compress(text[i : i + 50]) for i in range(0, len(text), 50)) + b"\0\0"
        with TemporaryDirectory() as folder, mock.patch.object(compressed, "_BLOCK_BYTES", block):
            path = Path(folder, "reads")
            path.write_bytes(text)
            with FastqReader([path], chunk_bytes=block) as reader:
                rows = [row for batch in reader for row in batch.columns.to_pylist()]
            assert reader.records == (len(expected),)
        assert [(row["name"], row["comment"], row["seq"], row["qual"]) for row in rows] == expected
        assert {row["segment"] for row in rows} == {1}

    @settings(max_examples=50, deadline=None)
    @given(
        pairs=st.lists(st.tuples(records(), records()), min_size=1, max_size=6),
        suffixes=st.booleans(),
        block=st.sampled_from([1, 5, 1 << 17]),
    )
    def test_mates_stand_in_adjacent_rows(
        self, pairs: list[tuple[Read, Read]], suffixes: bool, block: int
    ) -> None:
        mates = [(first, (first[0], *second[1:])) for first, second in pairs]
        expected = [mate for pair in mates for mate in pair]
        marks = ("/1", "/2") if suffixes else ("", "")
        with TemporaryDirectory() as folder, mock.patch.object(compressed, "_BLOCK_BYTES", block):
            paths = [Path(folder, "1"), Path(folder, "2"), Path(folder, "both")]
            marked = [[(r[0] + marks[i % 2], *r[1:]) for i, r in enumerate(expected)]]
            paths[0].write_bytes(fastq(marked[0][0::2]))
            paths[1].write_bytes(fastq(marked[0][1::2]))
            paths[2].write_bytes(fastq(marked[0]))
            apart = read(paths[0], paths[1])
            together = read(paths[2], paths[2])
        assert [(row["name"], row["comment"], row["seq"], row["qual"]) for row in apart] == expected
        assert [row["segment"] for row in apart] == [1, 2] * len(pairs)
        assert together == apart

    def test_index_reads_stand_beside_both_mates(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("R1", "R2", "I1", "I2")]
        for path, bases in zip(paths, ("ACGT", "TTTTT", "GG", "CCC"), strict=True):
            path.write_bytes(fastq([("a", None, bases, "I" * len(bases)), ("b", None, "", "")]))
        rows = read(*paths[:2], indexes=paths[2:])
        assert [row["index1_seq"] for row in rows] == ["GG", "GG", "", ""]
        assert [row["index2_qual"] for row in rows] == ["III", "III", "", ""]
        assert [row["seq"] for row in rows] == ["ACGT", "TTTTT", "", ""]

    def test_the_filter_flag_is_read_from_the_comment(self, tmp_path: Path) -> None:
        path = tmp_path / "reads"
        comments = ["1:Y:0:ACGT", "1:N:0:ACGT", None, "", "Y", "1:Y", "2:Y:18:"]
        path.write_bytes(fastq([("r", comment, "A", "I") for comment in comments]))
        assert [row["filtered"] for row in read(path)] == [True, False, False, False, False, False, True]
        assert [row["comment"] for row in read(path)] == comments

    def test_each_lane_is_a_batch_of_its_own(self, tmp_path: Path) -> None:
        path = tmp_path / "reads"
        lanes = ["M1:7:FC-1:1", "M1:7:FC-1:2", "", "M1:7:FC-1:1", "", "M1:8:FC-1:1"]
        names = [f"{lane}:1101:{i}:5" if lane else f"SRR.{i}" for i, lane in enumerate(lanes)]
        names[3] += ":ACGTUMI"
        path.write_bytes(fastq([(name, None, "A", "I") for name in names]))
        with FastqReader([path]) as reader:
            batches = {batch.lane: batch.columns["name"].to_pylist() for batch in reader}
        assert batches == {
            lane: [name for name, of in zip(names, lanes, strict=True) if of == lane] for lane in lanes
        }

    def test_lanes_of_other_platforms(self, tmp_path: Path) -> None:
        path = tmp_path / "reads"
        lanes = ["AV1:Run-A_2:2140948523:2", "V300012345L1", "V300012345L2", "CL100158752L1"]
        names = [f"{lanes[0]}:10102:0293:0058", f"{lanes[0]}:10102:0293:0059"]
        names += [f"{lane}C001R002000000{i}" for i, lane in enumerate(lanes[1:])]
        path.write_bytes(fastq([(name, None, "A", "I") for name in names]))
        with FastqReader([path]) as reader:
            assert {batch.lane: batch.columns.num_rows for batch in reader} == {
                lane: 2 if ":" in lane else 1 for lane in lanes
            }

    def test_names_that_are_almost_illumina_are_not_split(self, tmp_path: Path) -> None:
        names = ["a:b", "M1:x:FC:1:1101:1:2", "M1:7:FC:100:1:2:3", "M1:7:F/C:1:1101:1:2", "M1:7::1:1101:1:2"]
        names += [
            "M1:7:FC:1:1101:1:2:3:4",
            "M1:7:FC:1:1101:1",
            "V300012345L1C01R0020000000",
            "V3L1C001R0020000000",
        ]
        names += [
            "V300012345L1",
            "V300012345L1C001",
            "v300012345L1C001R0020000000",
            "V300012345L12C001R0020000000",
        ]
        path = tmp_path / "reads"
        path.write_bytes(fastq([(name, None, "A", "I") for name in names]))
        with FastqReader([path]) as reader:
            assert [batch.lane for batch in reader] == [""]

    def test_digests_do_not_depend_on_compression(self, tmp_path: Path) -> None:
        plain, zipped = tmp_path / "a", tmp_path / "b"
        text = fastq([("r", None, "ACGT", "IIII")] * 1000)
        plain.write_bytes(text)
        zipped.write_bytes(gzip.compress(text))
        digests = []
        for path in (plain, zipped):
            with FastqReader([path]) as reader:
                assert sum(batch.columns.num_rows for batch in reader) == 1000
                digests += reader.digests
        assert digests[0].content_id == digests[1].content_id
        assert [digest.source_id for digest in digests] == [
            compressed.file_source_id(path) for path in (plain, zipped)
        ]
        assert digests[1].bytes == zipped.stat().st_size

    def test_long_reads_make_small_batches(self, tmp_path: Path) -> None:
        path = tmp_path / "reads"
        path.write_bytes(fastq([(f"r{i}", None, "ACGT" * 750_000, "I" * 3_000_000) for i in range(20)]))
        with FastqReader([path]) as reader:
            sizes = [batch.columns.num_rows for batch in reader]
        assert sum(sizes) == 20
        assert max(sizes) <= 6


class TestTheCockSuite:
    """The files of Cock et al. 2010: every `error_` file is refused, every other read."""

    def test_faulty_files_are_refused_with_their_place(self, shared_data: Path) -> None:
        files = sorted((shared_data / "robustness/fastq").glob("error_*.fastq"))
        assert files
        for path in files:
            with pytest.raises(InputError) as caught:
                read(path)
            assert str(path) in caught.value.where
            assert "record" in caught.value.where
            assert caught.value.remedy

    def test_truncated_files_are_called_so(self, shared_data: Path) -> None:
        for path in sorted((shared_data / "robustness/fastq").glob("error_trunc_*.fastq")):
            with pytest.raises(TruncatedInputError):
                read(path)

    def test_good_files_are_read(self, shared_data: Path) -> None:
        folder = shared_data / "robustness/fastq"
        files = [path for path in folder.iterdir() if "fastq" in path.name and "error_" not in path.name]
        assert len(files) > 30
        assert all(len(reads(path)) > 0 for path in files)

    @pytest.mark.parametrize("kind", ["longreads", "wrapping"])
    def test_wrapping_makes_no_difference(self, shared_data: Path, kind: str) -> None:
        folder = shared_data / "robustness/fastq"
        wrapped = reads(folder / f"{kind}_original_sanger.fastq")
        assert wrapped == reads(folder / f"{kind}_as_sanger.fastq")

    def test_compression_makes_no_difference(self, shared_data: Path) -> None:
        folder = shared_data / "robustness/fastq"
        plain = reads(folder / "example.fastq")
        for name in ("example.fastq.gz", "example.fastq.bgz", "example_dos.fastq", "example_dos.fastq.bgz"):
            assert reads(folder / name) == plain


class TestAgainstPysam:
    @pytest.mark.parametrize(
        "name",
        [
            "accuracy_NA12878_chr20/derived/NA12878_S1_L001_R1_001.fastq.gz",
            "fastq_multilane_hiseq/TESTX/TESTX_H7YRLADXX_S1_L002_R2_001.fastq.gz",
        ],
    )
    def test_same_records(self, shared_data: Path, name: str) -> None:
        import pysam

        with pysam.FastxFile(str(shared_data / name)) as file:
            expected = [(r.name, r.comment, r.sequence, r.quality) for r in file]
        # Lanes are batches of their own, so only the order within a lane is kept.
        assert sorted(reads(shared_data / name), key=str) == sorted(expected, key=str)


RECORD = "@r1 c\nACGT\n+\nIIII\n"
FAULTS = {
    "no @": (RECORD + "r2\nA\n+\nI\n", InputError, "record 2 (line 5, column 1)", "'r'"),
    "no name": ("@\nA\n+\nI\n", InputError, "record 1 (line 1)", "no name"),
    "comment without name": ("@ c\nA\n+\nI\n", InputError, "record 1 (line 1)", "no name"),
    "control in header": ("@a\x07\nA\n+\nI\n", InputError, "record 1 (line 1, column 3)", "0x07"),
    "not ASCII in header": ("@a \xe9\nA\n+\nI\n", InputError, "record 1 (line 1, column 4)", "0xc3"),
    "not a base": (
        RECORD + "@r2\n" + "A" * 40 + "E\n+\nI\n",
        InputError,
        "record 2 (line 6, column 41)",
        "'E'",
    ),
    "blank in sequence": ("@r\nAC GT\n+\nIIIII\n", InputError, "record 1 (line 2, column 3)", "' '"),
    "no sequence line": ("@r\n+\nI\n", InputError, "record 1 (line 2)", "without a sequence"),
    "no + line": ("@r\nACGT\nIIII\n@r2\nA\n+\nI\n", InputError, "record 1 (line 3)", "'+'"),
    "other name after +": ("@r\nACGT\n+q\nIIII\n", InputError, "record 1 (line 3)", "after '+'"),
    "quality too short": (
        RECORD + "@r2\nACGT\n+\nIII\n" + RECORD,
        InputError,
        "record 2 (line 8)",
        "3 characters",
    ),
    "quality too short, names with comments": (
        "@r\nACGTACGT\n+\nIII\n@r2 c\nA\n+\nI\n",
        InputError,
        "record 1 (line 4)",
        "3 characters",
    ),
    "last quality too short": ("@r\nACGT\n+\nIII\n", InputError, "record 1 (line 4)", "3 characters"),
    "quality too long": (RECORD + "@r2\nACGT\n+\nIIIII\n", InputError, "record 2 (line 8)", "sequence 4"),
    "wrapped quality too long": ("@r\nAC\nGT\n+\nII\nIII\n", InputError, "record 1 (line 6)", "sequence 4"),
    "quality below !": ("@r\nACGT\n+\nII I\n", InputError, "record 1 (line 4, column 3)", "' '"),
    "quality above ~": ("@r\nACGT\n+\nIII\x7f\n", InputError, "record 1 (line 4, column 4)", "0x7f"),
    "blank line between": (RECORD + "\n" + RECORD, InputError, "record 2 (line 5)", "blank line"),
    "cut in header": (RECORD + "@r", TruncatedInputError, "record 2 (line 5)", "inside a record"),
    "cut in sequence": (RECORD + "@r2\nAC", TruncatedInputError, "record 2 (line 6)", "inside a record"),
    "cut after +": (RECORD + "@r2\nAC\n+\n", TruncatedInputError, "record 2 (line 7)", "inside a record"),
    "cut in quality": (RECORD + "@r2\nAC\n+\nI", TruncatedInputError, "record 2 (line 8)", "inside a record"),
    "FASTA": (">r\nACGT\n", InputError, "record 1 (line 1, column 1)", "'>'"),
}


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_is_one_error_with_its_place(self, tmp_path: Path, fault: str) -> None:
        text, kind, place, part = FAULTS[fault]
        path = tmp_path / "x.fastq"
        path.write_text(text, newline="")
        for compress in (bytes, gzip.compress):
            path.write_bytes(compress(text.encode()))
            with pytest.raises(kind) as caught:
                read(path)
            assert type(caught.value) is kind
            assert caught.value.where == f"{path}, {place}"
            assert part in caught.value.what

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            read(tmp_path / "absent")

    def test_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fastq.gz"
        path.touch()
        with pytest.raises(TruncatedInputError, match="empty"):
            read(path)

    @pytest.mark.parametrize("text", [b"\n\n", gzip.compress(b"")], ids=["blank lines", "empty gzip"])
    def test_no_reads(self, tmp_path: Path, text: bytes) -> None:
        path = tmp_path / "x.fastq.gz"
        path.write_bytes(text)
        for act in (read, read_head):
            with pytest.raises(InputError, match="no reads"):
                act(path)

    @pytest.mark.parametrize(("magic", "name"), [(b"BZh9", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd")])
    def test_other_compression(self, tmp_path: Path, magic: bytes, name: str) -> None:
        path = tmp_path / "x.fastq"
        path.write_bytes(magic + bytes(20))
        with pytest.raises(InputError, match=name):
            read(path)


class TestDamagedGzip:
    @pytest.fixture
    def text(self) -> bytes:
        bases = random.Random(1)
        return fastq([(f"r{i}", None, "".join(bases.choices("ACGT", k=50)), "I" * 50) for i in range(5000)])

    def test_cut_anywhere(self, tmp_path: Path, text: bytes) -> None:
        path = tmp_path / "x.fastq.gz"
        whole = gzip.compress(text)
        for end in (5, 15, len(whole) // 2, len(whole) - 9, len(whole) - 3):
            path.write_bytes(whole[:end])
            with pytest.raises(TruncatedInputError, match="ends inside its gzip data"):
                read(path)

    def test_the_place_is_the_last_whole_record(self, tmp_path: Path, text: bytes) -> None:
        path = tmp_path / "x.fastq.gz"
        member = gzip.compress(fastq([("r", None, "ACGT", "IIII")] * 123) + b"@r\nAC")
        path.write_bytes(member + gzip.compress(text)[:9])
        with pytest.raises(TruncatedInputError) as caught:
            read(path)
        assert caught.value.where == f"{path}, after record 123 (line 492)"

    def test_cut_between_members(self, tmp_path: Path, text: bytes) -> None:
        path = tmp_path / "x.fastq.gz"
        path.write_bytes(gzip.compress(text[:-170]))
        with pytest.raises(TruncatedInputError, match="inside a record"):
            read(path)

    @pytest.mark.parametrize("place", [-6, -1, 2000])
    def test_a_flipped_bit(self, tmp_path: Path, text: bytes, place: int) -> None:
        path = tmp_path / "x.fastq.gz"
        damaged = bytearray(gzip.compress(text))
        damaged[place] ^= 1
        path.write_bytes(bytes(damaged))
        with pytest.raises(InputError):
            read(path)

    @pytest.mark.parametrize("tail", [b"x", b"@r\nA\n+\nI\n", b"\0\0x"])
    def test_other_bytes_after_the_end(self, tmp_path: Path, text: bytes, tail: bytes) -> None:
        path = tmp_path / "x.fastq.gz"
        path.write_bytes(gzip.compress(text) + tail)
        with pytest.raises(InputError, match="not gzip follow"):
            read(path)

    def test_bgzip_without_its_end_block_is_whole(
        self, tmp_path: Path, text: bytes, peer: Callable[[str], str]
    ) -> None:
        path = tmp_path / "x.fastq.gz"
        whole = subprocess.run([peer("bgzip"), "-c"], input=text, capture_output=True, check=True).stdout
        path.write_bytes(whole[:-28])  # SAMv1 4.1.2: the end-of-file marker is a block of 28 bytes
        assert len(read(path)) == 5000


class TestMates:
    def pair(self, folder: Path, first: Sequence[str], second: Sequence[str]) -> tuple[Path, Path]:
        paths = folder / "R1.fastq", folder / "R2.fastq"
        for path, names in zip(paths, (first, second), strict=True):
            path.write_bytes(fastq([(name, None, "ACGT", "IIII") for name in names]))
        return paths

    def test_other_name(self, tmp_path: Path) -> None:
        paths = self.pair(tmp_path, ["a", "b", "c"], ["a", "x", "c"])
        with pytest.raises(PairingError) as caught:
            read(*paths)
        assert caught.value.where == f"{paths[1]}, record 2 (line 5)"
        assert "x" in caught.value.what

    @pytest.mark.parametrize("short", [0, 1])
    def test_unequal_count(self, tmp_path: Path, short: int) -> None:
        names = [["a", "b", "c"], ["a", "b", "c"]]
        names[short] = ["a", "b"]
        paths = self.pair(tmp_path, names[0], names[1])
        with pytest.raises(PairingError, match="ends after 2 records") as caught:
            read(*paths)
        assert str(paths[short]) in caught.value.where

    def test_marked_as_the_other_mate(self, tmp_path: Path) -> None:
        paths = self.pair(tmp_path, ["a/1", "b/1"], ["a/2", "b/1"])
        with pytest.raises(PairingError, match="marked /1 where /2 belongs"):
            read(*paths)

    def test_interleaved_with_a_single_read(self, tmp_path: Path) -> None:
        paths = self.pair(tmp_path, ["a", "a", "b"], [])
        with pytest.raises(PairingError, match="no mate") as caught:
            read(paths[0], paths[0])
        assert caught.value.where == f"{paths[0]}, record 3 (line 9)"

    def test_a_damaged_mate(self, tmp_path: Path) -> None:
        paths = self.pair(tmp_path, ["a"] * 2000, ["a"] * 2000)
        paths[1].write_bytes(gzip.compress(paths[1].read_bytes())[:-10])
        with pytest.raises(TruncatedInputError) as caught:
            read(*paths)
        assert str(paths[1]) in caught.value.where
