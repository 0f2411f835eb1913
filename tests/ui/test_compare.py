"""The Explain page's comparing views: classes in rows, and one picture under two models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components import caching, question_picker
from components.compare import MAX_CELLS
from components.compare_models import same_class, told
from components.method_picker import PRESETS
from explain_core import METHODS, NumericsError
from explain_core.methods import perturbation
from explain_core.methods.cost import Pace
from tests.ui import steps
from tests.ui.reference_steps import Counted
from tests.ui.test_models import write_list, write_weights

FIRST = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
NUM_SAMPLES = 20


def show(at: AppTest, view: str) -> AppTest:
    steps.keyed(at.button_group, "show-as").set_value(view)
    return steps.run(at)


def rows(at: AppTest) -> Any:
    return steps.keyed(at.multiselect, "rows-")


def header(at: AppTest) -> dict[str, Any]:
    message = steps.sent(at)
    assert message is not None
    return steps.header_of(message)


def cells(at: AppTest) -> dict[tuple[int, int], dict[str, Any]]:
    """Return what the viewer was sent of each cell, by row and column."""
    return {(each["row"], each["column"]): each for each in header(at)["panels"]}


def titles(at: AppTest, part: str) -> list[str]:
    return [each["title"] for each in header(at)["grid"][part]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every pass be said to take no time."""
    monkeypatch.setattr(caching, "pace_of", lambda *_: Pace(0.0, 0.0))


# ---- classes and methods -------------------------------------------------------------------


def test_the_page_starts_with_maps_not_with_a_grid(at: AppTest) -> None:
    assert header(at)["grid"] is None


def test_the_first_grid_has_the_target_and_its_references(quick: None, at: AppTest) -> None:
    show(at, "classes")
    target, references = steps.target(at).value, steps.references(at).value
    assert titles(at, "rows") == [str(index) for index in [target, *references]]
    assert titles(at, "columns") == [METHODS[name].title for name in FIRST]
    assert set(cells(at)) == {(y, x) for y in range(4) for x in range(4)}
    assert not at.error


def test_each_class_is_compared_with_the_others(quick: None, at: AppTest) -> None:
    steps.choose_methods(show(at, "classes"), "finer-grad-cam")
    steps.references(at).set_value([8, 0])
    steps.run(at)
    subtitles = [each["subtitle"] for each in cells(at).values()]
    assert subtitles == ["3 against 8, 0", "8 against 3, 0", "0 against 3, 8"]


def test_a_class_that_was_not_asked_about_is_compared_with_all_that_were(
    quick: None, at: AppTest
) -> None:
    steps.choose_methods(show(at, "classes"), "finer-grad-cam")
    steps.references(at).set_value([8, 0])
    steps.run(at)
    rows(at).set_value([1, 3])
    subtitles = [each["subtitle"] for each in cells(steps.run(at)).values()]
    assert subtitles == ["1 against 3, 8, 0", "3 against 8, 0"]


def test_the_targets_row_shows_the_same_maps_as_before(quick: None, at: AppTest) -> None:
    """The panels' arrays, read from both messages."""
    before = [panel.data for panel in steps.shown_panels(at).values()]
    show(at, "classes")
    assert [panel.data for panel in steps.shown_panels(at).values()][: len(before)] == before


def test_diffcam_has_reference_pictures_of_each_class(quick: None, at: AppTest) -> None:
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([8])
    steps.run(at)
    steps.choose_methods(show(at, "classes"), "diffcam")
    assert [each["subtitle"] for each in cells(at).values()] == [
        "3 against 8 (500 pictures)",
        "8 against 3 (500 pictures)",
    ]


@pytest.mark.parametrize("kind", ["what varies", "how unlike"])
def test_questions_without_reference_classes_have_rows_too(
    quick: None, at: AppTest, kind: str
) -> None:
    at.button_group(key="question-4").set_value(kind)
    show(steps.run(at), "classes")
    assert titles(at, "rows")[0] == "3"
    assert len(titles(at, "rows")) == 4
    assert not at.error


