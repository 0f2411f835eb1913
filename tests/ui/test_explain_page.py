"""The Explain page in a session without a browser: question, maps, passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from torch import Tensor

from components import caching
from explain_core import METHODS
from explain_core.methods.cost import Pace
from explain_core.models.digits_net import DigitsNet
from tests.ui import steps

DEFAULT_METHODS = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples" / "digits"


def test_it_starts_with_the_bundled_model_and_four_maps(at: AppTest) -> None:
    assert at.selectbox(key="model").value == "digits"
    assert steps.prediction(at) == "3"
    assert list(steps.shown_panels(at)) == DEFAULT_METHODS
    assert not at.error


def test_every_map_has_title_contrast_and_foot(at: AppTest) -> None:
    panels = steps.shown_panels(at)
    for method, panel in panels.items():
        assert METHODS[method].title in panel.head
        assert "3" in panel.head
    assert "layer features.5" in panels["diffcam"].foot
    assert "n = " in panels["guided-absolute-grad"].foot


def test_every_map_follows_its_own_sliders(at: AppTest) -> None:
    assert {name: panel.knows for name, panel in steps.shown_panels(at).items()} == {
        "diffcam": ("lam",),
        "finer-grad-cam": ("gamma", "reverse", "aggregation"),
        "grad-cam": (),
        "guided-absolute-grad": ("p",),
    }


def test_each_sample_is_read_right(at: AppTest) -> None:
    at.multiselect(key="methods-bank").set_value([])
    for sample in json.loads((SAMPLES / "samples.json").read_text("utf-8")):
        at.selectbox(key="sample").set_value(sample["file"])
        steps.run(at)
        assert steps.prediction(at) == str(sample["digit"])
        assert steps.target(at).value == sample["digit"]


def test_another_sample_gives_other_maps(at: AppTest) -> None:
    before = steps.shown_panels(at)
    at.selectbox(key="sample").set_value("seven.png")
    after = steps.shown_panels(steps.run(at))
    assert all(before[method].data != after[method].data for method in DEFAULT_METHODS)


# ---- the question --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["why is", "why not"])
def test_the_target_is_never_among_the_references(at: AppTest, kind: str) -> None:
    at.multiselect(key="methods-bank").set_value([])
    at.button_group(key="question-4").set_value(kind)
    steps.run(at)
    for target in range(10):
        steps.target(at).set_value(target)
        steps.run(at)
        chosen = steps.references(at)
        assert target not in chosen.value
        assert chosen.value
        assert not any(option.startswith(f"{target} ") for option in chosen.options)
        assert len(chosen.options) == 9


def test_the_question_is_the_title(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([8, 0])
    assert steps.run(at).title[0].value == "Why 3 and not 8 or 0?"


@pytest.mark.parametrize(
    ("kind", "compared"),
    [
        ("why is", "3 against all other classes (4,500 pictures)"),
        ("why not", "3 against 8 (500 pictures)"),
        ("what varies", "3 against its own class (500 pictures)"),
    ],
)
def test_diffcams_references_follow_the_question(at: AppTest, kind: str, compared: str) -> None:
    before = steps.shown_panels(at)["diffcam"]
    at.button_group(key="question-4").set_value(kind)
    after = steps.shown_panels(steps.run(at))["diffcam"]
    assert compared in after.head
    assert (after.data == before.data) == (kind == "why is")


def test_diffcam_compares_with_all_chosen_classes(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([8, 5])
    assert "8, 5 (1,000 pictures)" in steps.shown_panels(steps.run(at))["diffcam"].head


def test_what_varies_explains_finer_cam_away_and_keeps_the_others(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("what varies")
    panels = steps.shown_panels(steps.run(at))
    assert list(panels) == ["diffcam", "grad-cam", "guided-absolute-grad"]
    (info,) = at.info
    assert info.value.startswith("Finer-CAM (Grad-CAM)")
    assert "this question stays within one" in info.value
    assert not [each for each in at.multiselect if each.key.startswith("references-")]


def test_the_suggestions_reason_is_shown(at: AppTest) -> None:
    assert "weight cosine" in steps.texts(at)
    steps.keyed(at.button_group, "suggest-by-").set_value("logits")
    steps.run(at)
    assert "rank 1" in steps.texts(at)
    assert "weight cosine" not in steps.texts(at)


def test_a_class_chosen_beside_the_suggestions_is_counted(at: AppTest) -> None:
    chosen = steps.references(at)
    chosen.set_value([*chosen.value, 0])
    assert "1 class chosen by you" in steps.texts(steps.run(at))


def test_a_class_that_did_not_win_is_cautioned_against(at: AppTest) -> None:
    steps.target(at).set_value(0)
    steps.run(at)
    assert any("The model predicts “3”, not “0”" in each.value for each in at.warning)


def test_class_zero_can_be_explained_and_compared_with(at: AppTest) -> None:
    at.selectbox(key="sample").set_value("zero-like-six.png")
    steps.run(at)
    assert steps.target(at).value == 0
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.target(at).set_value(6)
    steps.run(at)
    steps.references(at).set_value([0])
    panels = steps.shown_panels(steps.run(at))
    assert "6 against 0" in panels["finer-grad-cam"].head
    assert at.title[0].value == "Why 6 and not 0?"


# ---- nothing chosen ------------------------------------------------------------------------


def test_without_a_method_it_says_what_to_do(at: AppTest) -> None:
    at.multiselect(key="methods-bank").set_value([])
    steps.run(at)
    assert not steps.shown_panels(at)
    assert any("at least one method" in each.value for each in at.info)


def test_without_a_reference_it_says_what_to_do_and_shows_the_rest(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([])
    panels = steps.shown_panels(steps.run(at))
    assert list(panels) == ["grad-cam", "guided-absolute-grad"]
    assert "choose at least one class to compare with" in steps.texts(at)
    (info,) = at.info
    assert info.value.startswith("DiffCAM, Finer-CAM (Grad-CAM)")


def test_without_a_picture_it_says_where_to_get_one(at: AppTest) -> None:
    steps.keyed(at.button_group, "source").set_value("Upload")
    steps.run(at)
    assert not steps.shown_panels(at)
    assert any("Give a picture" in each.value for each in at.info)


def test_every_method_has_a_map(at: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "pace_of", lambda *_: Pace(0.0, 0.0))
    assert len(at.multiselect(key="methods-bank").options) == len(METHODS)
    for first in range(0, len(METHODS), 6):
        names = list(METHODS)[first : first + 6]
        at.multiselect(key="methods-bank").set_value(names)
        assert list(steps.shown_panels(steps.run(at))) == names
        assert not at.error


def test_settings_are_those_of_the_chosen_methods(at: AppTest) -> None:
    steps.choose_methods(at, "grad-cam", "edges")
    assert not [each.key for each in at.number_input if (each.key or "").startswith("parameter-")]
    steps.choose_methods(at, "grad-cam", "random")
    assert at.number_input(key="parameter-seed").value == 0


def test_a_setting_is_kept_while_its_method_is_away(at: AppTest) -> None:
    at.number_input(key="parameter-num_samples").set_value(7)
    steps.run(at)
    steps.choose_methods(at, "grad-cam")
    steps.choose_methods(at, "grad-cam", "smooth-grad")
    assert at.number_input(key="parameter-num_samples").value == 7


def test_a_control_says_what_it_is(at: AppTest) -> None:
    panels = steps.shown_panels(steps.choose_methods(at, "random", "center-gaussian", "edges"))
    assert [each.head for each in panels.values()] == [
        f"{name} knows nothing of the model" for name in ("random", "centre", "edges")
    ]


# ---- passes --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_memory")
def test_the_passes_on_the_page_are_those_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0
    forward = DigitsNet.forward

    def count(self: DigitsNet, x: Tensor) -> Tensor:
        nonlocal counted
        counted += len(x)
        return forward(self, x)

    monkeypatch.setattr(DigitsNet, "forward", count)
    at = steps.open_app()
    assert steps.passes(at) == counted > 20


def test_a_question_asked_before_runs_nothing(at: AppTest) -> None:
    def ask(kind: str) -> int:
        at.button_group(key="question-4").set_value(kind)
        return steps.passes(steps.run(at))

    once = [ask(kind) for kind in ("what varies", "why is")]
    assert [ask(kind) for kind in ("what varies", "why is")] == [once[-1]] * 2


@pytest.mark.parametrize("layer_idx", [0, 2])
def test_another_layer_changes_the_cam_family(at: AppTest, layer_idx: int) -> None:
    layers = at.selectbox(key="layer-digits")
    before = steps.shown_panels(at)
    layers.select_index(layer_idx)
    after = steps.shown_panels(steps.run(at))
    assert before["grad-cam"].data != after["grad-cam"].data
    assert before["guided-absolute-grad"].data == after["guided-absolute-grad"].data
