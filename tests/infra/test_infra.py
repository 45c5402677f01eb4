"""The service's files fit the program: command line, figures, alerts."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from baselake.cli.watch import command
from baselake.cli.work import command as work_command
from baselake.ingest.watch.monitor import PrometheusMonitor

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
UNIT = INFRA / "baselake-watch.service"
PAGE = ROOT / "docs" / "watch.md"


def figures() -> dict[str, set[str]]:
    """Every sample name that the daemon shows, with the values of its label."""
    monitor = PrometheusMonitor()
    monitor.polled({}, {}, 0)
    monitor.answered("complete", 0, 0)
    found: dict[str, set[str]] = {}
    for family in monitor.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels.values())
    return found


@pytest.mark.parametrize(
    "path", [*sorted(INFRA.glob("*.json")), *sorted(INFRA.glob("*.yml")), PAGE], ids=lambda path: path.name
)
def test_every_figure_that_is_named_exists(path: Path) -> None:
    shown = figures()
    text = path.read_text()
    named = set(re.findall(r"\bbaselake_watch_\w+", text))
    assert named
    assert named <= shown.keys()
    for name, value in re.findall(r'(baselake_watch_\w+)\{[^}]*?\\?"?(?:state|reason|kind)=\\?"(\w+)', text):
        assert value in shown[name]


def test_the_page_tells_every_figure_state_and_option() -> None:
    text = PAGE.read_text()
    for name, values in figures().items():
        if not name.endswith("_created"):
            assert f"`{name}`" in text
            assert all(f"`{value}`" in text for value in values)
    for parameter in command.params:
        for option in parameter.opts:
            if option.startswith("--") and option not in ("--lake", "--debug"):
                assert f"`{option}`" in text, option


def test_the_page_tells_what_to_do_about_every_alert() -> None:
    alerts = re.findall(r"alert: (\w+)", (INFRA / "baselake-watch.rules.yml").read_text())
    assert len(alerts) == len(set(alerts)) > 4
    assert all(f"`{alert}`" in PAGE.read_text() for alert in alerts)


def test_alerts_are_what_prometheus_reads() -> None:
    yaml = pytest.importorskip("yaml")
    (group,) = yaml.safe_load((INFRA / "baselake-watch.rules.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_dashboard_lays_panels_side_by_side() -> None:
    dashboard = json.loads((INFRA / "baselake-watch.dashboard.json").read_text())
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_units_command_line_parses(tmp_path: Path) -> None:
    (start,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    (options,) = re.findall(
        r"^BASELAKE_WATCH_OPTIONS=(.*)$", (INFRA / "baselake-watch.env").read_text(), re.MULTILINE
    )
    program, verb, share, *rest = shlex.split(start.replace("$BASELAKE_WATCH_OPTIONS", options))
    assert (Path(program).name, verb) == ("baselake", "watch")
    for setting in ("ReadOnlyPaths", "ExecStartPre"):
        assert re.search(rf"^{setting}=.*{share}$", UNIT.read_text(), re.MULTILINE)
    context = command.make_context("watch", [str(tmp_path), *rest])
    assert (context.params["folder"], context.params["metrics_port"]) == (tmp_path, 9464)


def test_the_workers_command_line_parses_and_its_page_tells_every_option() -> None:
    text = (INFRA / "baselake-work@.service").read_text()
    (begin,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    (options,) = re.findall(
        r"^BASELAKE_WORK_OPTIONS=(.*)$", (INFRA / "baselake-work.env").read_text(), re.MULTILINE
    )
    program, verb, *rest = shlex.split(begin.replace("$BASELAKE_WORK_OPTIONS", options))
    assert (Path(program).name, verb) == ("baselake", "work")
    assert work_command.make_context("work", rest).params["lease"] == 120
    page = (ROOT / "docs" / "work.md").read_text()
    for parameter in work_command.params:
        for option in parameter.opts:
            if option.startswith("--") and option not in ("--lake", "--debug"):
                assert f"`{option}`" in page, option


@pytest.mark.parametrize("name", ["baselake-watch", "baselake-work@"])
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    unit_file = INFRA / f"{name}.service"
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    text = unit_file.read_text().replace("/opt/baselake/bin/baselake", "/bin/true")
    settings = INFRA / f"{name.rstrip('@')}.env"
    text = re.sub(r"^EnvironmentFile=.*$", f"EnvironmentFile={settings}", text, flags=re.MULTILINE)
    unit = tmp_path / unit_file.name
    unit.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    done = subprocess.run([verify, "verify", "--man=no", unit], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if unit_file.name in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", (INFRA / "README.md").read_text()):
        assert (INFRA / target).exists(), target


def test_the_container_installs_the_extra_that_exists() -> None:
    text = (INFRA / "cuda.Containerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wanted,) = re.findall(r"'/src\[(\w+)\]'", text)
    assert any(package.startswith("cupy") for package in extras[wanted])
    python = re.findall(r"^FROM \S+python:(\d+\.\d+)", text, re.MULTILINE)
    assert set(python) == {"3.11"}
