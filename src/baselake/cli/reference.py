"""`baselake reference`."""

from pathlib import Path

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading, open_for_writing
from baselake.cli.render import write_rows


@click.group()
@common
def command() -> None:
    """Register reference assemblies."""


@command.command("add")
@click.argument("fasta", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What commands and tables call it.")
@common
def add(fasta: Path, name: str) -> None:
    """Register FASTA (plain, gzip or bgzip) by the digest of its sequences."""
    with open_for_writing() as lake:
        lake.add_reference(fasta, name)


@command.command("list")
@format_option
@at_option
@common
def list_(format_: str | None, at: str | None) -> None:
    """The assemblies registered."""
    with open_for_reading(at) as lake:
        write_rows(
            lake, 'SELECT reference, contigs, length, digest, source FROM "references" ORDER BY 1', format_
        )
