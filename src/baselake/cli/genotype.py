"""`baselake genotype`."""

import click

from baselake.cli.options import common, open_for_writing, reference_option, region_option


@click.command()
@click.argument("cohort")
@reference_option
@region_option
@common
def command(cohort: str, reference: str | None, region: str | None) -> None:
    """Genotype the members of COHORT together: allele frequencies from all likelihoods.

    COHORT is a cohort, a family, or all. Where only members came to it since the last time, theirs alone are read.
    `baselake query joint_genotypes` and `baselake export vcf --cohort` tell the genotypes.
    """
    with open_for_writing("baselake.compute.joint") as lake:
        done = lake.genotype(cohort, reference=reference, region=region)
    click.echo(f"{cohort}: {done.alleles:,} alleles of {done.new:,} of {done.members:,} members", err=True)