def test_gammas_are_columns_that_no_slider_moves(quick: None, at: AppTest) -> None:
    steps.choose_methods(show(at, "classes"), "finer-grad-cam", "grad-cam")
    at.button_group(key="gammas").set_value([1.5, 0.0])
    steps.run(at)
    notes = [each["note"] for each in header(at)["grid"]["columns"]]
    assert notes == ["γ = 0", "γ = 1.5", "no comparison"]
    assert [cells(at)[0, x]["fixed"] for x in range(3)] == [{"gamma": 0.0}, {"gamma": 1.5}, {}]


def test_cells_of_one_map_share_its_bytes(quick: None, at: AppTest) -> None:
    steps.choose_methods(show(at, "classes"), "finer-layer-cam", "grad-cam")
    before = len(steps.sent(at) or b"")
    at.button_group(key="gammas").set_value([0.0, 0.3, 0.6, 1.0])
    steps.run(at)
    assert len(cells(at)) == 4 * 5
    assert len(steps.sent(at) or b"") < 1.3 * before
    activations = {
        each["fields"]["activations"]
        for each in cells(at).values()
        if "activations" in each["fields"]
    }
    assert len(activations) == 1


def test_too_many_cells_are_told_and_not_computed(
    quick: None, at: AppTest, counted: Counted
) -> None:
    show(at, "classes")
    counted.num = 0
    rows(at).set_value(list(range(10)))
    steps.run(at)
    assert f"These are 40 maps, and a grid shows {MAX_CELLS} at most" in steps.texts(at)
    assert steps.sent(at) is None
    assert counted.num == 0


def test_without_a_class_it_says_what_to_do(quick: None, at: AppTest) -> None:
    show(at, "classes")
    rows(at).set_value([])
    assert "Choose at least one class" in steps.texts(steps.run(at))


def test_a_setting_told_by_the_viewer_sends_the_same_message(quick: None, at: AppTest) -> None:
    show(at, "classes")
    before = steps.sent(at)
    at.session_state["compare-classes"] = {"settings": {"values": {"gamma": 1.4}}}
    assert steps.sent(steps.run(at)) == before


# ---- passes --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_memory", "quick")
def test_a_grid_of_the_cam_family_costs_one_pass(at: AppTest, counted: Counted) -> None:
    show(steps.choose_methods(at, "edges"), "classes")
    rows(at).set_value([3, 0, 1, 2])
    steps.run(at)
    counted.num = 0
    steps.choose_methods(at, "grad-cam", "finer-grad-cam", "layer-cam", "diffcam", "xgrad-cam")
    assert len(cells(at)) == 4 * 5
    assert counted.num == 1


@pytest.mark.usefixtures("no_memory", "quick")
def test_the_noise_family_costs_one_batch_per_class(at: AppTest, counted: Counted) -> None:
    show(steps.choose_methods(at, "edges"), "classes")
    counted.num = 0
    steps.choose_methods(at, "smooth-grad", "var-grad", "absolute-grad")
    assert counted.num == 3 * NUM_SAMPLES  # the target's own batch served the first maps


@pytest.mark.usefixtures("no_memory", "quick")
def test_what_maps_has_computed_the_grid_does_not(at: AppTest, counted: Counted) -> None:
    counted.num = 0
    show(at, "classes")
    assert counted.num == 3 * NUM_SAMPLES


def test_a_row_without_pictures_to_compare_with_is_told(
    quick: None, monkeypatch: pytest.MonkeyPatch, at: AppTest
) -> None:
    real = question_picker._reference_set

    def forgetful(*asked: Any) -> object:
        return None if asked[3] == 8 else real(*asked)

    monkeypatch.setattr(question_picker, "_reference_set", forgetful)
    show(steps.choose_methods(at, "diffcam", "grad-cam"), "classes")
    assert "DiffCAM: no map of 8" in steps.texts(at)
    assert not at.error
    assert len([each for each in cells(at).values() if each["method"] == "diffcam"]) == 3


