"""FASTQ files in the lake: every read once, all of a call or nothing."""

import gzip
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.config import Config
from baselake.errors import BaselakeError, ConflictError, InputError, PairingError, TruncatedInputError
from baselake.ingest import fastq as module
from baselake.ingest.fastq import ingest_fastq

from ..commands import baselake

TABLES = ("read_records", "samples", "runs", "read_groups", "source_files", "lineage")
TESTX = "fastq_multilane_hiseq/TESTX"
NA12878 = "accuracy_NA12878_chr20/derived"


def rows(catalog: Catalog) -> dict[str, int]:
    """Rows of every table."""
    counts = {table: catalog.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py() for table in TABLES}
    return {table: count for table, count in counts.items() if count}


def parquet_files(catalog: Catalog) -> list[Path]:
    return list(catalog.layout.data.rglob("read_records/**/*.parquet"))


def write(path: Path, names: Sequence[str], bases: str = "ACGT") -> Path:
    text = "".join(f"@{name}\n{bases}\n+\n{'I' * len(bases)}\n" for name in names).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def lane(number: int, count: int = 3) -> list[str]:
    return [f"M1:7:FC:{number}:1101:{i}:20" for i in range(count)]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Mates of sample A, three templates of lane 1."""
    first, second = tmp_path / "A_S1_L001_R1_001.fastq.gz", tmp_path / "A_S1_L001_R2_001.fastq.gz"
    return write(first, lane(1)), write(second, lane(1), "GGTTA")


class TestImport:
    def test_mates_are_adjacent_rows(self, catalog: Catalog, pair: tuple[Path, Path]) -> None:
        done = ingest_fastq(catalog, pair)
        assert (done.samples, done.read_groups, done.reads) == (("A",), ("A.FC.1",), 6)
        assert (done.imported, done.known) == (pair, ())
        reads = catalog.query("SELECT name, segment, seq, lane, run_id FROM read_records").to_pylist()
        assert [tuple(read.values()) for read in reads] == [
            (name, segment, seq, 1, "M1_7_FC")
            for name in lane(1)
            for segment, seq in ((1, "ACGT"), (2, "GGTTA"))
        ]

    def test_what_is_recorded(self, catalog: Catalog, pair: tuple[Path, Path]) -> None:
        ingest_fastq(catalog, pair, library="L", sex="female")
        (group,) = catalog.query("SELECT * FROM read_groups").to_pylist()
        assert {key: value for key, value in group.items() if value is not None} == {
            "read_group_id": "A.FC.1",
            "id": "A.FC.1",
            "sample_id": "A",
            "library": "L",
            "run_id": "M1_7_FC",
            "lane": 1,
            "platform": "ILLUMINA",
            "platform_unit": "FC.1",
        }
        (run,) = catalog.query("SELECT run_id, platform, instrument, flowcell, state FROM runs").to_pylist()
        assert tuple(run.values()) == ("M1_7_FC", "ILLUMINA", "M1", "FC", "imported")
        assert catalog.query("SELECT sample_id, sex FROM samples").to_pylist() == [
            {"sample_id": "A", "sex": "female"}
        ]
        files = catalog.query(
            "SELECT path, records, segment, sample_ids, bytes FROM source_files ORDER BY path"
        )
        assert [tuple(file.values()) for file in files.to_pylist()] == [
            (str(path), 3, segment, ["A"], path.stat().st_size) for segment, path in enumerate(pair, start=1)
        ]
        (job,) = catalog.query(
            "SELECT operation, len(inputs) AS n, len(outputs) AS m FROM lineage"
        ).to_pylist()
        assert tuple(job.values()) == ("ingest", 2, 1)

    def test_names_that_tell_no_run(self, catalog: Catalog, tmp_path: Path) -> None:
        path = write(tmp_path / "x.fq", ["r1/1", "r2/1"])
        done = ingest_fastq(catalog, [path], sample="S")
        (file,) = catalog.query("SELECT source_id, run_id FROM source_files").to_pylist()
        assert file["run_id"] == f"import-{file['source_id'][:12]}"
        assert done.read_groups == (f"S.{file['run_id']}",)
        assert catalog.query("SELECT name, lane FROM read_records").to_pylist() == [
            {"name": "r1", "lane": None},
            {"name": "r2", "lane": None},
        ]

    def test_undetermined_reads_have_no_sample(self, catalog: Catalog, tmp_path: Path) -> None:
        done = ingest_fastq(catalog, [write(tmp_path / "Undetermined_S0_R1_001.fq", lane(1))])
        assert done.samples == ()
        assert rows(catalog) == {
            "read_records": 3,
            "runs": 1,
            "read_groups": 1,
            "source_files": 1,
            "lineage": 1,
        }
        assert catalog.query("SELECT sample_id FROM reads")["sample_id"].to_pylist() == [None] * 3

    def test_several_lanes_and_samples_in_one_transaction(self, catalog: Catalog, tmp_path: Path) -> None:
        for sample in "AB":
            for number in (1, 2):
                for mate in (1, 2):
                    name = f"{sample}_S1_L00{number}_R{mate}_001.fastq.gz"
                    write(tmp_path / name, [f"{read}{ord(sample)}" for read in lane(number)], "ACGT" * mate)
        done = ingest_fastq(catalog, [tmp_path])
        assert done.read_groups == ("A.FC.1", "A.FC.2", "B.FC.1", "B.FC.2")
        assert rows(catalog) == {
            "read_records": 24,
            "samples": 2,
            "runs": 1,
            "read_groups": 4,
            "source_files": 8,
            "lineage": 1,
        }

    def test_more_lanes_than_open_writers(self, catalog: Catalog, tmp_path: Path) -> None:
        names = [name for i in range(20) for number in range(1, 6) for name in [f"M1:7:FC:{number}:1:{i}:1"]]
        with mock.patch.object(module, "_OPEN_WRITERS", 2):
            ingest_fastq(catalog, [write(tmp_path / "x.fq", names)], sample="S")
        found = catalog.query("SELECT lane, name FROM read_records").to_pylist()
        assert Counter(row["name"] for row in found) == Counter(names)
        assert all(row["lane"] == int(row["name"].split(":")[3]) for row in found)

    def test_real_data_against_samtools(
        self, catalog: Catalog, shared_data: Path, peer: Callable[[str], str]
    ) -> None:
        for name in (TESTX, NA12878):
            files = sorted((shared_data / name).glob("*.fastq.gz"))
            ingest_fastq(catalog, files)
            expected: Counter[str] = Counter()
            for first, second in zip(files[0::2], files[1::2], strict=True):
                command = [peer("samtools"), "import", "-1", str(first), "-2", str(second), "-O", "SAM"]
                text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                expected.update(line for line in text.splitlines() if not line.startswith("@"))
            reads = catalog.query(
                "SELECT concat_ws('\t', name, CASE segment WHEN 1 THEN 77 ELSE 141 END, '*', 0, 0, '*', '*', 0, 0, seq,"
                " qual) AS sam FROM reads WHERE sample_id = ?",
                ["TESTX_H7YRLADXX" if name == TESTX else "NA12878"],
            )
            assert Counter(reads["sam"].to_pylist()) == expected


class TestTheSameAgain:
    def test_same_files(self, catalog: Catalog, pair: tuple[Path, Path]) -> None:
        ingest_fastq(catalog, pair)
        before = rows(catalog)
        done = ingest_fastq(catalog, pair)
        assert (done.imported, done.known, done.reads) == ((), pair, 0)
        assert rows(catalog) == before

    def test_same_files_elsewhere(self, catalog: Catalog, pair: tuple[Path, Path], tmp_path: Path) -> None:
        ingest_fastq(catalog, pair)
        (tmp_path / "copy").mkdir()
        copies = [Path(shutil.copy(path, tmp_path / "copy" / f"x_R{i}.gz")) for i, path in enumerate(pair, 1)]
        assert ingest_fastq(catalog, copies, sample="A").known == tuple(copies)

    def test_same_reads_compressed_otherwise(self, catalog: Catalog, pair: tuple[Path, Path]) -> None:
        ingest_fastq(catalog, pair)
        before, files = rows(catalog), parquet_files(catalog)
        for path in pair:
            path.write_bytes(gzip.decompress(path.read_bytes()))
        done = ingest_fastq(catalog, pair)
        assert (done.known, done.reads) == (pair, 0)
        assert rows(catalog) == before
        assert parquet_files(catalog) == files

    def test_new_lane_beside_known_ones(
        self, catalog: Catalog, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        ingest_fastq(catalog, pair)
        for path in pair:
            path.write_bytes(gzip.decompress(path.read_bytes()))
        new = write(tmp_path / "A_S1_L002_R1_001.fq", lane(2))
        done = ingest_fastq(catalog, [*pair, new])
        assert (done.known, done.imported, done.reads) == (pair, (new,), 3)
        assert rows(catalog)["read_records"] == 9

    def test_another_process_was_faster(
        self, catalog: Catalog, pair: tuple[Path, Path], lake: Path, config: Config
    ) -> None:
        write_unit = module._write_unit

        def overtaken(*arguments: object) -> object:
            with connect(lake, config) as other, mock.patch.object(module, "_write_unit", write_unit):
                ingest_fastq(other, pair)
            return write_unit(*arguments)  # type: ignore[arg-type]

        with mock.patch.object(module, "_write_unit", overtaken):
            assert ingest_fastq(catalog, pair).known == pair
        assert rows(catalog)["read_records"] == 6

    def test_sex_is_still_recorded(self, catalog: Catalog, pair: tuple[Path, Path]) -> None:
        ingest_fastq(catalog, pair)
        ingest_fastq(catalog, pair, sex="male")
        assert catalog.query("SELECT sex FROM samples")["sex"].to_pylist() == ["male"]
        with pytest.raises(ConflictError, match="recorded as male"):
            ingest_fastq(catalog, pair, sex="female")


class TestConflicts:
    def refused(
        self, catalog: Catalog, paths: Sequence[Path], error: type[BaselakeError], message: str
    ) -> None:
        before, files = rows(catalog), parquet_files(catalog)
        with pytest.raises(error, match=message) as caught:
            ingest_fastq(catalog, paths, sample="A")
        assert caught.value.remedy
        assert rows(catalog) == before
        assert parquet_files(catalog) == files

    @pytest.mark.parametrize("again", ["same", "recompressed"])
    def test_another_samples_file(self, catalog: Catalog, pair: tuple[Path, Path], again: str) -> None:
        ingest_fastq(catalog, pair, sample="B")
        if again == "recompressed":
            for path in pair:
                path.write_bytes(gzip.decompress(path.read_bytes()))
        self.refused(catalog, pair, ConflictError, "as sample B")

    def test_with_its_mate_afterwards(self, catalog: Catalog, pair: tuple[Path, Path]) -> None:
        ingest_fastq(catalog, pair[:1])
        self.refused(catalog, pair, ConflictError, "imported before without, or with other mates")

    def test_without_its_mate_afterwards(
        self, catalog: Catalog, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        ingest_fastq(catalog, pair)
        other = write(tmp_path / "A_S1_L001_R2_001.fq", lane(1), "CCCC")
        self.refused(catalog, [pair[0], other], ConflictError, "with other mates")

    def test_in_another_role(self, catalog: Catalog, tmp_path: Path) -> None:
        paths = [
            write(tmp_path / name, ["a", "b"], bases) for name, bases in (("x_1.fq", "A"), ("x_2.fq", "CC"))
        ]
        ingest_fastq(catalog, paths, sample="A")
        paths[0].rename(tmp_path / "x")
        paths[1].rename(tmp_path / "x_1.fq")
        (tmp_path / "x").rename(tmp_path / "x_2.fq")
        self.refused(catalog, paths, ConflictError, "in another role")

    def test_equal_content(self, catalog: Catalog, pair: tuple[Path, Path]) -> None:
        pair[1].write_bytes(gzip.decompress(pair[0].read_bytes()))
        self.refused(catalog, pair, InputError, "the same content")

    def test_other_library_in_the_same_lane(
        self, catalog: Catalog, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        ingest_fastq(catalog, pair, library="L1")
        other = write(tmp_path / "A_S1_L001_R1_002.fq", ["M1:7:FC:1:1102:1:1"])
        self.refused(catalog, [other], ConflictError, "library L1")


class TestFaultyFilesLeaveNothing:
    @pytest.mark.parametrize(
        ("fault", "error", "place"),
        [
            ("truncated", TruncatedInputError, ", after record "),
            ("unequal", PairingError, ", record 2 (line 8)"),
            ("quality", InputError, ", record 3 (line 12)"),
        ],
    )
    def test_one_error_with_file_and_record(
        self, catalog: Catalog, pair: tuple[Path, Path], fault: str, error: type[InputError], place: str
    ) -> None:
        text = gzip.decompress(pair[1].read_bytes())
        if fault == "truncated":
            pair[1].write_bytes(pair[1].read_bytes()[:-9])
        elif fault == "unequal":
            pair[1].write_bytes(gzip.compress(b"".join(text.splitlines(keepends=True)[:8])))
        else:
            pair[1].write_bytes(gzip.compress(text[:-2] + b"\n"))
        with pytest.raises(error) as caught:
            ingest_fastq(catalog, pair)
        assert type(caught.value) is error
        assert caught.value.where.startswith(f"{pair[1]}{place}")
        assert rows(catalog) == {}
        assert parquet_files(catalog) == []

    def test_the_command_prints_one_line(self, lake: Path, pair: tuple[Path, Path]) -> None:
        pair[1].write_bytes(pair[1].read_bytes()[:-9])
        done = baselake(lake, "ingest", *pair, status=1)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("ingest ")]
        assert len(lines) == 1
        assert "ends inside its gzip data" in lines[0]

    def test_a_fault_after_rows_were_written(self, lake: Path, tmp_path: Path, shared_data: Path) -> None:
        whole = next((shared_data / TESTX).glob("*L001_R1*"))
        text = gzip.decompress(whole.read_bytes())
        bad = tmp_path / whole.name
        bad.write_bytes(text * 4 + text[:-20])
        done = baselake(lake, "ingest", bad, status=1)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("ingest ")]
        assert len(lines) == 1
        assert f"{bad}, record 125000 (line 500000)" in lines[0]
        assert list((lake / "data").rglob("read_records/**/*.parquet")) == []

    def test_a_fault_in_the_last_of_several_lanes(
        self, catalog: Catalog, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        bad = write(tmp_path / "A_S1_L002_R1_001.fq", lane(2))
        bad.write_text(bad.read_text()[:-3])
        with pytest.raises(TruncatedInputError):
            ingest_fastq(catalog, [*pair, bad])
        assert rows(catalog) == {}
        assert parquet_files(catalog) == []


@pytest.mark.parametrize(("bases", "copies"), [(120, (60, 240)), (9_000, (1, 4))], ids=["short", "long"])
def test_memory_does_not_grow_with_the_input(
    lake: Path, tmp_path: Path, bases: int, copies: tuple[int, int]
) -> None:
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from baselake.catalog.catalog import connect
        from baselake.ingest import fastq_reader
        from baselake.ingest.fastq import ingest_fastq
        from baselake.lake import parquet
        parquet.ROW_GROUP_BYTES = fastq_reader._BATCH_BYTES = 8 << 20
        with connect(Path(sys.argv[1])) as catalog:
            done = ingest_fastq(catalog, [Path(sys.argv[2])], sample="S")
        print(done.reads, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        """
    )
    text = "".join(f"@r{i}\n{'ACGT' * (bases // 4)}\n+\n{'I' * bases}\n" for i in range(3000)).encode()
    peaks = []
    for times in copies:
        path = tmp_path / f"{times}.fastq"
        with open(path, "wb") as file:
            for _ in range(times):
                file.write(text)
        command = [sys.executable, "-c", script, str(lake), str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        reads, peak = map(int, result.stdout.split())
        assert reads == 3000 * times
        peaks.append(peak)
    assert peaks[1] < peaks[0] * 1.25, f"{peaks} kB for 1 and 4 times the reads"
