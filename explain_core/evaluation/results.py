"""Scores on disk: a row is committed with its picture; a process that dies loses no committed row.

    plan.json     the plan, written first
    rows.jsonl    a line per picture, only ever appended to, each with a digest of its own
    scores.*      written when all pictures are done, see `explain_core.evaluation.exports`

A line that a dying process left torn is cut off when writing goes on, and its picture is scored
again. Lines may come in any order; when all are there they are put into the order of the plan, so
that the files do not tell whether, where and how often it was interrupted.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from explain_core.errors import InputError
from explain_core.evaluation.plan import Plan, plan_from_json
from explain_core.evaluation.rows import Row, line_of, row_of
from explain_core.references.bank_files import replace_file
from explain_core.types import Array, read_only

PLAN = "plan.json"
ROWS = "rows.jsonl"
LOCK = "lock"
_PARTIAL = ".partial"
# A killed process loses nothing that was written; only a power cut takes what was not synced yet.
_SECONDS_BETWEEN_SYNCS = 1.0


@dataclass(frozen=True, eq=False)
class Results:
    """Hold the rows of an evaluation, finished or not.

    Attributes:
        plan: what was asked.
        rows: in the order of the plan.
    """

    plan: Plan
    rows: tuple[Row, ...]

    @property
    def is_complete(self) -> bool:
        """Return whether every picture of the plan has its row."""
        return len(self.rows) == len(self.plan.indices)

    @cached_property
    def scored(self) -> tuple[Row, ...]:
        """Return the rows that have scores."""
        return tuple(row for row in self.rows if not row.failure)

    @cached_property
    def failed(self) -> tuple[Row, ...]:
        """Return the rows of pictures without scores; each says why."""
        return tuple(row for row in self.rows if row.failure)

    @cached_property
    def values(self) -> Array:
        """Return (n, methods, metrics) float64 of the scored rows; NaN where not defined."""
        size = len(self.scored), len(self.plan.methods), len(self.plan.metrics)
        table = [row.scores for row in self.scored]
        return read_only(np.array(table, np.float64).reshape(size))

    @cached_property
    def groups(self) -> Array:
        """Return (n,) whole numbers, equal where scored rows belong together."""
        names = [row.group or f"\0{row.index}" for row in self.scored]
        found = np.unique(np.array(names, object).astype(str), return_inverse=True)[1]
        return read_only(found.reshape(len(names)))

    def column(self, method: int, metric: int) -> Array:
        """Return (n,) the scores of one method by one metric."""
        column: Array = self.values[:, method, metric]
        return column


def read_results(folder: Path | str) -> Results:
    """Read the rows so far, also while another process or thread is writing.

    Raises:
        InputError: the folder holds no evaluation, or cannot be read.
    """
    folder = Path(folder)
    try:
        plan = plan_from_json((folder / PLAN).read_text(encoding="utf-8"))
        rows, _ = _good_rows(folder, plan)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"'{folder.name}' holds no evaluation: it has no {PLAN} and {ROWS}; make one with "
            "`python -m explain_core evaluate`"
        ) from error
    except OSError as error:
        raise _cannot("read", folder, error) from error
    return results_of(plan, rows)


def results_of(plan: Plan, rows: Sequence[Row]) -> Results:
    """Return rows as results: in the plan's order, each picture once."""
    known = {row.index: row for row in rows}
    return Results(plan, tuple(known[index] for index in sorted(known)))


