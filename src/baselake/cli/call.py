"""`baselake call`."""

import click

from baselake.cli.options import common, open_for_writing, reference_option, region_option


@click.command()
@click.argument("samples", nargs=-1, metavar="[SAMPLE]...")
@reference_option
@region_option
@click.option(
    "--device",
    metavar="[auto|cpu|gpu|gpu:N]",
    default="auto",
    show_default=True,
    help="Where to compute: every GPU, else the CPU (auto); every GPU (gpu), or that one. Calls are the same.",
)
@common
def command(samples: tuple[str, ...], reference: str | None, region: str | None, device: str) -> None:
    """Call the germline variants of SAMPLEs (all, if none is named); what is not aligned is aligned first."""
    with open_for_writing("baselake.compute.call") as lake:
        lake.call(samples, reference, region, device=device)
