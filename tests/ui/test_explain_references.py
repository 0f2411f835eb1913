"""What Explain asks with reference sets and banks: how unlike, and what varies."""

from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components import state
from explain_core.references import banks
from tests.ui import steps
from tests.ui.reference_steps import (
    DIGITS,
    DRAWN,
    PNG,
    TEXT,
    Counted,
    ask_how_unlike,
    forget_banks,
    id_of,
    ids_of,
    images,
    metrics,
    strokes,
)

pytestmark = pytest.mark.usefixtures("no_folder")


# ---- how unlike ----------------------------------------------------------------------------


def test_without_a_set_how_unlike_says_what_to_do(at: AppTest) -> None:
    ask_how_unlike(at)
    assert any("make one on the left" in each.value for each in at.info)
    assert list(steps.shown_panels(at)) == ["grad-cam", "guided-absolute-grad"]


def test_a_set_can_be_made_on_explain(at: AppTest) -> None:
    """AppTest closes a dialog with each run, so it is opened again with what is done in it."""
    ask_how_unlike(at)
    steps.press(at, "Make a set …")
    steps.keyed(at.multiselect, "set-classes").set_value([7])
    steps.press(at, "Make a set …")
    steps.button(at, "Make a set …").click()
    steps.press(at, "Add the set")
    assert ids_of(at, "7") == DIGITS.of(7)
    assert at.title[0].value == "How is this picture unlike “7”?"


def test_bad_files_are_listed_on_explain_too(at: AppTest) -> None:
    ask_how_unlike(at)
    steps.button(at, "Make a set …").click()
    steps.run(at)
    steps.keyed(at.button_group, "make-by").set_value("Uploads")
    steps.press(at, "Make a set …")
    files = [("good.png", PNG, "image/png"), ("letter.png", TEXT, "image/png")]
    steps.keyed(at.file_uploader, "set-upload").set_value(files)
    steps.press(at, "Make a set …")
    steps.button(at, "Make a set …").click()
    steps.press(at, "Add the set")
    assert ids_of(at, "uploaded") == [id_of(PNG)]
    assert list(steps.left_out(at)) == ["letter.png"]


@pytest.fixture
def unlike(page: AppTest) -> AppTest:
    """Give Explain asking how the first sample is unlike the sets 7 and 8; 8 is chosen."""
    steps.add_classes(page, [7])
    steps.add_classes(page, [8])
    return ask_how_unlike(steps.show_page(page, "explain"))


def test_diffcam_compares_with_the_chosen_set(unlike: AppTest) -> None:
    assert steps.shown_panels(unlike)["diffcam"].head == (
        "DiffCAM this picture against “8” (500 pictures)"
    )


def test_another_set_has_another_map(unlike: AppTest) -> None:
    before = steps.shown_panels(unlike)
    steps.keyed(unlike.selectbox, "reference-set").set_value("7")
    after = steps.shown_panels(steps.run(unlike))
    assert "against “7”" in after["diffcam"].head
    assert after["diffcam"].data != before["diffcam"].data
    assert after["grad-cam"].data == before["grad-cam"].data


def test_unlike_a_class_is_why_not_that_class(unlike: AppTest) -> None:
    own = steps.shown_panels(unlike)["diffcam"].data
    unlike.button_group(key="question-4").set_value("why not")
    steps.run(unlike)
    steps.references(unlike).set_value([8])
    assert steps.shown_panels(steps.run(unlike))["diffcam"].data == own


def test_methods_that_compare_classes_say_why_they_are_left_out(unlike: AppTest) -> None:
    (info,) = unlike.info
    assert info.value.startswith("Finer-CAM (Grad-CAM)")
    assert "this question is about pictures" in info.value


def test_another_set_of_this_picture_runs_no_network(unlike: AppTest, counted: Counted) -> None:
    steps.keyed(unlike.selectbox, "reference-set").set_value("7")
    steps.run(unlike)
    assert "against “7”" in steps.shown_panels(unlike)["diffcam"].head
    assert counted.num == 0


def test_at_another_layer_it_says_which_layer_the_set_is_of(unlike: AppTest) -> None:
    unlike.selectbox(key="layer-digits").select_index(0)
    steps.run(unlike)
    assert "diffcam" not in steps.shown_panels(unlike)
    assert any("known at layer features.5 only" in each.value for each in unlike.info)


def test_a_set_of_another_layer_is_compared_at_that_layer(page: AppTest) -> None:
    page.selectbox(key="layer-digits").select_index(0)
    steps.add_files(steps.run(page), strokes(3), "early")
    at = ask_how_unlike(steps.show_page(page, "explain"))
    at.selectbox(key="layer-digits").select_index(0)
    panels = steps.shown_panels(steps.run(at))
    assert "“early” (3 pictures)" in panels["diffcam"].head
    assert "features.5" not in panels["diffcam"].foot


def test_a_deleted_set_is_not_offered_on_explain(unlike: AppTest) -> None:
    page = steps.show_page(unlike, "references")
    steps.delete_set(page, "8")
    at = ask_how_unlike(steps.show_page(page, "explain"))
    assert steps.keyed(at.selectbox, "reference-set").options == ["7"]
    assert "against “7”" in steps.shown_panels(at)["diffcam"].head


