"""`baselake export`."""

from pathlib import Path

import click

from baselake.cli.options import at_option, common, open_for_export, reference_option, region_option

_sample = click.option("--sample", required=True, help="The sample.")
_output = click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write."
)


@click.group()
@common
def command() -> None:
    """Write a sample's calls, alignments or reads in standard formats."""


@command.command("vcf")
@click.option(
    "--sample",
    "samples",
    multiple=True,
    help="The sample; may be repeated for samples that were imported together.",
)
@click.option("--cohort", help="All members of a cohort or family, or all, genotyped together.")
@click.option(
    "--source",
    metavar="FILE",
    help="An imported file, by its name or source_id: its records as they came in, with or without samples.",
)
@_output
@reference_option
@region_option
@at_option
@common
def vcf(
    samples: tuple[str, ...],
    cohort: str | None,
    source: str | None,
    output: Path,
    reference: str | None,
    region: str | None,
    at: str | None,
) -> None:
    """Variants: .vcf.gz (bgzipped and indexed) or .vcf. Imported ones come out as the records that they came in."""
    if [bool(samples), cohort is not None, source is not None].count(True) != 1:
        raise click.UsageError("Name samples with --sample, a cohort with --cohort, or a file with --source")
    with open_for_export(at) as lake:
        if source is not None:
            lake.export_source(output, source, reference=reference, region=region)
            return
        if cohort is not None:
            lake.export_cohort(output, cohort, reference=reference, region=region)
            return
        lake.export_vcf(output, samples, reference=reference, region=region)


@command.command("gvcf")
@_sample
@_output
@reference_option
@region_option
@at_option
@common
def gvcf(sample: str, output: Path, reference: str | None, region: str | None, at: str | None) -> None:
    """Called variants and the reference between them, for joint calling: .g.vcf.gz, or .vcf."""
    with open_for_export(at) as lake:
        lake.export_gvcf(output, sample, reference=reference, region=region)


@command.command("bam")
@_sample
@_output
@reference_option
@region_option
@at_option
@common
def bam(sample: str, output: Path, reference: str | None, region: str | None, at: str | None) -> None:
    """Alignments, sorted and indexed: BAM, or SAM where the file's name ends in .sam."""
    with open_for_export(at) as lake:
        lake.export_bam(
            output,
            sample,
            reference=reference,
            region=region,
            form="sam" if output.suffix == ".sam" else "bam",
        )


@command.command("cram")
@_sample
@_output
@reference_option
@region_option
@at_option
@common
def cram(sample: str, output: Path, reference: str | None, region: str | None, at: str | None) -> None:
    """Alignments as CRAM against the registered assembly, sorted and indexed."""
    with open_for_export(at) as lake:
        lake.export_bam(output, sample, reference=reference, region=region, form="cram")


@command.command("fastq")
@_sample
@click.option(
    "-o",
    "--output",
    "pattern",
    required=True,
    metavar="PATTERN",
    help="The files: in S_R{segment}.fastq.gz {segment} becomes 1 and 2, and single for reads without mates.",
)
@at_option
@common
def fastq(sample: str, pattern: str, at: str | None) -> None:
    """Reads as they left the sequencer: FASTQ, bgzipped where the name ends in .gz."""
    with open_for_export(at) as lake:
        lake.export_fastq(pattern, sample)
