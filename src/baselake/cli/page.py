"""`python -m baselake.cli.page`: docs/cli.md, from what --help says."""

import click

from baselake.cli import cli

_HEAD = """# Command line

Made by `make docs` from what `--help` says; a test holds the two together.

Results go to standard output, all else to standard error. Exit status: 0 done, 1 an error that the message tells how
to mend (of `doctor`, `backup` and `restore` also: a file is not what it should be), 2 wrong usage, 70 a defect of
baselake, 130 interrupted. Settings: `BASELAKE_LAKE`, `BASELAKE_THREADS`, `BASELAKE_MEMORY`,
`BASELAKE_COMMIT_TIMEOUT_SECONDS`, `BASELAKE_TIER_GRACE_SECONDS`, or `baselake.toml` in the lake's folder with
`threads`, `memory_bytes`, `commit_timeout_seconds` and `tier_grace_seconds`; also `keys` (`BASELAKE_KEYS`) and
`audit_reads`, for which see erase.md, and `quality_bins` (`BASELAKE_QUALITY_BINS`), for which see columns.md.
`BASELAKE_KEYRING` says where the keys of an encrypted lake are, for which see encryption.md.
`BASELAKE_NODE` and `BASELAKE_ZONE` say where this machine stands, for which see work.md.
"""


def page() -> str:
    """The whole page, Markdown."""
    return _HEAD + "".join(_sections(cli, "baselake", None))


def _sections(command: click.Command, path: str, parent: click.Context | None) -> list[str]:
    context = click.Context(command, info_name=path.rsplit(" ", 1)[-1], parent=parent, terminal_width=100)
    sections = [f"\n## `{path}`\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            verb = command.get_command(context, name)
            assert verb is not None
            sections += _sections(verb, f"{path} {name}", context)
    return sections


if __name__ == "__main__":
    print(page(), end="")
