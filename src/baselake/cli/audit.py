"""`baselake audit`."""

from datetime import UTC, datetime

import click

from baselake.cli.options import common, format_option, open_for_reading
from baselake.cli.render import write_table


@click.command()
@click.option("--verify", is_flag=True, help="Only check that no row was changed, taken away or put in.")
@format_option
@common
def command(verify: bool, format_: str | None) -> None:
    """Who did what, when: every change of the lake.

    With `audit_reads = true` in baselake.toml queries and exports are set down too, before they are answered.
    Who it was is BASELAKE_USER, else the operating system's user, and the machine. Samples that were erased stand as a
    random word. Keep the hash that --verify prints elsewhere: it tells later whether rows at the end were taken away.
    """
    import pyarrow as pa

    from baselake.catalog.audit import read_audit, readable, subjects, verify_audit

    with open_for_reading() as lake:
        rows = read_audit(lake.catalog.connection)
        if verify:
            head = verify_audit(rows, str(lake.catalog.layout.root))
            click.echo(f"{len(rows)} rows hang together; the last has the hash {head}")
            return
        shown = readable(rows, subjects(lake.catalog.connection))
        for row in shown:
            row["time"] = datetime.fromtimestamp(int(str(row["time"])), UTC)
        schema = pa.schema(
            [
                ("number", pa.int64()),
                ("time", pa.timestamp("s", "UTC")),
                *((name, pa.string()) for name in ("who", "operation", "parameters", "job_id")),
                ("snapshot", pa.int64()),
                ("hash", pa.string()),
            ]
        )
        write_table(lake, pa.Table.from_pylist(shown, schema=schema), format_)
