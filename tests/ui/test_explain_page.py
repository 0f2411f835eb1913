"""The Explain page: what is asked, what is shown, and what runs the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from torch import Tensor

from explain_core import METHODS
from explain_core.models.digits_net import DigitsNet
from tests.ui import steps

DEFAULT_METHODS = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples" / "digits"


def test_it_starts_with_the_bundled_model_and_four_maps(at: AppTest) -> None:
    assert at.selectbox(key="model").value == "digits"
    assert steps.prediction(at) == "3"
    assert list(steps.shown_panels(at)) == DEFAULT_METHODS
    assert not at.error


def test_every_map_has_title_legend_and_parameters(at: AppTest) -> None:
    feet = {"diffcam": "λ = 10⁻³", "finer-grad-cam": "γ = 0.60", "guided-absolute-grad": "p = 85"}
    for method, panel in steps.shown_panels(at).items():
        assert "3" in panel.head
        assert "legend-bar" in panel.legend
        assert feet.get(method, "layer features.5") in panel.foot


def test_each_sample_is_read_right(at: AppTest) -> None:
    at.multiselect(key="methods").set_value([])
    for sample in json.loads((SAMPLES / "samples.json").read_text("utf-8")):
        at.selectbox(key="sample").set_value(sample["file"])
        steps.run(at)
        assert steps.prediction(at) == str(sample["digit"])
        assert steps.target(at).value == sample["digit"]


def test_another_sample_gives_other_maps(at: AppTest) -> None:
    before = steps.shown_panels(at)
    at.selectbox(key="sample").set_value("seven.png")
    after = steps.shown_panels(steps.run(at))
    assert all(before[method].picture != after[method].picture for method in DEFAULT_METHODS)


# ---- the question --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["why is", "why not"])
def test_the_target_is_never_among_the_references(at: AppTest, kind: str) -> None:
    at.multiselect(key="methods").set_value([])
    at.button_group(key="question").set_value(kind)
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
    at.button_group(key="question").set_value("why not")
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
    at.button_group(key="question").set_value(kind)
    after = steps.shown_panels(steps.run(at))["diffcam"]
    assert compared in after.head
    assert (after.picture == before.picture) == (kind == "why is")


def test_diffcam_compares_with_all_chosen_classes(at: AppTest) -> None:
    at.button_group(key="question").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([8, 5])
    assert "8, 5 (1,000 pictures)" in steps.shown_panels(steps.run(at))["diffcam"].head


def test_what_varies_explains_finer_cam_away_and_keeps_the_others(at: AppTest) -> None:
    at.button_group(key="question").set_value("what varies")
    panels = steps.shown_panels(steps.run(at))
    assert list(panels) == ["diffcam", "grad-cam", "guided-absolute-grad"]
    (info,) = at.info
    assert info.value.startswith("Finer-CAM (Grad-CAM)")
    assert "what varies within one class" in info.value
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
    assert "Chosen by you: 1" in steps.texts(steps.run(at))


def test_a_class_that_did_not_win_is_cautioned_against(at: AppTest) -> None:
    steps.target(at).set_value(0)
    steps.run(at)
    assert any("The model predicts “3”, not “0”" in each.value for each in at.warning)


def test_class_zero_can_be_explained_and_compared_with(at: AppTest) -> None:
    at.selectbox(key="sample").set_value("zero-like-six.png")
    steps.run(at)
    assert steps.target(at).value == 0
    at.button_group(key="question").set_value("why not")
    steps.run(at)
    steps.target(at).set_value(6)
    steps.run(at)
    steps.references(at).set_value([0])
    panels = steps.shown_panels(steps.run(at))
    assert "6 against 0" in panels["finer-grad-cam"].head
    assert at.title[0].value == "Why 6 and not 0?"


# ---- nothing chosen ------------------------------------------------------------------------


def test_without_a_method_it_says_what_to_do(at: AppTest) -> None:
    at.multiselect(key="methods").set_value([])
    steps.run(at)
    assert not steps.shown_panels(at)
    assert any("at least one method" in each.value for each in at.info)


def test_without_a_reference_it_says_what_to_do_and_shows_the_rest(at: AppTest) -> None:
    at.button_group(key="question").set_value("why not")
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


def test_every_method_has_a_map(at: AppTest) -> None:
    assert len(at.multiselect(key="methods").options) == len(METHODS) == 12
    for names in (list(METHODS)[:6], list(METHODS)[6:]):
        at.multiselect(key="methods").set_value(names)
        assert list(steps.shown_panels(steps.run(at))) == names
        assert not at.error


# ---- sliders -------------------------------------------------------------------------------

SLIDERS = [
    ("slider", "parameter-gamma", 1.4, {"finer-grad-cam"}),
    ("slider", "parameter-p", 20.0, {"guided-absolute-grad"}),
    ("select_slider", "parameter-lam", 1.0, {"diffcam"}),
    ("toggle", "parameter-reverse", True, {"finer-grad-cam"}),
    ("slider", "opacity", 20, set(DEFAULT_METHODS)),
    ("selectbox", "colours", "Viridis", set(DEFAULT_METHODS)),
    ("button_group", "signed", "For and against", {"diffcam", "finer-grad-cam", "grad-cam"}),
]


def _set(at: AppTest, kind: str, key: str, value: object) -> None:
    widget = getattr(at, kind)(key=key)
    if kind == "select_slider":  # its steps are powers of ten, some of them not exact
        value = min(
            (10.0 ** (exponent / 4) for exponent in range(-24, 9)),
            key=lambda step: abs(step - float(value)),  # type: ignore[arg-type]  # a number here
        )
    widget.set_value(value)


@pytest.mark.parametrize(("kind", "key", "value", "changed"), SLIDERS, ids=lambda each: str(each))
def test_a_slider_changes_its_own_maps_without_the_network(
    at: AppTest,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    key: str,
    value: object,
    changed: set[str],
) -> None:
    before, num_passes = steps.shown_panels(at), steps.passes(at)

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the network ran")

    monkeypatch.setattr(DigitsNet, "forward", refuse)
    _set(at, kind, key, value)
    after = steps.shown_panels(steps.run(at))
    assert {name for name in after if after[name].picture != before[name].picture} == changed
    assert steps.passes(at) == num_passes


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
    num_passes = steps.passes(at)
    for kind in ("what varies", "why is"):
        at.button_group(key="question").set_value(kind)
        steps.run(at)
    assert steps.passes(at) == num_passes


def test_gamma_zero_is_grad_cam_on_the_page(at: AppTest) -> None:
    at.slider(key="parameter-gamma").set_value(0.0)
    panels = steps.shown_panels(steps.run(at))
    assert panels["finer-grad-cam"].picture == panels["grad-cam"].picture


def test_a_shared_scale_is_the_same_in_every_legend(at: AppTest) -> None:
    at.button_group(key="scale").set_value("Shared")
    legends = {panel.legend for panel in steps.shown_panels(steps.run(at)).values()}
    assert len(legends) == 1


def test_a_map_without_evidence_says_so(at: AppTest) -> None:
    """At this layer nothing in the picture speaks for a 1 rather than for what is like it."""
    at.multiselect(key="methods").set_value(["finer-grad-cam", "grad-cam"])
    at.selectbox(key="layer-digits").set_value("features.4.conv")
    steps.target(at).set_value(1)
    panels = steps.shown_panels(steps.run(at))
    assert "No positive evidence" in panels["finer-grad-cam"].legend
    assert "legend-bar" not in panels["finer-grad-cam"].legend
    assert "legend-bar" in panels["grad-cam"].legend


@pytest.mark.parametrize("layer_idx", [0, 2])
def test_another_layer_changes_the_cam_family(at: AppTest, layer_idx: int) -> None:
    layers = at.selectbox(key="layer-digits")
    before = steps.shown_panels(at)
    layers.select_index(layer_idx)
    after = steps.shown_panels(steps.run(at))
    assert before["grad-cam"].picture != after["grad-cam"].picture
    assert before["guided-absolute-grad"].picture == after["guided-absolute-grad"].picture


def test_two_sessions_do_not_share_what_they_chose() -> None:
    first, second = steps.open_app(), steps.open_app()
    first.selectbox(key="sample").set_value("seven.png")
    steps.run(first)
    second.slider(key="parameter-gamma").set_value(0.1)
    steps.run(second)
    steps.run(first)
    assert steps.prediction(first) == "7"
    assert steps.prediction(second) == "3"
    assert first.slider(key="parameter-gamma").value == 0.6
