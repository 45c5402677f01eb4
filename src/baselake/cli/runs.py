"""`baselake runs`."""

import shutil
from pathlib import Path
from typing import BinaryIO

import click

from baselake.cli.options import (
    at_option,
    common,
    format_option,
    open_for_export,
    open_for_reading,
    open_for_writing,
)
from baselake.cli.render import write_rows

# What `show` says of a run, a table each: its title, and the query of which ? is the run.
_SECTIONS = {
    "lanes": "SELECT lane, tiles, clusters, clusters_pf FROM lane_yields WHERE run_id = ? ORDER BY lane",
    "samples": (
        "SELECT lane, coalesce(sample_id, 'Undetermined') AS sample_id, barcode, clusters, perfect, one_mismatch,"
        " yield_1, yield_2, round(100.0 * (q30_1 + q30_2) / nullif(yield_1 + yield_2, 0), 2) AS percent_q30"
        " FROM sample_yields WHERE run_id = ? ORDER BY lane, sample_yields.sample_id NULLS LAST, barcode"
    ),
    "unknown barcodes, the most frequent of each lane": (
        "SELECT lane, index1_seq, index2_seq, clusters FROM unknown_barcodes WHERE run_id = ? AND clusters > 0"
        " QUALIFY row_number() OVER (PARTITION BY lane ORDER BY clusters DESC, index1_seq, index2_seq) <= 10"
        " ORDER BY lane, clusters DESC, index1_seq, index2_seq"
    ),
    "files": (
        "SELECT format, sample_ids, count(*) AS files, CAST(sum(bytes) AS BIGINT) AS bytes,"
        " CAST(sum(records) AS BIGINT) AS records FROM source_files WHERE run_id = ? GROUP BY ALL ORDER BY ALL"
    ),
    "kept files": (
        "SELECT kind, count(*) AS files, CAST(sum(bytes) AS BIGINT) AS bytes FROM objects WHERE run_id = ?"
        " GROUP BY kind ORDER BY kind"
    ),
    "faults": "SELECT path, lane, tile, cycle, fault FROM run_faults WHERE run_id = ? ORDER BY ALL",
}


@click.group(invoke_without_command=True)
@format_option
@at_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None, at: str | None) -> None:
    """Sequencer runs and imports, with their files, reads and samples."""
    if context.invoked_subcommand is not None:
        return
    with open_for_reading(at) as lake:
        write_rows(lake, lake.catalog.statement("runs"), format_)


@command.command("show")
@click.argument("run")
@at_option
@common
def show(run: str, at: str | None) -> None:
    """How RUN stands: state and error, clusters, what each sample gave, unknown barcodes, faults."""
    from baselake.catalog.connection import quoted
    from baselake.errors import NotFoundError

    with open_for_reading(at) as lake:
        found = lake.catalog.query(
            "SELECT * EXCLUDE (run_info, run_parameters) FROM runs WHERE run_id = ?", [run]
        )
        if not found.num_rows:
            raise NotFoundError(f"no run {run!r}", str(lake.catalog.layout.root), "List them: baselake runs")
        for name, value in found.to_pylist()[0].items():
            if value is not None:
                click.echo(f"{name:16} {value}")
        for title, query in _SECTIONS.items():
            if lake.catalog.query(f"SELECT 1 FROM ({query}) LIMIT 1", [run]).num_rows:
                click.echo(f"\n{title}")
                write_rows(lake, query.replace("?", quoted(run)), "table")


@command.command("report")
@click.argument("run")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write into; made where it is not there.",
)
@at_option
@common
def report(run: str, output: Path, at: str | None) -> None:
    """Write what the samples of RUN gave for MultiQC: BCL Convert's Reports/ and bcl2fastq's Stats/."""
    from baselake.catalog.export.demultiplexing import export_demultiplexing

    with open_for_export(at) as lake:
        for path in export_demultiplexing(lake.catalog, run, output):
            click.echo(path)


@command.command("file")
@click.argument("run")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.File("wb", lazy=False, atomic=True),
    default="-",
    help="The file to write.  [default: standard output]",
)
@at_option
@common
def file(run: str, name: str, output: BinaryIO, at: str | None) -> None:
    """Give back a file that was kept as it came with RUN, by its path in the run's folder, as `objects` has it."""
    with open_for_export(at) as lake, lake.kept_file(run, name) as kept:
        shutil.copyfileobj(kept, output)


@command.command("assign")
@click.argument("run")
@click.argument("sheet", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@common
def assign(run: str, sheet: Path | None) -> None:
    """Assign the reads of RUN to samples by another SHEET, or to none; the run's folder is not needed.

    Alignments and calls of samples whose reads change are taken away; `--at` an earlier snapshot still shows them.
    """
    with open_for_writing() as lake:
        lake.assign(run, sheet)