def test_the_set_is_judged_on_explain_when_asked_for(unlike: AppTest) -> None:
    assert not unlike.metric
    unlike.toggle(key=state.JUDGE).set_value(True)
    steps.run(unlike)
    assert metrics(unlike)["Pictures"] == "500"


def test_stability_on_explain_runs_no_network(unlike: AppTest, counted: Counted) -> None:
    unlike.toggle(key=state.JUDGE).set_value(True)
    steps.press(steps.run(unlike), "Test it")
    assert "Agreement of the maps" in steps.texts(unlike)
    assert counted.num == 0


# ---- what varies ---------------------------------------------------------------------------


def ask_what_varies(at: AppTest) -> AppTest:
    steps.keyed(at.button_group, "question-").set_value("what varies")
    return steps.run(at)


def strip_texts(at: AppTest) -> list[float]:
    """Return the distances below the strips' pictures."""
    return [float(each) for each in re.findall(r"^\d+\.\d\d$", steps.texts(at), re.MULTILINE)]


def test_what_varies_is_asked_of_this_picture(at: AppTest) -> None:
    assert ask_what_varies(at).title[0].value == (
        "What sets this picture apart from other pictures of 3?"
    )


def test_what_varies_says_how_many_and_whose_pictures_are_ranked(at: AppTest) -> None:
    ask_what_varies(at)
    num_ranked, num_members = len(DRAWN.of(3)), len(DIGITS.of(3))
    assert f"**Farthest out of {num_ranked:,}**" in steps.texts(at)
    assert "Pictures of 3 in the bank “drawn-digits”" in steps.texts(at)
    assert f"mean of the {num_members:,} pictures of 3" in steps.texts(at)


def test_what_varies_shows_the_strange_and_the_typical_by_distance(at: AppTest) -> None:
    ask_what_varies(at)
    mean = DIGITS.features[DIGITS.labels == 3].astype(np.float64).mean(axis=0)
    pictures = DRAWN.features[DRAWN.labels == 3].astype(np.float64)
    ordered = np.sort([np.sqrt(((row - mean) ** 2).sum()) for row in pictures])
    np.testing.assert_allclose(strip_texts(at), [*ordered[::-1][:8], *ordered[:8]], atol=0.0051)


def test_what_varies_shows_a_picture_with_a_map_for_each(at: AppTest) -> None:
    ask_what_varies(at)
    under = [float(each) for each in images(at) if re.fullmatch(r"\d+\.\d\d", each)]
    assert under == strip_texts(at)


def test_what_varies_asked_again_runs_no_network(at: AppTest, counted: Counted) -> None:
    ask_what_varies(at)
    num_passes = steps.passes(at)
    at.button_group(key="question-4").set_value("why is")
    steps.run(at)
    before = counted.num
    ask_what_varies(at)
    assert len(strip_texts(at)) == 16
    assert counted.num == before
    assert steps.passes(at) == num_passes


def test_another_lambda_for_the_strips_runs_no_network(at: AppTest, counted: Counted) -> None:
    ask_what_varies(at)
    before, shown = counted.num, [each.value for each in at.get("image")]
    steps.tell(at, {"values": {"lam": 1.0}, "own": {}, "look": {}})
    assert len(strip_texts(at)) == 16
    assert [each.value for each in at.get("image")] != shown
    assert counted.num == before


def test_what_varies_shows_the_class_that_is_asked_about(at: AppTest) -> None:
    steps.target(at).set_value(8)
    ask_what_varies(at)
    mean = DIGITS.features[DIGITS.labels == 8].astype(np.float64).mean(axis=0)
    pictures = DRAWN.features[DRAWN.labels == 8].astype(np.float64)
    farthest = np.linalg.norm(pictures - mean, axis=1).max()
    assert strip_texts(at)[0] == pytest.approx(farthest, abs=0.0051)


def test_a_bank_of_features_only_says_why_there_are_no_strips(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(banks, "_BUNDLED", ("digits",))
    forget_banks()
    at = ask_what_varies(steps.open_app())
    (said,) = [each.value for each in at.info if "The pictures themselves" in each.value]
    assert "not at hand: the bank holds features, and perhaps thumbnails" in said
    assert not strip_texts(at)
    assert "diffcam" in steps.shown_panels(at)


def test_at_another_layer_what_varies_names_the_layer(at: AppTest) -> None:
    ask_what_varies(at)
    at.selectbox(key="layer-digits").select_index(0)
    steps.run(at)
    assert any("known at layer features.5 only" in each.value for each in at.info)
    assert not any("not at hand" in each.value for each in at.info)
    assert not strip_texts(at)


def test_without_a_method_what_varies_says_to_choose_one(at: AppTest) -> None:
    ask_what_varies(at)
    steps.keyed(at.multiselect, "methods-").set_value([])
    steps.run(at)
    (info,) = at.info
    assert "Choose at least one method above" in info.value
    assert not steps.shown_panels(at)
