"""Coded columns in a lake: any record comes back, plain columns need no decoding, deleted rows harm no block."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pysam
import pytest

from baselake.api import Lake
from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.decoding import CODED_TYPES
from baselake.catalog.export.bam import export_bam
from baselake.catalog.references import add_reference
from baselake.catalog.upkeep.compact import compact
from baselake.errors import BaselakeError
from baselake.ingest.bam import ingest_bam
from baselake.lake.region import parse_region
from baselake.lake.schema import ALIGNMENTS, CODED, READ_RECORDS
from tests.ingest.sam_files import CONTIGS, HEADER, sam_line, sam_lines, write_bam

MOST_BASES = 3_000_000


def made_up(path: Path, contigs: dict[str, int]) -> Path:
    """A FASTA file of random bases."""
    draw = random.Random(path.name)
    path.write_text(
        "".join(f">{name}\n{''.join(draw.choices('ACGTN', k=size))}\n" for name, size in contigs.items())
    )
    return path


def test_every_sound_file_of_the_specifications_comes_back(
    catalog: Catalog, shared_data: Path, tmp_path: Path
) -> None:
    """hts-specs' corpus of valid SAM: whatever lies on contigs that are small enough to be made up."""
    seen, references = 0, {}
    for source in sorted((shared_data / "robustness" / "hts-specs" / "sam" / "passed").glob("*.sam")):
        with pysam.AlignmentFile(str(source), check_sq=False) as file:
            contigs = dict(zip(file.references, file.lengths, strict=True))
        if not contigs or sum(contigs.values()) > MOST_BASES:
            continue
        try:
            of_these = tuple(contigs.items())  # many files have the same ones
            if of_these not in references:
                fasta = made_up(tmp_path / f"{source.stem}.fa", contigs)
                references[of_these] = add_reference(catalog, fasta, source.stem)
            reference = references[of_these]
            ingest_bam(catalog, [source], sample=source.stem, reference=reference.name)
        except BaselakeError:
            continue  # another test says which files are refused
        if catalog.query("SELECT 1 FROM alignments WHERE sample_id = ? LIMIT 1", [source.stem]).num_rows == 0:
            continue
        out = tmp_path / f"{source.stem}.bam"
        export_bam(catalog, source.stem, reference, out)
        sorted_source = tmp_path / "sorted.bam"
        pysam.samtools.sort("-o", str(sorted_source), str(source))
        assert sorted(sam_lines(out)) == sorted(sam_lines(sorted_source)), source.name
        seen += 1
    assert seen > 5


