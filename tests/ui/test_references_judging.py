"""Reference sets are looked at and judged."""

from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explain_core.methods.settings import LAM
from explain_core.references.judging import outliers
from explain_core.references.spectrum import spectrum_of
from tests.ui import steps
from tests.ui.reference_steps import (
    DIGITS,
    FIRST_SAMPLE,
    JPEG,
    PNG,
    UNSTABLE,
    Counted,
    ask_how_unlike,
    feature_of,
    ids_of,
    images,
    metrics,
    strokes,
    tile_texts,
    zip_of,
)

pytestmark = pytest.mark.usefixtures("no_folder")


# ---- looking at a set ----------------------------------------------------------------------


def test_the_members_shown_are_the_nearest_and_the_farthest(page: AppTest) -> None:
    steps.add_classes(page, [3])
    features = DIGITS.features[DIGITS.labels == 3].astype(np.float64)
    to_others = [
        np.linalg.norm(row - np.delete(features, index, axis=0).mean(axis=0))
        for index, row in enumerate(features)
    ]
    ordered = np.sort(to_others)
    shown = [value for _, value in tile_texts(page)]
    np.testing.assert_allclose(shown, [*ordered[:8], *ordered[::-1][:8]], atol=0.0051)


def test_uploaded_members_have_pictures(page: AppTest) -> None:
    steps.add_files(page, strokes(3))
    assert "hide_image" not in steps.texts(page)
    assert sorted(name.split(" · ")[0] for name in images(page) if " · " in name) == [*strokes(3)]


def test_uploaded_members_bear_their_files_names(page: AppTest) -> None:
    packed = zip_of({"deep/in/it/zipped.png": JPEG})
    steps.add_files(page, {"all.zip": packed, "plain.png": PNG})
    assert {name for name, _ in tile_texts(page)} == {"zipped.png", "plain.png"}


@pytest.mark.parametrize("num", [2, 5, 15, 16, 17])
def test_no_member_is_shown_twice(page: AppTest, num: int) -> None:
    steps.add_files(page, strokes(num))
    shown = [name for name, _ in tile_texts(page)]
    assert len(shown) == len(set(shown)) == min(num, 16)


def test_of_few_members_the_nearest_are_above_and_the_farthest_below(page: AppTest) -> None:
    files = strokes(5)
    steps.add_files(page, files)
    features = np.concatenate([[feature_of(each)] for each in files.values()]).astype(np.float64)
    distance = [
        np.linalg.norm(row - np.delete(features, index, axis=0).mean(axis=0))
        for index, row in enumerate(features)
    ]
    ordered = [list(files)[index] for index in np.argsort(distance)]
    assert [name for name, _ in tile_texts(page)] == [*ordered[:2], *ordered[:1:-1]]


