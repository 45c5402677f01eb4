"""Which device computes: what is chosen, what is said where there is none, and what a lost one changes."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from baselake.compute import device
from baselake.compute.device import DeviceLostError, Gpu, Work, choose_devices, in_batches
from baselake.errors import InputError, MissingDependencyError, NotFoundError

from ..cuda_emulation.device import DeviceError, Machine


def with_gpus(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    modules = Machine().module
    modules.cuda.runtime.getDeviceCount = lambda: number
    monkeypatch.setattr(device, "array_module", lambda: modules)


def without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise MissingDependencyError(
            "CuPy cannot be imported", "--device gpu", "Run: pip install 'baselake[gpu]'"
        )

    monkeypatch.setattr(device, "array_module", absent)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("auto", ["gpu:0", "gpu:1"]), ("gpu", ["gpu:0", "gpu:1"]), ("gpu:1", ["gpu:1"]), ("cpu", [])],
)
def test_devices_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch, asked: str, expected: list[str]) -> None:
    with_gpus(monkeypatch, 2)
    assert [gpu.name for gpu in choose_devices(asked)] == expected


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cupy(monkeypatch)
    assert choose_devices("auto") == ()
    with_gpus(monkeypatch, 0)
    assert choose_devices("auto") == ()


def test_a_gpu_that_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cupy(monkeypatch)
    with pytest.raises(MissingDependencyError, match=r"pip install 'baselake\[gpu\]'"):
        choose_devices("gpu")
    with_gpus(monkeypatch, 0)
    with pytest.raises(NotFoundError, match="CUDA finds no GPU"):
        choose_devices("gpu")
    with_gpus(monkeypatch, 2)
    with pytest.raises(NotFoundError, match=r"CUDA finds 2\. Give a number under 2"):
        choose_devices("gpu:2")


def test_a_driver_that_fails_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise DeviceError("cudaErrorInsufficientDriver")

    modules = Machine().module
    modules.cuda.runtime = SimpleNamespace(getDeviceCount=fails, CUDARuntimeError=DeviceError)
    monkeypatch.setattr(device, "array_module", lambda: modules)
    assert choose_devices("auto") == ()
    with pytest.raises(NotFoundError, match="CUDA finds no GPU"):
        choose_devices("gpu")


@pytest.mark.parametrize("asked", ["tpu", "gpu:", "gpu:x", "gpu:-1", "cpu:0", ""])
def test_other_names_are_no_device(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    with_gpus(monkeypatch, 1)
    with pytest.raises(InputError, match="Give auto, cpu, gpu or gpu:N"):
        choose_devices(asked)


def batches(machine: Machine, sizes: list[int]) -> list[tuple[int, int]]:
    """Which batches in_batches makes of items of so many bytes, in the order their results are taken."""
    taken = []

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        work.empty(sum(sizes[first:end]), "u1")
        return lambda: taken.append((first, end))

    in_batches(Gpu(machine.module, 0), sizes, start)
    return taken


def test_a_batch_fills_a_share_of_the_memory_and_all_are_taken_in_order() -> None:
    machine = Machine(memory=1000)
    assert batches(machine, [50] * 10) == [(0, 4), (4, 8), (8, 10)]
    assert machine.most == 400  # two under way
    assert machine.used == 0
    assert batches(Machine(), [50] * 10) == [(0, 10)]
    assert batches(machine, []) == []


def test_a_batch_that_does_not_fit_waits_and_is_halved() -> None:
    machine = Machine(memory=1000)
    held = machine.module.empty(880, "u1")  # somebody else's, of which mem_info does not tell
    machine.module.cuda.Device.mem_info = (1000, 1000)
    assert batches(machine, [40] * 8) == [(0, 2), (2, 4), (4, 6), (6, 8)]
    with pytest.raises(DeviceLostError, match="has not the memory for one item"):
        batches(machine, [40, 200])
    del held


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_batches(Gpu(Machine().module, 0), [1], start)
