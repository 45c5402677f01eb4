"""What imports are tested with."""

from dataclasses import replace

import pytest

from baselake.config import Config


@pytest.fixture(scope="session")
def config(config: Config) -> Config:
    """Of two threads."""
    return replace(config, threads=2)