# ---- slow methods and failures -------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    monkeypatch.setattr(caching, "pace_of", lambda *_: Pace(0.0, 0.03))


def buttons(at: AppTest) -> list[str]:
    return [each.label for each in at.button if each.label.startswith(("Start", "Cancel"))]


def test_slow_methods_of_a_grid_have_one_offer_and_one_estimate(slow: None, at: AppTest) -> None:
    steps.choose_methods(at, "grad-cam", "rise", "smooth-grad", "var-grad")
    at.number_input(key="parameter-num_samples").set_value(40)
    show(steps.run(at), "classes")
    assert buttons(at) == ["Start SmoothGrad, VarGrad, RISE"]
    # the target's noisy batch is there already
    assert f"RISE: at most {3 * 40 + 4 * 2000:,} passes, about 4 min" in steps.texts(at)
    assert len(cells(at)) == 4 + 2


def test_an_offered_grid_runs_on_demand(slow: None, at: AppTest, counted: Counted) -> None:
    steps.choose_methods(at, "grad-cam", "rise")
    at.number_input(key="parameter-num_masks").set_value(200)
    show(steps.run(at), "classes")
    assert "RISE: at most 800 passes, about 25 s" in steps.texts(at)
    assert {each["method"] for each in cells(at).values()} == {"grad-cam"}
    counted.num = 0
    steps.press(at, "Start RISE")
    assert len(cells(at)) == 4 * 2
    assert counted.num == 4 * 200
    assert not buttons(at)


def test_the_offer_leaves_out_what_is_there(slow: None, at: AppTest) -> None:
    steps.choose_methods(at, "grad-cam", "rise")
    at.number_input(key="parameter-num_masks").set_value(200)
    steps.press(steps.run(at), "Start RISE")
    show(at, "classes")
    assert "RISE: at most 600 passes, about 20 s" in steps.texts(at)


def test_a_method_that_fails_is_told_and_the_others_are_shown(
    quick: None, no_memory: None, monkeypatch: pytest.MonkeyPatch, at: AppTest
) -> None:
    def fail(*_args: object, **_values: object) -> None:
        raise NumericsError("the masks overflowed")

    monkeypatch.setattr(perturbation, "draw_masks", fail)
    steps.choose_methods(show(at, "classes"), "grad-cam", "rise", "layer-cam")
    assert "The masks overflowed" in steps.errors(at)
    assert {each["method"] for each in cells(at).values()} == {"grad-cam", "layer-cam"}
    assert len(cells(at)) == 4 * 2


# ---- presets -------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_takes_the_place_of_what_was_chosen(slow: None, at: AppTest, preset: str) -> None:
    at.menu_button(key="presets").click(preset)
    steps.run(at)
    assert at.multiselect(key="methods-bank").value == list(PRESETS[preset])
    assert not at.error


def test_the_contrastive_three_are_those_of_the_three_papers() -> None:
    assert PRESETS["Contrastive three"] == ("diffcam", "finer-grad-cam", "guided-absolute-grad")
    papers = {METHODS[name].paper for name in PRESETS["Contrastive three"]}
    assert len(papers) == 3


def test_the_papers_baselines_are_none_of_the_contrastive_methods() -> None:
    baselines = PRESETS["The papers’ baselines"]
    assert not {name for name in baselines if name.startswith("finer")} | (
        set(baselines) & set(PRESETS["Contrastive three"])
    )
    assert len(set(baselines)) == len(baselines) == 14


# ---- two models ----------------------------------------------------------------------------


def second(at: AppTest, name: str) -> AppTest:
    show(at, "models")
    steps.keyed(at.selectbox, "second-model").set_value(name)
    return steps.run(at)


@pytest.fixture
def pair(quick: None, other_model: str) -> AppTest:
    """Give a session with digits and a model of other classes under it."""
    return steps.open_app()


