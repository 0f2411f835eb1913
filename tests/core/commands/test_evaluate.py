"""The command `evaluate` from its arguments to its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from explain_core.__main__ import main
from explain_core.commands import evaluate as command
from explain_core.commands.evaluate import parse_variant, progress_text
from explain_core.datasets.strokes import draw_digit
from explain_core.errors import InputError
from explain_core.evaluation.plan import CONTROLS, variant
from explain_core.evaluation.results import read_results
from explain_core.evaluation.runner import EvaluationProgress
from explain_core.methods.table import METHODS

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(0)
    for digit in (3, 8):
        (root / str(digit)).mkdir()
        PIL.Image.fromarray(draw_digit(digit, rng, 28)).save(root / str(digit) / "0.png")
    (root / "8" / "bad.png").write_bytes(b"no picture")
    return root


def run(images: Path, out: Path, *more: str) -> int:
    given = ["evaluate", "--model", "digits", "--data", f"images:{images}", "--out", str(out)]
    return main([*given, *more])


METHODS_GIVEN = ("--methods", "grad-cam", "finer-grad-cam:gamma=1.2,aggregation=average after ReLU")
METRICS_GIVEN = ("--metrics", "rcap", "relative-drop:share=0.1")


def test_evaluates_and_prints_the_table(images: Path, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "out"
    assert run(images, out, *METHODS_GIVEN, *METRICS_GIVEN, "--baseline", "grad-cam") == 0
    printed = capsys.readouterr()
    assert "| method | rcap ↑ | relative-drop (share=0.1) ↑ |" in printed.out
    assert "Paired differences to grad-cam:" in printed.out
    assert f"{out}: 2 pictures scored" in printed.out
    assert "8/bad.png: " in printed.out
    assert "3 pictures, 5 methods, 2 metrics: about" in printed.err
    assert "3 of 3 pictures (100%), 1 without scores" in printed.err
    plan = read_results(out).plan
    assert plan.methods == (
        variant("grad-cam"),
        variant("finer-grad-cam", gamma=1.2, aggregation="average after ReLU"),
        *map(variant, CONTROLS),
    )
    # The same command again does nothing again.
    assert run(images, out, *METHODS_GIVEN, *METRICS_GIVEN) == 0
    assert "0 pictures (3 are done)" in capsys.readouterr().err


def test_a_sweep_takes_the_papers_methods_and_metrics(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = []
    monkeypatch.setattr(command, "_tell_estimate", lambda plan, model, out: planned.append(plan))
    monkeypatch.setattr(command, "run_plan", stopped)
    assert run(images, tmp_path, "--sweep", "lam", "--limit", "2") == 130
    (plan,) = planned
    assert {each.name for each in plan.methods} == {"diffcam", *CONTROLS}
    assert len(plan.methods) == 9 + 3
    assert [each.name for each in plan.metrics] == ["deletion"]  # this set knows no truth
    assert plan.limit == 2


def test_all_methods_are_those_that_the_model_allows(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    planned = []
    monkeypatch.setattr(command, "_tell_estimate", lambda plan, model, out: planned.append(plan))
    monkeypatch.setattr(command, "run_plan", stopped)
    assert run(images, tmp_path, "--methods", "all", "--metrics", "all") == 130
    (plan,) = planned
    assert {each.name for each in plan.methods} == set(METHODS)
    assert "rcap" in {each.name for each in plan.metrics}
    assert "left out: auprc: it needs masks or boxes" in capsys.readouterr().err


def stopped(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "name --methods, or 'all'"),
        (("--methods", "grad"), "there is no method 'grad'"),
        (("--methods", "grad-cam:gamma=1"), "method 'grad-cam' has no parameter 'gamma'"),
        (("--methods", "rise:num_masks=many"), "num_masks must be a number (got 'many')"),
        (("--methods", "rise:num_masks"), "NAME:name=value"),
        (("--methods", "grad-cam", "--metrics", "score"), "there is no metric 'score'"),
        (("--methods", "grad-cam", "--metrics", "auprc"), "needs masks or boxes"),
        (("--methods", "grad-cam", "--baseline", "rise"), "--baseline must be one of ['grad-cam'"),
        (("--methods", "grad-cam", "--limit", "0"), "limit must be at least 1"),
        (("--sweep", "gamma", "--methods", "grad-cam"), "has no gamma to vary"),
    ],
)
def test_what_does_not_fit_exits_with_2(
    images: Path, tmp_path: Path, capsys: Output, more: tuple[str, ...], message: str
) -> None:
    assert run(images, tmp_path / "out", *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_needs_a_model_named(images: Path, tmp_path: Path, capsys: Output) -> None:
    given = ["--data", f"images:{images}", "--out", str(tmp_path), *METHODS_GIVEN]
    assert main(["evaluate", *given]) == 2
    assert "name the --model that is to look at" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smooth-grad", variant("smooth-grad")),
        ("smooth-grad:num_samples=7,spread=0.2", variant("smooth-grad", num_samples=7, spread=0.2)),
        ("smooth-grad:processing=GA", variant("smooth-grad", processing="GA")),
        ("finer-grad-cam:reverse=yes", variant("finer-grad-cam", reverse=True)),
        ("finer-grad-cam:reverse=false", variant("finer-grad-cam", reverse=False)),
    ],
)
def test_values_have_the_parameters_type(text: str, expected) -> None:
    parameters = METHODS[text.partition(":")[0]].parameters
    found = parse_variant(text, parameters, "method")
    assert found == expected
    assert [type(value) for _, value in found.values] == [
        type(value) for _, value in expected.values
    ]


def test_a_switch_takes_yes_or_no_only() -> None:
    with pytest.raises(InputError, match="reverse must be True or False"):
        parse_variant("finer-grad-cam:reverse=up", METHODS["finer-grad-cam"].parameters, "method")


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (EvaluationProgress(0, 1200, 0), "0 of 1,200 pictures (0%)"),
        (
            EvaluationProgress(300, 1200, 2, 0.5, 125.0),
            "300 of 1,200 pictures (25%), 2 min 05 s left, 2 without scores",
        ),
        (EvaluationProgress(2, 2, 0, 0.0, 0.0), "2 of 2 pictures (100%)"),
    ],
)
def test_progress_is_one_line(now: EvaluationProgress, text: str) -> None:
    assert progress_text(now) == text
