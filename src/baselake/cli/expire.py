"""`baselake expire`."""

from datetime import timedelta

import click

from baselake.cli.options import Duration, common, open_for_writing


@click.command()
@click.option(
    "--older-than",
    type=Duration(),
    required=True,
    help="Keep what the lake was at any time since: 30d, 24h.",
)
@click.option(
    "--grace",
    type=Duration(),
    default="24h",
    show_default=True,
    help="Remove files when no snapshot has needed them for so long.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@common
def command(older_than: timedelta, grace: timedelta, dry_run: bool) -> None:
    """Let snapshots go that are older, and remove the files that none of those left needs.

    The newest stays, and what has a name or is being read or written. Time travel to what has gone is over, for good.
    """
    with open_for_writing() as lake:
        done = lake.expire(older_than, grace=grace, dry_run=dry_run)
    went = "would go" if dry_run else "gone"
    click.echo(
        f"{len(done.snapshots):,} snapshots {went}, {len(done.in_use):,} as old are in use or have a name"
    )
    if not dry_run:
        click.echo(f"{done.files_scheduled:,} files are needed by none since now")
    removed = "would be removed" if dry_run else "removed"
    click.echo(f"{done.files_removed:,} files whose grace is over {removed}")
