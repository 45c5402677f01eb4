"""What is told of samples, from the catalog alone."""

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.samples import samples_sql
from baselake.lake.schema import ALIGNMENTS


def align(catalog: Catalog, sample: str, rows: int) -> None:
    given = {"reference": [f"ref-{sample}"] * rows, "sample_id": [sample] * rows, "contig": ["1"] * rows}
    columns = [pa.array(given.get(field.name, [None] * rows), field.type) for field in ALIGNMENTS.schema]
    with catalog.job("align", {"sample": sample}) as job:
        partition = {"reference": f"ref-{sample}", "sample_id": sample, "contig": "1"}
        with job.writer("alignments", partition) as out:
            out.write(pa.table(columns, schema=ALIGNMENTS.schema))
        with job.commit() as tx:
            tx.execute("INSERT INTO samples (sample_id) VALUES (?)", [sample])


def test_samples_with_equally_many_alignments_have_each_their_own(catalog: Catalog) -> None:
    for sample in ("A", "B"):
        align(catalog, sample, 3)
    rows = catalog.query(samples_sql(catalog)).to_pylist()
    assert [(row["sample_id"], row["aligned_to"], row["alignments"]) for row in rows] == [
        ("A", ["ref-A"], 3),
        ("B", ["ref-B"], 3),
    ]
