"""`baselake erase`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from baselake.cli.options import common, lake_folder, open_for_reading, open_for_writing
from baselake.errors import InputError, LakeError

if TYPE_CHECKING:
    from baselake.catalog.erase.plan import Plan


@click.command()
@click.argument("sample", required=False)
@click.option("--dry-run", is_flag=True, help="Only list what would go, and what cannot be reached.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal to ask on.")
@click.option(
    "--verify",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="CERTIFICATE",
    help="Check the signature of a certificate, and with SAMPLE that it is about that one; nothing is erased.",
)
@click.option(
    "--public-key",
    metavar="HEX",
    help="The key that the certificate must be signed with.  [default: the one in the folder of keys]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the certificate here.  [default: only to the folder of keys]",
)
@common
def command(
    sample: str | None,
    dry_run: bool,
    yes: bool,
    verify: Path | None,
    public_key: str | None,
    output: Path | None,
) -> None:
    """Erase SAMPLE: its rows and every copy of them, from the newest and from all past snapshots.

    Files that hold others' rows too are written again without its own, so that a query at a past snapshot still
    answers for everybody else. Then the whole lake is searched, and a certificate is signed that says what was found:
    nothing, or what is told here and where. What was interrupted is finished by the same command.

    Keys lie outside the lake: in the folder that BASELAKE_KEYS or `keys` in baselake.toml names, else in
    ~/.config/baselake/keys. What the lake was imported from, its backups and old logs of the database are not reached:
    see docs/erase.md.
    """
    if verify is not None:
        _verify(verify, public_key, sample)
        return
    if sample is None:
        raise click.UsageError("which sample?")
    if dry_run:
        with open_for_reading() as lake:
            from baselake.catalog.erase.erasure import preview

            _show(preview(lake.catalog, sample))
        return
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("nobody can be asked", "", "Give --yes to erase without being asked")
        click.confirm(f"Erase {sample} for ever, past snapshots included?", abort=True, err=True)
    with open_for_writing() as lake:
        erased = lake.erase(sample)
    if output is not None:
        output.write_text(erased.certificate.read_text())
    for sentence in erased.beyond:
        click.echo(f"not reached: {sentence}", err=True)
    for finding in erased.findings:
        click.echo(f"still there: {finding.what}, {finding.times} times, in {finding.where}", err=True)
    click.echo(output or erased.certificate)
    if erased.findings:
        raise LakeError(
            "something of the sample is still in the lake",
            str(lake_folder()),
            "See what is listed above; when it is mended, run the same command again",
        )


def _show(plan: "Plan") -> None:
    tables: dict[str, list[int]] = {}
    for decision in plan.decisions:
        line = tables.setdefault(decision.file.table, [0, 0, 0, 0, 0])
        line[0] += decision.removed
        line[1] += decision.changed
        line[2 if decision.keep.any() else 3] += 1
        line[4] += decision.file.bytes
    click.echo("table,rows_removed,rows_of_others_changed,files_written_again,files_destroyed,bytes")
    for table, line in sorted(tables.items()):
        click.echo(",".join([table, *map(str, line)]))
    for kept in plan.kept:
        what = "destroyed" if kept.content is None else "written again"
        click.echo(f"kept file {kept.name} of {kept.run_id}: {what}", err=True)
    for loose in plan.loose:
        click.echo(f"file that no snapshot holds: {loose.location}", err=True)
    for sentence in plan.beyond:
        click.echo(f"cannot be reached: {sentence}", err=True)
    for source in _sources(plan):
        click.echo(f"outside the lake, left as it is: {source}", err=True)


def _sources(plan: "Plan") -> list[str]:
    """Where the sample was imported from, as far as the lake knows."""
    from baselake.catalog.erase.history import history

    found = set()
    for _, rows, _ in history(plan.files, "source_files"):
        found |= {row["path"] for row in rows.to_pylist() if plan.subject.sample in (row["sample_ids"] or ())}
    for _, rows, _ in history(plan.files, "runs"):
        found |= {row["folder"] for row in rows.to_pylist() if row["run_id"] in plan.subject.runs}
    return sorted(path for path in found if path)


def _verify(path: Path, public: str | None, sample: str | None) -> None:
    from baselake.catalog.erase.certificate import verify
    from baselake.catalog.erase.keys import open_keys, public_key
    from baselake.config import keys_folder, load_config

    folder = keys_folder(load_config(lake_folder(), os.environ), os.environ)
    keys = open_keys(folder, lake_folder()) if sample is not None else None
    statement = verify(path, public or public_key(folder), keys=keys, sample=sample)
    scan = statement["scan"]
    clean = isinstance(scan, dict) and scan["clean"]
    click.echo(
        f"signed: erasure {statement['erasure']} by {statement['by']}, finished {statement['finished']}; the search"
        f" {'found nothing' if clean else 'still found something'}"
    )
