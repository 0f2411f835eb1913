"""The Evaluate page: from the choice of methods to the picture behind a point."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components import caching, evaluation_run
from components.evaluation_setup import PRESETS
from explain_core import METHODS, InputError
from explain_core.evaluation.estimating import Estimate
from explain_core.evaluation.plan import CONTROLS
from explain_core.evaluation.results import read_results, results_of
from explain_core.evaluation.rows import Row
from explain_core.evaluation.runner import EvaluationProgress, evaluate
from tests.ui import steps
from tests.ui.evaluation_steps import (
    WAIT_S,
    FakeJob,
    choose,
    click_point,
    kept,
    numbers,
    open_evaluate,
    start,
    table,
    tables,
    wait_for_all,
)
from tests.ui.test_models import write_list, write_weights

NUM_CONTROLS = len(CONTROLS)


@pytest.fixture(autouse=True)
def kept_in(bare_machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let evaluations be kept in a folder of this test; give it."""
    folder = tmp_path / "evaluations"
    folder.mkdir()
    monkeypatch.setenv("WHYNOT_EVALUATIONS", str(folder))
    monkeypatch.delenv("WHYNOT_DATASETS", raising=False)
    caching.evaluation_queue.clear()
    yield folder
    wait_for_all(caching.evaluation_queue())
    caching.evaluation_queue.clear()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every picture be said to take two seconds."""
    monkeypatch.setattr(caching, "estimate_of", lambda *_: Estimate(1, 1, 1, 2.0, 2.0))


@pytest.fixture
def fake(kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeJob]]:
    """Let evaluations run until the test ends them; give those that were made."""
    made: list[FakeJob] = []

    def make(plan: object, _model: object, _dataset: object, folder: Path, **_: object) -> FakeJob:
        made.append(FakeJob(folder, plan))
        return made[-1]

    monkeypatch.setattr(evaluation_run, "EvaluationJob", make)
    yield made
    for job in made:
        job.ended.set()


def look(at: AppTest, index: int) -> list[str]:
    """Return the headings of the maps of a picture."""
    message = steps.sent(click_point(at, index))
    assert message is not None
    header = steps.header_of(message)
    return [each["title"] for each in header["grid"]["columns"]]


# ---- before it starts ------------------------------------------------------------------------


def test_the_page_says_what_it_will_do_and_how_long_that_takes(quick: None) -> None:
    at = open_evaluate()
    assert steps.button(at, "Start")
    text = steps.texts(at)
    assert "random, centre, edges" in text
    assert f"20 pictures, {3 + NUM_CONTROLS} maps of each" in text
    assert "About **40 s** on this machine" in text
    assert "Kept in the operator’s folder" in text
    assert tables(at) == 0


def test_the_estimate_is_measured_beside_the_page() -> None:
    go_on, worker = threading.Event(), caching.estimating()
    worker.submit(go_on.wait, WAIT_S)
    at = choose(open_evaluate(), pictures=1, methods=["grad-cam"], metrics=["rcap"])
    assert "Measuring how long that takes here" in steps.texts(at)
    assert steps.texts(at).count(f"1 picture, {1 + NUM_CONTROLS} maps of each, 1 metric.") == 1
    go_on.set()
    worker.submit(int).result(WAIT_S)
    assert "on this machine" in steps.texts(steps.run(at))


def test_start_does_not_wait_for_the_measuring(
    fake: list[FakeJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "estimate_of", lambda *_: None)
    at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
    steps.press(at, "Start")
    assert fake[0].begun.wait(10)
    (bar,) = steps.run(at).get("progress")
    assert bar.proto.text == "Starting …"
    fake[0].progress = EvaluationProgress(1, 2, 0, share=0.5, seconds_left=130)
    (bar,) = steps.run(at).get("progress")
    assert (bar.proto.text, bar.proto.value) == ("Picture 2 of 2, about 2 min left", 75)


def test_too_low_a_count_is_answered_in_words(quick: None) -> None:
    at = choose(open_evaluate(), pictures=0, methods=["grad-cam"], metrics=["rcap"])
    assert "At least 1 picture" in steps.texts(at)
    assert f"1 picture, {1 + NUM_CONTROLS} maps of each" in steps.texts(at)
    at.number_input(key="evaluation-count-strokes").set_value(2)
    assert "Few pictures say little" in steps.texts(steps.run(at))


def test_files_can_be_taken_once_it_has_ended(
    quick: None, fake: list[FakeJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
    steps.press(at, "Start")
    assert fake[0].begun.wait(10)
    scored = Row(0, "0", "0", scores=((0.5,),) * (1 + NUM_CONTROLS))
    monkeypatch.setattr(FakeJob, "results", property(lambda job: results_of(job.plan, [scored])))
    steps.run(at)
    assert {each.proto.disabled for each in at.get("download_button")} == {True}
    assert "once it has ended or is cancelled" in steps.texts(at)
    assert "Too few pictures to compare (1): marks appear from 3 on." in steps.texts(at)
    assert "the same pictures" not in steps.texts(at)


def test_without_a_folder_of_the_operator_the_page_says_for_how_long(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHYNOT_EVALUATIONS")
    text = steps.texts(open_evaluate())
    assert "Kept until this server is stopped; take the tables along." in text
    assert "WHYNOT_EVALUATIONS" not in text


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_methods_that_can_be_chosen(name: str) -> None:
    assert set(PRESETS[name]) <= set(METHODS) - set(CONTROLS)
    assert len(set(PRESETS[name])) == len(PRESETS[name])


def test_without_a_method_the_page_says_what_to_choose(quick: None) -> None:
    at = choose(open_evaluate(), pictures=2, methods=[], metrics=[])
    assert "Choose at least one method and metric above" in steps.texts(at)


def test_a_method_that_cannot_serve_is_named_with_the_reason(quick: None) -> None:
    at = open_evaluate()
    at.selectbox(key="layer-digits").select_index(0)
    text = steps.texts(choose(at, pictures=2, methods=["diffcam", "grad-cam"], metrics=["rcap"]))
    assert "DiffCAM: left out: it compares with reference pictures" in text
    assert f"{1 + NUM_CONTROLS} maps of each" in text


def test_models_that_cannot_be_scored_are_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_weights(tmp_path / "other.safetensors", "squeezenet1_1")
    shared = (
        'architecture = "torchvision/squeezenet1_1"\nweights = "other.safetensors"\nsize = 64\n'
    )
    write_list(tmp_path, f'[untold]\n{shared}[encoder]\n{shared}output = "none"\n', monkeypatch)
    at = open_evaluate()
    at.selectbox(key="model").set_value("encoder")
    assert "has no classes" in steps.texts(steps.run(at))
    at.selectbox(key="model").set_value("untold")
    steps.run(at)
    assert "knows none of the classes" in steps.errors(at)


def test_an_operators_set_without_truth_leaves_those_metrics_out(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = steps.APP.parent / "assets" / "samples" / "digits"
    for name, digit in (("five.png", "5"), ("nine.png", "9")):
        (tmp_path / "own" / digit).mkdir(parents=True)
        (tmp_path / "own" / digit / name).write_bytes((samples / name).read_bytes())
    list_file = tmp_path / "sets.toml"
    list_file.write_text('[ours]\nsource = "images:own"\ntitle = "Our digits"\n')
    monkeypatch.setenv("WHYNOT_DATASETS", str(list_file))
    at = open_evaluate()
    steps.keyed(at.selectbox, "evaluation-data").set_value("ours")
    steps.run(at)
    assert at.number_input(key="evaluation-count-ours").value == 2
    steps.keyed(at.multiselect, "evaluation-metrics").set_value(["rcap", "auprc"])
    assert "AUPRC: left out: it needs masks or boxes" in steps.texts(steps.run(at))


def test_a_broken_list_of_sets_leaves_the_bundled_ones(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYNOT_DATASETS", "nowhere.toml")
    at = open_evaluate()
    assert "which is no file" in steps.errors(at)
    assert steps.button(at, "Start")


# ---- while it runs ---------------------------------------------------------------------------


def test_it_can_be_cancelled_and_gone_on_with(quick: None, fake: list[FakeJob]) -> None:
    at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
    steps.press(at, "Start")
    assert fake[0].begun.wait(10)
    assert [each.label for each in at.button if each.label in ("Start", "Cancel")] == ["Cancel"]
    steps.press(at, "Cancel")
    assert fake[0].state == "cancelled"
    wait_for_all(caching.evaluation_queue())
    steps.press(steps.run(at), "Start")
    assert len(fake) == 2


def test_another_session_sees_what_runs_and_starts_it_no_second_time(
    quick: None, fake: list[FakeJob]
) -> None:
    for _ in range(2):
        at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
        if not fake:
            steps.press(at, "Start")
    assert steps.button(at, "Cancel")
    assert len(fake) == 1
    fake[0].end("finished")


def test_one_runs_at_a_time_and_the_page_says_so(
    quick: None, fake: list[FakeJob], tmp_path: Path
) -> None:
    first = FakeJob(tmp_path / "first")
    caching.evaluation_queue().submit(first)  # type: ignore[arg-type]  # stands in for one
    assert first.begun.wait(10)
    at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
    steps.press(at, "Start")
    (bar,) = at.get("progress")
    assert "waiting: one evaluation is before this one" in bar.proto.text
    assert not fake[0].begun.is_set()
    first.end("finished")
    assert fake[0].begun.wait(10)
    fake[0].end("finished")


def test_what_failed_is_said_in_words(quick: None, fake: list[FakeJob]) -> None:
    at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
    steps.press(at, "Start")
    assert fake[0].begun.wait(10)
    fake[0].failure = "the disk is full; make room"
    fake[0].end("failed")
    wait_for_all(caching.evaluation_queue())
    assert "The disk is full; make room." in steps.errors(steps.run(at))
    assert steps.button(at, "Start")


def test_after_a_reload_the_settings_can_be_taken_again(quick: None, fake: list[FakeJob]) -> None:
    at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
    at.number_input(key="evaluation-seed").set_value(7)
    steps.press(steps.run(at), "Start")
    other = open_evaluate()
    assert steps.button(other, "Start")
    (menu,) = caching.evaluation_queue().remembered
    assert "digits on" in menu
    other.menu_button(key="evaluation-earlier").click(menu)
    assert steps.button(steps.run(other), "Cancel")
    assert not other.warning
    assert len(fake) == 1


# ---- what it found ---------------------------------------------------------------------------


def test_from_start_to_the_picture_behind_a_point(quick: None, kept_in: Path) -> None:
    at = choose(
        open_evaluate(),
        pictures=3,
        methods=["grad-cam", "diffcam"],
        metrics=["rcap", "energy-inside"],
    )
    start(at)
    assert "All 3 pictures are done" in steps.texts(at)
    results = kept(kept_in)
    head, *rows = table(at)
    assert head == ["Method", "RCAP\N{NO-BREAK SPACE}↑", "Energy inside\N{NO-BREAK SPACE}↑"]
    assert [row[0] for row in rows] == ["Grad-CAM", "DiffCAM", "random", "centre", "edges"]
    assert not any(each.proto.disabled for each in at.get("download_button"))
    means = results.values.mean(axis=0)
    for place, row in enumerate(rows):
        assert [numbers(cell)[0] for cell in row[1:]] == pytest.approx(means[place], abs=5e-4)

    at.selectbox(key=f"evaluation-baseline-{results.plan.digest[:16]}").set_value(1)
    steps.run(at)
    rows = table(at, "evaluation-differences")
    assert len(rows) == len(results.plan.methods)
    difference = (results.values[:, 0] - results.values[:, 1]).mean(axis=0)
    assert [numbers(cell)[0] for cell in rows[1][1:]] == pytest.approx(difference, abs=5e-4)

    assert look(at, results.rows[2].index) == ["Grad-CAM", "DiffCAM"]
    row = results.rows[2]
    text = steps.texts(at)
    assert f"why {row.label} and not {row.references[0]}?" in text
    assert f"the evidence for {row.label} rather than {row.references[0]}" in text

    other = choose(
        open_evaluate(),
        pictures=3,
        methods=["grad-cam", "diffcam"],
        metrics=["rcap", "energy-inside"],
    )
    assert table(other) == table(at)


def test_what_an_ended_run_left_is_gone_on_with(
    quick: None, kept_in: Path, monkeypatch: pytest.MonkeyPatch, fake: list[FakeJob]
) -> None:
    at = choose(open_evaluate(), pictures=3, methods=["grad-cam"], metrics=["rcap"])
    steps.press(at, "Start")
    wanted = fake[0]
    wanted.end("cancelled")
    wait_for_all(caching.evaluation_queue())

    def stop(now: object) -> None:
        if getattr(now, "done", 0) == 1:
            raise InputError("enough")

    model = caching.model_named("digits")
    dataset = caching.dataset_of("strokes/3/0")
    with pytest.raises(InputError, match="enough"):
        evaluate(wanted.plan, model, dataset, wanted.folder, progress=stop)
    monkeypatch.undo()
    monkeypatch.setenv("WHYNOT_EVALUATIONS", str(kept_in))
    steps.run(at)
    assert "1 of 3 pictures are scored, and kept" in steps.texts(at)
    start(at, "Go on")
    assert "All 3 pictures are done" in steps.texts(at)
    assert read_results(wanted.folder).is_complete


def test_pictures_that_filters_leave_out_are_listed(quick: None) -> None:
    at = choose(open_evaluate(), pictures=2, methods=["grad-cam"], metrics=["rcap"])
    at.slider(key="evaluation-least-probability").set_value(100)
    start(steps.run(at))
    assert "None of the 2 pictures so far has scores" in steps.texts(at)
    (listed,) = [each.value for each in at.dataframe]
    assert listed["Why"].str.startswith("left out: the model gives its class").all()


def test_a_sweep_scores_every_value_and_draws_curves(quick: None, kept_in: Path) -> None:
    at = open_evaluate()
    at.button_group(key="evaluation-kind").set_value("sweep")
    steps.run(at)
    at.number_input(key="evaluation-count-strokes").set_value(2)
    at.multiselect(key="evaluation-methods-gamma").set_value(["finer-grad-cam"])
    steps.keyed(at.multiselect, "evaluation-metrics").set_value(["energy-inside"])
    start(steps.run(at))
    names = [row[0] for row in table(at)[1:]]
    assert names[0] == "Finer-CAM (Grad-CAM), γ = 0"
    assert names[-NUM_CONTROLS - 1] == "Finer-CAM (Grad-CAM), γ = 2"
    values = kept(kept_in).values
    assert np.isfinite(values).all()
    assert any(each.proto.id.endswith("curves-0") for each in at.get("plotly_chart"))
