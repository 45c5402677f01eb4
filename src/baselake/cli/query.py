"""`baselake query`."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from baselake.cli.options import at_option, common, format_option, open_for_reading
from baselake.cli.render import write_rows

if TYPE_CHECKING:
    from baselake.api import Lake

_NAMED = re.compile(r"([a-z][a-z_]*)=(.*)", re.DOTALL)


@click.command()
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, metavar="[ARG|KEY=VALUE]...")
@format_option
@at_option
@click.option(
    "--explain",
    is_flag=True,
    help="Say which files would be read, their bytes and the requests to object stores, and end.",
)
@click.option(
    "--receipt",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what the answer rests on into this file: baselake rerun asks again by it.",
)
@common
def command(
    name: str | None,
    arguments: tuple[str, ...],
    format_: str | None,
    at: str | None,
    explain: bool,
    receipt: Path | None,
) -> None:
    """Answer the question NAME: baselake query de_novo family1 min_depth=10. Without a name, list the questions.

    docs/questions.md says what each answers.
    """
    from baselake.catalog.questions import questions

    if name is None:
        _list()
        return
    # A key that the question has makes a named argument; a region or variant never looks like one.
    known = questions()[name].arguments if name in questions() else ()
    named = {}
    given = []
    for argument in arguments:
        match = _NAMED.fullmatch(argument)
        if match is not None and match[1] in (*known, "family"):
            named[match[1]] = match[2]
        else:
            given.append(argument)
    with open_for_reading(at) as lake:
        sql = lake.question_sql(name, *given, **named)
        if explain:
            _explain(lake, sql)
            return
        lake.audit_sql(sql)
        write_rows(lake, sql, format_)
        if receipt is not None:
            from baselake.catalog.receipts import make_receipt, write_receipt

            write_receipt(make_receipt(lake.catalog, name, given, named, sql), receipt)


def _explain(lake: "Lake", sql: str) -> None:
    from baselake.catalog.explain import explain

    found = explain(lake.catalog, sql)
    for each in found.tables:
        print(f"{each.table}: at most {each.files:,} of {each.of_files:,} files, {each.bytes:,} bytes")
    for tier in found.tiers:
        where = f" ({tier.url})" if tier.url else ""
        if tier.cold:
            asked = "which must be recalled first"
        elif tier.requests is None:
            asked = "encrypted: how many requests that takes is not known"
        else:
            asked = f"about {tier.requests:,} requests" if tier.requests else "no requests"
        print(f"tier {tier.tier}{where}: at most {tier.files:,} files, {tier.bytes:,} bytes, {asked}")


def _list() -> None:
    from baselake.catalog.questions import questions

    for question in questions().values():
        shown = ", ".join(
            f"[{argument}]" if argument in question.optional else argument for argument in question.arguments
        )
        sys.stdout.write(f"{question.name} {shown}\n    {question.answers}\n")
