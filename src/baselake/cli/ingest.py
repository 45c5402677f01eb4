"""`baselake ingest`."""

from pathlib import Path

import click

from baselake.cli.options import common, open_for_writing, reference_option
from baselake.ingest.run_source import MISSING, NO_CALLS


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--sample", help="The sample.  [default: from @RG SM, or the FASTQ files' names]")
@click.option("--library", help="The library.  [default: from @RG LB, or the sample]")
@click.option("--sex", type=click.Choice(["male", "female"]), help="The sample's sex, where it is known.")
@reference_option
@click.option(
    "--sample-sheet",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Run folders: which sample has which index.  [default: SampleSheet*.csv in the folder]",
)
@click.option(
    "--allow-missing",
    type=click.Choice(MISSING),
    multiple=True,
    help="Run folders: what may be absent; may be repeated. Without positions, clusters are numbered.",
)
@click.option("--include-filtered", is_flag=True, help="Run folders: keep clusters that failed the filter.")
@click.option(
    "--no-calls",
    type=click.Choice(NO_CALLS),
    default="bin",
    show_default=True,
    help="Run folders: what is N: every call of the lowest quality bin or, as Picard has it, those without a base.",
)
@common
def command(
    paths: tuple[Path, ...],
    sample: str | None,
    library: str | None,
    sex: str | None,
    reference: str | None,
    sample_sheet: Path | None,
    allow_missing: tuple[str, ...],
    include_filtered: bool,
    no_calls: str,
) -> None:
    """Import reads and calls: sequencers' run folders, FASTQ (plain, gzip, bgzip; mates found by name), SAM, BAM, CRAM,
    VCF, gVCF or BCF files, or folders of them.

    Of a run folder every lane and tile becomes visible by itself, and what is not sound is left out and told; all
    files of a call become visible together. What is in the lake already is not imported again.
    """
    with open_for_writing("baselake.ingest.files", "baselake.ingest.fastq") as lake:
        lake.ingest(
            paths,
            sample=sample,
            library=library,
            sex=sex,
            reference=reference,
            sample_sheet=sample_sheet,
            allow_missing=allow_missing,
            include_filtered=include_filtered,
            no_calls=no_calls,
        )