class ResultsWriter:
    """Append rows; hold the folder's lock until closed. For one thread."""

    def __init__(self, folder: Path, plan: Plan, lock: int) -> None:
        """Go on where the folder stopped; `open_results` makes sure that it fits."""
        self._folder = folder
        self._plan = plan
        self._lock: int | None = lock
        self._wanted = frozenset(plan.indices)
        rows, size = _good_rows(folder, plan)
        self._rows = {row.index: row for row in rows}
        self._file = os.open(folder / ROWS, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(self._file, size)
        self._size = size
        self._synced_s = time.monotonic()

    @property
    def done(self) -> frozenset[int]:
        """Return the indices of the pictures that have their row."""
        return frozenset(self._rows)

    @property
    def results(self) -> Results:
        """Return the rows so far."""
        return results_of(self._plan, tuple(self._rows.values()))

    def append(self, row: Row) -> None:
        """Commit a row; a picture that has one keeps it.

        Raises:
            InputError: a picture that the plan does not name, or a disk that is full or fails;
                what was committed is kept.
        """
        if row.index not in self._wanted:
            raise InputError(f"picture {row.index} is not in the plan; give rows of this plan only")
        if row.index in self._rows:
            return
        left = memoryview(line_of(row, self._plan.digest))
        end = self._size + len(left)
        try:
            while left:
                left = left[os.pwrite(self._file, left, end - len(left)) :]
            if time.monotonic() - self._synced_s > _SECONDS_BETWEEN_SYNCS:
                self.sync()
        except OSError as error:
            raise _cannot("write", self._folder, error) from error
        self._size = end
        self._rows[row.index] = row

    def sync(self) -> None:
        """Make what was appended outlast a power cut."""
        os.fsync(self._file)
        self._synced_s = time.monotonic()

    def put_in_order(self) -> Results:
        """Write the rows in the order of the plan, if they are not, and return them.

        Raises:
            InputError: pictures are missing, or the disk is full or fails.
        """
        missing = len(self._wanted) - len(self._rows)
        if missing:
            raise InputError(f"{missing:,} pictures are not scored yet; evaluate again to go on")
        try:
            if list(self._rows) != sorted(self._rows):
                ordered = self.results.rows
                lines = [line_of(row, self._plan.digest) for row in ordered]
                replace_file(self._folder / ROWS, b"".join(lines))
                os.close(self._file)
                self._file = os.open(self._folder / ROWS, os.O_RDWR)
                self._rows = {row.index: row for row in ordered}
            else:
                self.sync()
        except OSError as error:
            raise _cannot("write", self._folder, error) from error
        return self.results

    def close(self) -> None:
        """Let go of the folder; a second call does nothing."""
        if self._lock is not None:
            os.close(self._file)
            os.close(self._lock)  # which unlocks
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_results(folder: Path | str, plan: Plan) -> ResultsWriter:
    """Begin an evaluation in a folder, or go on with the one that is there.

    Args:
        folder: made where it is missing.

    Raises:
        InputError: another process writes there; the folder holds another evaluation or other
            files, or cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_other_files(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _cannot("write", folder, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"an evaluation is being written in '{folder.name}'; wait until it is done, stop "
                "it, or name another folder"
            ) from error
        for partial in folder.glob(f"*{_PARTIAL}"):
            partial.unlink(missing_ok=True)
        if (folder / PLAN).exists():
            there = plan_from_json((folder / PLAN).read_text(encoding="utf-8"))
            if there.digest != plan.digest:
                raise InputError(
                    f"'{folder.name}' holds another evaluation: {_difference(there, plan)}; "
                    "name another folder, or ask for the same"
                )
        else:
            (folder / ROWS).write_bytes(b"")
            replace_file(folder / PLAN, f"{plan.to_json()}\n".encode())
        return ResultsWriter(folder, plan, lock)
    except OSError as error:
        os.close(lock)
        raise _cannot("write", folder, error) from error
    except BaseException:
        os.close(lock)
        raise


def _good_rows(folder: Path, plan: Plan) -> tuple[list[Row], int]:
    """Return the rows up to the first line that is torn or damaged, and where they end."""
    rows, size = [], 0
    digest = plan.digest
    for line in _lines(folder / ROWS):
        row = row_of(line, digest)
        if row is None:
            break
        rows.append(row)
        size += len(line)
    return rows, size


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _refuse_other_files(folder: Path) -> None:
    if (folder / PLAN).exists():
        return
    for each in sorted(folder.iterdir()):
        if each.name not in (ROWS, LOCK) and each.suffix != _PARTIAL:
            raise InputError(
                f"'{folder.name}' is no evaluation but holds other files, such as '{each.name}'; "
                "name an empty or a new folder"
            )


def _difference(there: Plan, asked: Plan) -> str:
    """Return the first thing in which two plans differ, in words."""
    for name in Plan.__dataclass_fields__:
        one, other = getattr(there, name), getattr(asked, name)
        if one != other:
            if name in ("methods", "metrics"):
                one, other = ([each.label for each in plan] for plan in (one, other))
            return f"its {name} is {_short(one)}, not {_short(other)}"
    return "it was made by another version"


def _short(value: object, length: int = 120) -> str:
    text = str(value)
    return text if len(text) <= length else f"{text[:length]} …"


def _cannot(verb: Literal["read", "write"], folder: Path, error: OSError) -> InputError:
    may_be = {"read": "read", "write": "written"}[verb]
    why = f"{error.strerror or error}; see that the folder may be {may_be}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = "the disk is full; make room"
    return InputError(
        f"cannot {verb} the evaluation '{folder.name}': {why}; what was committed is kept"
    )
