"""The emulation computes what a device would, and finds what a device would not tell."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from .device import Array, EmulationError, Kernel, Machine, OutOfMemoryError, load
from .sanitized import run_sanitized

FAULTY = Path(__file__).with_name("faulty.cu")


def launch(
    name: str,
    arrays: Sequence[np.ndarray | np.generic],
    *,
    block: int = 64,
    grid: int = 1,
    shared: int = 0,
    sanitized: bool = False,
) -> list[np.ndarray]:
    """Runs a kernel of faulty.cu on copies of the arrays, and gives them back."""
    machine = Machine(sanitized=sanitized)
    kernel = Kernel(machine, load(FAULTY, sanitized=sanitized), name)
    stream = machine.module.cuda.Stream(non_blocking=True)
    args: list[object] = []
    for value in arrays:
        if isinstance(value, np.ndarray):
            args.append(machine.module.empty(value.size, value.dtype))
            args[-1].set(value, stream)  # type: ignore[attr-defined]
        else:
            args.append(value)
    with stream:
        kernel((grid,), (block,), args, shared_mem=shared)
    stream.synchronize()
    return [arg.held for arg in args if isinstance(arg, Array)]


def out(size: int = 64) -> np.ndarray:
    return np.zeros(size, np.int32)


def test_blocks_of_warps_add_up_what_their_threads_hold() -> None:
    values = np.arange(1000, dtype=np.float32)
    _, sums = launch("block_sums", [values, np.int32(1000), np.zeros(8, np.float32)], block=128, grid=8)
    assert sums.tolist() == [values[at : at + 128].sum() for at in range(0, 1000, 128)]


def test_intrinsics_give_what_the_programming_guide_says() -> None:
    (found,) = launch("intrinsics", [out(32 * 9)], block=32, shared=32 * 4)
    for lane, row in enumerate(found.reshape(32, 9).tolist()):
        segment = lane & ~15
        assert row == [
            (lane & ~7) + 5,
            lane - 3 if lane - 3 >= segment else lane,
            lane + 3 if lane + 3 < segment + 16 else lane,
            lane ^ 9,
            sum(1 << k for k in range(0, 32, 3)),
            1,
            0,
            (31 - lane) ** 2,
            lane ^ 1 if lane < 16 else -1,
        ]


def test_atomics_lose_nothing() -> None:
    values = np.random.default_rng(1).integers(0, 10, 1000, dtype=np.int32)
    _, bins, greatest = launch("histogram", [values, np.int32(1000), out(10), out(1)], block=256, grid=4)
    assert bins.tolist() == np.bincount(values, minlength=10).tolist()
    assert greatest.tolist() == [values.max()]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("divergent_barrier", "divergent: .*__syncthreads.*has ended"),
        ("two_barriers", "divergent: .*__syncthreads of line 5.*__syncthreads of line 5"),
        ("divergent_shuffle", "divergent: .*a shuffle.*thread 3 of block 0 has ended"),
        ("stray_shuffle", "reads lane 20, which takes no part"),
        ("unwritten", "shared memory that it did not write"),
        ("racing", "order of threads"),
    ],
)
def test_what_is_undefined_is_found(name: str, what: str) -> None:
    with pytest.raises(EmulationError, match=what):
        launch(name, [out()])


def test_a_launch_keeps_to_its_bounds() -> None:
    sums = [np.ones(256, np.float32), np.int32(256), np.zeros(1, np.float32)]
    with pytest.raises(EmulationError, match="256 threads, over the launch bounds of 128"):
        launch("block_sums", sums, block=256)
    with pytest.raises(EmulationError, match="over the device's limits"):
        launch("racing", [out()], block=1056)


def test_a_launch_takes_what_the_kernel_declares() -> None:
    with pytest.raises(AssertionError, match=r"argument 1 of block_sums is .*int64"):
        launch("block_sums", [np.ones(4, np.float32), np.int64(4), np.zeros(1, np.float32)])
    with pytest.raises(AssertionError, match="takes 3 arguments, not 1"):
        launch("block_sums", [np.ones(4, np.float32)])
    with pytest.raises(AssertionError, match="argument 0 of racing is no array of the device"):
        launch("racing", [np.int32(4)])


def test_nothing_has_happened_until_a_stream_is_waited_for() -> None:
    machine = Machine()
    stream = machine.module.cuda.Stream(non_blocking=True)
    host = np.arange(4, dtype=np.int32)
    array = machine.module.empty(4, np.int32)
    array.set(host, stream)
    host[:] = 7  # too soon
    found = np.zeros(4, np.int32)
    array.get(stream=stream, out=found, blocking=False)
    assert not found.any()
    stream.synchronize()
    assert found.tolist() == [7] * 4


def test_threads_have_streams_of_their_own() -> None:
    machine = Machine()
    kernel = Kernel(machine, load(FAULTY), "block_sums")

    def summed(number: int) -> float:
        stream = machine.module.cuda.Stream(non_blocking=True)
        values, sums = machine.module.empty(128, np.float32), machine.module.empty(1, np.float32)
        values.set(np.full(128, number, np.float32), stream)
        with stream:
            kernel((1,), (128,), (values, np.int32(128), sums))
        out = np.zeros(1, np.float32)
        sums.get(stream=stream, out=out, blocking=True)
        return float(out[0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(summed, range(40))) == [128.0 * number for number in range(40)]


def test_memory_of_the_device_is_bounded() -> None:
    machine = Machine(memory=100)
    held = machine.module.empty(20, np.int32)
    with pytest.raises(OutOfMemoryError):
        machine.module.empty(6, np.int32)
    del held
    machine.module.empty(25, np.int32)


MISUSES = {
    "beyond_global": ([np.zeros(63, np.int32), out()], "heap-buffer-overflow"),
    "beyond_static": ([out()], "global-buffer-overflow"),
    "beyond_dynamic": ([out()], "heap-buffer-overflow"),
    "beyond_registers": ([out(), np.int32(5)], "stack-buffer-overflow"),
}


def misuse(name: str) -> None:
    """What the process that is watched does."""
    launch(name, MISUSES[name][0], shared=32 * 4 if name == "beyond_dynamic" else 0, sanitized=True)


def use() -> None:
    """What is sound, watched."""
    test = np.arange(256, dtype=np.float32)
    _, sums = launch(
        "block_sums", [test, np.int32(256), np.zeros(2, np.float32)], block=128, grid=2, sanitized=True
    )
    assert sums.sum() == test.sum()
    launch("intrinsics", [out(32 * 9)], block=32, shared=32 * 4, sanitized=True)


@pytest.mark.parametrize("name", MISUSES)
def test_what_reaches_beyond_memory_is_found(name: str) -> None:
    done = run_sanitized(__name__, "misuse", name)
    assert done.returncode != 0
    assert MISUSES[name][1] in done.stderr, done.stderr
    assert name in done.stderr


def test_what_is_sound_passes_the_watch() -> None:
    done = run_sanitized(__name__, "use")
    assert done.returncode == 0, done.stderr
