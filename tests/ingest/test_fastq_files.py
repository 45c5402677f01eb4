"""Which files belong together, as names and reads tell."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from baselake.errors import BaselakeError, InputError, NotFoundError, PairingError
from baselake.ingest.fastq_files import find_fastq, find_units


def write(folder: Path, files: Mapping[str, Sequence[str]]) -> list[Path]:
    """Files of reads whose headers are given."""
    for name, headers in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"@{header}\nACGT\n+\nIIII\n" for header in headers))
    return [folder / name for name in files]


def units(folder: Path, files: Mapping[str, Sequence[str]], sample: str | None = "S") -> list[list[str]]:
    """Names of each unit's segments, then of its index reads."""
    found = find_units(write(folder, files), sample)
    return [[path.name for path in (*unit.segments, *unit.indexes)] for unit in found]


LANE1 = "M1:7:FC:1:1101:10:20"
LANE2 = "M1:7:FC:2:1101:11:21"


class TestMates:
    @pytest.mark.parametrize(
        "names",
        [
            ("S_S1_L001_R1_001.fastq.gz", "S_S1_L001_R2_001.fastq.gz"),
            ("S_R1.fq", "S_R2.fq"),
            ("S_1.fastq", "S_2.fastq"),
            ("S.1.fq.gz", "S.2.fq.gz"),
            ("S.r1.fastq", "S.r2.fastq"),
            ("first", "second"),
        ],
    )
    @pytest.mark.parametrize(
        "headers",
        [("a", "a"), ("a/1", "a/2"), (f"{LANE1} 1:N:0:AC", f"{LANE1} 2:N:0:AC")],
        ids=["plain", "suffix", "casava"],
    )
    def test_are_found_in_either_order(
        self, tmp_path: Path, names: tuple[str, str], headers: tuple[str, str]
    ) -> None:
        files = dict(zip(names, ([header] for header in headers), strict=True))
        assert units(tmp_path, files) == [list(names)]
        told = names[0] != "first" or headers[0] != headers[1]
        if told:
            assert units(tmp_path, dict(reversed(files.items()))) == [list(names)]

    def test_reads_decide_against_names(self, tmp_path: Path) -> None:
        assert units(tmp_path, {"x_R1.fq": ["a/2"], "x_R2.fq": ["a/1"]}) == [["x_R2.fq", "x_R1.fq"]]

    def test_lie_in_other_folders(self, tmp_path: Path) -> None:
        files = {"one/forward.fq": [f"{LANE1} 1:N:0:"], "two/reverse.fq": [f"{LANE1} 2:N:0:"]}
        assert units(tmp_path, files) == [["forward.fq", "reverse.fq"]]

    def test_of_two_samples_with_the_same_names_of_reads(self, tmp_path: Path) -> None:
        files = {f"{s}_S{i}_R{r}_001.fq": ["read1"] for i, s in enumerate("AB") for r in (1, 2)}
        found = find_units(write(tmp_path, files))
        assert [(unit.sample, len(unit.segments)) for unit in found] == [("A", 2), ("B", 2)]

    def test_in_another_order_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PairingError, match=r"begins with the read a, .* with b"):
            units(tmp_path, {"x_R1.fq": ["a", "b"], "x_R2.fq": ["b", "a"]})

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(PairingError, match="without its read 1"):
            units(tmp_path, {"x_R2.fq": [f"{LANE1} 2:N:0:"]})

    def test_both_read_1(self, tmp_path: Path) -> None:
        with pytest.raises(PairingError, match="reads 1 and 1"):
            units(tmp_path, {"x_R1.fq": [f"{LANE1} 1:N:0:"], "x_R2.fq": [f"{LANE1} 1:N:0:"]})


class TestSingles:
    def test_replicates_are_no_mates(self, tmp_path: Path) -> None:
        files = {"mouse_1.fq": [f"{LANE1} 1:N:0:"], "mouse_2.fq": [f"{LANE2} 1:N:0:"]}
        assert units(tmp_path, files) == [["mouse_1.fq"], ["mouse_2.fq"]]

    def test_lanes_and_parts(self, tmp_path: Path) -> None:
        files = {
            f"S_S1_L00{lane}_R{mate}_00{part}.fq": [f"M1:7:FC:{lane}:1101:{part}:20"]
            for lane in (1, 2)
            for part in (1, 2)
            for mate in (1, 2)
        }
        names = list(files)
        assert units(tmp_path, files) == [names[i : i + 2] for i in (0, 2, 4, 6)]

    def test_two_that_begin_alike_are_refused(self, tmp_path: Path) -> None:
        files = {
            name: [f"{LANE1} {i}:N:0:"] for name, i in (("a_R1", 1), ("a_R2", 2), ("b_R1", 1), ("b_R2", 2))
        }
        with pytest.raises(InputError, match="begins with the same read"):
            units(tmp_path, files)


