"""`baselake sql`."""

import sys

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading
from baselake.cli.render import write_rows


@click.command()
@click.argument("query")
@format_option
@at_option
@common
def command(query: str, format_: str | None, at: str | None) -> None:
    """Answer QUERY (`-`: read it from standard input) in DuckDB's SQL, read-only.

    Tables: variants, genotypes, calls, alignments, reads, samples, runs, read_groups, source_files, lineage,
    contigs and "references" (quoted, as "end" is). Coordinates are 0-based half-open.
    """
    with open_for_reading(at) as lake:
        text = sys.stdin.read() if query == "-" else query
        lake.audit_sql(text)
        write_rows(lake, text, format_)
