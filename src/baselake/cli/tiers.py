"""`baselake tiers`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from baselake.cli.options import common, format_option, open_for_reading, open_for_writing, progress

if TYPE_CHECKING:
    from baselake.lake.tiers import Tier

_figures = (
    click.option("--capacity", metavar="SIZE", help="What it may hold: 500GiB, 20T (powers of 1024)."),
    click.option("--cost", type=float, help="Of a terabyte (10^12 bytes) a month, in your currency."),
    click.option("--zone", help="Where it stands, or the node it is on."),
    click.option("--high", type=float, metavar="PERCENT", help="Above this its coldest files move on ..."),
    click.option("--low", type=float, metavar="PERCENT", help="... until it is filled to this."),
)


def _with_figures(command: Any) -> Any:
    for option in reversed(_figures):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@format_option
@common
@click.pass_context
def command(context: click.Context, format_: str | None) -> None:
    """Where the lake's files lie: bytes, capacity and cost of each tier, and what policy would move.

    The hot tier is the lake's own folder, where everything is written first. docs/tiers.md tells how to set up more.
    """
    if context.invoked_subcommand is not None:
        return
    from baselake.catalog.tiers.policy import plan_moves, tier_figures
    from baselake.cli.render import write_table

    with open_for_reading() as lake:
        write_table(lake, tier_figures(lake.catalog), format_)
        todo = plan_moves(lake.catalog)
        size = sum(move.file.bytes for move in todo.moves)
        if todo.moves or todo.kept_back:
            kept = f", and has no room for {len(todo.kept_back):,} more" if todo.kept_back else ""
            click.echo(
                f"policy would move {len(todo.moves):,} files of {size:,} bytes{kept}: baselake tiers apply --dry-run",
                err=True,
            )


@command.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--cold", is_flag=True, help="Its files must be recalled before a query can read them.")
@_with_figures
@common
def add(name: str, url: str, cold: bool, **figures: Any) -> None:
    """Add tier NAME below those there are: s3://BUCKET/PREFIX, or a directory."""
    from baselake.catalog.tiers.define import add_tier
    from baselake.lake.tiers import Tier

    with open_for_writing() as lake:
        tier = Tier(name=_name(name), url=url, kind="cold" if cold else "online")
        add_tier(lake.catalog, _figured(tier, figures))


@command.command("set")
@click.argument("name")
@click.option("--url", help="Another place; only while no file lies there.")
@_with_figures
@common
def set_(name: str, url: str | None, **figures: Any) -> None:
    """Change what is known of tier NAME; what is not given stays as it is."""
    from baselake.catalog.tiers.define import set_tier
    from baselake.catalog.tiers.settings import find_tier
    from baselake.lake.store import check_url

    with open_for_writing() as lake:
        tier = find_tier(lake.catalog, name)
        if url is not None:
            tier = replace(tier, url=check_url(url))
        set_tier(lake.catalog, _figured(tier, figures))


@command.command("remove")
@click.argument("name")
@common
def remove(name: str) -> None:
    """Forget tier NAME, on which no file may lie any more."""
    from baselake.catalog.tiers.define import remove_tier

    with open_for_writing() as lake:
        remove_tier(lake.catalog, name)


@command.group("policy", invoke_without_command=True)
@format_option
@common
@click.pass_context
def policy(context: click.Context, format_: str | None) -> None:
    """The rules by which files move to colder tiers."""
    if context.invoked_subcommand is not None:
        return
    from baselake.catalog.tiers.policy import rule_rows
    from baselake.cli.render import write_table

    with open_for_reading() as lake:
        write_table(lake, rule_rows(lake.catalog), format_)


@policy.command("set")
@click.argument("table")
@click.option("--to", "tier", required=True, metavar="TIER", help="Where files of TABLE go.")
@click.option("--after", metavar="AGE", help="This long after they came into the lake: 30d, 12h.")
@click.option("--idle", metavar="AGE", help="This long after a query last read them.")
@common
def policy_set(table: str, tier: str, after: str | None, idle: str | None) -> None:
    """Move files of TABLE to a tier by age; with --after and --idle, when both are reached.

    TABLE objects stands for the files that runs brought and that are kept as they came.
    """
    from baselake.catalog.tiers.settings import set_rule
    from baselake.lake.tiers import Rule

    rule = Rule(
        table=table, tier=tier, after_seconds=_age(after, "--after"), idle_seconds=_age(idle, "--idle")
    )
    with open_for_writing() as lake:
        set_rule(lake.catalog, rule)


