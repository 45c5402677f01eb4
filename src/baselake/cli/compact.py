"""`baselake compact`."""

import click

from baselake.cli.options import Size, common, format_option, open_for_writing


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option(
    "--min-files", type=int, default=8, show_default=True, help="Leave partitions with fewer small files."
)
@click.option(
    "--target", type=Size(), default="128MiB", show_default=True, help="Bytes of the files to make."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@format_option
@common
def command(tables: tuple[str, ...], min_files: int, target: int, dry_run: bool, format_: str | None) -> None:
    """Write the small files of TABLE (default: of every table) again as large ones, those of one partition together.

    Others read and write meanwhile. Earlier snapshots keep the small files until they expire: `baselake expire`.
    """
    import pyarrow as pa

    from baselake.catalog.upkeep.compact import plan, planned
    from baselake.cli.render import write_table

    with open_for_writing() as lake:
        if dry_run:
            done = planned(plan(lake.catalog, tables, min_files=min_files, target_bytes=target))
        else:
            done = lake.compact(tables, min_files=min_files, target_bytes=target)
        rows = {
            "table": pa.array([one.table for one in done], pa.string()),
            "partition": pa.array([one.partition for one in done], pa.string()),
            "files": pa.array([one.files for one in done], pa.int64()),
            "bytes": pa.array([one.bytes for one in done], pa.int64()),
            "bytes_after": pa.array([one.bytes_after for one in done], pa.int64()),
            "outcome": pa.array([one.outcome for one in done], pa.string()),
        }
        write_table(lake, pa.table(rows), format_)
