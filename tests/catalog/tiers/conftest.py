"""A lake with a warm tier, in a directory and on S3."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.tiers import move, remote
from baselake.catalog.tiers.define import add_tier
from baselake.config import Config
from baselake.lake.tiers import Tier


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new tier is heard of and used at once."""
    monkeypatch.setattr(move, "HEARD_SECONDS", -1.0)
    monkeypatch.setattr(remote, "_LOOK_SECONDS", 0.0)


@pytest.fixture(params=["directory", "s3"])
def warm_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        url: str = request.getfixturevalue("bucket")
        return url
    (tmp_path / "warm").mkdir()
    return str(tmp_path / "warm")


@pytest.fixture
def tiered(lake: Path, config: Config, warm_url: str) -> Iterator[Catalog]:
    """A lake, open, with the tiers hot and warm."""
    with connect(lake, config) as catalog:
        add_tier(catalog, Tier(name="warm", url=warm_url))
        yield catalog


@pytest.fixture
def later(config: Config) -> int:
    """A time at which the grace of everything that moves now is over."""
    return int(time.time()) + config.tier_grace_seconds + 60


@pytest.fixture
def tape(tmp_path: Path) -> Tier:
    """A directory that stands for tape."""
    (tmp_path / "tape").mkdir()
    return Tier(name="tape", url=str(tmp_path / "tape"), kind="cold")
