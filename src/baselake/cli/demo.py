"""`baselake demo`."""

import sys
import time
from pathlib import Path

import click

from baselake.cli.options import common, progress


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-data"))
@common
def command(folder: Path) -> None:
    """Make a small genome and a sequencer's run folder in FOLDER (default: demo-data), watch, call, compare, query.

    Exits with status 1 where the calls are worse than the demo promises.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from baselake.demo import PROMISED, QUERY, run_demo

    began = time.monotonic()
    result = run_demo(folder, progress())
    console = Console()
    scores = Table(title="Called variants against the planted truth", title_justify="left", box=SIMPLE)
    scores.add_column("kind")
    for title in ("planted", "found", "recall", "called", "right", "precision", "wrong GT"):
        scores.add_column(title, justify="right", no_wrap=True)
    for score in result.scores:
        scores.add_row(
            score.kind,
            f"{score.planted:,}",
            f"{score.found:,}",
            f"{score.recall:.4f}",
            f"{score.called:,}",
            f"{score.right:,}",
            f"{score.precision:.4f}",
            f"{score.wrong_genotype:,}",
        )
    rows = Table(title="The same calls by SQL", title_justify="left", box=SIMPLE)
    for title in result.rows.column_names:
        rows.add_column(title)
    for row in result.rows.to_pylist():
        rows.add_row(*(str(value) for value in row.values()))
    console.print(scores)
    for kind, (recall, precision) in PROMISED.items():
        console.print(f"Promised for {kind}: recall {recall}, precision {precision}.", highlight=False)
    console.print(f'\nbaselake --lake {result.lake} sql "{QUERY}"\n', highlight=False, soft_wrap=True)
    console.print(rows)
    console.print(f"Done in {time.monotonic() - began:.0f} s.", highlight=False)
    if not result.passed:
        print("baselake: the calls are worse than the demo promises", file=sys.stderr)
        sys.exit(1)
