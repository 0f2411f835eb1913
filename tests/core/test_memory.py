"""Bounded memories: what was used last stays, and the bound holds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pytest

from explain_core.memory import BoundedMemory
from explain_core.types import GroupStatistics


def test_what_was_used_last_is_kept():
    memory = BoundedMemory(max_bytes=2 * 80)
    memory.put("first", np.zeros(10))
    memory.put("second", np.zeros(10))
    memory.get("first")
    memory.put("third", np.zeros(10))
    assert memory.get("first") is not None


def test_what_was_unused_longest_is_dropped():
    memory = BoundedMemory(max_bytes=2 * 80)
    memory.put("first", np.zeros(10))
    memory.put("second", np.zeros(10))
    memory.get("first")
    memory.put("third", np.zeros(10))
    assert memory.get("second") is None


def test_what_is_put_again_counts_once():
    memory = BoundedMemory(max_bytes=1000)
    memory.put("same", np.zeros(10))
    memory.put("same", np.zeros(20))
    assert memory.num_bytes == 160


def test_eight_threads_keep_the_bound():
    memory = BoundedMemory(max_bytes=5 * 80)

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(200):
            key = int(rng.integers(20))
            kept = memory.get(key)
            assert kept is None or kept[0] == key
            memory.put(key, np.full(10, float(key)))
            assert memory.num_bytes <= 5 * 80

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_what_was_never_put_is_not_there():
    assert BoundedMemory(max_bytes=10).get("nothing") is None


def test_a_value_larger_than_the_bound_is_not_kept():
    memory = BoundedMemory(max_bytes=79)
    memory.put("large", np.zeros(10))
    assert (memory.get("large"), memory.num_bytes) == (None, 0)


def test_a_value_as_large_as_the_bound_is_kept():
    memory = BoundedMemory(max_bytes=80)
    memory.put("large", np.zeros(10))
    assert memory.num_bytes == 80


@dataclass(frozen=True)
class Pair:
    first: np.ndarray
    second: object
    name: str = "not counted"


@pytest.mark.parametrize(
    ("value", "num_bytes"),
    [
        (np.zeros(3, np.float16), 6),
        (b"12345", 5),
        (Pair(np.zeros(2), np.zeros(4, np.uint8)), 20),
        (Pair(np.zeros(2), MappingProxyType({1: np.zeros(1), 2: np.zeros(2)})), 40),
        (Pair(np.zeros(2), None), 16),
        (GroupStatistics(9, np.zeros(3), np.zeros((3, 3))), 96),
    ],
    ids=["array", "bytes", "object", "mapping", "nothing", "statistics"],
)
def test_bytes_are_those_of_the_arrays_inside(value, num_bytes):
    memory = BoundedMemory()
    memory.put("value", value)
    assert memory.num_bytes == num_bytes


def test_what_is_kept_is_counted_once_however_much_comes_after():
    """Counting all that is kept at every put would make the whole quadratic."""
    counted = []

    class Counted(dict):
        def values(self):
            counted.append(self["name"])
            return super().values()

    memory = BoundedMemory(max_bytes=1000)
    for name in "abc":
        memory.put(name, Counted(name=name, array=np.zeros(2)))
    assert (counted, memory.num_bytes) == (["a", "b", "c"], 48)


def test_bytes_are_the_sum_of_what_is_kept_after_drops_and_replacements():
    memory = BoundedMemory(max_bytes=100 * 8)
    rng, sizes = np.random.default_rng(0), {}
    for _ in range(300):
        key, length = int(rng.integers(8)), int(rng.integers(40))
        memory.put(key, np.zeros(length))
        sizes[key] = 8 * length
        sizes = {name: size for name, size in sizes.items() if memory.get(name) is not None}
        memory.get(key)
        assert memory.num_bytes == sum(sizes.values()) <= 800


def test_shrinking_keeps_what_was_used_last_and_later_values_come_in_as_before():
    memory = BoundedMemory(max_bytes=4 * 80)
    for name in ("first", "second", "third"):
        memory.put(name, np.zeros(10))
    memory.get("first")
    memory.shrink(100)
    assert [memory.get(name) is not None for name in ("first", "second", "third")] == [
        True,
        False,
        False,
    ]
    assert memory.num_bytes == 80
    memory.put("fourth", np.zeros(20))
    assert memory.num_bytes == 240
