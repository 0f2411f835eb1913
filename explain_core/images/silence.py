"""Silence for a library's warnings while it reads files that nobody vouches for."""

from __future__ import annotations

import threading
import warnings
from typing import Any, cast


class Silence:
    """Silence a library's own warnings while at least one thread reads.

    `warnings.catch_warnings` puts back a whole list of filters on leaving, and with several
    threads the wrong one. Adding one narrow rule and taking that rule away again commutes with
    whatever other threads do to the list.
    """

    def __init__(self, modules: str) -> None:
        """Silence what modules warn of whose names begin like the pattern `modules`."""
        self._modules = modules
        self._lock = threading.Lock()
        self._num_readers = 0
        self._rule: object = None

    def __enter__(self) -> None:
        with self._lock:
            self._num_readers += 1
            if self._rule not in warnings.filters:
                warnings.filterwarnings("ignore", module=self._modules)
                self._rule = warnings.filters[0]

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._num_readers -= 1
            if self._num_readers == 0 and self._rule in warnings.filters:
                cast(list[Any], warnings.filters).remove(self._rule)
