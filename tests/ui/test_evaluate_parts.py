"""The Evaluate page's parts: the row of jobs, the operator's list, the outline, the table."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import explain_core as xc
from components import evaluation_table
from components.evaluation_marks import best_methods, is_all_but_zero
from components.evaluation_pictures import _telling
from components.evaluation_queue import EvaluationQueue
from components.evaluation_sets import bundled_sets, operators_sets
from components.evaluation_table import show_differences, show_means
from components.evaluation_truth import enlarged, grown, outlined
from components.evaluation_words import number
from explain_core import InputError
from explain_core.evaluation.plan import CONTROLS, Plan, Variant
from explain_core.evaluation.results import Results
from explain_core.evaluation.rows import Row
from explain_core.evaluation.sources import open_dataset
from explain_core.evaluation.tables import summarise
from explain_core.images.reading import image_from_pixels
from explain_core.truth import Truth
from tests.ui.evaluation_steps import Cells, FakeJob, wait_for_all

# ---- the row of jobs -------------------------------------------------------------------------


def queued(*names: str) -> tuple[EvaluationQueue, list[Any]]:
    queue, jobs = EvaluationQueue(), [FakeJob(Path(name)) for name in names]
    for job in jobs:
        queue.submit(job)  # type: ignore[arg-type]  # stands in for one
    return queue, jobs


def test_jobs_run_one_after_the_other_in_the_order_asked_for() -> None:
    queue, (first, second, third) = queued("a", "b", "c")
    assert first.begun.wait(10)
    assert [queue.look(job.folder).standing for job in (first, second, third)] == [
        "running",
        "waiting",
        "waiting",
    ]
    assert [queue.look(job.folder).num_before for job in (second, third)] == [1, 2]
    assert not second.begun.is_set()
    first.end("finished")
    assert second.begun.wait(10)
    assert not third.begun.is_set()
    second.end("finished")
    third.end("finished")
    wait_for_all(queue)
    assert queue.look(first.folder).standing == "finished"


def test_one_that_waits_leaves_the_row_when_it_is_cancelled() -> None:
    queue, (first, second) = queued("a", "b")
    assert first.begun.wait(10)
    queue.cancel(second.folder)
    assert queue.look(second.folder).standing == "none"
    queue.cancel(first.folder)
    wait_for_all(queue)
    assert queue.look(first.folder).standing == "cancelled"
    assert not second.begun.is_set()


def test_a_job_of_the_same_folder_joins_the_one_that_runs() -> None:
    queue, (first, again) = queued("a", "a")
    assert queue.job(Path("a")) is first
    first.end("finished")
    wait_for_all(queue)
    assert not again.begun.is_set()
    queue.submit(again)
    assert again.begun.wait(10)
    again.end("finished")


def test_what_cannot_start_has_failed_and_the_next_one_runs() -> None:
    queue = EvaluationQueue()
    broken: Any = FakeJob(Path("a"))
    broken.refusal = InputError("the folder is broken")
    sound: Any = FakeJob(Path("b"))
    queue.submit(broken)
    queue.submit(sound)
    assert sound.begun.wait(10)
    look = queue.look(broken.folder)
    assert (look.standing, look.failure) == ("failed", "the folder is broken")
    sound.end("finished")


def test_a_fault_of_ours_surfaces_once() -> None:
    class Faulty(FakeJob):
        @property
        def state(self) -> str:
            raise ZeroDivisionError("ours")

        @state.setter
        def state(self, _value: str) -> None: ...

    queue, job = EvaluationQueue(), Faulty(Path("a"))
    queue.submit(job)  # type: ignore[arg-type]  # stands in for one
    job.ended.set()
    wait_for_all(queue)
    with pytest.raises(ZeroDivisionError, match="ours"):
        queue.look(job.folder)
    assert queue.look(job.folder).standing == "none"


# ---- the operator's list ---------------------------------------------------------------------


def listed(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "sets.toml"
    path.write_text(text, encoding="utf-8")
    return dict(operators_sets(path))


def test_the_operators_folders_start_at_the_list(tmp_path: Path) -> None:
    sets = listed(tmp_path, '[a]\nsource = "cub/train:birds"\n[b]\nsource = "isic:/x"\ntitle = "B"')
    assert sets["a"].source == f"cub/train:{tmp_path / 'birds'}"
    assert (sets["a"].title, sets["b"].title) == ("a", "B")
    assert sets["b"].source == "isic:/x"
    assert not sets["a"].is_generated


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "sets.toml is not valid TOML"),
        ('[strokes]\nsource = "cub:x"', "the name of a bundled set"),
        ('[a]\ntitle = "A"', 'give source = "KIND:FOLDER"'),
        ("a = 3", 'give source = "KIND:FOLDER"'),
        ('[a]\nsource = "cub:x"\ncolour = "red"', 'give source = "KIND:FOLDER"'),
        ("[a]\nsource = 3", "must be texts"),
        ('[a]\nsource = "zoo:x"', "with one of the kinds"),
        ('[a]\nsource = "birds"', "with one of the kinds"),
        ('[a]\nsource = "cub:"', "with one of the kinds"),
    ],
)
def test_a_wrong_list_is_refused_with_what_to_write(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        listed(tmp_path, text)


def test_a_list_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYNOT_DATASETS", "nowhere.toml")
    with pytest.raises(InputError, match=r"WHYNOT_DATASETS names 'nowhere.toml', which is no file"):
        operators_sets()


def test_every_bundled_set_opens() -> None:
    assert {"strokes", "birds", "films"} <= set(bundled_sets())
    for each in bundled_sets().values():
        assert open_dataset(each.source, num=2).truths


# ---- the outline -----------------------------------------------------------------------------


def test_growing_is_dilation_by_a_square() -> None:
    area = np.random.default_rng(0).random((17, 23)) > 0.95
    expected = ndimage.binary_dilation(area, np.ones((5, 5), bool))
    np.testing.assert_array_equal(grown(area, 2), expected)


def test_the_outline_lies_around_the_evidence_and_leaves_it_bare() -> None:
    pixels = np.full((300, 400), 90, np.uint8)
    mask = np.zeros((300, 400), bool)
    mask[100:150, 200:260] = True
    shown, factor = outlined(image_from_pixels(pixels), Truth(mask))
    assert factor == 1
    assert (shown.pixels[mask] == 90).all()
    changed = (shown.pixels != 90).any(axis=-1)
    assert changed[99, 200:260].all()
    assert not changed[:90].any()
    white = (shown.pixels == 255).all(axis=-1)
    assert white[99, 230]
    assert (shown.pixels[97, 230] == 0).all()


def test_a_small_picture_is_enlarged_and_its_map_stays_in_place() -> None:
    model = xc.load_model("digits")
    image = image_from_pixels(np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8))
    truth = Truth(np.eye(30, 40, dtype=bool))
    shown, factor = outlined(image, truth)
    assert shown.size == (30 * factor, 40 * factor)
    basis = xc.prepare(model, image, method="grad-cam", target=3)
    geometry = enlarged(basis, factor).geometry
    before, after = basis.geometry.seen_box(), geometry.seen_box()
    assert after == pytest.approx([factor * side for side in before])
    assert geometry.original_size == shown.size


# ---- the table -------------------------------------------------------------------------------


def results(scores: np.ndarray, methods: tuple[str, ...], metrics: tuple[str, ...]) -> Results:
    plan = Plan(
        *("m", "f", "layer", "d", len(scores), ("0", "1"), "ids"),
        methods=tuple(Variant(name) for name in (*methods, *CONTROLS)),
        metrics=tuple(Variant(name) for name in metrics),
        against="similar",
        seed=0,
        limit=None,
    )
    rows = [
        Row(index, str(index), "0", scores=tuple(tuple(map(float, line)) for line in each))
        for index, each in enumerate(scores)
    ]
    return Results(plan, tuple(rows))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Give the rows of the tables that are shown, by key."""
    tables: dict[str, list[list[str]]] = {}

    def show(*, key: str, data: str) -> None:
        cells = Cells()
        cells.feed(data)
        tables[key] = cells.rows

    monkeypatch.setattr(evaluation_table, "_table", show)
    return tables


