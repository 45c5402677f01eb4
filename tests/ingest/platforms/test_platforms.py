"""Run folders of every platform: recognised, checked, imported once, and what is wrong with them said."""

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.errors import ConflictError, InputError, StorageError
from baselake.ingest.platforms import folder_run, open_platform_run
from baselake.ingest.run_records import find_run
from baselake.ingest.run_source import RunOptions, RunResult, RunSource
from baselake.progress import QUIET

from ..sam_files import CONTIGS, sam_line, write_bam
from . import run_folders as made
from .run_folders import FLOWCELL, FOLDERS, MOVIE, ONT_RUN, ULTIMA_RUN

Make = Callable[[Path], Path]
EVERY = pytest.mark.parametrize("make", FOLDERS.values(), ids=FOLDERS)
# Reads by sample of the folders as they are made; None: undetermined.
READS = {
    "nanopore": {"HG002": 6, "PAA12345_barcode02": 3, None: 3},
    "pacbio": {"Mother": 2, "Child": 2, None: 2},
    "ultima": {"S1": 2, "S-2": 2, None: 2},
    "element": {"S1": 6, None: 4},
    "mgi": {f"{FLOWCELL}_23": 8, "HG002": 8, None: 8},
}


def opened(folder: Path) -> RunSource:
    run = open_platform_run(folder)
    assert run is not None
    return run


def ingest(catalog: Catalog, folder: Path, **options: object) -> RunResult:
    return opened(folder).ingest(catalog, RunOptions(**options), QUIET)  # type: ignore[arg-type]


def reads(catalog: Catalog) -> dict[str | None, int]:
    rows = catalog.query("SELECT sample_id, count(*) AS n FROM reads GROUP BY 1").to_pylist()
    return {row["sample_id"]: row["n"] for row in rows}


def state(catalog: Catalog, run_id: str) -> tuple[str, str | None]:
    record = find_run(catalog, run_id)
    assert record is not None
    return record.state, record.error


class TestRecognition:
    @pytest.mark.parametrize(
        ("name", "run_id", "platform", "instrument", "flowcell", "started"),
        [
            ("nanopore", ONT_RUN, "ONT", "3E", "PAA12345", datetime(2025, 6, 3, 12, 1, 17, 158001, UTC)),
            ("pacbio", MOVIE, "PACBIO", "84001", "", datetime(2022, 7, 22, 13, 47, 1, 0, UTC)),
            ("ultima", ULTIMA_RUN, "ULTIMA", "", "", datetime(2026, 5, 12, 18, 5, 0, 0, UTC)),
            (
                "element",
                "20250603_AV240405_Run-A",
                "ELEMENT",
                "AV240405",
                "2140948523",
                datetime(2025, 6, 3, 12, 1, 17, 158000, UTC),
            ),
            ("mgi", FLOWCELL, "DNBSEQ", "R2100600190016", FLOWCELL, datetime(2025, 6, 3, 12, 1, 17, 0, UTC)),
        ],
    )
    def test_description(
        self,
        tmp_path: Path,
        name: str,
        run_id: str,
        platform: str,
        instrument: str,
        flowcell: str,
        started: datetime,
    ) -> None:
        folder = FOLDERS[name](tmp_path)
        found = opened(folder).describe()
        assert (found.run_id, found.platform, found.instrument, found.flowcell, found.started) == (
            run_id,
            platform,
            instrument,
            flowcell,
            started,
        )
        assert found.folder == folder

    @EVERY
    def test_a_copy_elsewhere_is_the_same_run(self, tmp_path: Path, make: Make) -> None:
        first, second = (opened(make(tmp_path / place)).describe() for place in ("a", "b"))
        assert (first.run_id, first.digest) == (second.run_id, second.digest)

    def test_other_folders_are_no_runs(self, tmp_path: Path, shared_data: Path) -> None:
        made.fastq(tmp_path / "reads" / "A_S1_L001_R1_001.fastq.gz", ["r"])
        made.unaligned(tmp_path / "reads" / "a.bam", ["r"])
        made.mgi(tmp_path)
        for folder in (
            tmp_path / "reads",
            tmp_path,
            tmp_path / "R1",
            shared_data / "ont",
            tmp_path / "absent",
        ):
            assert open_platform_run(folder) is None

    def test_raw_base_calls_of_an_aviti_are_refused(self, tmp_path: Path) -> None:
        folder = made.element(tmp_path)
        (folder / "Samples").rename(folder / "BaseCalls")
        with pytest.raises(InputError, match="bases2fastq"):
            open_platform_run(folder)

    def test_a_sequel_cell_has_its_files_side_by_side(self, catalog: Catalog, tmp_path: Path) -> None:
        movie = "m64011e_210101_000000"
        made.unaligned(
            tmp_path / "1_A01" / f"{movie}.hifi_reads.bam",
            [f"{movie}/1/ccs"],
            f"@RG\tID:a\tPL:PACBIO\tSM:S\tPU:{movie}",
        )
        made.write(tmp_path / "1_A01" / f".{movie}.transferdone", "")
        run = opened(tmp_path / "1_A01")
        assert (run.describe().run_id, run.check().faults) == (movie, ())
        run.ingest(catalog, RunOptions(), QUIET)
        assert reads(catalog) == {"S": 1}


