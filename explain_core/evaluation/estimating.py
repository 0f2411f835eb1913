"""What an evaluation costs before it starts, measured on this machine with made-up pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

from explain_core.evaluation.pictures import calls_of
from explain_core.evaluation.plan import Plan
from explain_core.evaluation.results import PLAN, read_results
from explain_core.methods.cost import SpeedMeter, made_up_picture
from explain_core.methods.explaining import prepare, render
from explain_core.methods.preparing import plans_of
from explain_core.metrics.scorer import scorer_of
from explain_core.metrics.scoring import score_maps
from explain_core.metrics.table import METRICS
from explain_core.models.model import Model


@dataclass(frozen=True)
class Estimate:
    """Tell what an evaluation costs; reading the pictures is not counted.

    Attributes:
        num_pictures: of the plan.
        num_left: without those that are done already.
        passes_each: pictures through the network to explain one of them by all methods, at most.
        seconds_each: to explain and score one.
        seconds: for those that are left, on this machine.
    """

    num_pictures: int
    num_left: int
    passes_each: int
    seconds_each: float
    seconds: float


def estimate(
    plan: Plan,
    model: Model,
    *,
    out: Path | str | None = None,
    speeds: SpeedMeter | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate:
    """Measure how long a plan takes; what a method shares with others is counted once.

    Args:
        out: the evaluation's folder: pictures done there are not counted as left.
        speeds: keeps what was measured; None measures anew.
        clock: gives seconds.

    Raises:
        InputError: a folder that cannot be read.
    """
    speeds = SpeedMeter() if speeds is None else speeds
    num_pictures = num_left = len(plan.indices)
    if out is not None and (Path(out) / PLAN).exists():
        there = read_results(out)
        if there.plan.digest == plan.digest:
            num_left -= len(there.rows)
    passes, seconds = _explaining(plan, model, speeds)
    each = seconds + _scoring(plan, model, clock)
    return Estimate(num_pictures, num_left, passes, each, each * num_left)


def _explaining(plan: Plan, model: Model, speeds: SpeedMeter) -> tuple[int, float]:
    """Return the passes and seconds that all maps of one picture take."""
    costs: dict[Hashable, tuple[int, float]] = {}
    for call in calls_of(plan.methods, seed=0):
        for each in plans_of(call.methods, call.values):
            passes = each.method.cost(model, plan.layer, each.values)
            pace = speeds.pace(each.method, model, plan.layer, each.values)
            known = costs.get(each.shared_by, (0, 0.0))
            costs[each.shared_by] = max(known, (passes.total, pace.seconds(passes)))
    return sum(passes for passes, _ in costs.values()), sum(taken for _, taken in costs.values())


def _scoring(plan: Plan, model: Model, clock: Callable[[], float]) -> float:
    """Return the seconds that scoring all maps of one picture takes, from one map's."""
    picture = made_up_picture(model)
    smap = render(prepare(model, picture, method="random", layer=plan.layer))
    metrics = {
        f"{each.name}@{place}": dict(each.values)
        for place, each in enumerate(plan.metrics)
        if METRICS[each.name].asks_model
    }
    if not metrics:
        return 0.0

    def run() -> float:
        begin = clock()
        score_maps(
            scorer_of(model, picture),
            {"random": smap},
            metrics,
            target=0,
            references=(1,) if model.num_classes > 1 else (),
        )
        return clock() - begin

    run()  # the first also allocates and chooses algorithms
    return run() * len(plan.methods)
