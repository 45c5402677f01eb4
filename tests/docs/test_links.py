"""Documents point at what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_names_only_verbs_that_exist() -> None:
    from baselake.cli import cli

    verbs = set(cli.list_commands(None))  # type: ignore[arg-type]
    blocks = re.findall(r"```sh\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    named = {verb for block in blocks for verb in re.findall(r"^baselake (\w+)", block, re.MULTILINE)}
    assert named <= verbs
    assert {"init", "reference", "ingest", "call", "export", "sql"} <= named