class TestImport:
    @pytest.mark.parametrize("name", FOLDERS)
    def test_whole_run(self, catalog: Catalog, tmp_path: Path, name: str) -> None:
        folder = FOLDERS[name](tmp_path)
        run = opened(folder)
        check, before = run.check(), run.progress()
        assert (check.faults, check.whole) == ((), True)
        assert check.bytes > 0
        assert check.bytes_needed > 0
        assert before.ended
        assert before.aborted is None
        done = ingest(catalog, folder)
        assert done.faults == ()
        assert reads(catalog) == READS[name]
        assert done.reads == sum(READS[name].values())
        assert done.units == done.units_imported > 0
        description = run.describe()
        assert state(catalog, description.run_id) == ("complete", None)
        assert set(catalog.query("SELECT run_id FROM read_records")["run_id"].to_pylist()) == {done.run_id}
        groups = catalog.query("SELECT DISTINCT platform, run_id FROM read_groups").to_pylist()
        assert groups == [{"platform": description.platform, "run_id": done.run_id}]
        files = catalog.query("SELECT run_id, sample_ids FROM source_files").to_pylist()
        assert {row["run_id"] for row in files} == {done.run_id}
        assert sorted(sample for sample in READS[name] if sample) == sorted(
            catalog.query("SELECT sample_id FROM samples")["sample_id"].to_pylist()
        )
        assert run.progress() == before

    @EVERY
    def test_never_twice(self, catalog: Catalog, tmp_path: Path, make: Make) -> None:
        first = ingest(catalog, make(tmp_path / "a"))
        before = reads(catalog)
        for place in ("a", "b"):  # the same folder, and a copy of it
            again = ingest(catalog, make(tmp_path / place))
            assert (again.units, again.units_imported, again.reads) == (first.units, 0, 0)
        assert reads(catalog) == before

    def test_base_modifications_are_kept(self, catalog: Catalog, tmp_path: Path) -> None:
        for folder in (made.nanopore(tmp_path), made.pacbio(tmp_path), made.ultima(tmp_path)):
            ingest(catalog, folder)
        tags = set(catalog.query("SELECT tags FROM read_records")["tags"].to_pylist())
        assert all(stored.startswith(b"MMZC+m?,0;\0" + b"MLBC\x01\0\0\0\xc8") for stored in tags)

    def test_reads_of_bam_are_preferred_to_the_same_of_fastq(self, catalog: Catalog, tmp_path: Path) -> None:
        made.nanopore(tmp_path, "fastq")
        folder = made.nanopore(tmp_path, "bam")
        notes = mock.Mock(wraps=QUIET)
        opened(folder).ingest(catalog, RunOptions(), notes)
        assert reads(catalog) == READS["nanopore"]
        assert any("the same reads" in call.args[0] for call in notes.note.call_args_list)

    def test_fastq_of_nanopore(self, catalog: Catalog, tmp_path: Path) -> None:
        ingest(catalog, made.nanopore(tmp_path, "fastq"))
        assert reads(catalog) == READS["nanopore"]
        groups = catalog.query("SELECT read_group_id, barcode FROM read_groups ORDER BY 1").to_pylist()
        assert [(row["read_group_id"], row["barcode"]) for row in groups] == [
            (f"HG002.{ONT_RUN}.barcode01", "barcode01"),
            (f"PAA12345_barcode02.{ONT_RUN}.barcode02", "barcode02"),
            (f"Undetermined.{ONT_RUN}", None),
        ]

    def test_a_run_without_barcodes_needs_a_name(self, catalog: Catalog, tmp_path: Path) -> None:
        folder = tmp_path / ONT_RUN
        made.unaligned(folder / "bam_pass" / "a.bam", ["r"])
        made.write(folder / "final_summary_a_b_c.txt", "sample_id=no_sample\nbam_files_in_final_dest=1\n")
        (fault,) = opened(folder).check().faults
        assert "--sample" in fault.what
        ingest(catalog, folder, sample="S")
        assert reads(catalog) == {"S": 1}

    def test_lanes_are_told_by_names(self, catalog: Catalog, tmp_path: Path) -> None:
        for folder in (made.element(tmp_path), made.mgi(tmp_path)):
            ingest(catalog, folder)
        rows = catalog.query(
            "SELECT run_id, lane, count(*) AS n FROM read_records GROUP BY ALL ORDER BY ALL"
        ).to_pylist()
        assert [tuple(row.values()) for row in rows] == [
            ("20250603_AV240405_Run-A", 1, 6),
            ("20250603_AV240405_Run-A", 2, 4),
            (FLOWCELL, 1, 12),
            (FLOWCELL, 2, 12),
        ]

    def test_signal_and_what_describes_a_run_are_kept(
        self, catalog: Catalog, lake: Path, tmp_path: Path
    ) -> None:
        folder = made.nanopore(tmp_path)
        ingest(catalog, folder, keep_signal=False)
        ingest(catalog, folder)
        rows = {row["name"]: row for row in catalog.query("SELECT * FROM objects").to_pylist()}
        assert sorted(row["kind"] for row in rows.values()) == ["metadata", "metadata", "pod5"]
        signal = rows["pod5/PAA12345_0.pod5"]
        assert signal["sha256"] == hashlib.sha256(made.SIGNAL).hexdigest()
        assert (lake / signal["path"]).read_bytes() == made.SIGNAL

    def test_another_run_of_the_same_name(self, catalog: Catalog, tmp_path: Path) -> None:
        ingest(catalog, made.element(tmp_path / "a"))
        folder = made.element(tmp_path / "b")
        parameters = folder / "RunParameters.json"
        parameters.write_text(parameters.read_text().replace("2140948523", "2140948524"))
        with pytest.raises(ConflictError, match="another run"):
            ingest(catalog, folder)

    def test_a_folder_is_not_written_to(self, catalog: Catalog, tmp_path: Path) -> None:
        for name, make in FOLDERS.items():
            folder = make(tmp_path / name)
            before = opened(folder).progress().signature
            opened(folder).check()
            ingest(catalog, folder)
            assert opened(folder).progress().signature == before


