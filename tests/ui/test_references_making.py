"""Reference sets are made: of classes, neighbours, a plot's choice, and two sets."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import steps
from tests.ui.reference_steps import (
    BANKS,
    DIGITS,
    DRAWN,
    FIRST_SAMPLE,
    UNSTABLE,
    feature_of,
    id_of,
    ids_of,
    strokes,
)

pytestmark = pytest.mark.usefixtures("no_folder")


# ---- nothing there yet ---------------------------------------------------------------------


def test_without_a_set_it_says_what_to_do(page: AppTest) -> None:
    (info,) = page.info
    assert "None yet. Make one above" in info.value
    assert "How unlike" in info.value


def test_without_a_class_it_says_to_choose_one(page: AppTest) -> None:
    assert "Choose one class or several." in steps.texts(page)
    assert not page.button


def test_neighbours_need_a_picture(page: AppTest) -> None:
    steps.keyed(page.button_group, "source").set_value("Upload")
    steps.make_by(page, "Nearest")
    assert any("Give a picture on the left first" in each.value for each in page.info)
    assert not page.button


def test_two_sets_need_two_sets(page: AppTest) -> None:
    steps.make_by(page, "Two sets")
    assert any("make two first" in each.value for each in page.info)
    assert not page.button


def test_nothing_chosen_in_the_plot_makes_no_set(page: AppTest) -> None:
    steps.make_by(page, "Plot")
    assert "None chosen yet." in steps.texts(page)
    assert not page.button


def test_nothing_uploaded_makes_no_set(page: AppTest) -> None:
    steps.make_by(page, "Uploads")
    assert "They stay in memory, in your session." in steps.texts(page)
    assert not page.button


def test_no_class_left_makes_no_set(page: AppTest) -> None:
    steps.keyed(page.multiselect, "set-classes").set_value(list(range(10)))
    steps.keyed(page.toggle, "set-all-but").set_value(True)
    steps.run(page)
    assert "Nothing is left" in steps.texts(page)
    assert not page.button


@pytest.mark.parametrize("way", ["Classes", "Nearest", "Plot"])
def test_a_model_without_a_bank_says_so(other_model: str, page: AppTest, way: str) -> None:
    page.selectbox(key="model").set_value(other_model)
    steps.make_by(steps.run(page), way)
    assert any("There is no bank of reference pictures" in each.value for each in page.info)


def test_a_model_without_a_bank_starts_with_uploads(other_model: str, page: AppTest) -> None:
    page.selectbox(key="model").set_value(other_model)
    steps.run(page)
    assert steps.keyed(page.button_group, "make-by").value == "Uploads"


# ---- ways to make a set --------------------------------------------------------------------


def test_a_set_of_classes_holds_all_their_pictures(page: AppTest) -> None:
    steps.add_classes(page, [3, 8])
    assert ids_of(page, "3 and 8") == DIGITS.of(3, 8)


def test_a_set_of_classes_holds_the_banks_features(page: AppTest) -> None:
    steps.add_classes(page, [5])
    references = steps.kept_sets(page)["5"].references
    expected = DIGITS.features[np.isin(DIGITS.ids, references.ids)]
    order = np.lexsort(references.features.T), np.lexsort(expected.T)
    np.testing.assert_array_equal(references.features[order[0]], expected[order[1]])


def test_all_but_some_classes_is_the_rest(page: AppTest) -> None:
    steps.add_classes(page, [0, 3, 8], inverted=True)
    assert ids_of(page, "all but 0 and 3 and 8") == DIGITS.of(1, 2, 4, 5, 6, 7, 9)


def test_another_banks_classes_are_its_own_pictures(page: AppTest) -> None:
    page.selectbox(key="reference-bank-digits").set_value("drawn-digits")
    steps.run(page)
    steps.add_classes(page, [4])
    assert ids_of(page, "4") == DRAWN.of(4)


def test_the_nearest_are_those_of_a_slow_search(page: AppTest) -> None:
    steps.make_by(page, "Nearest")
    page.number_input(key="num-nearest").set_value(25)
    steps.add_set(steps.run(page))
    feature = feature_of(FIRST_SAMPLE.read_bytes()).astype(np.float64)
    distance = np.array([np.sqrt(((row - feature) ** 2).sum()) for row in DIGITS.features])
    assert ids_of(page, "nearest 25") == np.sort(DIGITS.ids[np.argsort(distance)[:25]]).tolist()


def test_the_nearest_leave_the_picture_itself_out(page: AppTest) -> None:
    page.selectbox(key="reference-bank-digits").set_value("drawn-digits")
    steps.keyed(page.button_group, "source").set_value("Upload")
    steps.run(page)
    steps.keyed(page.file_uploader, "upload-").set_value(("own.png", drawn_picture(0), "image/png"))
    steps.make_by(page, "Nearest")
    page.number_input(key="num-nearest").set_value(5)
    steps.add_set(steps.run(page))
    assert len(ids_of(page, "nearest 5")) == 5
    assert int(DRAWN.ids[0]) not in ids_of(page, "nearest 5")


def drawn_picture(row: int) -> bytes:
    """Return a picture of the bank "drawn-digits", from its thumbnails."""
    folder = BANKS / "drawn-digits"
    ends = np.fromfile(folder / "thumbnail_ends.u64", np.uint64).astype(int)
    begin = int(ends[row - 1]) if row else 0
    return (folder / "thumbnails.bin").read_bytes()[begin : ends[row]]


def test_what_is_chosen_in_the_plot_is_the_set(page: AppTest) -> None:
    steps.choose_in_plot(page, UNSTABLE)
    assert "**3 chosen.**" in steps.texts(page)
    steps.add_set(page)
    assert ids_of(page, "chosen 3") == np.sort(DIGITS.ids[UNSTABLE]).tolist()


def two_sets(at: AppTest, operation: str) -> None:
    """Make sets of 3 and 5 and of 5 and 8, and put them together."""
    steps.add_classes(at, [3, 5], "first")
    steps.add_classes(at, [5, 8], "second")
    steps.make_by(at, "Two sets")
    steps.keyed(at.button_group, "set-operation").set_value(operation)
    steps.add_set(steps.run(at))


def test_one_set_and_another_holds_each_picture_once(page: AppTest) -> None:
    two_sets(page, "joined with")
    assert ids_of(page, "first joined with second") == DIGITS.of(3, 5, 8)


def test_one_set_without_another_is_the_difference(page: AppTest) -> None:
    two_sets(page, "without")
    assert ids_of(page, "first without second") == DIGITS.of(3)


def test_sets_of_two_layers_are_not_put_together(page: AppTest) -> None:
    steps.add_classes(page, [1], "bank")
    page.selectbox(key="layer-digits").select_index(0)
    steps.add_files(steps.run(page), strokes(2), "mine")
    steps.make_by(page, "Two sets")
    steps.add_set(page)
    assert "cannot be put together: their layer differs" in steps.errors(page)
    assert list(steps.kept_sets(page)) == ["bank", "mine"]


def test_a_set_without_itself_says_that_nothing_is_left(page: AppTest) -> None:
    steps.add_classes(page, [1], "part")
    steps.add_classes(page, [1, 2], "whole")
    steps.make_by(page, "Two sets")
    steps.keyed(page.button_group, "set-operation").set_value("without")
    steps.add_set(steps.run(page))
    assert "nothing is left" in steps.errors(page)
    assert list(steps.kept_sets(page)) == ["part", "whole"]


def test_how_two_sets_were_put_together_is_said(page: AppTest) -> None:
    two_sets(page, "joined with")
    assert "1,500 pictures, “first” joined with “second”" in steps.texts(page)


def test_a_set_of_two_keeps_thumbnails_and_titles_of_its_members_only(page: AppTest) -> None:
    files = strokes(4)
    own = dict(list(files.items())[:2])
    steps.add_files(page, files, "first")
    steps.add_files(page, dict(list(files.items())[2:]), "second")
    steps.make_by(page, "Two sets")
    steps.keyed(page.button_group, "set-operation").set_value("without")
    steps.add_set(steps.run(page))
    made = steps.kept_sets(page)["first without second"]
    assert made.titles == {id_of(content): name for name, content in own.items()}
    assert made.thumbnails.keys() == made.titles.keys()


def test_a_new_set_is_chosen(page: AppTest) -> None:
    for digit in (3, 8):
        steps.add_classes(page, [digit])
    assert steps.keyed(page.selectbox, "reference-set").value == "8"
    assert "500 pictures, of the bank “digits”: 8" in steps.texts(page)


def test_after_a_set_is_made_the_form_is_empty(page: AppTest) -> None:
    steps.add_classes(page, [3])
    assert steps.keyed(page.multiselect, "set-classes").value == []
    assert not [each for each in page.button if each.label == "Add the set"]


def test_half_made_choices_survive_going_to_models_and_back(page: AppTest) -> None:
    steps.make_by(page, "Classes")
    steps.keyed(page.multiselect, "set-classes").set_value([3, 8])
    steps.keyed(page.toggle, "set-all-but").set_value(True)
    steps.keyed(steps.run(page).text_input, "set-name").set_value("rest")
    steps.run(page)
    steps.show_page(steps.show_page(page, "models"), "references")
    assert steps.keyed(page.button_group, "make-by").value == "Classes"
    assert steps.keyed(page.multiselect, "set-classes").value == [3, 8]
    steps.add_set(page)
    assert ids_of(page, "rest") == DIGITS.of(0, 1, 2, 4, 5, 6, 7, 9)


def test_a_half_made_number_of_neighbours_survives_going_to_models_and_back(page: AppTest) -> None:
    steps.make_by(page, "Nearest")
    page.number_input(key="num-nearest").set_value(7)
    steps.run(page)
    steps.show_page(steps.show_page(page, "models"), "references")
    assert steps.keyed(page.button_group, "make-by").value == "Nearest"
    steps.add_set(page)
    assert len(ids_of(page, "nearest 7")) == 7
