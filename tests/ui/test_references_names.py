"""Reference sets' names, and whose they are: a model's and a session's."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import explain_core as xc
from components import state
from components.reference_builder import _as_name, _free_name
from explain_core.references.sets import check_name
from tests.ui import steps
from tests.ui.reference_steps import DIGITS, JPEG, PNG, TEXT, Counted, id_of, ids_of, strokes

pytestmark = pytest.mark.usefixtures("no_folder")


# ---- names ---------------------------------------------------------------------------------


def test_an_empty_name_takes_the_suggestion(page: AppTest) -> None:
    steps.make_by(page, "Classes")
    steps.keyed(page.multiselect, "set-classes").set_value([3, 8])
    suggested = steps.keyed(steps.run(page).text_input, "set-name").placeholder
    steps.add_set(page)
    assert list(steps.kept_sets(page)) == [suggested] == ["3 and 8"]


def test_a_second_unnamed_upload_is_suggested_a_free_name(page: AppTest) -> None:
    steps.add_files(page, {"first.png": PNG})
    steps.give_files(page, strokes(3))
    assert steps.keyed(page.text_input, "set-name").placeholder == "uploaded 2"
    steps.add_set(page)
    assert not page.error
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert len(ids_of(page, "uploaded 2")) == 3


def test_a_third_unnamed_set_is_suggested_a_free_name_too(page: AppTest) -> None:
    for _ in range(3):
        steps.add_classes(page, [3])
    assert list(steps.kept_sets(page)) == ["3", "3 2", "3 3"]


@pytest.mark.parametrize("name", ["x" * 60, "x" * 55 + " yyyy"])
def test_a_long_suggested_name_is_made_free(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(state, "kept_sets", lambda _model: {name: None})
    free = _free_name(xc.load_model("digits"), name)
    assert free == check_name(free) != name
    assert free.endswith(" 2")
    assert "  " not in free


def test_a_sets_key_is_its_name(page: AppTest) -> None:
    steps.add_classes(page, [3], " my threes ")
    assert steps.kept_sets(page)["my threes"].references.key == "my threes"


def test_spaces_for_a_name_take_the_suggestion(page: AppTest) -> None:
    steps.add_classes(page, [3], "   ")
    assert list(steps.kept_sets(page)) == ["3"]


def test_a_given_name_is_the_sets(page: AppTest) -> None:
    steps.add_classes(page, [3], " my threes ")
    assert list(steps.kept_sets(page)) == ["my threes"]


def test_a_taken_name_is_refused_and_the_former_set_stays(page: AppTest) -> None:
    steps.add_classes(page, [3], "mine")
    steps.add_classes(page, [8], "mine")
    assert "there is a set “mine” already; give another name" in steps.errors(page).lower()
    assert ids_of(page, "mine") == DIGITS.of(3)


def test_after_a_taken_name_what_was_chosen_is_still_there(page: AppTest) -> None:
    steps.add_classes(page, [3], "mine")
    steps.add_classes(page, [8], "mine")
    steps.add_set(page, "yours")
    assert not page.error
    assert ids_of(page, "yours") == DIGITS.of(8)


def test_two_spellings_of_one_name_are_one_name(page: AppTest) -> None:
    """An é may be one character, or an e and an accent; both look the same."""
    steps.add_classes(page, [3], unicodedata.normalize("NFC", "café"))
    steps.add_classes(page, [8], unicodedata.normalize("NFD", "café"))
    assert "already" in steps.errors(page)
    assert len(steps.kept_sets(page)) == 1


@pytest.mark.parametrize("name", ["a/b", "../b", "a\\b", "x" * 61, ".hidden", "nul", "a\tb", "a:b"])
def test_a_name_that_is_no_name_is_refused(page: AppTest, name: str) -> None:
    steps.add_classes(page, [3], name)
    assert "choose another name" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_a_deleted_sets_name_is_free(page: AppTest) -> None:
    steps.add_classes(page, [3], "mine")
    steps.delete_set(page, "mine")
    assert "None yet" in steps.texts(page)
    steps.add_classes(page, [8], "mine")
    assert ids_of(page, "mine") == DIGITS.of(8)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("3 and 8", "3 and 8"),
        ("Pembroke, Pembroke Welsh corgi", "Pembroke Pembroke Welsh corgi"),
        ("wolf/dog (grey)", "wolf dog grey"),
        ("x" * 70, "x" * 60),
    ],
)
def test_a_suggested_name_is_near_to_what_it_stands_for(text: str, name: str) -> None:
    assert _as_name(text) == name


@pytest.mark.parametrize("text", ["x" * 59 + ".y", ". .x", "x. .", "St. Bernard", "a" * 59 + " b"])
def test_a_suggested_name_is_allowed(text: str) -> None:
    assert check_name(_as_name(text))


def test_so_many_sets_are_kept_and_no_more(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state.MAX_SETS == 20
    monkeypatch.setattr(state, "MAX_SETS", 3)
    for index in range(3):
        steps.add_classes(page, [index], f"set {index}")
    assert not page.error
    steps.add_classes(page, [0], "one more")
    assert "keeps 3 sets of a model; delete one first" in steps.errors(page)
    assert len(steps.kept_sets(page)) == 3
    steps.delete_set(page, "set 2")
    steps.add_classes(page, [0], "one more")
    assert list(steps.kept_sets(page)) == ["set 0", "set 1", "one more"]


def test_before_a_taken_name_is_refused_nothing_is_read(page: AppTest, counted: Counted) -> None:
    steps.add_files(page, {"good.png": PNG}, "mine")
    before = counted.num
    steps.add_files(page, strokes(3), "mine")
    assert "already" in steps.errors(page)
    assert counted.num == before


def test_deleting_is_asked_for_twice_and_takes_one_set_only(page: AppTest) -> None:
    steps.add_classes(page, [3])
    steps.add_classes(page, [8])
    popovers = [each for each in page.get("popover") if each.proto.popover.label == "Delete"]
    (inside,) = [each.label for popover in popovers for each in popover.button]
    assert inside == "Delete “8”"
    steps.press(page, inside)
    assert list(steps.kept_sets(page)) == ["3"]


# ---- whose sets they are -------------------------------------------------------------------


def test_another_models_set_is_not_offered(other_model: str, page: AppTest) -> None:
    steps.add_classes(page, [3])
    page.selectbox(key="model").set_value(other_model)
    steps.run(page)
    assert "None yet" in steps.texts(page)
    page.selectbox(key="model").set_value("digits")
    steps.run(page)
    assert steps.keyed(page.selectbox, "reference-set").options == ["3"]


def test_sets_of_two_models_may_bear_one_name(other_model: str, page: AppTest) -> None:
    steps.add_classes(page, [3], "mine")
    page.selectbox(key="model").set_value(other_model)
    steps.add_files(steps.run(page), {"photo.jpg": JPEG}, "mine")
    assert not page.error
    assert "1 picture, uploaded" in steps.texts(page)
    page.selectbox(key="model").set_value("digits")
    steps.run(page)
    assert "500 pictures, of the bank “digits”: 3" in steps.texts(page)


def test_of_two_sets_of_one_name_the_chosen_models_is_deleted(
    other_model: str, page: AppTest
) -> None:
    steps.add_classes(page, [3], "mine")
    page.selectbox(key="model").set_value(other_model)
    steps.add_files(steps.run(page), {"photo.jpg": JPEG}, "mine")
    steps.press(page, "Delete “mine”")
    assert "None yet" in steps.texts(page)
    assert ids_of(page, "mine") == DIGITS.of(3)


def test_another_models_sets_do_not_count_towards_the_limit(
    other_model: str, page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MAX_SETS", 1)
    steps.add_classes(page, [3], "first")
    page.selectbox(key="model").set_value(other_model)
    steps.add_files(steps.run(page), {"photo.jpg": JPEG}, "second")
    assert not page.error
    steps.add_files(page, {"photo.jpg": JPEG}, "third")
    assert "a session keeps 1 sets of a model" in steps.errors(page).lower()
    assert list(steps.kept_sets(page)) == ["first", "second"]


def test_another_models_set_is_not_offered_on_explain(other_model: str, page: AppTest) -> None:
    steps.add_classes(page, [3])
    at = steps.show_page(page, "explain")
    at.button_group(key="question-4").set_value("how unlike")
    steps.run(at)
    assert steps.keyed(at.selectbox, "reference-set").options == ["3"]
    at.selectbox(key="model").set_value(other_model)
    steps.run(at)
    steps.keyed(at.file_uploader, "upload-").set_value(("photo.jpg", JPEG, "image/jpeg"))
    steps.run(at)
    steps.keyed(at.button_group, "question-").set_value("how unlike")
    steps.run(at)
    assert not [each for each in at.selectbox if each.key.startswith("reference-set")]


def test_an_upload_is_pooled_with_the_chosen_model(other_model: str, page: AppTest) -> None:
    page.selectbox(key="model").set_value(other_model)
    steps.run(page)
    steps.add_files(page, {"photo.jpg": JPEG})
    references = steps.kept_sets(page)["uploaded"].references
    model = xc.load_model(other_model)
    expected = model.pooled(model.normalise(model.to_pixels(xc.read_image(JPEG))), model.layer)
    assert references.fingerprint == model.fingerprint
    np.testing.assert_allclose(references.features, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_sets_are_the_sessions_own() -> None:
    first, second = steps.open_references(), steps.open_references()
    steps.add_classes(first, [3])
    steps.run(second)
    assert not steps.kept_sets(second)
    assert "None yet" in steps.texts(second)


def test_files_left_out_are_told_to_their_session_only() -> None:
    first, second = steps.open_references(), steps.open_references()
    steps.add_files(first, {"good.png": PNG, "letter.png": TEXT})
    assert not steps.left_out(steps.run(second))


def test_sets_survive_switching_pages(page: AppTest) -> None:
    steps.add_classes(page, [3])
    steps.add_classes(page, [8])
    steps.keyed(page.selectbox, "reference-set").set_value("3")
    steps.run(page)
    steps.show_page(steps.show_page(page, "models"), "references")
    assert steps.keyed(page.selectbox, "reference-set").value == "3"
    assert list(steps.kept_sets(page)) == ["3", "8"]
