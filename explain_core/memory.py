"""Bounded memories: what was used last stays, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

import numpy as np

DEFAULT_MAX_BYTES = 256 * 2**20

Value = TypeVar("Value")


class BoundedMemory(Generic[Value]):
    """Keep the values used last, up to a number of bytes in their arrays; safe between threads."""

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        # Each value with its size when it was put: one that grows later is not counted anew.
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """Return what is kept under a key, None where it is gone."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            value, _ = self._kept[key]
            return value

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value, forgetting the ones unused longest where there is no room."""
        num_bytes = _num_bytes(value)
        with self._lock:
            _, replaced = self._kept.pop(key, (None, 0))
            self._kept[key] = value, num_bytes
            self._num_bytes += num_bytes - replaced
            self._forget_down_to(self._max_bytes)

    def shrink(self, max_bytes: int) -> None:
        """Forget the values unused longest until no more bytes than these are kept."""
        with self._lock:
            self._forget_down_to(max_bytes)

    def _forget_down_to(self, max_bytes: int) -> None:
        while self._num_bytes > max_bytes:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._num_bytes -= dropped

    @property
    def num_bytes(self) -> int:
        """Return how many bytes are kept."""
        with self._lock:
            return self._num_bytes


def _num_bytes(value: object) -> int:
    """Return the bytes in an array, or in all arrays that an object or a mapping holds."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_num_bytes(each) for each in value.values())
    return sum(_num_bytes(each) for each in getattr(value, "__dict__", {}).values())