@pytest.mark.parametrize(
    ("value", "is_signed", "text"),
    [
        (0.41234, False, "0.412"),
        (-0.03, True, "−0.030"),
        (0.03, True, "+0.030"),
        (0.0, False, "0.000"),
        (0.00004, False, "4e−05"),
        (math.nan, True, "–"),
    ],
)
def test_numbers_as_people_read_them(value: float, is_signed: bool, text: str) -> None:
    assert number(value, is_signed=is_signed) == text


def test_words_say_what_beats_the_controls(shown: dict[str, list[list[str]]]) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (12, 6, 2))
    level = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], *[[0.5, 0.5]] * 3])
    found = results(level + noise, ("grad-cam", "layer-cam", "diffcam"), ("rcap", "deletion"))
    show_means(summarise(found), best_methods(found))
    head, first, second, third, *controls = shown["evaluation-means"]
    assert head == ["Method", "RCAP\N{NO-BREAK SPACE}↑", "Deletion AUC\N{NO-BREAK SPACE}↓"]
    assert [cell.split("|")[2:] for cell in first[1:]] == [["best"], ["best"]]
    assert [cell.split("|")[2:] for cell in second[1:]] == [["like a control"]] * 2
    assert [cell.split("|")[2:] for cell in third[1:]] == [["beaten by a control"]] * 2
    assert all(len(cell.split("|")) == 2 for row in controls for cell in row[1:])


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_pictures_mark_nothing(count: int, shown: dict[str, list[list[str]]]) -> None:
    level = np.array([[0.9], [0.1], *[[0.5]] * 3]) + np.zeros((count, 5, 1))
    found = results(level, ("grad-cam", "layer-cam"), ("rcap",))
    show_means(summarise(found), best_methods(found))
    show_differences(summarise(found, 0))
    rows = [row for rows in shown.values() for row in rows[1:]]
    marks = {"best", "like a control", "beaten by a control", "▲ better", "▼ worse"}
    assert not marks & {part for row in rows for cell in row for part in cell.split("|")}


