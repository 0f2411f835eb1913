"""Estimates: what is shared counts once, what is done does not count."""

from __future__ import annotations

from pathlib import Path

import pytest

import explain_core as xc
from explain_core.evaluation.estimating import estimate
from explain_core.evaluation.plan import Plan, make_plan, variant
from explain_core.evaluation.runner import evaluate
from explain_core.methods.cost import Pace, SpeedMeter
from tests.core.evaluation.making import tiny_dataset, tiny_model

PASS_S = 0.5


class Known(SpeedMeter):
    """Tell half a second for each pass, and a second for each kind of work."""

    def pace(self, *arguments: object) -> Pace:
        return Pace(1.0, PASS_S)


class Clock:
    """Tell that every look takes two seconds longer."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return tiny_model()


def planned(model: xc.Model, *methods: object, metrics: tuple[str, ...] = ("rcap",)) -> Plan:
    return make_plan(model, tiny_dataset(), list(methods), list(metrics))


def test_shared_evidence_counts_once(model: xc.Model) -> None:
    one = estimate(planned(model, "grad-cam"), model, speeds=Known(), clock=Clock())
    cams = planned(
        model, "grad-cam", "layer-cam", *(variant("finer-grad-cam", gamma=g / 9) for g in range(9))
    )
    many = estimate(cams, model, speeds=Known(), clock=Clock())
    assert many.passes_each == one.passes_each
    noisy = planned(model, "smooth-grad", "var-grad", variant("smooth-grad", num_samples=7))
    assert estimate(noisy, model, speeds=Known(), clock=Clock()).passes_each == 20 + 7


def test_seconds_are_those_of_maps_and_of_scores(model: xc.Model) -> None:
    plan = planned(model, "smooth-grad")
    told = estimate(plan, model, speeds=Known(), clock=Clock())
    explaining = 1.0 + 20 * PASS_S + 1.0  # the noisy passes, and the controls' one kind of work
    scoring = 2.0 * len(plan.methods)
    assert told.seconds_each == pytest.approx(explaining + scoring)
    assert (told.num_pictures, told.num_left) == (6, 6)
    assert told.seconds == pytest.approx(6 * told.seconds_each)


def test_metrics_that_ask_no_model_take_no_time(model: xc.Model) -> None:
    told = estimate(
        planned(model, "grad-cam", metrics=("energy-inside",)),
        model,
        speeds=Known(),
        clock=Clock(),
    )
    assert told.seconds_each < 4


def test_pictures_that_are_done_are_not_left(model: xc.Model, tmp_path: Path) -> None:
    plan = planned(model, "grad-cam")
    with pytest.raises(RuntimeError, match="enough"):
        evaluate(plan, model, tiny_dataset(), tmp_path, progress=stop_after(4))
    told = estimate(plan, model, out=tmp_path, speeds=Known(), clock=Clock())
    assert (told.num_pictures, told.num_left) == (6, 2)
    other = make_plan(model, tiny_dataset(), ["grad-cam"], ["rcap"], seed=1)
    assert estimate(other, model, out=tmp_path, speeds=Known(), clock=Clock()).num_left == 6


def stop_after(num: int):
    def stop(now) -> None:
        if now.done == num:
            raise RuntimeError("enough")

    return stop
