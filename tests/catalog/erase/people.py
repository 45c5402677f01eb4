"""A lake of several people, made of jobs as importing, assigning, aligning and calling make them, on few rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.ingest.illumina.assign import _LAYOUTS, _READ_GROUPS
from baselake.lake.schema import ALIGNMENTS, BARCODE_COUNTS, GENOTYPES, READ_RECORDS, VARIANTS
from baselake.lake.spec import TableSpec

from ..shown import decoded

RUN = "240101_M001_0001_FC"
SHEETS = {
    1: "[Data]\nSample_ID,Sample_Name,index\n{0},one,ACGT\nMARTHA-2,two,TTTT\n",
    2: "[Data]\nSample_ID,index\n{0},ACGT\nBERTRAM,CCCC\nMARTHA-2,TTTT\n",
}


def table(spec: TableSpec, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=spec.schema)


def read_name(sample: str, number: int) -> str:
    """Names that no other sample's reads have, and that say nothing of the sample."""
    seed = sum(ord(letter) * 31**place for place, letter in enumerate(sample)) % 9973
    return f"M001:1:FC:1:1101:{10000 + seed}:{20000 + number}"


def import_reads(catalog: Catalog, sample: str, reads: int, lane: int = 1, group: str | None = None) -> None:
    """A FASTQ import of one sample."""
    run, group = "FASTQRUN", group or f"{sample}.FC.{lane}"
    path = f"/seq/{sample}_L00{lane}_R1.fastq.gz"
    with catalog.job("ingest", {"sample": sample, "folder": f"/seq/{sample}"}) as job:
        job.inputs.append(path)
        with job.writer("read_records", {"run_id": run, "lane": lane}) as out:
            out.write(table(READ_RECORDS, [_read(run, lane, sample, i, group) for i in range(reads)]))
        with job.commit() as tx:
            known(tx, sample)
            put_group(tx, group, sample, run, lane)
            if not tx.query("SELECT 1 FROM runs WHERE run_id = ?", [run]).num_rows:
                tx.insert("runs", pa.table({"run_id": [run], "state": ["imported"]}))
            source = {
                "source_id": f"{hash((sample, lane)) & 0xFFFFFF:064x}",
                "path": path,
                "run_id": run,
                "sample_ids": [sample],
                "header": f"@RG\tID:1\tSM:{sample}\n",
                "job_id": job.id,
            }
            tx.insert("source_files", pa.Table.from_pylist([source]))


def known(tx: Transaction, *samples: str, **columns: str) -> None:
    for sample in samples:
        if not tx.query("SELECT 1 FROM samples WHERE sample_id = ?", [sample]).num_rows:
            tx.insert("samples", pa.Table.from_pylist([{"sample_id": sample, **columns}]))


def put_group(tx: Transaction, group: str, sample: str, run: str, lane: int) -> None:
    row = {"read_group_id": group, "id": group, "sample_id": sample, "run_id": run, "lane": lane}
    tx.insert("read_groups", pa.Table.from_pylist([row], schema=_READ_GROUPS))


def _read(run: str, lane: int, sample: str, number: int, group: str | None, index: str = "") -> dict:
    return {
        "run_id": run,
        "lane": lane,
        "read_group_id": group,
        "name": read_name(sample, number),
        "segment": 1,
        "seq": "ACGTTGCA",
        "qual": "IIIIHHHH",
        "index1_seq": index or None,
        "tile": 1101 if index else None,
    }


def import_run(catalog: Catalog, clusters: Mapping[str, tuple[str, int]]) -> None:
    """A run folder of one lane and tile, not yet assigned: reads by whose they are, with index and number."""
    with catalog.job("ingest", {"run": RUN}) as job:
        rows = [
            _read(RUN, 1, whose, i, None, index)
            for whose, (index, number) in clusters.items()
            for i in range(number)
        ]
        with job.writer("read_records", {"run_id": RUN, "lane": 1}) as out:
            out.write(table(READ_RECORDS, rows))
        counts = [
            {
                "run_id": RUN,
                "lane": 1,
                "tile": 1101,
                "index1_seq": index,
                "index2_seq": "",
                "clusters": number + 1,
                "clusters_pf": number,
            }
            for index, number in clusters.values()
        ]
        with job.writer("barcode_counts", {"run_id": RUN, "lane": 1}) as out:
            out.write(table(BARCODE_COUNTS, counts))
        total = sum(number for _, number in clusters.values())
        with job.commit() as tx:
            tx.insert("runs", pa.table({"run_id": [RUN], "state": ["complete"], "folder": ["/share/run"]}))
            tile = {
                "run_id": RUN,
                "lane": 1,
                "tile": 1101,
                "clusters": total + len(clusters),
                "clusters_pf": total,
            }
            schema = pa.schema(
                [("run_id", pa.string()), ("lane", pa.int16()), ("tile", pa.int32())]
                + [(name, pa.int64()) for name in ("clusters", "clusters_pf")]
            )
            tx.insert("run_tiles", pa.Table.from_pylist([tile], schema=schema))