@policy.command("remove")
@click.argument("table")
@click.option("--to", "tier", metavar="TIER", help="Only the rule that leads there.  [default: all of TABLE]")
@common
def policy_remove(table: str, tier: str | None) -> None:
    """Forget the rules of TABLE."""
    from baselake.catalog.tiers.settings import remove_rules

    with open_for_writing() as lake:
        remove_rules(lake.catalog, table, tier)


@command.command("pin")
@click.argument("subject", metavar="[SAMPLE|RUN]", required=False)
@format_option
@common
def pin(subject: str | None, format_: str | None) -> None:
    """Keep the files of a sample, with its runs, or of a run where they are; without a name, list the pins."""
    import time

    from baselake.catalog.tiers import settings
    from baselake.catalog.tiers.policy import pin_rows
    from baselake.cli.render import write_table

    if subject is None:
        with open_for_reading() as lake:
            write_table(lake, pin_rows(settings.load_pins(lake.catalog, int(time.time()))), format_)
        return
    with open_for_writing() as lake:
        settings.pin(lake.catalog, subject)


@command.command("unpin")
@click.argument("subject", metavar="SAMPLE|RUN")
@common
def unpin(subject: str) -> None:
    """Let policy move the files of a sample or run again."""
    from baselake.catalog.tiers import settings

    with open_for_writing() as lake:
        settings.unpin(lake.catalog, subject)


@command.command("apply")
@click.option("--dry-run", is_flag=True, help="Only show what would move.")
@format_option
@common
def apply(dry_run: bool, format_: str | None) -> None:
    """Move files as policy says, and remove old copies that no query reads any more.

    Queries go on meanwhile. An old copy stays for BASELAKE_TIER_GRACE_SECONDS, six hours unless set.
    """
    from baselake.catalog.tiers.policy import apply_policy, plan_moves, plan_rows
    from baselake.cli.render import write_table

    if dry_run:
        with open_for_reading() as lake:
            write_table(lake, plan_rows(plan_moves(lake.catalog)), format_)
        return
    with open_for_writing() as lake:
        done = apply_policy(lake.catalog, progress())
    click.echo(
        f"moved {done.files:,} files of {done.bytes:,} bytes; removed {done.removed:,} old copies", err=True
    )


@command.command("recall")
@click.argument("subject", metavar="[SAMPLE|RUN]", required=False)
@click.option("--table", help="Only files of this table.")
@click.option("--wait", is_flag=True, help="Until an archive has brought every file up.")
@click.option(
    "--keep", default="7d", show_default=True, metavar="AGE", help="How long policy leaves them there."
)
@common
def recall(subject: str | None, table: str | None, wait: bool, keep: str) -> None:
    """Bring the files of a sample, with its runs, of a run or of a table back to the hot tier.

    Files that are kept as they came are brought with their run, or as --table objects, not with a sample.
    """
    from baselake.catalog.tiers import policy as policies

    if subject is None and table is None:
        raise click.UsageError("Name a sample, a run or a --table.")
    keep_seconds = _age(keep, "--keep")
    assert keep_seconds is not None
    with open_for_writing() as lake:
        done, waiting = policies.recall(
            lake.catalog, subject, table=table, wait=wait, keep_seconds=keep_seconds, progress=progress()
        )
    click.echo(f"brought back {done.files:,} files of {done.bytes:,} bytes", err=True)
    if waiting:
        click.echo(f"{waiting:,} files were asked for from the archive: run this again, or --wait", err=True)


def _name(text: str) -> str:
    if not text.isidentifier():
        raise click.BadParameter("letters, digits and _ only", param_hint="NAME")
    return text


def _age(text: str | None, option: str) -> int | None:
    from baselake.lake.tiers import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _figured(tier: "Tier", figures: dict[str, Any]) -> "Tier":
    """The tier with those figures that were given."""
    from baselake.config import parse_bytes

    changes: dict[str, Any] = {}
    if figures["capacity"] is not None:
        try:
            changes["capacity_bytes"] = parse_bytes(figures["capacity"])
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--capacity") from error
    if figures["cost"] is not None:
        changes["cost_per_tb_month"] = figures["cost"]
    if figures["zone"] is not None:
        changes["zone"] = figures["zone"]
    changes |= {mark: figures[mark] / 100 for mark in ("high", "low") if figures[mark] is not None}
    return replace(tier, **changes)
