"""An array module that looks like CuPy to `baselake.compute.device` and computes on the emulated device.

Work of a stream is put off until the stream is synchronised, as a device may put it off: what reads a result too soon
reads what was there before, and a host buffer that is filled again too soon gives its new contents.
"""

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self

import numpy as np

from .build import compiled

_LETTERS = {"i": np.int32, "u": np.uint32, "l": np.int64, "f": np.float32, "d": np.float64}
# Two runs that differ in all that a kernel must not depend on: what shared memory holds, and the order of threads.
_RUNS = ((0xFF, 0), (0x3A, 1))


class EmulationError(AssertionError):
    """A kernel or its launch does what a device leaves undefined."""


class OutOfMemoryError(MemoryError):
    """The device's memory does not suffice."""


class DeviceError(RuntimeError):
    """The device is lost."""


class Array:
    """Memory of the device: apart from the host's, and filled with rubbish until it is written."""

    def __init__(self, machine: "Machine", size: int, dtype: np.dtype) -> None:
        self.machine, self.size, self.dtype = machine, size, dtype
        machine.take(size * dtype.itemsize)
        self.nbytes = size * dtype.itemsize  # only what was taken is given back
        self.held = np.full(self.nbytes, 0xEE, np.uint8).view(dtype)

    def __del__(self) -> None:
        self.machine.give(getattr(self, "nbytes", 0))

    def set(self, values: np.ndarray, stream: "Stream") -> None:
        """Puts off a copy to the device."""
        assert values.dtype == self.dtype
        assert values.shape == (self.size,)
        assert values.flags.c_contiguous
        stream.put_off(lambda: np.copyto(self.held, values))

    def __getitem__(self, part: slice) -> "Part":
        return Part(self, part)

    def get(self, stream: "Stream", out: np.ndarray, blocking: bool = True) -> np.ndarray:
        """Puts off a copy to the host."""
        assert out.dtype == self.dtype
        assert out.shape == (self.size,)
        stream.put_off(lambda: np.copyto(out, self.held))
        if blocking:
            stream.synchronize()
        return out

    def reshape(self, *shape: int) -> tuple["Array", tuple[int, ...]]:
        """The array in another shape, for what takes one."""
        return self, shape


class Part:
    """Places of an array that follow one another."""

    def __init__(self, array: Array, part: slice) -> None:
        assert 0 <= part.start <= part.stop <= array.size
        assert part.step is None
        self.array, self.part = array, part

    def set(self, values: np.ndarray, stream: "Stream") -> None:
        """Puts off a copy to the device."""
        assert values.dtype == self.array.dtype
        assert values.shape == (self.part.stop - self.part.start,)
        stream.put_off(lambda: np.copyto(self.array.held[self.part], values))


class Stream:
    """Work in order, done when it is waited for."""

    running: Self | None = None

    def __init__(self, machine: "Machine") -> None:
        self.machine = machine
        self.waiting: list[Callable[[], object]] = []

    @classmethod
    def current(cls, machine: "Machine") -> "Stream":
        """The stream of the innermost `with`."""
        assert machine.streams, "work outside a stream"
        return machine.streams[-1]

    def put_off(self, work: Callable[[], object]) -> None:
        """Adds work to the end."""
        self.machine.check()
        self.waiting.append(work)

    def synchronize(self) -> None:
        """Does what was put off."""
        self.machine.check()
        work, self.waiting = self.waiting, []
        for one in work:
            one()

    def __enter__(self) -> Self:
        self.machine.streams.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.machine.streams.pop()


class Event:
    """A time on a stream."""

    def __init__(self, machine: "Machine") -> None:
        self.machine, self.seconds = machine, 0.0

    def record(self) -> None:
        """Puts off noting the time."""
        Stream.current(self.machine).put_off(self._note)

    def _note(self) -> None:
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        """Until it was noted."""
        assert self.seconds, "an event whose stream nobody waited for"


class Kernel:
    """One function of a module."""

    def __init__(self, machine: "Machine", library: ctypes.CDLL, name: str) -> None:
        letters = library.emulated_parameters(name.encode())
        assert letters is not None, f"no kernel {name}"
        self.machine, self.library, self.name, self.letters = machine, library, name, letters.decode()

    def __call__(
        self, grid: Sequence[int], block: Sequence[int], args: Sequence[object], *, shared_mem: int = 0
    ) -> None:
        """Puts off a launch."""
        assert len(args) == len(self.letters), (
            f"{self.name} takes {len(self.letters)} arguments, not {len(args)}"
        )
        for number, (letter, value) in enumerate(zip(self.letters, args, strict=True)):
            told = f"argument {number} of {self.name}"
            if letter == "p":
                assert isinstance(value, Array), f"{told} is no array of the device"
                assert value.machine is self.machine, f"{told} lies on another device"
            else:
                assert isinstance(value, _LETTERS[letter]), f"{told} is {type(value)}, not {_LETTERS[letter]}"
        self.machine.launched.append(self.name)
        Stream.current(self.machine).put_off(lambda: self.run(grid, block, args, shared_mem))

    def run(self, grid: Sequence[int], block: Sequence[int], args: Sequence[object], shared_mem: int) -> None:
        """Launches twice, the second time from what there was before, and compares."""
        arrays = [value for value in args if isinstance(value, Array)]
        before = [array.held.copy() for array in arrays]
        results = []
        for pattern, backwards in _RUNS:
            for array, held in zip(arrays, before, strict=True):
                np.copyto(array.held, held)
            self.launch(grid, block, args, shared_mem, pattern, backwards)
            results.append([array.held.tobytes() for array in arrays])
        if results[0] != results[1]:
            raise EmulationError(
                f"{self.name} depends on shared memory that it did not write, or on the order of threads"
            )

    def launch(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        args: Sequence[object],
        shared_mem: int,
        pattern: int,
        backwards: int,
    ) -> None:
        """Launches once."""
        holders: list[np.ndarray] = []
        for value in args:
            if isinstance(value, Array):
                holders.append(np.array([value.held.ctypes.data], np.uint64))
            else:
                holders.append(np.array([value]))
        pointers = (ctypes.c_void_p * len(holders))(*(holder.ctypes.data for holder in holders))
        three = ctypes.c_uint * 3
        message = ctypes.create_string_buffer(1000)
        failed = self.library.emulated_launch(
            self.name.encode(),
            pointers,
            three(*grid, *(1,) * (3 - len(grid))),
            three(*block, *(1,) * (3 - len(block))),
            ctypes.c_size_t(shared_mem),
            pattern,
            backwards,
            message,
            ctypes.c_size_t(len(message)),
        )
        if failed:
            raise EmulationError(f"{self.name}: {message.value.decode()}")


