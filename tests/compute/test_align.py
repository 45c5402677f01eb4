"""`align`: every read of a sample comes out once, placed, sorted, valid SAM, and the same whatever the threads."""

import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import baselake
from baselake.catalog.catalog import connect, create
from baselake.catalog.references import open_reference
from baselake.compute.align import align_samples
from baselake.compute.align.mapping import index_path, is_alternate
from baselake.config import Config
from baselake.errors import NotFoundError
from baselake.lake.schema import CODED
from baselake.progress import QuietProgress
from tests.compute.alignment_rows import sam_line, tags_of

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
READ, INSERT = 150, 400


def reverse_complement(bases: str) -> str:
    return bases.translate(COMPLEMENT)[::-1]


def genome(seed: int) -> dict[str, str]:
    draw = random.Random(seed)
    return {
        name: "".join(draw.choices("ACGT", k=size)) for name, size in (("chr2", 30_000), ("chr1", 20_000))
    }


def fragments(contigs: dict[str, str], count: int, seed: int) -> list[tuple[str, str]]:
    """Read pairs of every sort: plain, with errors, with an indel, chimeric, half or wholly foreign, doubled."""
    draw = random.Random(seed)
    pairs = []
    for i in range(count):
        bases = contigs[draw.choice(list(contigs))]
        start = draw.randrange(len(bases) - 600)
        size = draw.randrange(INSERT - 60, INSERT + 60)
        piece = bases[start : start + size]
        if i % 10 == 1:
            piece = piece[:30] + piece[34:] + "ACGT"
        first, second = piece[:READ], reverse_complement(piece)[:READ]
        if i % 10 == 2:
            other = contigs["chr1"]
            at = draw.randrange(len(other) - READ)
            first = first[:75] + reverse_complement(other[at : at + 75])
        if i % 10 in (3, 4):
            second = "".join(draw.choices("ACGT", k=READ))
        if i % 10 == 4:
            first = "".join(draw.choices("ACGT", k=READ))
        if i % 10 == 5:
            first = first[:40] + "N" + first[41:70] + first[70:].translate(str.maketrans("AC", "CA"))
        pairs.append((first, second) if draw.random() < 0.5 else (second, first))
    return pairs + pairs[: count // 10]


def write_fastq(folder: Path, lane: int, pairs: list[tuple[str, str]], seed: int) -> list[Path]:
    draw = random.Random(seed)
    paths = [folder / f"s_S1_L00{lane}_R{mate}_001.fastq" for mate in (1, 2)]
    for mate, path in enumerate(paths):
        with open(path, "w") as out:
            for i, pair in enumerate(pairs):
                qual = "".join(draw.choices("#,:F", k=len(pair[mate])))
                out.write(
                    f"@M1:7:FC:{lane}:1101:{i * 40}:{i % 7} {mate + 1}:N:0:1\n{pair[mate]}\n+\n{qual}\n"
                )
    return paths


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FASTA, and the FASTQ files of two lanes."""
    folder = tmp_path_factory.mktemp("inputs")
    contigs = genome(1)
    (folder / "ref.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in contigs.items()))
    for lane in (1, 2):
        write_fastq(folder, lane, fragments(contigs, 300, seed=10 + lane), seed=lane)
    return folder


def ingested(inputs: Path, lake: Path, lanes: tuple[int, ...] = (1, 2)) -> None:
    create(lake, config())
    with baselake.open(lake) as opened:
        opened.add_reference(inputs / "ref.fa", "r")
        opened.ingest([path for lane in lanes for path in sorted(inputs.glob(f"*_L00{lane}_*"))], sample="s")


def config(threads: int = 2, memory_bytes: int = 1 << 30) -> Config:
    return Config(threads=threads, memory_bytes=memory_bytes, commit_timeout_seconds=60)


def align(lake: Path, threads: int = 2, memory_bytes: int = 1 << 30) -> None:
    with connect(lake, config(threads)) as catalog:
        catalog.config = config(threads, memory_bytes)  # less than DuckDB itself would open the lake with
        align_samples(catalog, ["s"], open_reference(catalog, "r"))


def query(lake: Path, sql: str) -> pa.Table:
    with connect(lake, config(), read_only=True) as catalog:
        return catalog.query(sql)


def stored_rows(lake: Path) -> list[dict]:
    """All alignments: files by position, the rows of each in the order in which they lie there."""
    paths = query(lake, "SELECT unnest(outputs) AS path FROM lineage WHERE operation = 'align'")[
        "path"
    ].to_pylist()
    blocks = ", ".join(dict.fromkeys(CODED.values()))
    decoded = ", ".join(f"decode_{name}(filename, file_row_number, block_row) AS {name}" for name in CODED)
    files = [
        query(
            lake,
            f"SELECT * EXCLUDE (block_row, {blocks}) REPLACE ({decoded}) FROM stored_alignments"
            f" WHERE ends_with(filename, '{path}') ORDER BY file_row_number",
        ).to_pylist()
        for path in paths
    ]
    files.sort(key=lambda rows: (["chr2", "chr1", None].index(rows[0]["contig"]), rows[0]["start"]))
    return [row for rows in files for row in rows]


@pytest.fixture(scope="module")
def aligned(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("aligned") / "lake"
    ingested(inputs, lake)
    align(lake)
    return lake


@pytest.fixture(scope="module")
def rows(aligned: Path) -> list[dict]:
    return stored_rows(aligned)


@pytest.fixture(scope="module")
def sam(aligned: Path, rows: list[dict], tmp_path_factory: pytest.TempPathFactory) -> Path:
    groups = sorted({row["read_group_id"] for row in rows})
    path = tmp_path_factory.mktemp("sam") / "rows.sam"
    lines = ["@HD\tVN:1.6\tSO:coordinate", "@SQ\tSN:chr2\tLN:30000", "@SQ\tSN:chr1\tLN:20000"]
    lines += [f"@RG\tID:{group}\tSM:s\tLB:s\tPL:ILLUMINA" for group in groups]
    path.write_text("\n".join([*lines, *map(sam_line, rows)]) + "\n")
    return path


def primary(row: dict) -> bool:
    return not row["flag"] & 0x900


def tag(row: dict, name: str) -> object:
    return next((value for key, _, value in tags_of(row["tags"]) if key == name), None)


def test_every_read_comes_out_once_with_its_bases_and_qualities(aligned: Path, rows: list[dict]) -> None:
    reads = query(aligned, "SELECT name, segment, seq, qual FROM read_records").to_pylist()
    expected = sorted((read["name"], read["segment"], read["seq"], read["qual"]) for read in reads)
    found = []
    for row in filter(primary, rows):
        turned = row["flag"] & 0x10
        seq = reverse_complement(row["seq"]) if turned else row["seq"]
        qual = row["qual"][::-1] if turned else row["qual"]
        found.append((row["name"], 1 if row["flag"] & 0x40 else 2, seq, qual))
    assert sorted(found) == expected


def test_reads_are_placed_where_they_come_from(rows: list[dict]) -> None:
    mapped = [row for row in rows if primary(row) and not row["flag"] & 0x4]
    assert sum(row["mapq"] >= 30 for row in mapped) > 0.95 * len(mapped)
    assert 0.80 < len(mapped) / sum(map(primary, rows)) < 0.87  # 15% are foreign
    proper = sum(1 for row in mapped if row["flag"] & 0x2)
    assert proper / len(mapped) > 0.85


def test_rows_are_sorted_within_files_and_contigs_stand_apart(aligned: Path) -> None:
    paths = query(aligned, "SELECT unnest(outputs) AS path FROM lineage WHERE operation = 'align'")[
        "path"
    ].to_pylist()
    assert len(paths) == 3
    for path in paths:
        table = pq.read_table(aligned / path, partitioning=None)
        starts = table["start"].to_pylist()
        assert len(set(table["contig"].to_pylist())) == 1
        assert starts == sorted(starts, key=lambda start: -1 if start is None else start)


def test_picard_finds_no_error(sam: Path, inputs: Path, peer: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "ref.fa").write_text((inputs / "ref.fa").read_text())
    subprocess.run([peer("samtools"), "faidx", tmp_path / "ref.fa"], check=True)
    picard = peer("PicardCommandLine")
    subprocess.run(
        [picard, "CreateSequenceDictionary", f"R={tmp_path / 'ref.fa'}", f"O={tmp_path / 'ref.dict'}"],
        check=True,
        capture_output=True,
    )
    command = [picard, "ValidateSamFile", f"I={sam}", f"R={tmp_path / 'ref.fa'}", "MODE=VERBOSE"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "No errors found" in result.stdout, result.stdout[:2000]


def test_nm_and_md_are_those_of_samtools(
    sam: Path, rows: list[dict], inputs: Path, peer: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "ref.fa").write_text((inputs / "ref.fa").read_text())
    # Without the tags, calmd makes them anew.
    stripped = subprocess.run(
        [peer("samtools"), "view", "-h", "-x", "NM", "-x", "MD", sam], check=True, capture_output=True
    ).stdout
    made = subprocess.run(
        [peer("samtools"), "calmd", "-", tmp_path / "ref.fa"], input=stripped, check=True, capture_output=True
    ).stdout.decode()
    lines = [line for line in made.splitlines() if not line.startswith("@")]
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        if not row["flag"] & 0x4:
            fields = set(line.split("\t")[11:])
            assert {f"NM:i:{tag(row, 'NM')}", f"MD:Z:{tag(row, 'MD')}"} <= fields


def test_chimeric_reads_name_each_others_parts(rows: list[dict]) -> None:
    parts: dict[tuple[str, int], list[dict]] = {}
    for row in rows:
        if not row["flag"] & 0x4:
            parts.setdefault((row["name"], row["flag"] & 0xC0), []).append(row)
    chimeric = [group for group in parts.values() if len(group) > 1]
    assert len(chimeric) > 20
    for group in chimeric:
        assert sum(map(primary, group)) == 1
        entries = {}
        for row in group:
            strand = "-" if row["flag"] & 0x10 else "+"
            cigar = row["cigar"].replace("H", "S")
            place = f"{row['contig']},{row['start'] + 1},{strand},{cigar},{row['mapq']},{tag(row, 'NM')}"
            entries[place] = row
        for place, row in entries.items():
            named = str(tag(row, "SA")).rstrip(";").split(";")
            assert set(named) == entries.keys() - {place}
            if not primary(row):
                assert primary(entries[named[0]])
                assert "H" in row["cigar"]


def test_copies_are_marked_and_their_supplementary_records_with_them(rows: list[dict]) -> None:
    marked = {(row["read_group_id"], row["name"]) for row in rows if row["duplicate"]}
    assert len(marked) >= 2 * 24  # 30 copies a lane, 3 of them of unmapped pairs
    for row in rows:
        duplicate = (row["read_group_id"], row["name"]) in marked
        assert row["duplicate"] is duplicate
        assert bool(row["flag"] & 0x400) is duplicate
        assert tag(row, "DT") == ("LB" if duplicate else None)


@pytest.mark.parametrize(("threads", "memory_bytes"), [(1, 1 << 30), (3, 1 << 18)])
def test_rows_are_the_same_whatever_the_threads_and_the_memory(
    inputs: Path, rows: list[dict], tmp_path: Path, threads: int, memory_bytes: int
) -> None:
    ingested(inputs, tmp_path / "lake")
    align(tmp_path / "lake", threads, memory_bytes)
    assert stored_rows(tmp_path / "lake") == rows


def test_an_aligned_sample_is_left_as_it_is(inputs: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    ingested(inputs, lake, (1,))
    align(lake)
    align(lake)
    assert query(lake, "SELECT 1 FROM lineage WHERE operation = 'align'").num_rows == 1


def test_reads_added_later_are_aligned_together_with_the_first(
    inputs: Path, aligned: Path, rows: list[dict], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    ingested(inputs, lake, (1,))
    align(lake)
    ingested(inputs, lake, (2,))
    align(lake)
    everything = "SELECT * FROM alignments ORDER BY ALL"
    assert query(lake, everything).equals(query(aligned, everything))


def test_the_index_is_made_once(aligned: Path) -> None:
    with connect(aligned, config(), read_only=True) as catalog:
        index = index_path(open_reference(catalog, "r"))
    assert [path.name for path in index.parent.glob("*.mmi*")] == [index.name]


def test_an_alt_contig_takes_no_read_from_its_chromosome(inputs: Path, tmp_path: Path) -> None:
    contigs = genome(1)
    with_alt = tmp_path / "alt.fa"
    alternates = {"chr1_KI270762v1_alt": contigs["chr1"][5_000:9_000], "HLA-A*01:01:01:01": contigs["chr2"]}
    with_alt.write_text(
        "".join(f">{name}\n{bases}\n" for name, bases in (*contigs.items(), *alternates.items()))
    )
    lake = tmp_path / "lake"
    create(lake, config())
    with baselake.open(lake) as opened:
        opened.add_reference(with_alt, "r")
        opened.ingest(sorted(inputs.glob("*_L001_*")), sample="s")
    align(lake)
    rows = query(lake, "SELECT contig, start, mapq FROM alignments")
    assert set(rows["contig"].to_pylist()) == {*contigs, None}
    inside = "SELECT count(*) AS n FROM alignments WHERE contig = 'chr1' AND start BETWEEN 5100 AND 8700"
    assert query(lake, f"{inside} AND mapq >= 20")["n"][0].as_py() > 30


def test_progress_counts_reads_and_not_their_records(inputs: Path, tmp_path: Path) -> None:
    @dataclass
    class Counts(QuietProgress):
        done: int = 0

        @contextmanager
        def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator["Counts"]:
            yield self

        def advance(self, amount: int = 1) -> None:
            self.done += amount

    ingested(inputs, tmp_path / "lake", (1,))
    counts = Counts()
    with connect(tmp_path / "lake", config()) as catalog:
        align_samples(catalog, ["s"], open_reference(catalog, "r"), counts)
    rows = query(tmp_path / "lake", "SELECT count(*) AS n FROM alignments")["n"][0].as_py()
    reads = query(tmp_path / "lake", "SELECT count(*) AS n FROM reads")["n"][0].as_py()
    assert counts.done == reads < rows


@pytest.mark.parametrize(
    ("contig", "alternate"),
    [
        ("chr6_GL000250v2_alt", True),
        ("chr6_apd_hap1", True),
        ("HLA-DRB1*15:01:01:01", True),
        ("CHR_HSCHR6_MHC_COX_CTG1", True),
        ("chr6", False),
        ("chrUn_KI270302v1", False),
        ("chr1_KI270706v1_random", False),
        ("chrUn_JTFH01000001v1_decoy", False),
        ("hs37d5", False),
    ],
)
def test_alt_contigs_are_told_by_their_names(contig: str, alternate: bool) -> None:
    assert is_alternate(contig) == alternate


def test_an_unknown_sample_and_one_without_reads_are_refused(inputs: Path, tmp_path: Path) -> None:
    ingested(inputs, tmp_path / "lake", (1,))
    with connect(tmp_path / "lake", config()) as catalog:
        reference = open_reference(catalog, "r")
        with catalog.job("test") as job, job.commit() as transaction:
            transaction.execute("INSERT INTO samples (sample_id) VALUES ('empty')")
        with pytest.raises(NotFoundError, match="no sample 'nobody'"):
            align_samples(catalog, ["nobody"], reference)
        with pytest.raises(NotFoundError, match="'empty' has no reads"):
            align_samples(catalog, ["empty"], reference)
