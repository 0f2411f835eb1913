"""Claims from made-up scores, of which one knows which hold; the bench from end to end."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import InputError
from explain_core.evaluation.claims import CLAIMS, Claim, Comparison, Contrast, answer_of, find
from explain_core.evaluation.intervals import Interval
from explain_core.evaluation.plan import Plan, make_plan, variant
from explain_core.evaluation.presets import PRESETS, preset_named, run_preset
from explain_core.evaluation.results import Results
from explain_core.evaluation.rows import Row
from explain_core.evaluation.runner import evaluate
from explain_core.evaluation.sanity import check_sanity
from tests.core.evaluation.making import dataset_of, example, tiny_dataset, tiny_model, unreadable

GAG, PLAIN = variant("guided-absolute-grad"), variant("absolute-grad")
RCAP, DELETION, INSERTION = map(variant, ("rcap", "deletion", "insertion"))


def results(columns: dict[tuple, np.ndarray], num: int = 60) -> Results:
    """Make results of columns by method and metric, with noise that pictures share."""
    methods = tuple(dict.fromkeys(method for method, _ in columns))
    metrics = tuple(dict.fromkeys(metric for _, metric in columns))
    plan = Plan(
        model="m",
        fingerprint="f",
        layer="a",
        dataset="d",
        num_examples=num,
        classes=(),
        ids="",
        methods=methods,
        metrics=metrics,
        against="nearest",
        seed=0,
        limit=None,
    )
    rng = np.random.default_rng(0)
    rows = []
    for index in range(num):
        shared = rng.normal(0, 0.05)
        scores = tuple(
            tuple(
                float(columns[method, metric] + shared + rng.normal(0, 0.01)) for metric in metrics
            )
            for method in methods
        )
        rows.append(Row(index, str(index), "a", scores=scores))
    return Results(plan, tuple(rows))


def only(part: Comparison | Contrast, made: Results):
    (finding,) = find(Claim("a claim", "a paper", (part,)), made)
    return finding


@pytest.mark.parametrize(
    ("better", "worse", "metric", "answer"),
    [
        (0.6, 0.5, RCAP, "holds"),
        (0.5, 0.6, RCAP, "does not hold"),
        (0.5, 0.6, DELETION, "holds"),  # lower is better
        (0.6, 0.5, DELETION, "does not hold"),
        (0.5, 0.5, RCAP, "cannot be told"),
    ],
)
def test_a_comparison_follows_the_metrics_direction(better, worse, metric, answer) -> None:
    made = results({(GAG, metric): better, (PLAIN, metric): worse})
    finding = only(Comparison(GAG, PLAIN, metric), made)
    assert finding.answer == answer
    sign = 1 if metric == RCAP else -1
    values = sign * (made.column(0, 0) - made.column(1, 0))
    assert finding.effect.mean == pytest.approx(values.mean())


def test_what_is_not_in_the_plan_was_not_tried() -> None:
    made = results({(GAG, RCAP): 0.5, (PLAIN, RCAP): 0.4})
    assert only(Comparison(GAG, variant("rise"), RCAP), made).answer == "not tried"
    assert only(Comparison(GAG, PLAIN, INSERTION), made).answer == "not tried"
    assert only(Contrast(PLAIN, GAG, RCAP, DELETION), made).answer == "not tried"


@pytest.mark.parametrize(
    ("rcap", "deletion", "answer"),
    [
        ((0.2, 0.3), (0.5, 0.51), "holds"),
        ((0.2, 0.1), (0.5, 0.51), "holds"),  # a change, whichever way
        ((0.2, 0.21), (0.5, 0.9), "does not hold"),
        ((0.5, 0.6), (0.5, 0.6), "cannot be told"),
    ],
)
def test_a_contrast_compares_shares_of_change(rcap, deletion, answer) -> None:
    levels = {(PLAIN, RCAP): rcap[0], (GAG, RCAP): rcap[1]}
    levels |= {(PLAIN, DELETION): deletion[0], (GAG, DELETION): deletion[1]}
    made = results(levels)
    finding = only(Contrast(PLAIN, GAG, RCAP, DELETION), made)
    assert finding.answer == answer
    means = made.values.mean(axis=0)
    expected = [abs(means[1, j] - means[0, j]) / means[0, j] for j in (0, 1)]
    assert finding.effect.mean == pytest.approx(expected[0] - expected[1])


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.1, 0.2, "holds"),
        (-0.2, -0.1, "does not hold"),
        (-0.1, 0.1, "cannot be told"),
        (math.nan, math.nan, "not tried"),
    ],
)
def test_answers(low: float, high: float, answer: str) -> None:
    assert answer_of(Interval(0.0, low, high, 9)) == answer


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.title)
def test_claims_name_what_there_is(claim: Claim) -> None:
    preset = PRESETS["truth-bench"]
    for part in claim.parts:
        methods = (
            (part.better, part.worse) if isinstance(part, Comparison) else (part.old, part.new)
        )
        metrics = (part.metric,) if isinstance(part, Comparison) else (part.metric, part.other)
        assert {each.name for each in methods} <= set(xc.METHODS)
        assert not {each.name for each in preset.settings} & {each.name for each in methods}
        assert set(metrics) <= set(preset.metrics)


# ---- sanity ----------------------------------------------------------------------------------


def test_controls_that_ignore_the_weights_fail_and_random_maps_pass() -> None:
    model, data = tiny_model(), tiny_dataset(10)
    plan = make_plan(model, data, ["grad-cam"], ["rcap"])
    told: list[float] = []
    found = check_sanity(plan, model, data, num_pictures=3, progress=told.append)
    by_name = {each.method.name: each for each in found}
    assert by_name["edges"].passes is False  # the same map, whatever the weights
    assert by_name["edges"].num_at_chance == 0
    assert by_name["grad-cam"].passes is not None
    assert by_name["edges"].excess.mean > by_name["grad-cam"].excess.mean
    assert all(each.count <= 3 for each in found)
    assert told == sorted(told)


def test_diffcam_gets_references_of_the_changed_model() -> None:
    model, data = xc.load_model("digits", device="cpu"), tiny_dataset(10)
    plan = make_plan(model, data, ["diffcam"], ["rcap"])
    diffcam = check_sanity(plan, model, data, num_pictures=2)[0]
    assert diffcam.method.name == "diffcam"
    assert diffcam.count > 0


# ---- the bench -------------------------------------------------------------------------------


def test_the_bench_writes_a_report_with_every_claim(tmp_path: Path) -> None:
    few = replace(
        PRESETS["truth-bench"],
        sets=("strokes",),
        methods=("grad-cam", "finer-grad-cam", "diffcam"),
        metrics=(variant("rcap"), variant("relative-drop"), variant("energy-inside")),
    )
    planned: list[Plan] = []

    def run(plan: Plan, model, dataset, out: Path, source: str) -> Results:
        planned.append(plan)
        return evaluate(replace(plan, limit=4), model, dataset, out)

    report = tmp_path / "bench.md"
    run_preset(few, tmp_path / "out", report, run_plan=run, num=4, num_checked=2)
    text = report.read_text(encoding="utf-8")
    told: list[float] = []
    run_preset(
        few,
        tmp_path / "out",
        report,
        run_plan=run,
        num=4,
        num_checked=2,
        tell=lambda name, share: told.append(share),
    )
    assert report.read_text(encoding="utf-8") == text
    assert told == []  # sanity is not checked again
    assert all(f"### {claim.title}" in text for claim in CLAIMS)
    assert "| finer-grad-cam above grad-cam, relative-drop | " in text
    assert "| guided-absolute-grad above absolute-grad, rcap | – |" in text
    assert "| diffcam | " in text.split("## Sanity")[1].split("## Scores")[0]
    assert "*edges* (control)" in text.split("## Scores")[1]
    assert (tmp_path / "out" / "strokes" / "scores.csv").exists()
    assert planned[0].model == "digits"


def test_a_report_into_no_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the report's folder does not exist"):
        run_preset(
            PRESETS["truth-bench"], tmp_path, tmp_path / "no" / "bench.md", run_plan=evaluate
        )


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"no preset 'x'; choose one of \['films-localisation', 't"
    ):
        preset_named("x")


def test_sanity_leaves_out_pictures_that_cannot_be_read() -> None:
    model = tiny_model()
    data = dataset_of([example(0, read=unreadable), example(1), example(2)])
    plan = make_plan(model, data, ["grad-cam"], ["rcap"])
    assert all(each.count <= 2 for each in check_sanity(plan, model, data))