def lexsort(keys: tuple[Array, tuple[int, ...]]) -> Array:
    """Puts off a sort by rows, the last one first."""
    array, (rows, columns) = keys
    assert columns == -1
    out = Array(array.machine, array.size // rows, np.dtype(np.int64))
    Stream.current(array.machine).put_off(
        lambda: np.copyto(out.held, np.lexsort(array.held.reshape(rows, -1)))
    )
    return out


def load(source: Path, *, sanitized: bool = False) -> ctypes.CDLL:
    """The kernels of a .cu file."""
    library = ctypes.CDLL(str(compiled(source, sanitized=sanitized)))
    library.emulated_parameters.restype = ctypes.c_char_p
    return library


class Machine:
    """One emulated device, and the array module that leads to it.

    Args:
        memory: bytes the device has.
        sanitized: its kernels are watched by AddressSanitizer.
    """

    def __init__(self, memory: int = 1 << 30, *, sanitized: bool = False) -> None:
        self.memory, self.used, self.most = memory, 0, 0
        self.lost_after = -1  # operations until the device is lost; -1: never
        self.launched: list[str] = []
        self._lock = threading.RLock()  # of the counts
        self._own = threading.local()
        machine = self

        class Device:
            """The CuPy call that chooses a device."""

            def __init__(self, index: int) -> None:
                self.index = index

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                return

            @property
            def attributes(self) -> dict[str, int]:
                return {
                    "MultiProcessorCount": 1,
                    "ClockRate": 1000,
                    "MemoryClockRate": 1000,
                    "GlobalMemoryBusWidth": 64,
                }

            @property
            def mem_info(self) -> tuple[int, int]:
                return machine.memory - machine.used, machine.memory

        def raw_module(*, code: str, options: tuple[str, ...]) -> SimpleNamespace:
            # The emulated device compiles the file, for its line numbers; the text must be that file's.
            (path,) = [p for p in Path(__file__).parents[2].glob("**/*.cu") if p.read_text() == code][:1]
            assert any(option.startswith("-I") for option in options)
            library = load(path, sanitized=sanitized)
            return SimpleNamespace(get_function=lambda name: Kernel(machine, library, name))

        self.module = SimpleNamespace(
            RawModule=raw_module,
            empty=lambda size, dtype: Array(machine, size, np.dtype(dtype)),
            lexsort=lexsort,
            get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: 0),
            cuda=SimpleNamespace(
                Device=Device,
                Stream=lambda non_blocking: Stream(machine),
                Event=lambda: Event(machine),
                get_elapsed_time=lambda before, after: 1e3 * (after.seconds - before.seconds),
                alloc_pinned_memory=bytearray,
                runtime=SimpleNamespace(
                    getDeviceCount=lambda: 1,
                    getDeviceProperties=lambda index: {"name": b"emulated"},
                    CUDARuntimeError=DeviceError,
                ),
                driver=SimpleNamespace(CUDADriverError=DeviceError),
                memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            ),
        )

    @property
    def streams(self) -> list[Stream]:
        """Those that are current in this thread, the innermost last."""
        if not hasattr(self._own, "streams"):
            self._own.streams = []
        return self._own.streams  # type: ignore[no-any-return]

    def take(self, nbytes: int) -> None:
        """Counts memory that is taken."""
        with self._lock:
            if self.used + nbytes > self.memory:
                raise OutOfMemoryError(f"{nbytes} bytes beside {self.used} of {self.memory}")
            self.used += nbytes
            self.most = max(self.most, self.used)

    def give(self, nbytes: int) -> None:
        """Counts memory that is given back."""
        with self._lock:
            self.used -= nbytes

    def check(self) -> None:
        """Fails once the device is lost."""
        with self._lock:
            if self.lost_after == 0:
                raise DeviceError("cudaErrorDevicesUnavailable: the device fell off the bus")
            if self.lost_after > 0:
                self.lost_after -= 1