def test_one_single_member_is_shown_once_and_cannot_be_removed(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    assert steps.texts(page).splitlines().count("good.png") == 1
    assert "Nearest to the mean" not in steps.texts(page)
    assert "Farthest from the mean" in steps.texts(page)
    assert not [each for each in page.button if "-remove-" in (each.key or "")]


def test_members_of_a_bank_of_features_have_no_pictures_and_it_is_said(page: AppTest) -> None:
    steps.add_classes(page, [3])
    assert "The bank holds features only" in steps.texts(page)


def test_where_the_picture_lies_is_said(page: AppTest) -> None:
    steps.add_classes(page, [3])
    features = DIGITS.features[DIGITS.labels == 3].astype(np.float64)
    mean = features.mean(axis=0)
    own = np.linalg.norm(feature_of(FIRST_SAMPLE.read_bytes()) - mean)
    members = np.linalg.norm(features - mean, axis=1) * 500 / 499
    (said,) = re.findall(r"farther out than (\d+) % of the members", steps.texts(page))
    assert int(said) == round(100 * float((members < own).mean()))


def test_a_removed_member_is_gone(page: AppTest) -> None:
    steps.add_files(page, strokes(4))
    before = ids_of(page, "uploaded")
    (button, *_) = [each for each in page.button if "-remove-" in (each.key or "")]
    removed = int(button.key.rpartition("-")[2])
    button.click()
    steps.run(page)
    assert ids_of(page, "uploaded") == [each for each in before if each != removed]


def test_a_removed_member_leaves_the_other_sets_and_their_order(page: AppTest) -> None:
    steps.add_files(page, strokes(4), "first")
    steps.add_files(page, strokes(4), "second")
    steps.keyed(page.selectbox, "reference-set").set_value("first")
    steps.run(page)
    next(each for each in page.button if "-remove-" in (each.key or "")).click()
    steps.run(page)
    assert list(steps.kept_sets(page)) == ["first", "second"]
    assert len(ids_of(page, "first")) == 3
    assert len(ids_of(page, "second")) == 4
    assert steps.keyed(page.selectbox, "reference-set").value == "first"


def test_members_are_removed_down_to_one(page: AppTest) -> None:
    steps.add_files(page, strokes(4))
    for _ in range(3):
        next(each for each in page.button if "-remove-" in (each.key or "")).click()
        steps.run(page)
    assert len(ids_of(page, "uploaded")) == 1
    assert not [each for each in page.button if "-remove-" in (each.key or "")]
    assert not page.error


# ---- judging a set -------------------------------------------------------------------------


def test_the_figures_are_the_sets(page: AppTest) -> None:
    steps.add_classes(page, [3])
    features = DIGITS.features[DIGITS.labels == 3].astype(np.float64)
    shown = metrics(page)
    assert shown["Pictures"] == "500"
    assert shown["Features"] == "64"
    assert int(shown["Rank of the scatter"]) == np.linalg.matrix_rank(np.cov(features.T))
    values = np.linalg.eigvalsh(np.cov(features.T))
    shares = values[values > 0] / values[values > 0].sum()
    assert float(shown["Effective rank"]) == pytest.approx(
        np.exp(-(shares * np.log(shares)).sum()), abs=0.06
    )


def test_the_outliers_are_removed_and_no_one_else(page: AppTest) -> None:
    steps.add_classes(page, [3])
    references = steps.kept_sets(page)["3"].references
    found = outliers(references, spectrum_of(references))
    assert metrics(page)["Outliers"] == f"{len(found)}"
    steps.press(page, f"Remove the {len(found)} outliers")
    assert set(ids_of(page, "3")) == set(DIGITS.of(3)) - set(references.ids[found].tolist())


def test_few_pictures_are_cautioned_against(page: AppTest) -> None:
    steps.add_set(steps.choose_in_plot(page, UNSTABLE))
    assert any("3 pictures for 64 features" in each.value for each in page.warning)


def test_without_a_picture_judging_says_what_to_give(page: AppTest) -> None:
    steps.keyed(page.button_group, "source").set_value("Upload")
    steps.run(page)
    steps.add_classes(page, [3])
    assert any("Give a picture on the left to see" in each.value for each in page.info)
    assert metrics(page)["Pictures"] == "500"


def test_stability_waits_until_it_is_asked_for(page: AppTest) -> None:
    steps.add_classes(page, [3])
    assert "Twenty maps" in steps.texts(page)
    assert "Agreement of the maps" not in steps.texts(page)


@pytest.mark.parametrize("kind", ["bootstrap", "leave-one-out"])
def test_stability_is_shown_when_asked_for(page: AppTest, kind: str) -> None:
    steps.add_classes(page, [3])
    page.button_group(key="set-stability-kind").set_value(kind)
    steps.press(page, "Test it")
    assert "Agreement of the maps" in steps.texts(page)
    assert len(re.findall(r"^r = ", steps.texts(page), re.MULTILINE)) == 6


def test_stability_runs_no_network(page: AppTest, counted: Counted) -> None:
    steps.add_classes(page, [3])
    before = counted.num
    steps.press(page, "Test it")
    assert "Agreement of the maps" in steps.texts(page)
    assert counted.num == before


def test_stability_stays_on_the_page(page: AppTest) -> None:
    steps.add_classes(page, [3])
    steps.press(page, "Test it")
    assert "Agreement of the maps" in steps.texts(steps.run(page))


def test_stability_for_another_lambda_waits_until_it_is_asked_for(page: AppTest) -> None:
    steps.add_classes(page, [3])
    steps.press(page, "Test it")
    steps.keyed(page.slider, "lam-").set_value(1.0)
    assert "Agreement of the maps" not in steps.texts(steps.run(page))


def test_lambda_begins_at_its_default(page: AppTest) -> None:
    steps.add_classes(page, [3])
    assert steps.keyed(page.slider, "lam-").value == pytest.approx(np.log10(LAM.default))


@pytest.mark.parametrize("lam", [0.1, 10**-4.25, 1, 100])
def test_lambda_begins_where_the_viewer_was_told(page: AppTest, lam: float) -> None:
    """A browser's JSON has no decimal point in a whole number: 1 and 100 are int."""
    steps.add_classes(page, [3])
    at = steps.show_page(page, "explain")
    steps.tell(at, {"values": {"lam": lam}, "own": {}, "look": {}})
    steps.show_page(at, "references")
    assert steps.keyed(at.slider, "lam-").value == pytest.approx(np.log10(lam))
    steps.run(at)
    assert steps.keyed(at.slider, "lam-").value == pytest.approx(np.log10(lam))


@pytest.mark.parametrize("told", [-1.0, 0.0, 1e9, "much", None])
def test_lambda_begins_at_its_default_where_the_viewer_told_none(
    page: AppTest, told: object
) -> None:
    steps.add_classes(page, [3])
    at = steps.show_page(page, "explain")
    steps.tell(at, {"values": {"lam": told}, "own": {}, "look": {}})
    steps.show_page(at, "references")
    assert steps.keyed(at.slider, "lam-").value == pytest.approx(np.log10(LAM.default))


def test_a_lambda_that_was_set_here_stays_while_another_page_is_shown(page: AppTest) -> None:
    steps.add_classes(page, [3])
    steps.keyed(page.slider, "lam-").set_value(1.0)
    steps.run(page)
    steps.show_page(steps.show_page(page, "models"), "references")
    assert steps.keyed(page.slider, "lam-").value == 1.0


def test_a_map_that_hangs_on_the_sample_is_cautioned_against(page: AppTest) -> None:
    steps.add_set(steps.choose_in_plot(page, UNSTABLE))
    steps.press(page, "Test it")
    (said,) = [each.value for each in page.warning if "changes more with the sample" in each.value]
    sample, question = map(float, re.findall(r"agreement (\d\.\d\d)", said))
    assert sample < question


def test_a_map_that_hangs_on_the_question_is_not_cautioned_against(page: AppTest) -> None:
    steps.add_classes(page, [3])
    steps.press(page, "Test it")
    assert not [each for each in page.warning if "changes more" in each.value]
    assert "the question changes the map more than the sample does" in steps.texts(page)


def test_the_whole_bank_is_held_against_nothing(page: AppTest) -> None:
    steps.add_classes(page, list(range(10)), "whole")
    steps.press(page, "Test it")
    assert "Agreement of the maps" in steps.texts(page)
    assert "with the map against the whole bank" not in steps.texts(page)


def test_the_stability_of_one_picture_gives_a_message(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    steps.press(page, "Test it")
    assert page.error
    assert "Agreement of the maps" not in steps.texts(page)


# ---- the set that is the picture itself ----------------------------------------------------


def test_the_picture_itself_as_a_set_can_be_looked_at(page: AppTest) -> None:
    steps.add_files(page, {"self.png": FIRST_SAMPLE.read_bytes()})
    assert metrics(page)["Pictures"] == "1"
    assert not page.error


def test_the_stability_of_the_picture_itself_gives_a_message(page: AppTest) -> None:
    steps.add_files(page, {"self.png": FIRST_SAMPLE.read_bytes()})
    steps.press(page, "Test it")
    assert "nothing but this image" in steps.errors(page)


def test_the_picture_itself_as_a_set_gives_a_message_on_explain(page: AppTest) -> None:
    steps.add_files(page, {"self.png": FIRST_SAMPLE.read_bytes()}, "self")
    at = ask_how_unlike(steps.show_page(page, "explain"))
    assert "nothing but this image; add other pictures" in steps.errors(at)
    assert list(steps.shown_panels(at)) == ["grad-cam", "guided-absolute-grad"]


def test_the_picture_is_left_out_of_a_set_that_holds_it(page: AppTest) -> None:
    steps.add_files(page, {"self.png": FIRST_SAMPLE.read_bytes(), **strokes(3)}, "both")
    steps.add_files(page, strokes(3), "others")
    at = ask_how_unlike(steps.show_page(page, "explain"))
    without = steps.shown_panels(at)["diffcam"]
    steps.keyed(at.selectbox, "reference-set").set_value("both")
    both = steps.shown_panels(steps.run(at))["diffcam"]
    assert "the picture itself left out" in both.foot
    assert both.data == without.data
