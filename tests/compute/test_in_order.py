"""in_order: results in the order of the input, with a bounded number under way."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from baselake.compute.in_order import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.01 if item % 3 == 0 else 0)
        return item * item

    with ThreadPoolExecutor(3) as pool:
        assert list(in_order(pool, slow_first, range(40), window=5)) == [i * i for i in range(40)]


def test_no_more_items_than_the_window_are_taken_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(20):
            taken.append(i)
            yield i

    with ThreadPoolExecutor(2) as pool:
        for done, _ in enumerate(in_order(pool, abs, items(), window=4)):
            assert len(taken) <= done + 1 + 4


def test_an_error_comes_at_its_turn_and_stops_the_rest() -> None:
    begun = []
    lock = threading.Lock()

    def fail_at_3(item: int) -> int:
        with lock:
            begun.append(item)
        return 10 // (3 - item)

    with ThreadPoolExecutor(1) as pool:
        results = in_order(pool, fail_at_3, range(1000), window=2)
        assert [next(results) for _ in range(3)] == [3, 5, 10]
        with pytest.raises(ZeroDivisionError):
            next(results)
    assert len(begun) < 10
