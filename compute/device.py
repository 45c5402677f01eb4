"""GPUs: which there are, their memory, their streams, and the kernels that run there.

The only place that calls CuPy and kvikio. All of their calls that we use stand in `Gpu` and `Work`; `array_module` and
`direct_module` give the modules they are called on, which tests replace by ones of the same calls over an emulated
device.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from baselake.errors import InputError, MissingDependencyError, NotFoundError

DEVICES = "auto, cpu, gpu or gpu:N"

# What kernels are compiled with. Nothing is fused but what the source fuses, as in the CPU's kernels; denormals are
# zero, as there.
COMPILE_OPTIONS = ("-std=c++17", "--fmad=false", "--ftz=true")
_SOURCES = Path(__file__).parent

# A batch may fill this share of the memory that is free: another is under way meanwhile, and other threads have theirs.
_SHARE = 0.2
# More bytes at a time gain nothing: at 50 GB/s over the bus this takes five milliseconds.
_MOST_BYTES = 256 << 20


class DeviceLostError(Exception):
    """A GPU cannot be worked with any more; what was computed there is computed on the CPU."""


def array_module() -> Any:
    """CuPy.

    Raises:
        MissingDependencyError: it is not installed, or does not find CUDA.
    """
    try:
        import cupy
    except ImportError as error:
        raise MissingDependencyError(
            f"a GPU is asked for, and CuPy cannot be imported ({error})",
            "--device gpu",
            "Run: pip install 'baselake[gpu]', or ask for --device cpu",
        ) from error
    return cupy


def direct_module() -> Any | None:
    """kvikio, which reads files to a device's memory, past the host's where the system can.

    Returns:
        None where it is not installed.
    """
    try:
        import kvikio
    except ImportError:
        return None
    return kvikio


class Gpu:
    """One GPU. Threads may share it; each has streams of its own.

    Args:
        modules: CuPy.
        index: of the device.
        direct: kvikio; None: files are read by the host.

    Attributes:
        name: as the user names it: gpu:0.
    """

    def __init__(self, modules: Any, index: int, direct: Any | None = None) -> None:
        self.name = f"gpu:{index}"
        self._modules, self._index, self.direct = modules, index, direct
        self._compiled: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._lost = ""

    @property
    def lost(self) -> bool:
        """Whether it has failed."""
        return bool(self._lost)

    @contextmanager
    def using(self) -> Iterator[None]:
        """Calls inside go to this device.

        Raises:
            DeviceLostError: the device fails inside, or has failed before.
        """
        cuda = self._modules.cuda
        if self._lost:
            raise DeviceLostError(self._lost)
        try:
            with cuda.Device(self._index):
                yield
        except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError) as error:
            self._lost = f"{self.name} failed: {error}"
            raise DeviceLostError(self._lost) from error

    def free_bytes(self) -> int:
        """Memory that is free now, what CuPy keeps for its next array included."""
        free, _ = self._modules.cuda.Device(self._index).mem_info
        return int(free) + int(self._modules.get_default_memory_pool().free_bytes())

    def kernel(self, operation: str, name: str) -> Any:
        """A kernel of `compute/OPERATION/kernel.cu`, compiled for this device at its first use."""
        with self._lock:
            if operation not in self._compiled:
                code = (_SOURCES / operation / "kernel.cu").read_text()
                # CuPy keeps what it compiled by source and options, and would not see that a header changed.
                headers = "".join(path.read_text() for path in sorted(_SOURCES.glob("*/model.h")))
                mark = hashlib.sha256(headers.encode()).hexdigest()[:16]
                # Headers are named from the folder above: compute/pairhmm/model.h.
                options = (*COMPILE_OPTIONS, f"-I{_SOURCES.parent}", f"-DBASELAKE_HEADERS={mark}")
                self._compiled[operation] = self._modules.RawModule(code=code, options=options)
            return self._compiled[operation].get_function(name)

    @property
    def reads_files(self) -> bool:
        """Whether `Work.read_into` can be asked."""
        return self.direct is not None

    def fits(self, nbytes: int) -> bool:
        """Whether so many bytes may be taken beside what else is under way."""
        return nbytes <= _SHARE * self.free_bytes()

    def out_of_memory(self, error: BaseException) -> bool:
        """Whether an error says that the device's memory did not suffice."""
        return isinstance(error, self._modules.cuda.memory.OutOfMemoryError)

    def work(self) -> "Work":
        """A new stream."""
        return Work(self, self._modules)


