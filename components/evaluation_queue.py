"""Evaluations of all sessions: one runs, the others wait their turn.

An evaluation takes every core that it is given, and the sliders of everyone else wait meanwhile.
So one runs at a time, whoever asked for it; it goes on when the page that began it is closed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explain_core import ExplainError
from explain_core.evaluation.job import EvaluationJob
from explain_core.evaluation.runner import EvaluationProgress

MAX_REMEMBERED = 16

Standing = Literal["none", "waiting", "running", "cancelled", "failed", "finished"]


@dataclass(frozen=True)
class Look:
    """Tell how an evaluation stands.

    Attributes:
        standing: "none" where this server has not been asked for it.
        num_before: how many run or wait before one that waits.
        progress: None before its first picture.
        failure: what the user must mend after "failed".
    """

    standing: Standing
    num_before: int = 0
    progress: EvaluationProgress | None = None
    failure: str = ""

    @property
    def is_under_way(self) -> bool:
        """Return whether it runs or waits."""
        return self.standing in ("waiting", "running")


class EvaluationQueue:
    """Hold the evaluations of a server; every member may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[Path, EvaluationJob] = OrderedDict()
        self._settings: OrderedDict[str, Mapping[str, object]] = OrderedDict()
        self._refused: dict[Path, str] = {}
        self._waiting: list[EvaluationJob] = []
        self._running: EvaluationJob | None = None
        self._worker: threading.Thread | None = None

    def submit(self, job: EvaluationJob) -> None:
        """Let a job run when its turn comes; one of its folder that is under way stays instead."""
        with self._lock:
            known = self._jobs.get(job.folder)
            if known is not None and self._is_under_way(known):
                return
            self._jobs[job.folder] = job
            self._jobs.move_to_end(job.folder)
            self._refused.pop(job.folder, None)
            self._forget_oldest()
            self._waiting.append(job)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="evaluations", daemon=True)
                self._worker.start()

    def cancel(self, folder: Path) -> None:
        """Stop an evaluation, or take it out of the row; what it has scored is kept."""
        with self._lock:
            job = self._jobs.get(folder)
            if job is None:
                return
            if job in self._waiting:
                self._waiting.remove(job)
                del self._jobs[folder]
            else:
                job.cancel()

    def job(self, folder: Path) -> EvaluationJob | None:
        """Return the job of a folder, ended or not; None for one that was never asked for."""
        with self._lock:
            return self._jobs.get(folder)

    def look(self, folder: Path) -> Look:
        """Return how the evaluation in a folder stands.

        Raises:
            Exception: what it ended with, if that was a fault of ours; once, then it is forgotten.
        """
        with self._lock:
            job = self._jobs.get(folder)
            if job is None:
                return Look("none")
            if job in self._waiting:
                return Look("waiting", self._waiting.index(job) + (self._running is not None))
            if folder in self._refused:
                return Look("failed", failure=self._refused[folder])
            try:
                state = job.state
            except Exception:
                del self._jobs[folder]
                raise
            if self._running is job:  # its thread may have ended; the worker puts it away
                return Look("running", progress=job.progress)
            return Look("running" if state == "ready" else state, 0, job.progress, job.failure)

    def remember(self, title: str, settings: Mapping[str, object]) -> None:
        """Remember the widgets' settings of an evaluation that was begun; the last few count."""
        with self._lock:
            known = [each for each, others in self._settings.items() if others == settings]
            for each in known:
                del self._settings[each]
            self._settings[title] = dict(settings)
            while len(self._settings) > MAX_REMEMBERED:
                self._settings.popitem(last=False)

    @property
    def remembered(self) -> dict[str, Mapping[str, object]]:
        """Return the settings by title, the newest first."""
        with self._lock:
            return dict(reversed(self._settings.items()))

    def _is_under_way(self, job: EvaluationJob) -> bool:
        return job is self._running or job in self._waiting

    def _forget_oldest(self) -> None:
        ended = [folder for folder, job in self._jobs.items() if not self._is_under_way(job)]
        for folder in ended[: max(0, len(self._jobs) - MAX_REMEMBERED)]:
            del self._jobs[folder]
            self._refused.pop(folder, None)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._running = self._waiting.pop(0) if self._waiting else None
                job = self._running
                if job is None:
                    self._worker = None
                    return
            try:
                job.start()
            except ExplainError as error:
                with self._lock:
                    self._refused[job.folder] = str(error)
            else:
                job.wait()
