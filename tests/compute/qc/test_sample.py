"""Quality control of samples of a lake: beside samtools and bcftools, done once, and erased with the sample."""

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.api import Lake
from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.catalog.export.bam import export_bam
from baselake.catalog.export.vcf import export_vcf
from baselake.catalog.references import add_reference, open_reference
from baselake.compute.call import call_samples
from baselake.compute.qc.sample import measure_sample
from baselake.config import Config
from baselake.errors import NotFoundError
from baselake.ingest.bam import ingest_bam
from tests.ingest.sam_files import sam_line, write_bam

LENGTHS = {"chr1": 26_000, "chrX": 12_000, "chr2": 900}
BASES = {name: "".join(random.Random(name).choices("ACGT", k=length)) for name, length in LENGTHS.items()}
HEADER = "@HD\tVN:1.6\n" + "".join(f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in LENGTHS.items())


def _varied(contig: str, copy: int) -> dict[int, str]:
    """Bases of a chromosome that differ, by place."""
    draw = random.Random(contig)
    changed = {}
    for place in range(300, LENGTHS[contig] - 300, 400):
        base = draw.choice([other for other in "ACGT" if other != BASES[contig][place]])
        if draw.random() < 0.5 or copy == 0:
            changed[place] = base
    return changed


def made_bam(path: Path) -> Path:
    """Pairs of a sample with SNVs, over chr1 and, half as deep, chrX; deletions, duplicates and odd ones among them."""
    draw = random.Random(5)
    lines = []
    for contig, pairs in (("chr1", 2600), ("chrX", 600)):
        copies = []
        for copy in range(2):
            bases = list(BASES[contig])
            for place, base in _varied(contig, copy).items():
                bases[place] = base
            copies.append("".join(bases))
        for start in range(4960, 5000, 2) if contig == "chr1" else ():
            cigar = f"{5020 - start}M3D{80 + start - 5020}M"
            seq = copies[1][start:5020] + copies[1][5023 : start + 83]
            lines.append(
                sam_line(f"d{start}", start % 4 * 8, contig, start + 1, 60, cigar, seq=seq, qual="I" * 80)
            )
        for number in range(pairs):
            bases, size = copies[number % 2], draw.randint(220, 380)
            first = draw.randint(0, LENGTHS[contig] - size)
            last = first + size - 100
            extra = draw.choice([0] * 8 + [0x400, 0x200])
            for flag, start, mate, tlen in ((0x63, first, last, size), (0x93, last, first, -size)):
                seq, cigar = bases[start : start + 100], "100M"
                if flag == 0x63 and draw.random() < 0.05:
                    cigar, seq = "10S80M10S", seq[:10] + seq[10:90] + seq[90:]
                    start += 10
                lines.append(
                    sam_line(
                        f"{contig}-{number}",
                        flag | extra,
                        contig,
                        start + 1,
                        60,
                        cigar,
                        ("=", mate + 1),
                        tlen,
                        seq,
                        "I" * 100,
                    )
                )
    lines += [sam_line(f"u{number}", 4, "*", 0, 0, "*") for number in range(7)]
    lines.append(sam_line("chr1-0", 0x863, "chr1", 500, 30, "40M60H", ("=", 600), 200, "A" * 40, "I" * 40))
    lines.append(
        sam_line("gap", 0, "chr1", 700, 60, "20M30D20M10N20M", seq=BASES["chr1"][699:759], qual="I" * 60)
    )
    return write_bam(path, lines, HEADER)


@pytest.fixture(scope="module")
def measured_lake(tmp_path_factory: pytest.TempPathFactory, empty_lake: Path, config: Config) -> Path:
    """A lake with a sample that is called and measured; made once and only copied."""
    folder = tmp_path_factory.mktemp("measured")
    lake = Path(shutil.copytree(empty_lake, folder / "lake"))
    fasta = folder / "tiny.fa"
    fasta.write_text("".join(f">{name}\n{bases}\n" for name, bases in BASES.items()))
    with connect(lake, config) as catalog:
        reference = add_reference(catalog, fasta, "tiny")
        ingest_bam(catalog, [made_bam(folder / "made.bam")], sample="WALBURGA", reference="tiny")
        call_samples(catalog, ["WALBURGA"], reference)
        assert measure_sample(catalog, "WALBURGA", reference)
    return lake


@pytest.fixture
def measured(measured_lake: Path, tmp_path: Path, config: Config) -> Iterator[Catalog]:
    with connect(Path(shutil.copytree(measured_lake, tmp_path / "measured")), config) as catalog:
        yield catalog