class Work:
    """What is copied and computed in order on one stream. The results of `take` are there after `wait`."""

    def __init__(self, gpu: Gpu, modules: Any) -> None:
        self._gpu, self._modules = gpu, modules
        self._stream = modules.cuda.Stream(non_blocking=True)
        self._held: list[Any] = []  # until the stream has done with it

    def _pinned(self, size: int, dtype: npt.DTypeLike) -> npt.NDArray:
        # Only from pages that stay in place is a copy done beside computation.
        nbytes = size * np.dtype(dtype).itemsize
        memory = self._modules.cuda.alloc_pinned_memory(max(nbytes, 1))
        self._held.append(memory)
        return np.frombuffer(memory, np.uint8, nbytes).view(dtype)

    def put(self, values: npt.NDArray) -> Any:
        """A copy of a flat array on the device; `values` may change at once."""
        array = self.empty(values.size, values.dtype)
        self.put_into(array, 0, values)
        return array

    def put_into(self, array: Any, first: int, values: npt.NDArray) -> None:
        """Copies a flat array to places of one on the device, from `first` on; `values` may change at once."""
        staged = self._pinned(values.size, values.dtype)
        np.copyto(staged, values)
        if values.size:
            array[first : first + values.size].set(staged, stream=self._stream)

    def read_into(self, array: Any, path: str, pieces: Sequence[tuple[int, int, int]]) -> None:
        """Reads stretches of a file to places of an array on the device, by kvikio, and waits for them.

        Args:
            array: on the device.
            path: of the file.
            pieces: of each the first place, how many there are, and where in the file, bytes.

        Raises:
            OSError: the file cannot be read, or ends early.
        """
        assert self._gpu.direct is not None
        # It is no work of the stream, which may still use the memory for what was there before.
        self._stream.synchronize()
        try:
            with self._gpu.direct.CuFile(path, "r") as file:
                reads = [
                    file.pread(array[first : first + count], file_offset=at) for first, count, at in pieces
                ]
                found = [read.get() for read in reads]  # all of them, before the file is closed
        except RuntimeError as error:
            raise OSError(f"kvikio: {error}") from error
        if found != [count * array.dtype.itemsize for _, count, _ in pieces]:
            raise OSError("it ends early")

    def empty(self, size: int, dtype: npt.DTypeLike) -> Any:
        """An array on the device of which nothing is known."""
        with self._stream:
            array = self._modules.empty(size, dtype)
        self._held.append(array)
        return array

    def order(self, rows: Any, number: int) -> Any:
        """Places that sort by the last of `number` rows of one flat array, then by the one before it, and so on.

        The sort is stable and CuPy's: a radix sort of CUB, row by row.

        Returns:
            int64 on the device, as many as a row has.
        """
        with self._stream:
            array = self._modules.lexsort(rows.reshape(number, -1))
        self._held.append(array)
        return array

    def run(self, kernel: Any, blocks: int, threads: int, *arguments: object, shared: int = 0) -> None:
        """Launches a kernel on a row of blocks."""
        with self._stream:
            kernel((blocks,), (threads,), arguments, shared_mem=shared)

    def take(self, array: Any) -> npt.NDArray:
        """A host array that holds the device's after `wait`."""
        staged = self._pinned(array.size, array.dtype)
        array.get(stream=self._stream, out=staged, blocking=False)
        return staged

    def wait(self) -> None:
        """Until all is done; the device's arrays go."""
        self._stream.synchronize()
        self._held.clear()


def visible_gpus() -> list[Gpu]:
    """All GPUs, none where the driver finds none.

    Raises:
        MissingDependencyError: CuPy is not installed.
    """
    modules = array_module()
    try:
        count = modules.cuda.runtime.getDeviceCount()
    except modules.cuda.runtime.CUDARuntimeError:
        return []
    direct = direct_module()
    return [Gpu(modules, index, direct) for index in range(count)]


def choose_devices(asked: str) -> tuple[Gpu, ...]:
    """The GPUs to compute on; none: the CPU.

    Args:
        asked: `auto` (every GPU, else the CPU), `cpu`, `gpu` (every GPU) or `gpu:N` (that one).

    Raises:
        InputError: it is none of these.
        MissingDependencyError: a GPU is asked for, and CuPy is not installed.
        NotFoundError: a GPU is asked for that is not there.
    """
    if asked == "cpu":
        return ()
    if asked == "auto":
        try:
            return tuple(visible_gpus())
        except MissingDependencyError:
            return ()
    kind, _, number = asked.partition(":")
    if kind != "gpu" or (":" in asked and not number.isdecimal()):
        raise InputError(f"{asked!r} is no device", "--device", f"Give {DEVICES}")
    gpus = visible_gpus()
    if not gpus:
        raise NotFoundError(
            "CUDA finds no GPU", f"--device {asked}", "Look at nvidia-smi, or ask for --device cpu"
        )
    if not number:
        return tuple(gpus)
    if int(number) >= len(gpus):
        raise NotFoundError(
            f"there is no such GPU: CUDA finds {len(gpus)}",
            f"--device {asked}",
            f"Give a number under {len(gpus)}",
        )
    return (gpus[int(number)],)


def in_batches(
    gpu: Gpu, sizes: Sequence[int] | npt.NDArray, start: Callable[[Work, int, int], Callable[[], None]]
) -> None:
    """Work on items in batches that the device's memory holds, two under way at a time.

    While one batch is computed the next is copied, and the results of the one before are taken. Where memory does not
    suffice the batch is halved.

    Args:
        gpu: where.
        sizes: of each item, about how many bytes it takes on the device.
        start: puts items [first, end) to work on a stream without waiting for it, and gives back what takes the results
            once they are there. It may be asked for the same items again after it failed for want of memory.

    Raises:
        DeviceLostError: the device fails, or has not the memory for one item.
    """
    total = np.concatenate(([0], np.cumsum(np.asarray(sizes, np.int64))))
    count = len(total) - 1
    under_way: deque[tuple[Work, Callable[[], None]]] = deque()

    def finish() -> None:
        work, take = under_way.popleft()
        work.wait()
        take()

    with gpu.using():
        limit = max(1, min(_MOST_BYTES, int(_SHARE * gpu.free_bytes())))
        first = 0
        while first < count:
            end = max(first + 1, int(np.searchsorted(total, total[first] + limit, side="right")) - 1)
            work = gpu.work()
            try:
                take = start(work, first, end)
            except Exception as error:
                if not gpu.out_of_memory(error):
                    raise
                work.wait()
                if under_way:
                    finish()
                elif end - first == 1:
                    raise DeviceLostError(f"{gpu.name} has not the memory for one item: {error}") from error
                else:
                    limit = int(total[end] - total[first]) // 2
                continue
            under_way.append((work, take))
            first = end
            if len(under_way) == 2:
                finish()
        while under_way:
            finish()
