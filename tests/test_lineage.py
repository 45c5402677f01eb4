"""From a variant to the job, files, reads and run folder behind it, and back, in one view."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baselake.api import Lake, open_lake
from baselake.demo.genome import synthetic_genome, write_fasta
from baselake.demo.reads import Run, simulate_reads, simulate_run
from baselake.demo.sequencer import INDEXES, write_sequenced
from baselake.demo.variants import VariantRates, haplotype, plant
from baselake.lake.schema import stored_name
from baselake.progress import QUIET

RUN_ID = "260301_BLSIM01_0001_HFOLDER"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome of 12 kb, of one person two FASTQ files from each of two lanes, and a run folder."""
    folder = tmp_path_factory.mktemp("inputs")
    genome = synthetic_genome({"chr1": 12_000}, seed=5)
    write_fasta(folder / "genome.fa", genome)
    planted = plant("chr1", genome["chr1"], ploidy=2, rates=VariantRates(), seed=5)
    copies = [haplotype(genome["chr1"], planted, copy) for copy in (0, 1)]
    for lane in (1, 2):
        simulate_run(folder, "FQ", copies, [6.0, 6.0], run=Run(lane=lane), seed=lane, progress=QUIET)
    run = Run(flowcell="HFOLDER")
    reads = simulate_reads(copies, [10.0, 10.0], run=run, seed=3)
    write_sequenced(folder / RUN_ID, {"RF": reads}, run=run, seed=3)
    return folder


def fastq(inputs: Path) -> list[Path]:
    found = sorted(inputs.glob("*.fastq.gz"))
    assert len(found) == 4
    return found


