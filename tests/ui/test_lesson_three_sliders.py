"""Lesson "γ, p, λ": the numbers are those of the rendered maps, and the link brings all back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import explain_core as xc
from components.lessons.slider_maps import change_of, size_of, strength_left
from components.lessons.three_sliders import FIRST_SAMPLE, LESSON, VIEWER
from components.wording import percent
from explain_core.references.banks import banks_of
from explain_core.references.spectrum import spectrum_of
from explain_core.types import Array
from tests.ui.steps import TIMEOUT_S, header_of, keyed, run, sent, texts

SCRIPT = """
from components.lessons.frame import show_lesson
from components.lessons.three_sliders import LESSON

show_lesson(LESSON, 3, is_large=False)
"""
METHODS = {"gamma": "finer-grad-cam", "p": "guided-absolute-grad", "lam": "diffcam"}
LETTERS = {"gamma": "γ", "p": "p", "lam": "λ"}
LEAST = {"gamma": 0.0, "p": 0.0, "lam": 1e-6}
GUESSED = {f"guess_{name}": "shrink" for name in METHODS}


def opened(**link: str) -> AppTest:
    """Open the lesson by a link."""
    at = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT_S)
    for name, text in link.items():
        at.query_params[f"three-sliders-{name.replace('_', '-')}"] = text
    return run(at)


def tell(at: AppTest, **values: object) -> AppTest:
    """Let the viewer tell where its sliders are."""
    at.session_state[VIEWER] = {"settings": {"values": values}}
    return run(at)


def link_of(at: AppTest) -> dict[str, str]:
    return {
        name.removeprefix("three-sliders-"): text[0] if isinstance(text, list) else text
        for name, text in at.query_params.items()
    }


def header(at: AppTest) -> dict[str, Any]:
    message = sent(at)
    assert message is not None
    return header_of(message)


def said(at: AppTest) -> str:
    """Return what is said below the formula."""
    (text,) = [
        each.value for each in at.markdown if each.value.startswith(("The bright", ":gray[Guess"))
    ]
    return str(text)


def is_lit(at: AppTest) -> bool:
    formula: Any
    (formula,) = at.get("latex")
    return r"\underline" in formula.value


def num_passes(at: AppTest) -> int:
    (count,) = re.findall(r"Network passes so far: \*\*(\d+)\*\*", texts(at))
    return int(count)


def choose(at: AppTest, name: str) -> AppTest:
    """Choose the slider of a name."""
    keyed(at.button_group, "three-sliders-slider").set_value(LETTERS[name])
    return run(at)


def half_area(values: Array) -> float:
    """Take the largest values one by one until they make up half of the whole."""
    left = sorted((float(each) for each in values.ravel() if each > 0), reverse=True)
    taken, count = 0.0, 0
    while taken < sum(left) / 2:
        taken += left[count]
        count += 1
    return count / values.size


@pytest.fixture(scope="module")
def bases() -> dict[str, Any]:
    """Give the bases of the first picture, asked of the core."""
    model = xc.load_model("digits")
    bank = banks_of(model)[0]
    folder = Path(__file__).parents[2] / "assets" / "samples" / "digits"
    image = xc.read_image(folder / f"{FIRST_SAMPLE}.png")
    references = {"gamma": [1], "p": None, "lam": bank.reference_set((1,))}
    return {
        name: xc.prepare(
            model, image, method=method, target=7, references=references[name], layer=bank.layer
        )
        for name, method in METHODS.items()
    }


def test_no_slider_before_a_guess() -> None:
    at = opened(guess_p="grow")
    assert header(at)["parameters"] == []
    assert [panel["knows"] for panel in header(at)["panels"]] == [[]]
    assert said(at) == ":gray[Guess first: then the slider appears.]"
    choose(at, "p")
    assert [each["name"] for each in header(at)["parameters"]] == ["p"]
    assert [panel["kind"] for panel in header(at)["panels"]] == ["guided"]


@pytest.mark.parametrize(
    ("name", "value", "guess", "came"),
    [
        ("gamma", 1.2, "shrink", "it shrank"),
        ("p", 85.0, "grow", "it shrank"),
        ("lam", 1.0, "grow", "it grew"),
    ],
)
def test_guess_is_held_against_the_rendered_map(
    bases: dict[str, Any], name: str, value: float, guess: str, came: str
) -> None:
    at = opened(slider=LETTERS[name], **{f"guess_{name}": guess})
    text = said(tell(at, **{name: value}))
    first, now = (xc.render(bases[name], **{name: each}).values for each in (LEAST[name], value))
    sizes = [percent(half_area(values)) for values in (first, now)]
    assert re.findall(r"\*\*(.+?)\*\*", text) == sizes
    assert f": {came}. " in text
    verb = {"it shrank": "shrink", "it grew": "grow"}[came]
    assert ("Your guess holds" in text) == (guess == verb)
    positive = [np.maximum(values, 0).sum() for values in (first, now)]
    if name != "lam":
        assert f"{100 * positive[1] / positive[0]:.0f} % of its strength" in text
    else:
        spectrum = spectrum_of(banks_of(xc.load_model("digits"))[0].reference_set((1,)))
        counted = sum(each / (each + value * spectrum.lam_unit) for each in spectrum.eigenvalues)
        assert f"in {counted:.1f} of 64 directions" in text


def test_a_slider_that_was_moved_lights_its_term() -> None:
    at = opened(**GUESSED)
    assert not is_lit(at)
    assert not is_lit(tell(at, **LEAST))
    assert is_lit(tell(at, **(LEAST | {"gamma": 0.5})))
    assert not is_lit(choose(at, "p"))
    assert is_lit(tell(at, gamma=0.5, p=40.0, lam=1e-6))
    at = choose(at, "gamma")
    assert is_lit(at)
    moved = {name: link_of(at)[name] for name in METHODS if name in link_of(at)}
    assert moved == {"gamma": "0.5", "p": "40"}
    assert not is_lit(tell(at, gamma=0.0, p=40.0, lam=1e-6))
    assert "gamma" not in link_of(at)


def test_a_guess_survives_a_look_at_another_slider() -> None:
    at = choose(choose(opened(guess_gamma="grow"), "p"), "gamma")
    assert [each["name"] for each in header(at)["parameters"]] == ["gamma"]
    assert link_of(at)["guess-gamma"] == "grow"


def test_only_another_picture_costs_network_passes() -> None:
    at = opened(**GUESSED)
    before = num_passes(at)
    assert before > 0
    for name, value in (("gamma", 1.0), ("p", 60.0), ("lam", 0.1)):
        assert num_passes(choose(at, name)) == before
        assert num_passes(tell(at, **{name: value})) == before
    at.selectbox[0].select_index(0)
    assert num_passes(run(at)) == 2 * before  # all pictures cost the same


def test_panel_s_own_slider_counts() -> None:
    at = opened(**GUESSED, slider="λ")
    own = {"diffcam": {"gamma": 0.0, "p": 0.0, "lam": 1.0}}
    at.session_state[VIEWER] = {"settings": {"values": LEAST, "own": own}}
    run(at)
    assert is_lit(at)
    assert link_of(at)["lam"] == "1"


def test_link_restores_slider_guess_and_picture() -> None:
    at = opened(**GUESSED, gamma="1.5", lam="0.01", slider="λ", sample="A 4 like a 9")
    assert [each["default"] for each in header(at)["parameters"]] == [0.01]
    assert header(at)["question"] == "Why 4, and not 9?"
    assert is_lit(at)
    choose(at, "gamma")
    assert [each["default"] for each in header(at)["parameters"]] == [1.5]
    assert "Now slide p to the right" in said(choose(at, "p"))


def test_p_ends_before_nothing_is_left() -> None:
    at = opened(**GUESSED, slider="p", p="100")
    (slider,) = header(at)["parameters"]
    assert (slider["default"], slider["max"]) == (0.0, 99.0)
    assert "Keeps the 1 % of pixels" in said(tell(at, p=99.0))


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "3", "a", "", "1,2"])
def test_broken_link_begins_on_the_left(text: str) -> None:
    link = GUESSED | {"guess_p": "maybe", "slider": "reverse", "sample": "none", "gamma": text}
    at = opened(**link)
    assert [each["default"] for each in header(at)["parameters"]] == [0.0]
    assert not is_lit(at)
    assert header(at)["question"] == "Why 7, and not 1?"


@pytest.mark.parametrize("told", [3, {"values": 3}, {"values": {"gamma": "x", "p": 1e9}}])
def test_broken_message_begins_on_the_left(told: Any) -> None:
    at = opened(**GUESSED)
    at.session_state[VIEWER] = {"settings": told}
    assert "Now slide γ" in said(run(at))


def test_size_of_a_map_worked_out_by_hand() -> None:
    values = np.array([[4.0, 1.0, 1.0, -9.0], [1.0, 1.0, 0.0, 0.0]])
    assert size_of(values) == 1 / 8  # 4 of 8
    assert size_of(np.where(values == 4, 3, values)) == 2 / 8  # 3 of 7 are too few
    assert size_of(-np.ones((2, 3))) == 0
    assert strength_left(values, values / 4) == pytest.approx(0.25)
    assert strength_left(-values * 0, values) == 0


def test_change_needs_a_tenth() -> None:
    def spread(count: int) -> Array:
        return (np.arange(400) < count).astype(float).reshape(20, 20)

    assert [change_of(spread(200), spread(each)) for each in (178, 184, 216, 222)] == [
        "shrinks",
        "stays",
        "stays",
        "grows",
    ]


def test_each_answer_explains_itself() -> None:
    assert sum(answer.is_right for answer in LESSON.answers) == 1
    assert all(answer.because for answer in LESSON.answers)
