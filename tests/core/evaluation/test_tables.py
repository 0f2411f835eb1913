"""Tables from made-up scores, of which one knows what they must say."""

from __future__ import annotations

import csv
import io
import math
import sys

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import InputError
from explain_core.evaluation.exports import scores_csv, scores_parquet
from explain_core.evaluation.intervals import Interval
from explain_core.evaluation.plan import Plan, variant
from explain_core.evaluation.results import Results
from explain_core.evaluation.rows import Row
from explain_core.evaluation.sweep import SWEEPS, sweep_curves, sweep_methods
from explain_core.evaluation.tables import (
    csv_table,
    interval_text,
    markdown_table,
    summarise,
    verdict,
)
from tests.core.evaluation.making import tiny_model

METHODS = (
    variant("finer-grad-cam", gamma=0.0),
    variant("finer-grad-cam", gamma=1.0),
    *map(variant, ("random", "center-gaussian", "edges")),
)
# What each scores on average: rcap (higher is better), deletion (lower is better).
LEVELS = ((0.8, 0.2), (0.5, 0.9), (0.2, 0.6), (0.5, 0.5), (0.3, 0.4))
NUM = 40


def results(num: int = NUM) -> Results:
    plan = Plan(
        model="tiny",
        fingerprint="f",
        layer="a",
        dataset="made-up",
        num_examples=num + 1,
        classes=("a",),
        ids="0",
        methods=METHODS,
        metrics=(variant("rcap"), variant("deletion")),
        against="nearest",
        seed=0,
        limit=None,
    )
    rng = np.random.default_rng(1)
    rows = []
    for index in range(num):
        noise = rng.normal(0, 0.02, (5, 2)) + rng.normal(0, 0.2)  # hard and easy pictures
        scores = [[float(x) for x in line] for line in np.array(LEVELS) + noise]
        reasons = ()
        if index == 0:
            scores[1][0] = None
            reasons = ((1, 0, "no positive evidence"),)
        rows.append(
            Row(
                index=index,
                id=f"{index}|.png",
                label="a",
                target="a",
                references=("b", "c"),
                predicted="a",
                probability=0.9,
                scores=tuple(map(tuple, scores)),
                reasons=reasons,
            )
        )
    rows.append(Row(num, "bad.png", "a", failure="no picture"))
    return Results(plan, tuple(rows))


@pytest.fixture(scope="module")
def made() -> Results:
    return results()


# ---- what is compared ------------------------------------------------------------------------


def test_verdicts_follow_the_levels(made: Results) -> None:
    assert summarise(made).over_controls == (
        ("better", "better"),
        ("not told apart", "worse"),  # rcap: as good as one control, above the others
        ("", ""),
        ("", ""),
        ("", ""),
    )


def test_means_and_differences_are_those_of_the_columns(made: Results) -> None:
    summary = summarise(made, baseline=0)
    values = np.array(
        [[[math.nan if v is None else v for v in m] for m in r.scores] for r in made.scored]
    )
    for method in range(5):
        for metric in range(2):
            column, base = values[:, method, metric], values[:, 0, metric]
            mean = summary.means[method][metric]
            assert mean.mean == pytest.approx(np.nanmean(column))
            assert mean.count == NUM - np.isnan(column).sum()
            assert mean.low < mean.mean < mean.high
            difference = summary.differences[method][metric]
            if method == 0:
                assert difference is None
                continue
            assert difference.mean == pytest.approx(np.nanmean(column - base))
            assert difference.high - difference.low < (mean.high - mean.low) / 3  # paired


def test_without_a_baseline_there_are_no_differences(made: Results) -> None:
    summary = summarise(made)
    assert all(each is None for line in summary.differences for each in line)


def test_a_baseline_that_is_not_there_is_refused(made: Results) -> None:
    with pytest.raises(InputError, match="index of one of 5 methods"):
        summarise(made, baseline=5)


@pytest.mark.parametrize(
    ("ends", "is_higher_better", "expected"),
    [
        ([(0.1, 0.2), (0.3, 0.4)], True, "better"),
        ([(0.1, 0.2), (0.3, 0.4)], False, "worse"),
        ([(0.1, 0.2), (-0.3, 0.4)], True, "not told apart"),
        ([(0.1, 0.2), (-0.3, -0.2)], True, "worse"),
        ([(-0.2, -0.1)], False, "better"),
        ([(math.nan, math.nan), (0.1, 0.2)], True, ""),
        ([], True, ""),
    ],
)
def test_verdicts(ends, is_higher_better: bool, expected: str) -> None:
    differences = [Interval((low + high) / 2, low, high, 9) for low, high in ends]
    assert verdict(differences, is_higher_better) == expected


@pytest.mark.parametrize(("count", "expected"), [(2, ""), (3, "better")])
def test_two_pictures_are_too_few_for_a_verdict(count: int, expected: str) -> None:
    assert verdict([Interval(0.5, 0.4, 0.6, count)], is_higher_better=True) == expected


def test_one_picture_has_means_but_no_verdicts() -> None:
    made = results(num=2)
    summary = summarise(Results(made.plan, made.rows[1:2]))
    assert not math.isnan(summary.means[0][0].mean)
    assert summary.over_controls[0] == ("", "")


