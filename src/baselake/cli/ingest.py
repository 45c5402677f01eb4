"""`baselake ingest`."""

from pathlib import Path

import click

from baselake.cli.options import common, open_for_writing, reference_option


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--sample", help="The sample.  [default: from @RG SM, or the FASTQ files' names]")
@click.option("--library", help="The library.  [default: from @RG LB, or the sample]")
@click.option("--sex", type=click.Choice(["male", "female"]), help="The sample's sex, where it is known.")
@reference_option
@common
def command(
    paths: tuple[Path, ...], sample: str | None, library: str | None, sex: str | None, reference: str | None
) -> None:
    """Import reads: FASTQ (plain, gzip, bgzip; mates found by name), SAM, BAM or CRAM files, or folders of them.

    All of a call becomes visible together. A file whose content is in the lake already is not imported again.
    """
    with open_for_writing() as lake:
        lake.ingest(paths, sample=sample, library=library, sex=sex, reference=reference)