class TestFaults:
    @pytest.mark.parametrize("name", FOLDERS)
    def test_a_file_cut_short(self, catalog: Catalog, tmp_path: Path, name: str) -> None:
        """The others go in; when it is whole, so does it."""
        folder = FOLDERS[name](tmp_path)
        path = {
            "nanopore": folder / "bam_pass/barcode01/PAA12345_pass_barcode01_e05460c6_1234abcd_1.bam",
            "pacbio": folder / f"hifi_reads/{MOVIE}.hifi_reads.bc2001.bam",
            "ultima": folder / "602202-S1-Z0001-CAGCTCGAATGCGAT/602202-S1-Z0001-CAGCTCGAATGCGAT.cram",
            "element": folder / "Samples/Project1/S1/S1_R2.fastq.gz",
            "mgi": folder / f"L01/{FLOWCELL}_L01_23_2.fq.gz",
        }[name]
        whole = path.read_bytes()
        path.write_bytes(whole[:-10])
        done = ingest(catalog, folder)
        (fault,) = done.faults
        assert fault.path == path
        run_id = done.run_id
        assert state(catalog, run_id) == ("quarantined", str(fault))
        (row,) = catalog.query("SELECT path, fault FROM run_faults").to_pylist()
        assert (row["path"], row["fault"]) == (str(path), fault.what)
        assert 0 < done.reads < sum(READS[name].values())
        path.write_bytes(whole)
        again = ingest(catalog, folder)
        assert (again.faults, again.reads) == ((), sum(READS[name].values()) - done.reads)
        assert reads(catalog) == READS[name]
        assert state(catalog, run_id) == ("complete", None)
        assert catalog.query("SELECT * FROM run_faults").num_rows == 0

    @pytest.mark.parametrize(
        ("name", "gone", "what"),
        [
            ("nanopore", "bam_pass/barcode02", "it counts 5 bam files, of which 4 are there"),
            ("nanopore", "pod5/PAA12345_0.pod5", "it counts 1 pod5 files, of which 0 are there"),
            ("nanopore", "final_summary_PAA12345_e05460c6_1234abcd.txt", "MinKNOW writes it when all"),
            ("pacbio", f"hifi_reads/{MOVIE}.hifi_reads.bc2002.bam", "names it, and it is not there"),
            ("pacbio", f"metadata/{MOVIE}.transferdone", "written when the cell is copied"),
            ("ultima", "602202-S1-Z0001-CAGCTCGAATGCGAT", "LibraryInfo.xml lists sample S1"),
            ("ultima", "602202_LibraryInfo.xml", "it lists the samples"),
            ("element", "Samples/Project1/S1", "RunStats.json lists the sample"),
            ("element", "RunStats.json", "bases2fastq writes it when all"),
            ("element", "Samples/Project1/S1/S1_R2.fastq.gz", "its R2 is not there"),
            ("mgi", f"L02/{FLOWCELL}_L02_23_2.fq.gz", "its mate 2 is not there"),
            ("mgi", f"L02/{FLOWCELL}_L02_23_1.fq.gz", "its mate 1 is not there"),
        ],
    )
    def test_what_is_not_there_may_still_come(self, tmp_path: Path, name: str, gone: str, what: str) -> None:
        folder = FOLDERS[name](tmp_path)
        path = folder / gone
        files = [path] if path.is_file() else sorted(path.iterdir())
        for file in files:
            file.unlink()
        check = opened(folder).check()
        assert check.waiting
        assert any(what in fault.what for fault in check.faults), check.faults

    def test_fewer_reads_than_the_instrument_counted(self, catalog: Catalog, tmp_path: Path) -> None:
        folder = made.mgi(tmp_path)
        path = folder / "L01" / f"{FLOWCELL}_L01_HG002_1.fq.fqStat.txt"
        path.write_text("#Name\tx\n#ReadNum\t7\n")
        (fault,) = ingest(catalog, folder).faults
        assert fault.path.name == f"{FLOWCELL}_L01_HG002_1.fq.gz"
        assert "2 reads, where the instrument counted 7" in fault.what
        assert reads(catalog) == {**READS["mgi"], "HG002": 4}

    def test_digests_that_the_instrument_wrote(self, catalog: Catalog, tmp_path: Path) -> None:
        folder = made.nanopore(tmp_path)
        files = sorted(path.relative_to(folder) for path in folder.rglob("*.bam"))
        listing = folder / "output_hash_PAA12345_20250603_1201_e05460c6.csv"
        lines = [f"u,{hashlib.sha256((folder / path).read_bytes()).hexdigest()},{path}" for path in files]
        lines += ["u,,pod5/PAA12345_0.pod5", "u,,bam_pass/barcode09/x.bam", "u,,bam_fail/x.bam"]
        made.write(listing, "runid,file_hash,file_path\n" + "\n".join(lines) + "\n")
        (fault,) = opened(folder).check().faults
        assert (fault.path, fault.missing) == (folder / "bam_pass/barcode09/x.bam", True)
        # Another file of the same size, whole by its ends.
        path = folder / files[2]
        made.write(
            listing, listing.read_text().replace("u,,bam_pass/barcode09/x.bam\n", "").replace("u,", "v,")
        )
        right = hashlib.sha256(path.read_bytes()).hexdigest()
        made.write(listing, listing.read_text().replace(right, "0" * 64))
        (fault,) = ingest(catalog, folder).faults
        assert (fault.path, fault.missing) == (path, False)
        assert "SHA-256" in fault.what
        assert sum(reads(catalog).values()) == sum(READS["nanopore"].values()) - 3

    def test_files_in_the_fallback_folder(self, tmp_path: Path) -> None:
        folder = made.nanopore(tmp_path)
        (summary,) = folder.glob("final_summary_*")
        summary.write_text(summary.read_text().replace("in_fallback=0", "in_fallback=2"))
        (fault,) = opened(folder).check().faults
        assert "2 bam files were written to MinKNOW's fallback folder" in fault.what

    def test_a_lane_that_was_not_demultiplexed(self, tmp_path: Path) -> None:
        folder = made.mgi(tmp_path)
        for path in (folder / "L02").glob("*.fq.gz"):
            if "_read_" not in path.name:
                path.unlink()
        (fault,) = opened(folder).check().faults
        assert (fault.lane, fault.missing) == (2, False)
        assert "splitBarcode" in fault.what

    def test_a_run_that_failed(self, tmp_path: Path) -> None:
        folder = made.element(tmp_path)
        made.write(folder / "RunUploaded.json", '{"outcome": "OutcomeFailed"}')
        assert opened(folder).progress().aborted == "RunUploaded.json says OutcomeFailed"
        made.write(folder / "RunUploaded.json", '{"outcome": "OutcomeCompleted"}')
        assert opened(folder).progress().aborted is None

    @pytest.mark.parametrize(
        ("name", "file", "text"),
        [
            ("element", "RunParameters.json", "{"),
            ("element", "RunStats.json", "[]"),
            ("pacbio", f"pb_formats/{MOVIE}.hifi_reads.consensusreadset.xml", "<a>"),
            ("ultima", "602202_LibraryInfo.xml", "<a>"),
            ("nanopore", "final_summary_PAA12345_e05460c6_1234abcd.txt", "bam_files_in_final_dest=x\n"),
            ("nanopore", "sample_sheet_PAA12345_20250603_1201_e05460c6.csv", "a,b\n1,2\n"),
        ],
    )
    def test_lists_that_cannot_be_read(self, tmp_path: Path, name: str, file: str, text: str) -> None:
        folder = FOLDERS[name](tmp_path)
        made.write(folder / file, text)
        with pytest.raises(InputError) as caught:
            opened(folder).check()
        assert str(folder / file) in caught.value.where

    def test_signal_cut_short_is_not_kept(self, catalog: Catalog, tmp_path: Path) -> None:
        folder = made.nanopore(tmp_path)
        made.write(folder / "pod5" / "PAA12345_0.pod5", made.SIGNAL[:-3])
        (fault,) = ingest(catalog, folder).faults
        assert (fault.path.name, fault.missing) == ("PAA12345_0.pod5", True)
        assert "pod5" not in catalog.query("SELECT kind FROM objects")["kind"].to_pylist()

    def test_bgzip_and_other_files_are_told_by_their_ends(self, catalog: Catalog, tmp_path: Path) -> None:
        folder = made.element(tmp_path)
        place = folder / "Samples" / "Project1" / "S1"
        for path in place.iterdir():
            plain = path.with_suffix("")
            plain.write_bytes(gzip.decompress(path.read_bytes()))
            subprocess.run([sys.executable, "-c", _BGZIP, plain, path], check=True)
            plain.unlink()
        assert opened(folder).check().faults == ()
        first = place / "S1_R1.fastq.gz"
        first.write_bytes(first.read_bytes()[:-28])
        (place / "S1_R2.fastq.gz").write_bytes(b"not gzip")
        assert [(fault.path.name, fault.missing) for fault in opened(folder).check().faults] == [
            ("S1_R1.fastq.gz", True),
            ("S1_R2.fastq.gz", False),
        ]

    @pytest.mark.parametrize("version", ["2.1", "3.0", "3.1"])
    def test_the_end_of_cram(self, tmp_path: Path, version: str) -> None:
        path = made.unaligned(tmp_path / "a.cram", ["r"], form=f"cram,version={version}")
        assert folder_run.end_fault(path) is None
        path.write_bytes(path.read_bytes()[:-1])
        fault = folder_run.end_fault(path)
        assert fault is not None
        assert fault.missing


