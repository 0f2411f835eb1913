"""Running an evaluation: committed picture by picture, taken up again where it stopped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explain_core.datasets.dataset import Dataset
from explain_core.errors import InputError
from explain_core.evaluation.exports import write_exports
from explain_core.evaluation.pictures import Shared, score_picture
from explain_core.evaluation.plan import Plan, ids_digest, weights_of
from explain_core.evaluation.results import Results, open_results
from explain_core.evaluation.rows import Row
from explain_core.models.model import Model

Engine = Literal["local", "ray"]

_PACE_OF = 8  # pictures


@dataclass(frozen=True)
class EvaluationProgress:
    """Tell how far an evaluation is.

    Attributes:
        done: pictures that have their row, those of earlier runs included.
        total: pictures of the plan.
        num_failed: of those done, how many have no scores.
        share: of the picture under way, in [0, 1].
        seconds_left: None where the pace is not known yet.
        row: what was just committed; None while a picture is under way.
    """

    done: int
    total: int
    num_failed: int
    share: float = 0.0
    seconds_left: float | None = None
    row: Row | None = None


class EvaluationStoppedError(KeyboardInterrupt):
    """Report an evaluation that was interrupted; the text says what is kept and how to go on."""


Report = Callable[[EvaluationProgress], object]
Rows = Generator[Row, None, None]
Start = Callable[[Sequence[int], Callable[[float], None]], Rows]


def evaluate(
    plan: Plan,
    model: Model,
    dataset: Dataset,
    out: Path | str,
    *,
    engine: Engine = "local",
    source: str | None = None,
    progress: Report | None = None,
) -> Results:
    """Score every picture of a plan, or those that are still missing, and write the tables.

    A picture that cannot be scored is recorded with the reason, and the others go on.

    Args:
        plan: made for this model and data set by `make_plan`.
        out: the evaluation's folder; what it holds already is not done again.
        engine: "local" works here, "ray" in the workers of a Ray cluster.
        source: what `open_dataset` makes the data set of; Ray's workers need it.
        progress: called after every picture, and within one; may raise to stop, which keeps what
            was done.

    Raises:
        InputError: a plan of another model or data set, a folder that holds another evaluation or
            cannot be written, or Ray that is not installed.
        EvaluationStoppedError: Ctrl-C; what was done is kept.
    """
    _require_own(plan, model, dataset)
    start = _engine(engine, plan, model, dataset, source)
    total = len(plan.indices)
    with open_results(out, plan) as writer:
        num_failed = len(writer.results.failed)
        waiting = [index for index in plan.indices if index not in writer.done]
        clock = _Clock(len(waiting))

        def tell(share: float, row: Row | None = None) -> None:
            if progress is not None:
                done = len(writer.done)
                left = clock.seconds_left(done - (total - len(waiting)))
                progress(EvaluationProgress(done, total, num_failed, share, left, row))

        try:
            tell(0.0)
            with closing(start(waiting, tell)) as rows:
                for row in rows:
                    writer.append(row)
                    num_failed += bool(row.failure)
                    tell(0.0, row)
        except KeyboardInterrupt as error:
            raise EvaluationStoppedError(
                f"stopped: {len(writer.done):,} of {total:,} pictures are kept in '{out}'; give "
                "the same command again to go on"
            ) from error
        results = writer.put_in_order()
        write_exports(results, Path(out))
    return results


def _require_own(plan: Plan, model: Model, dataset: Dataset) -> None:
    if plan.fingerprint != weights_of(model) or plan.model != model.name:
        raise InputError(
            f"the plan is for the model '{plan.model}', not for '{model.name}' with these weights; "
            "make the plan anew"
        )
    known = (plan.dataset, plan.num_examples, plan.classes)
    if known != (dataset.name, len(dataset.examples), dataset.classes):
        raise InputError(
            f"the plan is for {plan.num_examples:,} pictures of '{plan.dataset}', not for "
            f"{len(dataset.examples):,} of '{dataset.name}'; make the plan anew"
        )
    if plan.ids != ids_digest(dataset):
        raise InputError(
            f"the plan is for other pictures of '{plan.dataset}'; take the same seed or folder, "
            "or make the plan anew"
        )


def _engine(
    engine: Engine, plan: Plan, model: Model, dataset: Dataset, source: str | None
) -> Start:
    if engine == "ray":
        from explain_core.evaluation.ray_engine import start_ray

        return start_ray(plan, model, source)

    def here(waiting: Sequence[int], tell: Callable[[float], None]) -> Rows:
        shared = Shared(plan)
        for index in waiting:
            yield score_picture(plan, model, dataset, index, shared=shared, progress=tell)

    return here


class _Clock:
    """Tell the time left, from how long each of the last few pictures took.

    A share of a picture tells nothing of the pace: methods and metrics differ too much.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._ends_s = deque([(0, time.monotonic())], maxlen=_PACE_OF + 1)

    def seconds_left(self, done: int) -> float | None:
        """Return the seconds left; None where no picture is done yet."""
        now_s = time.monotonic()
        if done > self._ends_s[-1][0]:
            self._ends_s.append((done, now_s))
        (first, begin_s), (last, end_s) = self._ends_s[0], self._ends_s[-1]
        if last == first:
            return None
        each_s = (end_s - begin_s) / (last - first)
        return each_s * (self._total - done) - min(now_s - end_s, each_s) * (done < self._total)