@pytest.fixture(scope="module")
def template(inputs: Path, empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with three samples called: FQ from FASTQ files, RF from the run folder, BM from FQ's BAM; to copy."""
    path = Path(shutil.copytree(empty_lake, tmp_path_factory.mktemp("lineage") / "lake"))
    with open_lake(path) as lake:
        lake.add_reference(inputs / "genome.fa", "ref")
        lake.ingest(fastq(inputs), sample="FQ")
        lake.ingest([inputs / RUN_ID])
        lake.align()
        lake.export_bam(inputs / "BM.bam", "FQ")
        lake.ingest([inputs / "BM.bam"], sample="BM")
        lake.call()
    return path


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> Iterator[Lake]:
    with open_lake(shutil.copytree(template, tmp_path / "lake")) as lake:
        yield lake


def jobs(lake: Lake, operation: str, sample: str) -> list[str]:
    """The jobs of an operation on a sample, in order."""
    rows = lake.catalog.query(
        "SELECT job_id FROM lineage WHERE operation = ? AND parameters['sample'] = ? ORDER BY started",
        [operation, sample],
    )
    found: list[str] = rows["job_id"].to_pylist()
    return found


def behind(lake: Lake, sample: str) -> Rows:
    """What `variant_lineage` says of all a sample's genotypes, each line once."""
    return lake.catalog.query(
        "SELECT DISTINCT * EXCLUDE (variant_id, contig, start, parameters, alignment_parameters) FROM variant_lineage"
        " WHERE sample_id = ? ORDER BY source_path, run_id, lane",
        [sample],
    ).to_pylist()


def calls(lake: Lake, sample: str) -> int:
    rows = lake.catalog.query("SELECT count(*) AS n FROM genotypes WHERE sample_id = ?", [sample])
    return int(rows["n"][0].as_py())


def test_from_fastq_files(lake: Lake, inputs: Path) -> None:
    rows = behind(lake, "FQ")
    (called,), (aligned,) = jobs(lake, "call", "FQ"), jobs(lake, "align", "FQ")
    assert [row["source_path"] for row in rows] == [str(path) for path in fastq(inputs)]
    sources = lake.sql(
        "SELECT source_id, job_id FROM source_files WHERE format = 'fastq' ORDER BY path"
    ).to_pylist()
    for row, source in zip(rows, sources, strict=True):
        assert (row["job_id"], row["operation"], row["tool"], row["device"]) == (
            called,
            "call",
            "baselake",
            "cpu",
        )
        assert row["started"] < row["finished"]
        assert Path(row["data_file"]).is_file()
        assert f"/genotypes/reference=ref/contig=chr1/{called}-" in row["data_file"]
        assert (row["alignment_job_id"], row["alignment_operation"]) == (aligned, "align")
        assert row["alignment_files"] == [f"{aligned}-0001.parquet"]
        assert (row["source_id"], row["import_job_ids"]) == (source["source_id"], [source["job_id"]])
        assert row["read_group_ids"] == ["FQ.HBASELAKE.1", "FQ.HBASELAKE.2"]
        assert (row["run_id"], row["run_folder"], row["tiles"]) == ("BLSIM01_1_HBASELAKE", None, None)
    assert [row["source_segment"] for row in rows] == [1, 2, 1, 2]


def test_from_a_run_folder_told_apart_by_a_sheet(lake: Lake, inputs: Path) -> None:
    (row,) = behind(lake, "RF")
    tiles = lake.sql("SELECT tile, job_id FROM run_tiles ORDER BY tile").to_pylist()
    (run,) = lake.sql(f"SELECT folder, sample_sheet FROM runs WHERE run_id = '{RUN_ID}'").to_pylist()
    assert (row["run_id"], row["run_folder"], row["lane"]) == (RUN_ID, str(inputs / RUN_ID), 1)
    assert run["folder"] == row["run_folder"]
    assert row["sample_sheet"] == run["sample_sheet"] is not None
    assert row["tiles"] == [tile["tile"] for tile in tiles]
    assert row["import_job_ids"] == sorted(tile["job_id"] for tile in tiles)
    assert row["read_group_ids"] == ["RF.HFOLDER.1"]
    assert (row["source_id"], row["source_path"]) == (None, None)


def test_from_alignments_that_came_as_bam(lake: Lake, inputs: Path) -> None:
    (row,) = behind(lake, "BM")
    (imported,) = lake.sql("SELECT job_id FROM source_files WHERE format = 'bam'")["job_id"].to_pylist()
    assert (row["alignment_job_id"], row["alignment_operation"]) == (imported, "ingest")
    assert row["import_job_ids"] == [imported]
    assert (row["source_path"], row["source_format"]) == (str(inputs / "BM.bam"), "bam")
    assert len(row["read_group_ids"]) == 2


def test_back_from_a_run_a_file_and_a_job(lake: Lake, inputs: Path) -> None:
    def rest_on(where: str) -> list[tuple[str, int]]:
        rows = lake.sql(
            "SELECT sample_id, count(DISTINCT variant_id) AS n FROM variant_lineage"
            f" WHERE {where} GROUP BY ALL ORDER BY ALL"
        )
        return [(row["sample_id"], row["n"]) for row in rows.to_pylist()]

    for sample in ("FQ", "RF", "BM"):
        assert calls(lake, sample) > 5
    of_rf, of_fq, of_bm = (("RF", calls(lake, "RF")), ("FQ", calls(lake, "FQ")), ("BM", calls(lake, "BM")))
    (tile, *_) = lake.sql("SELECT tile, job_id FROM run_tiles").to_pylist()
    assert rest_on(f"run_id = '{RUN_ID}'") == [of_rf]
    assert rest_on(f"run_folder = '{inputs / RUN_ID}' AND list_contains(tiles, {tile['tile']})") == [of_rf]
    assert rest_on(f"list_contains(import_job_ids, '{tile['job_id']}')") == [of_rf]
    assert rest_on(f"source_path = '{fastq(inputs)[2]}'") == [of_fq]
    assert rest_on("run_id = 'BLSIM01_1_HBASELAKE'") == [of_bm, of_fq]  # a BAM's reads say so in their names
    assert rest_on(f"alignment_job_id = '{jobs(lake, 'align', 'RF')[0]}'") == [of_rf]
    assert rest_on("list_contains(read_group_ids, 'FQ.HBASELAKE.2')") == [of_fq]


def test_every_genotype_has_its_lineage(lake: Lake) -> None:
    rows = lake.sql(
        "SELECT count(*) AS genotypes, count(*) FILTER (alignment_job_id IS NULL OR run_id IS NULL) AS loose"
        " FROM (SELECT DISTINCT sample_id, variant_id, alignment_job_id, run_id FROM variant_lineage)"
    ).to_pylist()
    assert rows == [{"genotypes": len(lake.sql("FROM genotypes")), "loose": 0}]


def test_lineage_of_one_genotype(lake: Lake) -> None:
    (variant,) = lake.sql("SELECT variant_id FROM genotypes WHERE sample_id = 'FQ' LIMIT 1")[
        "variant_id"
    ].to_pylist()
    rows = lake.sql(f"FROM lineage_of('{variant}', 'FQ')").to_pylist()
    assert len(rows) == 4
    assert {(row["variant_id"], row["sample_id"]) for row in rows} == {(variant, "FQ")}
    assert len(lake.sql(f"FROM lineage_of('{variant}', 'nobody')")) == 0


def test_a_new_call_and_new_alignments_are_those_behind_the_rows(lake: Lake, inputs: Path) -> None:
    before, snapshot = behind(lake, "FQ"), lake.snapshots()["snapshot"].to_pylist()[-1]
    lake.describe_sample("FQ", sex="female")  # another ploidy of X: called again
    lake.call(["FQ"])
    (first, second), (aligned,) = jobs(lake, "call", "FQ"), jobs(lake, "align", "FQ")
    assert {(row["job_id"], row["alignment_job_id"]) for row in behind(lake, "FQ")} == {(second, aligned)}

    genome = synthetic_genome({"chr1": 12_000}, seed=5)["chr1"]
    more = inputs / "more"
    more.mkdir(exist_ok=True)
    files = simulate_run(more, "FQ", [genome], [4.0], run=Run(lane=3), seed=9, progress=QUIET)
    lake.ingest(files, sample="FQ")
    lake.align(["FQ"])
    # Until they are called again, the genotypes rest on the alignments that there were.
    assert {row["alignment_job_id"] for row in behind(lake, "FQ")} == {aligned}
    lake.call(["FQ"])
    rows = behind(lake, "FQ")
    assert {(row["job_id"], row["alignment_job_id"]) for row in rows} == {
        (jobs(lake, "call", "FQ")[2], jobs(lake, "align", "FQ")[1])
    }
    assert [row["source_path"] for row in rows] == sorted(map(str, [*fastq(inputs), *files]))

    with open_lake(lake.catalog.layout.root, at=snapshot) as then:
        assert behind(then, "FQ") == before
        assert {row["job_id"] for row in before} == {first}
    lake.restore_snapshot(snapshot)
    assert behind(lake, "FQ") == before


def test_another_sheet_is_the_one_behind_the_rows(lake: Lake, tmp_path: Path) -> None:
    before, snapshot = behind(lake, "RF"), lake.snapshots()["snapshot"].to_pylist()[-1]
    sheet = tmp_path / "sheet.csv"
    i7, i5 = INDEXES[0]
    sheet.write_text(
        f"[Header]\nFileFormatVersion,2\n\n[BCLConvert_Data]\nSample_ID,Index,Index2\nRG,{i7},{i5}\n"
    )
    lake.assign(RUN_ID, sheet)
    assert behind(lake, "RF") == []
    lake.call(["RG"])
    (row,) = behind(lake, "RG")
    assert row["sample_sheet"] not in (None, before[0]["sample_sheet"])
    assert (row["run_id"], row["read_group_ids"]) == (RUN_ID, ["RG.HFOLDER.1"])
    assert row["import_job_ids"] == before[0]["import_job_ids"]
    with open_lake(lake.catalog.layout.root, at=snapshot) as then:
        assert behind(then, "RF") == before


def rewrite(lake: Lake, table: str, where: str, partition: dict[str, str | int | None]) -> str:
    """Write a table's files of a partition anew, as compaction does; the name of the new file."""
    rows = lake.catalog.query(f"SELECT * FROM {table} WHERE {where}")
    files = lake.catalog.query(
        f"SELECT DISTINCT parse_filename(filename) AS f FROM {stored_name(table)} WHERE {where}"
    )["f"]
    with lake.catalog.job("compact", {"table": table}) as job:
        job.inputs.extend(files.to_pylist())
        with job.writer(table, partition) as out:
            out.write(rows)
        with job.commit() as tx:
            tx.execute(f"DELETE FROM {stored_name(table)} WHERE {where}")
    return f"{job.id}-0001.parquet"


def test_files_that_were_written_anew_make_no_difference(lake: Lake) -> None:
    before = behind(lake, "RF")
    partition: dict[str, str | int | None] = {"reference": "ref", "sample_id": "RF", "contig": "chr1"}
    where = "reference = 'ref' AND sample_id = 'RF' AND contig = 'chr1'"
    for _ in range(2):  # twice: through one such job to another
        name = rewrite(lake, "genotypes", where, {"reference": "ref", "contig": "chr1"})
        (row,) = behind(lake, "RF")
        assert row["data_file"].endswith(name)
        assert row | {"data_file": ""} == before[0] | {"data_file": ""}
    name = rewrite(lake, "alignments", where, partition)
    rewrite(lake, "read_records", f"run_id = '{RUN_ID}'", {"run_id": RUN_ID, "lane": 1})
    lake.describe_sample("RF", sex="female")
    lake.call(["RF"])
    (row,) = behind(lake, "RF")
    assert row["alignment_files"] == [name]
    for column in ("alignment_job_id", "import_job_ids", "tiles", "read_group_ids", "run_folder"):
        assert row[column] == before[0][column]


def test_a_file_of_several_samples_tells_each_its_own(lake: Lake) -> None:
    """One job that writes anew what jobs of several samples had made, as forgetting a person may."""
    before = {sample: behind(lake, sample) for sample in ("FQ", "RF")}
    rows = {
        sample: lake.catalog.query("SELECT * FROM genotypes WHERE sample_id = ?", [sample])
        for sample in before
    }
    files = lake.sql(
        "SELECT DISTINCT parse_filename(filename) AS f FROM genotypes WHERE sample_id IN ('FQ', 'RF')"
    )
    with lake.catalog.job("erase") as job:
        job.inputs.extend(files["f"].to_pylist())
        for table in rows.values():
            with job.writer("genotypes", {"reference": "ref", "contig": "chr1"}) as out:
                out.write(table)
        with job.commit() as tx:
            tx.execute("DELETE FROM genotypes WHERE sample_id IN ('FQ', 'RF')")
    for sample, expected in before.items():
        assert [row | {"data_file": ""} for row in behind(lake, sample)] == [
            row | {"data_file": ""} for row in expected
        ]
