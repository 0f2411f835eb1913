"""An evaluation that runs in a thread of its own, for pages: start, look at, cancel, go on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from explain_core.datasets.dataset import Dataset
from explain_core.errors import ExplainError
from explain_core.evaluation.plan import Plan
from explain_core.evaluation.results import PLAN, Results, read_results, results_of
from explain_core.evaluation.rows import Row
from explain_core.evaluation.runner import Engine, EvaluationProgress, evaluate
from explain_core.models.model import Model

State = Literal["ready", "running", "cancelled", "failed", "finished"]


class _CancelledError(Exception):
    """Leave an evaluation that somebody cancelled."""


class EvaluationJob:
    """Run an evaluation beside the caller. Every member may be used from any thread.

    A job runs once; to go on after a cancel, or after the process died, start a new one with the
    same plan and folder.
    """

    def __init__(
        self,
        plan: Plan,
        model: Model,
        dataset: Dataset,
        out: Path | str,
        *,
        engine: Engine = "local",
        source: str | None = None,
    ) -> None:
        """Take the arguments of `evaluate`; nothing runs yet."""
        self.plan = plan
        self.folder = Path(out)
        self._arguments = (plan, model, dataset, self.folder)
        self._engine: Engine = engine
        self._source = source
        self._lock = threading.Lock()
        self._is_cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evaluation", daemon=True)
        self._state: State = "ready"
        self._failure = ""
        self._fault: Exception | None = None
        self._rows: dict[int, Row] = {}
        self._progress: EvaluationProgress | None = None

    def start(self) -> None:
        """Begin, or go on with what the folder holds; returns at once.

        Raises:
            InputError: the folder holds something that cannot be read.
            RuntimeError: a job that was started before.
        """
        if (self.folder / PLAN).exists():
            there = read_results(self.folder)
            if there.plan.digest == self.plan.digest:
                self._rows = {row.index: row for row in there.rows}
        self._state = "running"
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop, soon even in the middle of a slow method; what is done is kept."""
        self._is_cancelled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it ended; return whether it did."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def state(self) -> State:
        """Return where it stands.

        Raises:
            Exception: what it ended with, if that was a fault of ours and no `ExplainError`.
        """
        with self._lock:
            if self._fault is not None:
                raise self._fault
            return self._state

    @property
    def failure(self) -> str:
        """Return what the user must mend after "failed"; else empty."""
        with self._lock:
            return self._failure

    @property
    def progress(self) -> EvaluationProgress | None:
        """Return how far it is; None before the first picture began."""
        with self._lock:
            return self._progress

    @property
    def results(self) -> Results:
        """Return the rows so far, those of earlier runs included."""
        with self._lock:
            return results_of(self.plan, tuple(self._rows.values()))

    def _run(self) -> None:
        ended: State = "failed"
        failure = ""
        fault = None
        try:
            evaluate(
                *self._arguments, engine=self._engine, source=self._source, progress=self._note
            )
            ended = "finished"
        except _CancelledError:
            ended = "cancelled"
        except ExplainError as error:
            failure = str(error)
        except Exception as error:  # handed to whoever asks for the state
            fault = error
        with self._lock:
            self._state, self._failure, self._fault = ended, failure, fault

    def _note(self, now: EvaluationProgress) -> None:
        with self._lock:
            self._progress = now
            if now.row is not None:
                self._rows[now.row.index] = now.row
        if self._is_cancelled.is_set():
            raise _CancelledError