_BGZIP = "import pysam, sys; pysam.tabix_compress(sys.argv[1], sys.argv[2], force=True)"


class TestInterrupted:
    def test_a_crash_costs_the_files_under_way(self, lake: Path, config: Config, tmp_path: Path) -> None:
        folder = made.nanopore(tmp_path)
        script = f"""
        import os, signal
        from pathlib import Path
        from baselake.catalog.catalog import connect
        from baselake.ingest.platforms import folder_run, open_platform_run
        from baselake.ingest.run_source import RunOptions
        from baselake.progress import QUIET
        folder_run._GROUP_BYTES = 1
        groups = 0
        original = folder_run._import
        def killed(*arguments):
            global groups
            groups += 1
            if groups == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)
        folder_run._import = killed
        with connect(Path({str(lake)!r})) as catalog:
            open_platform_run(Path({str(folder)!r})).ingest(catalog, RunOptions(), QUIET)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)], env=dict(os.environ), check=False
        )
        assert done.returncode == -signal.SIGKILL
        with connect(lake, config) as catalog:
            assert state(catalog, ONT_RUN)[0] == "ingesting"
            assert sum(reads(catalog).values()) == 6
            again = ingest(catalog, folder)
            assert (again.units, again.units_imported) == (4, 2)
            assert reads(catalog) == READS["nanopore"]
            assert state(catalog, ONT_RUN) == ("complete", None)

    def test_a_full_disk_stops_the_run(self, catalog: Catalog, tmp_path: Path) -> None:
        folder = made.nanopore(tmp_path)
        full = StorageError("No space left on device", "x", "Free space")
        with (
            mock.patch.object(folder_run, "_import", side_effect=full),
            pytest.raises(StorageError, match="No space"),
        ):
            ingest(catalog, folder)
        assert state(catalog, ONT_RUN)[0] == "ingesting"

    def test_progress_tells_whether_a_folder_is_at_rest(self, tmp_path: Path) -> None:
        folder = made.nanopore(tmp_path, summary=False)
        run = opened(folder)
        before = run.progress()
        assert before == run.progress()
        assert not before.ended
        made.unaligned(folder / "bam_pass" / "barcode01" / "new.bam", ["r"])
        after = opened(folder).progress()
        assert after.signature != before.signature
        assert after.bytes > before.bytes


def test_alignments_of_a_sample_go_in_together(catalog: Catalog, tmp_path: Path) -> None:
    """Of several files, in coordinates' order by themselves; undetermined reads have none."""
    fasta = made.write(
        tmp_path / "ref.fa",
        "".join(f">{name}\n{'ACGT' * (length // 4)}\n" for name, length in CONTIGS.items()),
    )
    add_reference(catalog, fasta, "tiny")
    folder = tmp_path / ONT_RUN
    for place, number in (("barcode01", 1), ("barcode01", 2), ("unclassified", 1)):
        (folder / "bam_pass" / place).mkdir(parents=True, exist_ok=True)
        lines = [sam_line(f"{place}-{number}-{pos}", pos=pos, tags=made.MODIFIED) for pos in (100, 300)]
        write_bam(folder / "bam_pass" / place / f"{number}.bam", lines)
    made.write(folder / "final_summary_a_b_c.txt", "flow_cell_id=PAA12345\nbam_files_in_final_dest=3\n")
    done = ingest(catalog, folder)
    assert (done.faults, done.units) == ((), 3)
    assert reads(catalog) == {"PAA12345_barcode01": 4, None: 2}
    rows = catalog.query("SELECT sample_id, name, start FROM alignments ORDER BY start, name").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("PAA12345_barcode01", f"barcode01-{number}-{pos}", pos - 1)
        for pos in (100, 300)
        for number in (1, 2)
    ]
