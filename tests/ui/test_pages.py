"""Switching pages: what was chosen on one page is there on coming back."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.ui import steps

TOLD = {
    "values": {"gamma": 1.35, "p": 40.0, "lam": 100.0, "reverse": True},
    "own": {"diffcam": {"gamma": 0.6, "p": 85.0, "lam": 0.01, "reverse": False}},
    "look": {"evidence": "For and against", "colours": "Inferno"},
}


def there_and_back(at: AppTest) -> AppTest:
    at.switch_page("pages/models.py")
    assert steps.run(at).title[0].value == "Models"
    at.switch_page("pages/explain.py")
    return steps.run(at)


def test_everything_chosen_survives_switching_pages(at: AppTest) -> None:
    at.selectbox(key="sample").set_value("nine.png")
    at.multiselect(key="methods-bank").set_value(
        ["finer-grad-cam", "diffcam", "guided-absolute-grad"]
    )
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.target(at).set_value(4)
    steps.run(at)
    steps.references(at).set_value([7, 9])
    at.number_input(key="parameter-num_samples").set_value(5)
    steps.run(at)
    steps.tell(at, TOLD)
    before, title = steps.shown_panels(steps.run(at)), at.title[0].value
    num_passes = steps.passes(at)
    there_and_back(at)
    assert at.title[0].value == title == "Why 4 and not 7 or 9?"
    assert steps.shown_panels(at) == before
    assert steps.passes(at) == num_passes


def test_the_layer_survives_switching_pages(at: AppTest) -> None:
    at.selectbox(key="layer-digits").select_index(1)
    steps.run(at)
    chosen = at.selectbox(key="layer-digits").value
    there_and_back(at)
    assert at.selectbox(key="layer-digits").value == chosen != "features.5"


def test_an_uploaded_picture_survives_switching_pages(at: AppTest) -> None:
    sample = steps.APP.parent / "assets" / "samples" / "digits" / "five.png"
    steps.keyed(at.button_group, "source").set_value("Upload")
    steps.run(at)
    at.file_uploader[0].set_value(("five.png", sample.read_bytes(), "image/png"))
    before = steps.shown_panels(steps.run(at))
    there_and_back(at)
    assert steps.shown_panels(at) == before


def test_the_chosen_class_comes_back_with_its_picture(at: AppTest) -> None:
    steps.target(at).set_value(8)
    steps.run(at)
    for sample in ("seven.png", "three-almost-eight.png"):
        at.selectbox(key="sample").set_value(sample)
        steps.run(at)
    assert steps.target(at).value == 8


def test_a_new_picture_starts_with_what_the_model_says(at: AppTest) -> None:
    steps.target(at).set_value(8)
    steps.run(at)
    at.selectbox(key="sample").set_value("seven.png")
    steps.run(at)
    assert steps.target(at).value == 7