class TestInterleaved:
    @pytest.mark.parametrize(
        "headers",
        [("a", "a", "b", "b"), ("a/1", "a/2"), (f"{LANE1} 1:N:0:", f"{LANE1} 2:N:0:")],
    )
    def test_is_recognised(self, tmp_path: Path, headers: tuple[str, ...]) -> None:
        assert units(tmp_path, {"x.fq": headers}) == [["x.fq", "x.fq"]]


class TestIndexes:
    def test_stand_beside_their_reads(self, tmp_path: Path) -> None:
        files = {f"S_S1_L001_{kind}_001.fq": [f"{LANE1} {kind[1]}:N:0:"] for kind in ("I1", "I2", "R1", "R2")}
        names = list(files)
        assert units(tmp_path, files) == [[names[2], names[3], names[0], names[1]]]

    def test_of_picard(self, shared_data: Path) -> None:
        folder = shared_data / "run_folders/picard/151T8B8B151T_cbcl/fastq"
        found = find_units(find_fastq([folder]), "S")
        assert len(found) > 1
        for unit in found:
            barcode = unit.segments[0].name.split(".")[0]
            assert [path.name for path in unit.files] == [
                f"{barcode}.{kind}.fastq" for kind in ("1", "2", "barcode_1", "barcode_2")
            ]

    def test_without_reads(self, tmp_path: Path) -> None:
        with pytest.raises(PairingError, match="index reads without"):
            units(tmp_path, {"S_S1_L001_I1_001.fq": ["a"]})

    def test_three_reads_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="more files"):
            units(tmp_path, {f"x_R{i}.fq": [f"{LANE1} {i}:N:0:"] for i in (1, 2, 3)})


class TestSample:
    def test_from_the_name(self, tmp_path: Path) -> None:
        paths = write(
            tmp_path, {"NA_12878-b_S12_L003_R1_001.fastq": ["a"], "Undetermined_S0_R1_001.fq": ["b"]}
        )
        assert [unit.sample for unit in find_units(paths)] == ["NA_12878-b", None]

    def test_given(self, tmp_path: Path) -> None:
        (unit,) = find_units(write(tmp_path, {"A_S1_R1_001.fq": ["a"]}), "B")
        assert unit.sample == "B"

    def test_nothing_tells(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nothing names the sample") as caught:
            find_units(write(tmp_path, {"reads.fq": ["a"]}))
        assert "--sample" in caught.value.remedy

    def test_one_name_for_files_of_two(self, tmp_path: Path) -> None:
        paths = write(tmp_path, {"A_S1_R1_001.fq": ["a"], "B_S2_R1_001.fq": ["b"]})
        with pytest.raises(InputError, match="samples A, B"):
            find_units(paths, "C")

    def test_unprintable(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="not a name"):
            find_units(write(tmp_path, {"reads.fq": ["a"]}), "a\tb")


class TestPaths:
    def test_folders_give_their_fastq_files(self, tmp_path: Path) -> None:
        write(tmp_path, {"run/b.fastq.gz": ["b"], "run/deep/a.fq": ["a"], "run/notes.txt": ["n"]})
        assert [path.name for path in find_fastq([tmp_path])] == ["b.fastq.gz", "a.fq"]

    @pytest.mark.parametrize(
        ("given", "error", "message"),
        [
            (["absent.fq"], NotFoundError, "no such file"),
            (["empty"], NotFoundError, "no FASTQ files"),
            (["a.fq", "./empty/../a.fq"], InputError, "same file"),
            (["a.fq", "link.fq"], InputError, "same file"),
        ],
    )
    def test_faults(self, tmp_path: Path, given: list[str], error: type[BaselakeError], message: str) -> None:
        write(tmp_path, {"a.fq": ["a"]})
        (tmp_path / "empty").mkdir()
        (tmp_path / "link.fq").symlink_to("a.fq")
        with pytest.raises(error, match=message):
            find_fastq([tmp_path / name for name in given])