@pytest.fixture
def stored(catalog: Catalog, tmp_path: Path) -> Catalog:
    fasta = tmp_path / "tiny.fa"
    fasta.write_text("".join(f">{name}\n{'ACGT' * (length // 4)}\n" for name, length in CONTIGS.items()))
    add_reference(catalog, fasta, "tiny")
    lines = [sam_line(f"read{number}", pos=1 + number // 10) for number in range(500)]
    ingest_bam(catalog, [write_bam(tmp_path / "a.bam", lines, HEADER)], sample="S")
    return catalog


def test_plain_columns_are_plain_parquet_and_coded_ones_left_out(stored: Catalog) -> None:
    (file,) = stored.query("SELECT DISTINCT filename FROM stored_alignments")["filename"].to_pylist()
    table = pq.read_table(file, partitioning=None)
    assert not set(CODED) & set(table.column_names)
    for column in ("flag", "contig", "start", "end", "mapq", "cigar", "duplicate"):
        view = stored.query(f'SELECT "{column}" AS c FROM alignments ORDER BY start, name')["c"].to_pylist()
        assert sorted(table[column].to_pylist()) == sorted(view)
    assert table["qual_block"].null_count == 499


def test_deleted_rows_do_no_harm_to_their_block(stored: Catalog) -> None:
    before = stored.query("SELECT name, seq, qual FROM alignments ORDER BY name").to_pylist()
    with stored.job("") as job, job.commit() as tx:
        tx.execute("DELETE FROM stored_alignments WHERE start < 5")  # the block's first row among them
    after = stored.query("SELECT name, seq, qual FROM alignments ORDER BY name").to_pylist()
    assert len(after) == 450
    assert [row for row in before if row in after] == after


def test_another_connection_that_only_reads_sees_the_same(stored: Catalog) -> None:
    sql = "SELECT name, next_start, tlen, seq, qual, tags FROM alignments ORDER BY name"
    with connect(stored.layout.root, stored.config, read_only=True) as other:
        assert other.query(sql).equals(stored.query(sql))
    (snapshot,) = stored.query("SELECT max(snapshot_id) AS n FROM lake.snapshots()")["n"].to_pylist()
    with connect(stored.layout.root, stored.config, at=snapshot) as then:
        assert then.query(sql).equals(stored.query(sql))


def test_coded_columns_are_decoded_whichever_way_a_lake_that_only_reads_is_asked_first(
    stored: Catalog,
) -> None:
    """DuckDB is told of the functions when the first query needs them, also where several do at once."""
    sql = "SELECT name, qual FROM alignments ORDER BY name"
    expected = stored.query(sql)
    asked: list[Callable[[Catalog], pa.Table]] = [
        lambda catalog: catalog.stream(sql).read_all(),
        lambda catalog: Lake(catalog).sql(sql),
        lambda catalog: pa.Table.from_pylist(
            [dict(zip(("name", "qual"), row, strict=True)) for row in catalog.rows(sql)], expected.schema
        ),
    ]
    for ask in asked:
        with connect(stored.layout.root, stored.config, read_only=True) as other:
            assert ask(other).equals(expected)
    with (
        connect(stored.layout.root, stored.config, read_only=True) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        assert all(table.equals(expected) for table in pool.map(other.query, [sql] * 16))


def test_types_of_coded_columns_are_those_of_the_schema() -> None:
    spelled = {pa.string(): "VARCHAR", pa.binary(): "BLOB", pa.int32(): "INTEGER"}
    assert {name: spelled[ALIGNMENTS.schema.field(name).type] for name in CODED} == CODED_TYPES


REGIONS = ("chr1:13-30", "chr1:1-13", "chr1:49-900", "chr1:901-902", "chr2")


def of_the_view(catalog: Catalog) -> list[dict[str, object]]:
    """What the view shows of each of `REGIONS`."""
    rows = []
    for text in REGIONS:
        region = parse_region(text, CONTIGS)
        bounds = [region.contig, region.end, region.start]
        sql = 'SELECT * FROM alignments WHERE contig = ? AND start < ? AND "end" > ?'
        rows += catalog.query(sql, bounds).to_pylist()
    return rows


def ordered(rows: list[dict[str, object]]) -> list[str]:
    return sorted(map(repr, rows))


def test_alignments_of_regions_are_those_the_view_shows(stored: Catalog, tmp_path: Path) -> None:
    lake = Lake(stored)
    shown = of_the_view(stored)
    assert len(shown) > 500
    found = lake.alignments("S", REGIONS).to_pylist()
    assert ordered(found) == ordered(shown)
    starts = [row["start"] for row in lake.alignments("S", "chr1:13-30").to_pylist()]
    assert len(starts) > 100
    assert starts == sorted(starts)
    assert lake.alignments("S", "chr1:901-902").num_rows == 0
    # More files of the same contig, then rows that are deleted, then one file again.
    with stored.job("align") as job:
        whose = {"reference": "tiny", "sample_id": "S", "contig": "chr1"}
        with job.writer("alignments", whose) as out:
            out.write(lake.alignments("S", "chr1:1-40"))
        with job.commit():
            pass
    assert ordered(lake.alignments("S", REGIONS).to_pylist()) == ordered(of_the_view(stored))
    snapshot = stored.newest_snapshot()
    with stored.job("") as job, job.commit() as tx:
        tx.execute("DELETE FROM stored_alignments WHERE start BETWEEN 20 AND 25")
    left = lake.alignments("S", REGIONS).to_pylist()
    assert len(left) < len(of_the_view(stored)) + 300
    assert ordered(left) == ordered(of_the_view(stored))
    compact(stored, ["alignments"], min_files=2)
    assert ordered(lake.alignments("S", REGIONS).to_pylist()) == ordered(left)
    with connect(stored.layout.root, stored.config, at=snapshot) as then:
        assert ordered(Lake(then).alignments("S", REGIONS).to_pylist()) == ordered(of_the_view(then))


def test_rows_of_many_files_in_turn_are_decoded_in_their_order(catalog: Catalog) -> None:
    for lane in (1, 2):
        rows = {name: [None] * 900 for name in READ_RECORDS.schema.names}
        rows |= {"run_id": ["R"] * 900, "lane": [lane] * 900, "tile": list(range(900))}
        rows |= {"name": [f"l{lane}:{n}" for n in range(900)], "qual": ["I" * (n % 5) for n in range(900)]}
        plain = pa.table({"run_id": ["R"], "lane": pa.array([3], pa.int16()), "name": ["plain"]})
        with catalog.job("ingest") as job:
            with job.writer("read_records", {"run_id": "R", "lane": lane}) as out:
                out.write(pa.table(rows, schema=READ_RECORDS.schema))
            with job.commit() as tx:
                tx.insert("read_records", plain)
    sql = "SELECT lane, tile, name, qual, filename, file_row_number, block_row FROM stored_reads"
    found = catalog.records(f"{sql} ORDER BY tile NULLS LAST, lane").to_pylist()
    wanted = [
        {"lane": lane, "tile": n, "name": f"l{lane}:{n}", "qual": "I" * (n % 5)}
        for n in range(900)
        for lane in (1, 2)
    ]
    last = {"lane": 3, "tile": None, "name": "plain", "qual": None}
    assert found == [*wanted, last, last]
    assert catalog.records(f"{sql} WHERE tile = -1").num_rows == 0


def test_ducklakes_own_rewriting_leaves_blocks_alone(stored: Catalog) -> None:
    with stored.record() as tx:
        tx.execute("DELETE FROM stored_alignments WHERE start < 30")  # the first rows of blocks among them
    before = stored.query("SELECT name, seq, qual FROM alignments ORDER BY name")
    files = stored.query("SELECT DISTINCT filename FROM stored_alignments")
    for function in ("ducklake_merge_adjacent_files('lake')", "ducklake_rewrite_data_files('lake')"):
        stored.connection.execute(f"CALL {function}")
    assert stored.query("SELECT DISTINCT filename FROM stored_alignments").equals(files)
    assert stored.query("SELECT name, seq, qual FROM alignments ORDER BY name").equals(before)
    compact(stored, ["alignments"])
    assert not stored.query("SELECT DISTINCT filename FROM stored_alignments").equals(files)
    assert stored.query("SELECT name, seq, qual FROM alignments ORDER BY name").equals(before)