def test_nothing_is_loaded_before_a_second_model_is_chosen(pair: AppTest) -> None:
    show(pair, "models")
    assert steps.sent(pair) is None
    assert "Choose a second model" in steps.texts(pair)


def test_a_class_that_the_second_model_lacks_is_told(pair: AppTest, other_model: str) -> None:
    second(pair, other_model)
    assert "other has no class “3”" in steps.texts(pair)
    assert "which other predicts, is explained" in steps.texts(pair)
    assert "other compares with its own similar classes" in steps.texts(pair)


def test_the_same_method_stands_beside_itself(pair: AppTest, other_model: str) -> None:
    second(pair, other_model)
    assert titles(pair, "columns") == ["digits", "other"]
    grid = cells(pair)
    for y, title in enumerate(titles(pair, "rows")):
        assert METHODS[grid[y, 0]["method"]].title == title
        assert grid[y, 0]["method"] == grid[y, 1]["method"]


def test_each_model_has_its_own_geometry(pair: AppTest, other_model: str) -> None:
    second(pair, other_model)
    assert "geometry" not in cells(pair)[0, 0]
    assert cells(pair)[0, 1]["geometry"]["input_size"] == [64, 64]


def test_diffcam_is_left_out_where_the_second_model_has_no_bank(
    pair: AppTest, other_model: str
) -> None:
    second(pair, other_model)
    assert "DiffCAM" not in titles(pair, "rows")
    assert any(each.value.startswith("DiffCAM: left out") for each in pair.info)


def test_agreement_is_told_per_method_and_follows_the_sliders(
    pair: AppTest, other_model: str
) -> None:
    second(pair, other_model)
    (before,) = [each.value for each in pair.table]
    assert list(before["Method"]) == titles(pair, "rows")
    for text in before["Rank correlation"]:
        assert -1 <= float(text.replace("−", "-")) <= 1
    pair.session_state["compare-models"] = {"settings": {"values": {"gamma": 2.0, "p": 0.0}}}
    (after,) = [each.value for each in steps.run(pair).table]
    moved = before["Rank correlation"] != after["Rank correlation"]
    assert list(before["Method"][moved]) == ["Finer-CAM (Grad-CAM)", "Guided AbsoluteGrad"]


@pytest.mark.parametrize("kind", ["why not", "what varies", "how unlike"])
def test_every_question_can_be_put_to_two_models(
    pair: AppTest, other_model: str, kind: str
) -> None:
    pair.button_group(key="question-4").set_value(kind)
    second(steps.run(pair), other_model)
    assert titles(pair, "columns") == ["digits", "other"]
    assert not pair.error


def test_a_second_model_without_classes_shares_what_needs_none(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_weights(tmp_path / "other.safetensors", "squeezenet1_1")
    text = '[bare]\narchitecture = "torchvision/squeezenet1_1"\nweights = "other.safetensors"\n'
    write_list(tmp_path, text + 'size = 64\nresize_px = 64\noutput = "none"\n', monkeypatch)
    at = steps.choose_methods(steps.open_app(), "grad-cam", "eigen-cam", "edges")
    second(at, "bare")
    assert titles(at, "rows") == ["Eigen-CAM", "edges"]
    assert "bare has no classes" in steps.texts(at)
    assert "Grad-CAM: left out: it explains a class, and bare has none" in steps.texts(at)


# ---- names ---------------------------------------------------------------------------------

CLASSES = ("tabby, tabby cat", "tiger cat", "Papillon", "wren, house wren", "wren, winter wren")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tiger cat", 1),
        ("Tiger Cat", 1),
        ("tabby", 0),
        ("papillon, toy spaniel", 2),
        ("wren", None),  # two of them
        ("house wren", 3),
        ("cat", None),
        ("", None),
    ],
)
def test_classes_are_matched_by_name(name: str, found: int | None) -> None:
    assert same_class(name, CLASSES) == found


def test_a_number_is_not_told_where_there_is_none() -> None:
    assert told(math.nan) == "no evidence"
    assert told(-0.256) == "−0.26"