def test_no_scores_at_all_give_a_table_of_dashes() -> None:
    made = results(num=1)
    table = markdown_table(summarise(Results(made.plan, made.rows[1:])))
    assert "| finer-grad-cam (gamma=1) | – | – |" in table
    assert "1 more have no scores" in table


# ---- text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "is_signed", "text"),
    [
        (Interval(0.4123, 0.3907, 0.4338, 9), False, "0.412 [0.391, 0.434]"),
        (Interval(0.4, -0.1, 0.9, 9), True, "+0.400 [-0.100, +0.900]"),
        (Interval(0.4, math.nan, math.nan, 1), False, "0.400"),
        (Interval(math.nan, math.nan, math.nan, 0), False, "–"),
    ],
)
def test_intervals_as_text(interval: Interval, is_signed: bool, text: str) -> None:
    assert interval_text(interval, is_signed) == text


def test_markdown_marks_verdicts_and_controls(made: Results) -> None:
    lines = markdown_table(summarise(made, baseline=0)).splitlines()
    assert lines[0] == "| method | rcap ↑ | deletion ↓ |"
    assert lines[2].startswith("| finer-grad-cam (gamma=0) | 0.7")
    assert lines[2].count("✓") == 2
    assert "~" in lines[3]
    assert "✗" in lines[3]
    assert lines[4].startswith("| *random* (control) |")
    assert "Paired differences to finer-grad-cam (gamma=0):" in lines
    assert sum(line.startswith("| finer-grad-cam (gamma=0)") for line in lines) == 1


def test_csv_has_a_line_per_method_and_metric(made: Results) -> None:
    summary = summarise(made, baseline=0)
    lines = list(csv.DictReader(io.StringIO(csv_table(summary))))
    assert len(lines) == 10
    third = lines[2]
    assert (third["method"], third["metric"]) == ("finer-grad-cam (gamma=1)", "rcap")
    assert float(third["mean"]) == summary.means[1][0].mean
    assert float(third["difference_low"]) == summary.differences[1][0].low
    assert (third["count"], third["over_controls"]) == ("39", "not told apart")
    assert lines[0]["difference"] == ""


# ---- scores ----------------------------------------------------------------------------------


def test_scores_have_a_line_per_picture_and_method(made: Results) -> None:
    lines = list(csv.DictReader(io.StringIO(scores_csv(made))))
    assert len(lines) == NUM * 5 + 1
    first, second, last = lines[0], lines[1], lines[-1]
    assert first["id"] == "0|.png"
    assert first["references"] == "b, c"
    assert float(first["rcap"]) == made.rows[0].scores[0][0]
    assert (second["rcap"], second["reasons"]) == ("", "rcap: no positive evidence")
    assert (last["failure"], last["method"], last["rcap"]) == ("no picture", "", "")


def test_parquet_holds_the_same_as_csv(made: Results) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install pyarrow")
    table = pyarrow.read_table(io.BytesIO(scores_parquet(made))).to_pylist()
    lines = list(csv.DictReader(io.StringIO(scores_csv(made))))
    assert [
        {key: "" if value is None else str(value) for key, value in line.items()} for line in table
    ] == lines


def test_without_pyarrow_parquet_names_the_command(
    made: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pip install pyarrow"):
        scores_parquet(made)


# ---- sweeps ----------------------------------------------------------------------------------


def test_a_sweep_is_every_method_at_every_step() -> None:
    found = sweep_methods("gamma", tiny_model(), ("finer-grad-cam", "finer-layer-cam"))
    steps = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    assert [(each.name, dict(each.values)["gamma"]) for each in found] == [
        (name, step) for name in ("finer-grad-cam", "finer-layer-cam") for step in steps
    ]


def test_steps_of_p_are_those_of_the_papers_table() -> None:
    assert SWEEPS["p"].steps == (0, 15, 25, 35, 45, 55, 65, 75, 85)


@pytest.mark.parametrize("name", list(SWEEPS))
def test_sweeps_render_only_and_name_what_there_is(name: str) -> None:
    sweep = SWEEPS[name]
    assert sweep.parameter.phase == "render"
    assert set(sweep.metrics) <= set(xc.METRICS)
    for method in sweep.methods:
        assert sweep.parameter in xc.METHODS[method].parameters
    assert [sweep.parameter.check(step) for step in sweep.steps] == list(sweep.steps)


@pytest.mark.parametrize(
    ("name", "methods", "message"),
    [
        ("delta", None, "there is no sweep 'delta'"),
        ("gamma", ("grad-cam",), r"'grad-cam' has no gamma to vary; these have: \['finer-grad"),
        ("lam", None, "allows no method of the sweep 'lam': diffcam: it compares"),
    ],
)
def test_sweeps_that_cannot_be_are_refused(name, methods, message) -> None:
    with pytest.raises(InputError, match=message):
        sweep_methods(name, tiny_model(), methods)


def test_curves_have_a_point_per_step(made: Results) -> None:
    summary = summarise(made)
    assert sweep_curves(summary, "gamma") == {
        "finer-grad-cam": [(0.0, summary.means[0]), (1.0, summary.means[1])]
    }