def test_the_best_is_ahead_of_all_others_and_is_seen_to_be() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (8, 1, 1))
    ahead = np.array([[0.9, 0.1], [0.5, 0.5], *[[0.4, 0.6]] * 3]) + noise
    names = ("grad-cam", "layer-cam"), ("rcap", "deletion")
    assert best_methods(results(ahead, *names)) == (0, 0)
    tied = ahead.copy()
    tied[:, 1] = tied[:, 0] + [-1e-5, 1e-5]
    assert best_methods(results(tied, *names)) == (None, None)
    apart = np.random.default_rng(2).normal(0.5, 0.2, (8, 5, 2))
    apart[:, 0] += [0.02, -0.02]
    assert best_methods(results(apart, *names)) == (None, None)
    undefined = ahead.copy()
    undefined[:, 1] = math.nan
    assert best_methods(results(undefined, *names)) == (0, 0)


def test_a_metric_that_tells_nothing_is_known_and_not_shown_first() -> None:
    scores = np.random.default_rng(0).random((4, 4, 3)) * [1e-11, 1, 1]
    found = results(scores, ("grad-cam",), ("rcap", "deletion", "insertion"))
    assert is_all_but_zero(found, "rcap")
    assert not is_all_but_zero(found, "deletion")
    assert not is_all_but_zero(found, "auprc")
    assert _telling(found) == [1, 2]


def test_differences_tell_better_from_worse_where_less_is_better(
    shown: dict[str, list[list[str]]],
) -> None:
    scores = np.zeros((5, 5, 2)) + np.arange(5)[:, None, None] / 100
    scores[:, 0] -= 0.2
    show_differences(summarise(results(scores, ("grad-cam", "diffcam"), ("rcap", "deletion")), 1))
    _, first, *others = shown["evaluation-differences"]
    assert [cell.split("|")[0] for cell in first[1:]] == ["−0.200", "−0.200"]
    assert [cell.split("|")[2] for cell in first[1:]] == ["▼ worse", "▲ better"]
    assert [cell.split("|")[2] for cell in others[0][1:]] == ["not told apart"] * 2
    assert len(others) == len(CONTROLS)


def test_undefined_numbers_are_dashes_and_names_are_escaped(
    shown: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = results(np.full((2, 4, 1), math.nan), ("grad-cam",), ("rcap",))
    method = replace(xc.METHODS["grad-cam"], title="<b>CAM</b>")
    monkeypatch.setattr(
        "components.evaluation_words.METHODS", dict(xc.METHODS) | {"grad-cam": method}
    )
    show_means(summarise(found), best_methods(found))
    assert shown["evaluation-means"][1] == ["<b>CAM</b>", "–"]
