"""Typing texts for a model that knows texts: they are its classes, in this session alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components import caching
from components.caching import models as models_cache
from components.text_classes import MAX_TEXTS
from tests.oracles import tiny_clips
from tests.ui import steps
from tests.ui.test_compare import second, titles
from tests.ui.test_models import choose, photo, write_list

pytest.importorskip("open_clip", reason="pip install open_clip_torch")

ENTRY = '[{name}]\narchitecture = "open_clip/tiny-vit"\nweights = "clip.safetensors"\n'


@pytest.fixture(autouse=True)
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    """Let the operator list a tiny network as an encoder, twice, and with two classes."""
    tiny_clips.register(monkeypatch)
    tiny_clips.save(tiny_clips.tiny_clip("tiny-vit"), tmp_path / "clip.safetensors")
    named = ENTRY.format(name="named") + 'classes = ["wren", "robin"]\n'
    entries = [ENTRY.format(name=name) for name in ("clip", "second")]
    write_list(tmp_path, "".join([*entries, named]), monkeypatch)
    caching.model_named.clear()


@pytest.fixture
def shown() -> AppTest:
    """Give the Explain page with the encoder and a picture."""
    at = choose(steps.open_app(), "clip")
    at.file_uploader[0].set_value(("photo.jpg", photo(60, 90), "image/jpeg"))
    return steps.run(at)


def texts_input(at: AppTest) -> Any:
    return steps.keyed(at.multiselect, "texts")


def type_texts(at: AppTest, *texts: str) -> AppTest:
    texts_input(at).set_value(list(texts))
    return steps.run(at)


def test_without_texts_the_page_says_what_to_type(shown: AppTest) -> None:
    said = steps.texts(shown)
    assert "Type two descriptions, such as “red epaulets” and “bird”" in said
    assert "A model without classes" in said
    assert not steps.errors(shown)


def test_other_models_take_no_texts() -> None:
    at = steps.open_app()
    assert not [each for each in at.multiselect if each.key and each.key.startswith("texts")]


def test_one_text_asks_for_another(shown: AppTest) -> None:
    at = type_texts(shown, "red epaulets")
    assert "One more" in steps.texts(at)
    assert "A model without classes" in steps.texts(at)


def test_texts_are_the_classes_that_are_asked_about(shown: AppTest) -> None:
    at = type_texts(shown, "red epaulets", "bird")
    steps.target(at).set_value(0)
    steps.run(at)
    assert at.title[0].value == "Why red epaulets?"
    panels = steps.shown_panels(at)
    assert "red epaulets against bird" in panels["finer-grad-cam"].head
    assert "Suggested: bird (text cosine" in steps.texts(at)
    assert not steps.errors(at)


def test_why_one_and_not_the_other(shown: AppTest) -> None:
    at = type_texts(shown, "red epaulets, one on each wing", "bird")
    steps.target(at).set_value(0)
    steps.keyed(at.button_group, "question").set_value("why not")
    steps.run(at)
    assert at.title[0].value == "Why red epaulets, one on each wing and not bird?"


def test_other_texts_begin_another_question(shown: AppTest) -> None:
    """What was kept for the first texts is not shown for others of the same number."""
    first = type_texts(shown, "red epaulets", "bird")
    steps.target(first).set_value(0)
    before = steps.shown_panels(steps.run(first))["finer-grad-cam"].data
    at = type_texts(first, "a house", "a ship")
    steps.target(at).set_value(0)
    after = steps.shown_panels(steps.run(at))["finer-grad-cam"].data
    assert before != after
    again = type_texts(at, "red epaulets", "bird")
    steps.target(again).set_value(0)
    assert steps.shown_panels(steps.run(again))["finer-grad-cam"].data == before


def test_known_texts_are_not_read_again(shown: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    at = type_texts(shown, "red epaulets", "bird")
    read: list[str] = []
    text_vectors = models_cache.text_vectors

    def noted(model: Any, texts: list[str]) -> Any:
        read.extend(texts)
        return text_vectors(model, texts)

    monkeypatch.setattr(models_cache, "text_vectors", noted)
    type_texts(at, "red epaulets", "bird", "a yellow beak")
    assert read == ["a yellow beak"]


def test_blank_and_double_texts_do_not_count(shown: AppTest) -> None:
    at = type_texts(shown, "bird", " ", "bird ", "plane")
    assert len(steps.target(at).options) == 2


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("bird", "word " * 40), "longer than 'clip' reads (12 tokens"),
        (("bird", "Bird"), "“bird” and “Bird” are the same to 'clip'"),
    ],
)
def test_a_text_that_cannot_be_taken_is_named(
    shown: AppTest, typed: tuple[str, ...], message: str
) -> None:
    at = type_texts(shown, *typed)
    assert message in steps.errors(at)
    mended = type_texts(at, "bird", "plane")
    assert not steps.errors(mended)
    assert steps.shown_panels(mended)


def test_the_number_of_texts_is_limited(shown: AppTest) -> None:
    assert texts_input(shown).max_selections == MAX_TEXTS
    at = type_texts(shown, *(f"bird {index}" for index in range(MAX_TEXTS)))
    assert len(steps.target(at).options) == MAX_TEXTS


def test_texts_stay_on_the_way_through_the_pages(shown: AppTest) -> None:
    at = type_texts(shown, "red epaulets", "bird")
    at = choose(steps.show_page(at, "models"), "clip")
    assert steps.keyed(at.selectbox, "nearest-to-clip").options == ["red epaulets", "bird"]
    at = steps.show_page(at, "explain")
    assert texts_input(at).value == ["red epaulets", "bird"]


def test_the_operators_classes_stand_until_texts_are_typed(shown: AppTest) -> None:
    at = choose(shown, "named")
    assert "Empty: the 2 texts of the operator." in steps.texts(at)
    assert steps.prediction(at) in ("wren", "robin")
    at = type_texts(at, "a house", "a ship")
    assert steps.prediction(at) in ("a house", "a ship")


def test_unloading_forgets_the_texts_models(shown: AppTest) -> None:
    at = type_texts(shown, "red epaulets", "bird")
    at = steps.press(steps.show_page(at, "models"), "Unload")
    assert "clip is unloaded" in steps.texts(at)


def test_a_second_model_is_asked_about_the_same_texts(shown: AppTest) -> None:
    at = second(type_texts(shown, "red epaulets", "bird"), "second")
    assert titles(at, "columns") == ["clip", "second"]
    assert "has no class" not in steps.texts(at)
    assert not steps.errors(at)
