"""Calls of a lake of before, a file for each sample, stay, and are counted and compacted with new ones."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.catalog.catalog import connect, create
from baselake.catalog.counting import count_cohort
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.catalog.references import add_reference
from baselake.catalog.upkeep.compact import compact, live_files
from baselake.config import Config
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.lake.schema import GENOTYPES, VARIANTS
from tests.ingest.vcf.vcf_files import write_vcf

from .test_upgrade import earlier_release

# As releases before had it.
_COLUMNS = pa.schema([field for field in GENOTYPES.schema if field.name != "af"])
BY_SAMPLE = replace(GENOTYPES, schema=_COLUMNS, partition_by=("reference", "sample_id", "contig"))


def test_calls_by_sample_and_calls_together_are_one_table(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 100}\n")
    with earlier_release(tmp_path, monkeypatch, 10, "0.3.0"):
        create(lake, config)
        with connect(lake, config) as catalog:
            add_reference(catalog, tmp_path / "r.fa", "flat")
            with catalog.job("call") as job:
                allele = {"reference": "flat", "contig": "1", "start": 9, "variant_id": "1-10-A-C"}
                for sample in ("MARTHA", "KONRAD"):
                    key = {"reference": "flat", "sample_id": sample, "contig": "1"}
                    with job.writer_of(BY_SAMPLE, key) as out:
                        row = {**allele, **key, "gt": "0/1", "alt_copies": 1}
                        out.write(pa.Table.from_pylist([row], _COLUMNS))
                with job.writer("variants", {"reference": "flat", "contig": "1"}) as out:
                    row = {**allele, "end": 10, "ref": "A", "alt": "C", "type": "snv"}
                    out.write(pa.Table.from_pylist([row], VARIANTS.schema))
                with job.commit() as tx:
                    tx.execute("INSERT INTO samples (sample_id) VALUES ('MARTHA'), ('KONRAD')")
    assert create(lake, config) is False
    with connect(lake, config) as catalog:
        records = ["1 10 . A C . . . GT 0/1 0/0", "1 20 . A G . . . GT 0/0 1/1"]
        ingest_vcf(catalog, [write_vcf(tmp_path / "new.vcf", records, ("R", "S"))])

        def frequencies(name: str) -> list[tuple[str, int, int, int]]:
            rows = catalog.query(f"FROM {name}('all') ORDER BY start").to_pylist()
            return [(row["variant_id"], row["ac"], row["an"], row["not_seen"]) for row in rows]

        wanted = [("1-10-A-C", 3, 8, 0), ("1-20-A-G", 2, 4, 2)]
        # What was there is not in the counts, so they are not used.
        assert frequencies("counted_alleles") == []
        assert frequencies("allele_frequency") == wanted
        count_cohort(catalog, "all")
        assert frequencies("counted_alleles") == frequencies("allele_frequency") == wanted
        assert len({tuple(file.partition or ()) for file in live_files(catalog, "genotypes")}) == 3
        compact(catalog, ["genotypes"], min_files=2)
        (file,) = live_files(catalog, "genotypes")
        assert (file.columns, file.partition, file.rows) == (["reference", "contig"], ["flat", "1"], 6)
        assert frequencies("allele_frequency") == wanted
        # Of the old file, in earlier snapshots, and of the shared one.
        erased = erase_sample(catalog, "MARTHA", open_keys(tmp_path / "keys", lake), "the test")
        assert erased.findings == ()
        wanted = [("1-10-A-C", 2, 6, 0), ("1-20-A-G", 2, 4, 1)]
        assert frequencies("counted_alleles") == frequencies("allele_frequency") == wanted
