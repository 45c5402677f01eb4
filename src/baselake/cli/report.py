"""`baselake report`."""

from pathlib import Path

import click

from baselake.cli.options import common, open_for_writing, reference_option


@click.command()
@click.argument("sample")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: SAMPLE.html]",
)
@reference_option
@common
def command(sample: str, output: Path | None, reference: str | None) -> None:
    """Write the quality control of SAMPLE as one HTML file; what is missing or out of date is measured first."""
    path = output or Path(f"{sample.replace('/', '_')}.html")
    with open_for_writing("baselake.compute.qc.sample", "baselake.compute.qc.report") as lake:
        lake.report(sample, path, reference=reference)
    click.echo(path)
