"""`baselake samples`."""

import click

from baselake.catalog.samples import samples_sql
from baselake.cli.options import at_option, common, format_option, open_for_reading, open_for_writing
from baselake.cli.render import write_rows


@click.group(invoke_without_command=True)
@format_option
@at_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None, at: str | None) -> None:
    """Samples, what is known of them and how far each has come."""
    if context.invoked_subcommand is None:
        with open_for_reading(at) as lake:
            write_rows(lake, samples_sql(lake.catalog), format_)


@command.command("set")
@click.argument("sample")
@click.option("--sex", type=click.Choice(["male", "female", "unknown"]))
@click.option("--family", help="The family it belongs to.")
@click.option("--father", help="The sample of the father.")
@click.option("--mother", help="The sample of the mother.")
@click.option(
    "--phenotype", "phenotypes", multiple=True, help="A term of HPO, as HP:0001250; may be repeated."
)
@common
def set_(
    sample: str,
    sex: str | None,
    family: str | None,
    father: str | None,
    mother: str | None,
    phenotypes: tuple[str, ...],
) -> None:
    """Record what is known of SAMPLE; what is not given stays as it is."""
    with open_for_writing() as lake:
        lake.describe_sample(
            sample, sex=sex, family=family, father=father, mother=mother, phenotypes=phenotypes or None
        )
