"""The devices that kernels are tested on: the emulated one always, a real one where there is one."""

from dataclasses import replace

import pytest

from baselake.compute.device import Gpu, visible_gpus
from baselake.config import Config
from baselake.errors import MissingDependencyError

from ..cuda_emulation.device import Machine


@pytest.fixture(scope="session")
def config(config: Config) -> Config:
    """Of two threads."""
    return replace(config, threads=2)


def _real() -> Gpu:
    try:
        gpus = visible_gpus()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    if not gpus:
        pytest.skip("CUDA finds no GPU")
    return gpus[0]


@pytest.fixture(params=["emulated", pytest.param("device", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest) -> Gpu:
    """A GPU, emulated or real: one body of tests for both."""
    return Gpu(Machine().module, 0) if request.param == "emulated" else _real()


@pytest.fixture
def kilobases(request: pytest.FixtureRequest, gpu: Gpu) -> int:
    """As much of a genome at 30x as each takes some seconds for: an emulated one takes fifty times as long."""
    return 20 if request.node.callspec.params["gpu"] == "emulated" else 100
