"""Which bytes are near: those on tiers that stand on the node or in its zone."""

from dataclasses import replace

import pytest

from baselake.catalog.work.inputs import Inputs, is_near
from baselake.config import Config, load_config
from baselake.lake.tiers import Tier


@pytest.mark.parametrize(
    ("url", "zone", "near"),
    [
        ("", "", True),
        ("/mnt/warm", "", True),
        ("s3://bucket/lake", "", False),
        ("s3://bucket/lake", "hall 2", True),
        ("", "node-a", True),
        ("", "node-b", False),
        ("/mnt/warm", "hall 3", False),
    ],
)
def test_a_tier_is_near_where_it_stands(config: Config, url: str, zone: str, near: bool) -> None:
    here = replace(config, node="node-a", zone="hall 2")
    assert is_near(Tier(name="warm", url=url, zone=zone), here) is near


def test_the_share_is_of_bytes() -> None:
    assert Inputs(3, 1).share == 0.75
    assert Inputs().share == 1.0


def test_the_environment_names_the_node_and_no_lake_does(tmp_path) -> None:  # type: ignore[no-untyped-def]
    chosen = load_config(tmp_path, {"BASELAKE_NODE": "node-a", "BASELAKE_ZONE": "hall 2"})
    assert (chosen.node, chosen.zone) == ("node-a", "hall 2")
    (tmp_path / "baselake.toml").write_text('node = "node-a"\n')
    with pytest.raises(ValueError, match="no such setting"):
        load_config(tmp_path, {})
