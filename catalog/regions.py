"""A sample's alignments in regions, for who looks at many small ones.

DuckLake plans each query anew, which takes longer than reading a region does. Here the catalog is asked once which
files there are and what each covers; regions are then read from the files.
"""

import os
from collections.abc import Sequence

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import duckdb_path, quoted
from baselake.catalog.decoding import CODED_TYPES, PLACE
from baselake.lake.region import Region
from baselake.lake.schema import ALIGNMENTS


def region_alignments(catalog: Catalog, reference: str, sample: str, regions: Sequence[Region]) -> pa.Table:
    """Every alignment that overlaps a region, all columns of `alignments`: region by region, each by start.

    An alignment is there once for each region that it overlaps. All regions are of one snapshot.

    Args:
        catalog: the lake.
        reference: the assembly.
        sample: whose.
        regions: in any order.

    Raises:
        LakeError: a file is damaged or missing.
        StorageError: a file is on a store that does not answer, or must be recalled first.
    """
    parameters = {
        "data": duckdb_path(f"{catalog.layout.data}{os.sep}", catalog.config),
        "reference": reference,
        "sample": sample,
        "contigs": list({region.contig for region in regions}),
    }
    files = catalog.query(catalog.statement("region_files"), parameters).to_pylist()
    found = [ALIGNMENTS.schema.empty_table()]
    for region in regions:
        here = [
            file
            for file in files
            if file["contig"] == region.contig
            and (file["first"] is None or file["first"] < region.end)
            and (file["last"] is None or file["last"] > region.start)
        ]
        if not here:
            continue
        bounds: dict[str, object] = {"start": region.start, "end": region.end}
        if any(file["plain"] for file in here):
            bounds |= {"reference": reference, "sample": sample, "contig": region.contig}
            rows = catalog.records(catalog.statement("alignments_in_region"), bounds)
        else:
            rows = _read(catalog, [file["location"] for file in here], bounds)
        found.append(rows.cast(ALIGNMENTS.schema))
    return pa.concat_tables(found)


def _read(catalog: Catalog, locations: Sequence[str], bounds: dict[str, object]) -> pa.Table:
    """The rows of files, in their order, that overlap from $start to $end."""
    # What is coded is in no column of its own: the place says where it is.
    columns = ", ".join(
        f'CAST(NULL AS {CODED_TYPES[field.name]}) AS "{field.name}"'
        if field.name in CODED_TYPES
        else f'"{field.name}"'
        for field in ALIGNMENTS.schema
    )
    files = f"[{', '.join(map(quoted, locations))}]"
    sql = (
        f"SELECT {columns}, {', '.join(PLACE)}"
        f" FROM read_parquet({files}, filename = true, file_row_number = true, hive_partitioning = false)"
        f' WHERE start < $end AND "end" > $start'
        f" ORDER BY start, {f'list_position({files}, filename), ' if len(locations) > 1 else ''}file_row_number"
    )
    cursor = (
        catalog.connection.cursor()
    )  # without the lake in use, so that DuckLake is not asked for anything
    try:
        with catalog.reading():
            return catalog.decoder.table(cursor.execute(sql, bounds).to_arrow_table())
    finally:
        cursor.close()