def metrics(catalog: Catalog) -> dict[str, float]:
    rows = catalog.query("SELECT metric, value FROM sample_qc WHERE bin IS NULL").to_pylist()
    assert len({row["metric"] for row in rows}) == len(rows)
    return {row["metric"]: row["value"] for row in rows}


def said(*command: str | Path) -> list[list[str]]:
    """Lines of a tool's output, split at tabs."""
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_alignments_are_measured_as_samtools_does(
    measured: Catalog, peer: Callable[[str], str], tmp_path: Path
) -> None:
    samtools, bam = peer("samtools"), tmp_path / "out.bam"
    export_bam(measured, "WALBURGA", open_reference(measured, "tiny"), bam)
    found = metrics(measured)
    for name, start, end, covered, mean in [
        (row[0], int(row[1]) - 1, int(row[2]), float(row[5]), float(row[6]))
        for row in said(samtools, "coverage", bam)[1:]
        if row[0] != "chr2"
    ]:
        ours = measured.query(
            'SELECT sum(mean * ("end" - start)) / sum("end" - start) AS mean,'
            ' 100 * sum(covered_1 * ("end" - start)) / sum("end" - start) AS covered,'
            ' min(start) AS first, max("end") AS last FROM coverage_windows WHERE contig = ?',
            [name],
        ).to_pylist()[0]
        assert (ours["first"], ours["last"]) == (start, end)
        assert ours["mean"] == pytest.approx(mean, rel=1e-5)
        assert ours["covered"] == pytest.approx(covered, rel=1e-5)
    depths = [int(row[2]) for row in said(samtools, "depth", "-a", "-r", "chr1", bam)]
    depths += [int(row[2]) for row in said(samtools, "depth", "-a", "-r", "chrX", bam)]
    assert found["mean_coverage"] == pytest.approx(sum(depths) / len(depths))
    assert found["covered_20"] == pytest.approx(sum(depth >= 20 for depth in depths) / len(depths))
    counted = said(samtools, "flagstat", "-O", "tsv", bam)
    flags = {row[2]: int(row[0]) + int(row[1]) for row in counted if "%" not in row[2]}
    assert found["reads"] == flags["primary"]
    assert found["mapped"] == flags["primary mapped"]
    assert found["properly_paired"] == flags["properly paired"]
    assert found["duplicates"] == flags["primary duplicates"]
    # Duplicates and records that are not primary left out; those that failed the filter count, as in Picard.
    sizes = [
        row for row in said(samtools, "stats", "-m", "1", "-F", "0xD00", "-f", "2", bam) if row[0] == "IS"
    ]
    theirs = {int(row[1]): int(row[2]) for row in sizes if int(row[2])}
    ours = measured.query("SELECT bin, value FROM sample_qc WHERE metric = 'insert_size'").to_pylist()
    assert {row["bin"]: row["value"] for row in ours} == theirs


def test_a_slice_of_na12878_is_measured_as_samtools_and_picard_do(
    catalog: Catalog, shared_data: Path, peer: Callable[[str], str], tmp_path: Path
) -> None:
    folder, bam, summary = (
        shared_data / "accuracy_NA12878_chr20",
        tmp_path / "out.bam",
        tmp_path / "summary.txt",
    )
    reference = add_reference(catalog, folder / "ucsc.hg19.chr20.unittest.fasta.gz", "hg19")
    source = folder / "NA12878_S1.chr20.10_10p1mb.bam"
    ingest_bam(catalog, [source], sample="NA12878", reference="hg19")
    measure_sample(catalog, "NA12878", reference)
    found = metrics(catalog)
    export_bam(catalog, "NA12878", reference, bam)
    (theirs,) = [row for row in said(peer("samtools"), "coverage", "-r", "chr20", bam) if row[0] == "chr20"]
    assert found["covered_1"] * 100 == pytest.approx(float(theirs[5]), rel=1e-5)
    assert found["mean_coverage"] == pytest.approx(float(theirs[6]), rel=1e-5)
    said(peer("PicardCommandLine"), "CollectAlignmentSummaryMetrics", f"INPUT={bam}", f"OUTPUT={summary}")
    lines = [line.split("\t") for line in summary.read_text().splitlines()]
    (names,) = [line for line in lines if line[0] == "CATEGORY"]
    (values,) = [line for line in lines if line[0] == "PAIR"]
    picard = dict(zip(names, values, strict=False))
    assert found["reads"] == int(picard["TOTAL_READS"])
    assert found["mapped"] == int(picard["PF_READS_ALIGNED"])
    assert found["mapped_rate"] == pytest.approx(float(picard["PCT_PF_READS_ALIGNED"]), abs=1e-6)
    assert "snvs" not in found


