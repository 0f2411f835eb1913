"""What long commands share: a line of progress, and an end like that of Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_REDRAWS = 0.2


class Meter:
    """Show progress: one line that is drawn again on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = -float("inf")
        self._is_open = False

    def show(self, text: str, *, is_last: bool) -> None:
        """Show how far something is, unless it was shown just before and goes on."""
        pause = _SECONDS_BETWEEN_REDRAWS if self._is_terminal else SECONDS_BETWEEN_LINES
        if time.monotonic() - self._shown_at < pause and not is_last:
            return
        self._shown_at = time.monotonic()
        if self._is_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
            self._is_open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._is_open:
            print(file=sys.stderr)
        self._is_open = False


def duration(seconds: float) -> str:
    """Return a time as people say it: `3 min 20 s`; short ones to two digits."""
    if 0 < seconds < 10:
        return f"{max(seconds, 0.01):.2g} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, by which batch systems end a job, do what Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
