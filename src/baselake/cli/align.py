"""`baselake align`."""

import click

from baselake.cli.options import common, open_for_writing, reference_option


@click.command()
@click.argument("samples", nargs=-1, metavar="[SAMPLE]...")
@reference_option
@click.option(
    "--optical-distance",
    type=click.IntRange(0),
    metavar="PIXELS",
    help="Duplicates of a tile this near are optical: 2500 on patterned flow cells.  [default: 100]",
)
@common
def command(samples: tuple[str, ...], reference: str | None, optical_distance: int | None) -> None:
    """Align the reads of SAMPLEs (all, if none is named), sort them and mark duplicates.

    Reads are not aligned to ALT contigs (chr6_GL000250v2_alt, HLA-...): there they would lose their place on the
    chromosomes. The aligner is minimap2 as it is set for short reads; of long reads it aligns pieces.
    """
    with open_for_writing("baselake.compute.align.sample") as lake:
        lake.align(samples, reference, optical_distance=optical_distance)
