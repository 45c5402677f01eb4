"""`baselake rerun`."""

from pathlib import Path

import click

from baselake.cli.options import common, open_for_reading


@click.command()
@click.argument("receipt", type=click.Path(path_type=Path))
@common
def command(receipt: Path) -> None:
    """Ask again what RECEIPT says, of the lake as it was then, and say how today's answer differs.

    Exits with 1 where the lake no longer gives the answer that the receipt is of.
    """
    from baselake.catalog.receipts import read_receipt, rerun

    known = read_receipt(receipt)
    with open_for_reading(str(known.snapshot)) as then, open_for_reading() as now:
        for lake in (then, now):
            lake.audit_sql(known.sql)
        outcome = rerun(then.catalog, now.catalog, known)
    print(known.sql)
    print(
        f"snapshot {known.snapshot}: {outcome.rows:,} rows, {'the same' if outcome.same else 'NOT the same'} as then"
    )
    for line in outcome.releases:
        print(line)
    print(f"today: {outcome.gone:,} of these rows are gone, {outcome.new:,} rows are new")
    if not outcome.same:
        click.get_current_context().exit(1)