def assign(catalog: Catalog, owners: Mapping[str, str], sheet: str) -> None:
    """Another sheet: whose each index is."""
    with catalog.job("assign", {"run": RUN}) as job, job.commit() as tx:
        for name in ("lane_layouts", "barcode_assignments", "read_groups"):
            if tx.query(f"SELECT 1 FROM {name} WHERE run_id = ?", [RUN]).num_rows:
                tx.execute(f"DELETE FROM {name} WHERE run_id = ?", [RUN])
        layout = {"run_id": RUN, "lane": 1, "index1_start": 0, "index1_length": 4}
        layout |= {"index2_start": 0, "index2_length": 0}
        tx.insert("lane_layouts", pa.Table.from_pylist([layout], schema=_LAYOUTS))
        for index, sample in owners.items():
            known(tx, sample)
            put_group(tx, f"{sample}.FC.1.{index}", sample, RUN, 1)
            row = {"run_id": [RUN], "lane": pa.array([1], pa.int16()), "index1_seq": [index]}
            row |= {"index2_seq": [""], "read_group_id": [f"{sample}.FC.1.{index}"]}
            tx.insert("barcode_assignments", pa.table(row))
        sheet_row = {"run_id": [RUN], "sheet_id": [f"{len(sheet):064x}"], "text": [sheet], "job_id": [job.id]}
        tx.insert("sample_sheets", pa.table(sheet_row))


def align(catalog: Catalog, sample: str, reads: int, contig: str = "chr1") -> None:
    with catalog.job("align", {"sample": sample}) as job:
        partition = {"reference": "GRCh38", "sample_id": sample, "contig": contig}
        rows = [
            {
                **partition,
                "read_group_id": f"{sample}.FC.1",
                "name": read_name(sample, i),
                "flag": 0,
                "start": 100 + i,
                "end": 108 + i,
                "mapq": 60,
                "cigar": "8M",
                "seq": "ACGTTGCA",
                "qual": "IIIIHHHH",
            }
            for i in range(reads)
        ]
        with job.writer("alignments", partition) as out:
            out.write(table(ALIGNMENTS, rows))
        with job.commit():
            pass


def call(catalog: Catalog, sample: str, starts: Sequence[int]) -> None:
    """Alleles at some places, of which others may carry some too."""
    with catalog.job("call", {"sample": sample}) as job:
        partition = {"reference": "GRCh38", "contig": "chr1"}
        ids = [f"chr1-{start + 1}-A-C" for start in starts]
        called = [
            {
                **partition,
                "sample_id": sample,
                "variant_id": name,
                "start": start,
                "gt": "0/1",
                "alt_copies": 1,
                "pl": [9, 0, 9],
            }
            for name, start in zip(ids, starts, strict=True)
        ]
        with job.writer("genotypes", partition) as out:
            out.write(table(GENOTYPES, called))
        alleles = [
            {
                "reference": "GRCh38",
                "variant_id": name,
                "contig": "chr1",
                "start": start,
                "end": start + 1,
                "ref": "A",
                "alt": "C",
                "type": "snv",
            }
            for name, start in zip(ids, starts, strict=True)
        ]
        with job.commit() as tx:
            tx.add_new("variants", table(VARIANTS, alleles), ("reference", "variant_id"))


def people(catalog: Catalog, folder: Path, who: str = "MARTHA") -> None:
    """A lake in which `who` is everywhere: alone, beside others, in names, in sheets, in the past."""
    import_reads(catalog, who, 7)
    import_reads(catalog, f"{who}-2", 5)
    import_reads(catalog, "BERTRAM", 4, lane=2)
    import_run(catalog, {who: ("ACGT", 6), "BERTRAM": ("CCCC", 3), f"{who}-2": ("TTTT", 4), "": ("GGGG", 2)})
    assign(catalog, {"ACGT": who, "CCCC": who, "TTTT": f"{who}-2"}, SHEETS[1].format(who))
    assign(catalog, {"ACGT": who, "CCCC": "BERTRAM", "TTTT": f"{who}-2"}, SHEETS[2].format(who))
    with catalog.record() as tx:
        tx.execute("UPDATE samples SET father = ?, sex = 'female' WHERE sample_id = 'BERTRAM'", [who])
    with catalog.record() as tx:
        tx.execute("UPDATE samples SET sex = 'male', family = 'F' WHERE sample_id = ?", [who])
    for sample, reads in ((who, 7), ("BERTRAM", 4), (f"{who}-2", 5)):
        align(catalog, sample, reads)
    call(catalog, who, [10, 20, 30])
    call(catalog, "BERTRAM", [20, 40])
    with catalog.job("calls taken away", {"sample": who}) as job, job.commit() as tx:
        tx.execute("DELETE FROM genotypes WHERE sample_id = ? AND start = 10", [who])
    sheet = folder / "SampleSheet.csv"
    sheet.write_text(SHEETS[2].format(who))
    with catalog.job("keep", {"run_id": RUN}) as job:
        stored = job.object(sheet, RUN, "SampleSheet.csv")
        row = {"run_id": RUN, "name": "SampleSheet.csv", "path": stored.path, "bytes": stored.bytes}
        row |= {"sha256": stored.sha256, "kind": "metadata", "job_id": job.id}
        with job.commit() as tx:
            tx.insert("objects", pa.Table.from_pylist([row]))
    with catalog.record() as tx:
        tx.execute(f"DELETE FROM stored_reads WHERE {decoded('name')} = ?", [read_name("BERTRAM", 1)])
