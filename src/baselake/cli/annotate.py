"""`baselake annotate`."""

from pathlib import Path

import click

from baselake.cli.options import (
    at_option,
    common,
    format_option,
    open_for_reading,
    open_for_writing,
    progress,
    reference_option,
)
from baselake.cli.render import write_rows

_release_option = click.option(
    "--release",
    metavar="TEXT",
    help="What the release is called.  [default: what the file says, or its name]",
)


@click.group(invoke_without_command=True)
@format_option
@at_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None, at: str | None) -> None:
    """What is known of genes and variants. Without a subcommand: every release that was loaded."""
    if context.invoked_subcommand is None:
        with open_for_reading(at) as lake:
            write_rows(
                lake,
                "SELECT source, version, kind, reference, loaded, records, path FROM annotation_releases"
                " ORDER BY loaded",
                format_,
            )


@command.command("genes")
@click.argument("file", type=click.Path(path_type=Path))
@reference_option
@_release_option
@common
def genes(file: Path, reference: str | None, release: str | None) -> None:
    """Take the genes and transcripts of FILE, GFF3 or GTF, for those of the assembly.

    As Ensembl, GENCODE and RefSeq write them. An earlier release is there with --at.
    """
    with open_for_writing("baselake.ingest.genes") as lake:
        done = lake.annotate_genes(file, reference=reference, release=release)
    if not done.skipped:
        print(f"{done.genes:,} genes, {done.transcripts:,} transcripts, release {done.version}")


@command.command("variants")
@reference_option
@common
def variants(reference: str | None) -> None:
    """Tell what variants do to transcripts: those that the gene models of now have not been asked about."""
    with open_for_writing("baselake.compute.annotate") as lake:
        done = lake.annotate_variants(reference)
    print(f"{done.alleles:,} alleles, {done.rows:,} consequences, by release {done.version}")


@command.command("ontology")
@click.argument("file", type=click.Path(path_type=Path))
@_release_option
@common
def ontology(file: Path, release: str | None) -> None:
    """Take the terms of FILE, OBO such as HPO's hp.obo: a phenotype then stands for all that are below it.

    An earlier release is there with --at.
    """
    from baselake.ingest.annotations.ontology import load_ontology

    with open_for_writing("baselake.ingest.annotations") as lake:
        done = load_ontology(lake.catalog, file, version=release, progress=progress())
    if not done.skipped:
        print(f"{done.terms:,} terms, release {done.version}")


@command.command("source")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@reference_option
@_release_option
@click.option("--columns", metavar="NAMES", help="Keys of INFO, or columns, comma-separated.  [default: all]")
@common
def source(name: str, file: Path, reference: str | None, release: str | None, columns: str | None) -> None:
    """Load FILE as the release that answers of the source NAME, such as clinvar.

    VCF or BCF: alleles, brought into normal form. BED: regions. Else tab-separated columns with a header: of alleles
    where it names contig, pos, ref and alt, or has names of HGVS in a column hgvs (hgvs_g, hgvs_c, hgvs_p), of genes
    where it names a gene. Earlier releases stay.
    """
    with open_for_writing("baselake.ingest.annotations") as lake:
        done = lake.annotate_source(
            name,
            file,
            reference=reference,
            release=release,
            columns=columns.split(",") if columns is not None else None,
        )
    if not done.skipped:
        left_out = f", {done.unresolved:,} lines left out" if done.unresolved else ""
        print(f"{done.rows:,} rows of {done.kind}, release {done.version}{left_out}")
