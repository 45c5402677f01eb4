"""Work spread over threads whose results come back in the order of the input."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[Result]:
    """Yields `function(item)` for every item, in the order of the items.

    At most `window` items are in work or wait for their turn, so input larger than memory can pass through. An
    error of an item is raised at its turn, after which nothing more is begun.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            if len(waiting) == window:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