def test_calls_are_counted_as_bcftools_does(
    measured: Catalog, peer: Callable[[str], str], tmp_path: Path
) -> None:
    vcf = tmp_path / "out.vcf.gz"
    export_vcf(measured, "WALBURGA", open_reference(measured, "tiny"), vcf)
    stats = said(peer("bcftools"), "stats", "-f", "PASS", "-s", "-", vcf)
    found = metrics(measured)
    numbers = {row[2]: int(row[3]) for row in stats if row[0] == "SN"}
    assert found["snvs"] == numbers["number of SNPs:"] > 50
    assert found["indels"] == numbers["number of indels:"] > 0
    (changes,) = [row for row in stats if row[0] == "TSTV"]
    assert found["ti_tv"] == pytest.approx(float(changes[4]), abs=0.006)
    (sample,) = [row for row in stats if row[0] == "PSC"]
    assert found["het_hom"] == pytest.approx(int(sample[5]) / int(sample[4]))


def test_sex_and_callable_bases(measured: Catalog) -> None:
    found = metrics(measured)
    assert found["x_copies"] == pytest.approx(1, abs=0.15)
    assert "y_copies" not in found
    # Base by base: 1 known, 2 sure.
    seen = {name: [0] * length for name, length in LENGTHS.items()}
    spans = measured.query(
        'SELECT contig, start, "end", gap IS NULL AND gq >= 20 AS sure FROM reference_blocks UNION ALL'
        ' SELECT contig, start, "end", len(filters) = 0 AND gq >= 20 FROM calls'
    ).to_pylist()
    for span in spans:
        for base in range(span["start"], span["end"]):
            seen[span["contig"]][base] |= 3 if span["sure"] else 1
    known = sum(mark > 0 for marks in seen.values() for mark in marks)
    sure = sum(mark == 3 for marks in seen.values() for mark in marks)
    assert found["callable_fraction"] == pytest.approx(sure / known)
    assert 0.5 < sure / known < 1


def test_it_is_measured_once_and_anew_when_calls_change(measured: Catalog) -> None:
    reference = open_reference(measured, "tiny")
    tables = ("sample_qc", "coverage_windows")
    before = [measured.query(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]
    assert not measure_sample(measured, "WALBURGA", reference)
    assert [measured.query(f"SELECT * FROM {table} ORDER BY ALL") for table in tables] == before
    with measured.job("") as job, job.commit() as tx:
        tx.execute("DELETE FROM genotypes WHERE start > 20000")
    assert measure_sample(measured, "WALBURGA", reference)
    (jobs,) = measured.query("SELECT count(DISTINCT job_id) AS n FROM sample_qc")["n"].to_pylist()
    assert jobs == 1
    assert measured.query("SELECT * FROM coverage_windows ORDER BY ALL") == before[1]
    (inputs,) = measured.query(
        "SELECT inputs FROM lineage WHERE operation = 'qc' ORDER BY job_id DESC LIMIT 1"
    )["inputs"].to_pylist()
    assert len(inputs) > 3


def test_erasing_a_sample_leaves_nothing_of_its_measures(measured: Catalog, tmp_path: Path) -> None:
    root = measured.layout.root
    shared = measured.query("SELECT * FROM sample_qc WHERE metric = 'reads'")
    other = shared.set_column(1, "sample_id", pa.array(["BERTA"]))
    with measured.job("") as job, job.commit() as tx:
        tx.insert("samples", pa.table({"sample_id": ["BERTA"]}))
        tx.insert("sample_qc", pa.concat_tables([shared, other]))
    erase_sample(measured, "WALBURGA", open_keys(tmp_path / "keys", root), "tester")
    left = measured.query("SELECT sample_id, metric FROM sample_qc").to_pylist()
    assert left == [{"sample_id": "BERTA", "metric": "reads"}]
    assert measured.query("SELECT * FROM coverage_windows").num_rows == 0
    for table in ("sample_qc", "coverage_windows"):
        files = list((measured.layout.data / "main" / table).rglob("*.parquet"))
        assert not [file for file in files if b"WALBURGA" in file.read_bytes() or "WALBURGA" in str(file)]


def test_a_sample_without_alignments_is_told(measured: Catalog) -> None:
    with pytest.raises(NotFoundError, match="NOBODY has no alignments on tiny"):
        measure_sample(measured, "NOBODY", open_reference(measured, "tiny"))
    assert Lake(measured).sql("SELECT DISTINCT sample_id FROM sample_qc")["sample_id"].to_pylist() == [
        "WALBURGA"
    ]
