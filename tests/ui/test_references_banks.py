"""The operator's banks: used, or named with the reason why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import explain_core as xc
from explain_core.references.building import build_bank
from tests.ui import steps
from tests.ui.reference_steps import BANKS, DIGITS, DRAWN, id_of, ids_of, strokes, tile_texts

pytestmark = pytest.mark.usefixtures("no_folder")


def put_bank(folder: Path, name: str = "own") -> Path:
    """Put a copy of a bundled bank into the operator's folder."""
    copied = folder / "banks" / name
    shutil.copytree(BANKS / "drawn-digits", copied)
    return copied


def change_manifest(bank: Path, name: str, value: object) -> None:
    path = bank / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), name: value}), "utf-8")


def cut_features(bank: Path) -> None:
    path = bank / "features.f16"
    path.write_bytes(path.read_bytes()[:-2000])


def spoil_manifest(bank: Path) -> None:
    (bank / "manifest.json").write_text("{", encoding="utf-8")


def take_labels(bank: Path) -> None:
    (bank / "labels.i32").unlink()


def spoil_labels(bank: Path) -> None:
    labels = np.fromfile(bank / "labels.i32", np.int32)
    labels[5] = 99
    labels.tofile(bank / "labels.i32")


DAMAGES = {
    "features cut": (cut_features, "features.f16"),
    "manifest spoilt": (spoil_manifest, "manifest.json"),
    "labels gone": (take_labels, "labels.i32"),
    "labels out of range": (spoil_labels, "labels.i32"),
}


def test_the_operators_bank_is_offered(folder: Path) -> None:
    put_bank(folder)
    page = steps.open_references()
    page.selectbox(key="reference-bank-digits").set_value("own")
    steps.run(page)
    steps.add_classes(page, [7])
    assert ids_of(page, "7") == DRAWN.of(7)


@pytest.mark.parametrize("name", ["explain", "references"])
@pytest.mark.parametrize("fault", DAMAGES)
def test_a_damaged_bank_is_named_with_its_reason(folder: Path, fault: str, name: str) -> None:
    damage, reason = DAMAGES[fault]
    damage(put_bank(folder))
    at = steps.show_page(steps.open_app(), name)
    assert "Bank “own” is not used" in steps.texts(at)
    assert reason in steps.texts(at)
    assert not at.error


@pytest.mark.parametrize("fault", DAMAGES)
def test_beside_a_damaged_bank_the_others_work(folder: Path, fault: str) -> None:
    DAMAGES[fault][0](put_bank(folder))
    page = steps.open_references()
    assert len(page.selectbox(key="reference-bank-digits").options) == 2
    steps.add_classes(page, [3])
    assert ids_of(page, "3") == DIGITS.of(3)


def test_a_bank_of_other_weights_is_named_with_its_reason(folder: Path) -> None:
    change_manifest(put_bank(folder), "fingerprint", "0" * 64)
    page = steps.open_references()
    assert "Bank “own” is not used" in steps.texts(page)
    assert "made with other weights" in steps.texts(page)
    assert len(page.selectbox(key="reference-bank-digits").options) == 2


def test_a_bank_of_another_model_is_not_mentioned(folder: Path) -> None:
    bank = put_bank(folder)
    change_manifest(bank, "fingerprint", "0" * 64)
    change_manifest(bank, "model", "another")
    assert "is not used" not in steps.texts(steps.open_references())


def test_a_bank_by_a_bundled_name_is_named_with_its_reason(folder: Path) -> None:
    put_bank(folder, "digits")
    page = steps.open_references()
    assert "the bundled bank 'digits' has this name" in steps.texts(page)


@pytest.mark.parametrize("way", ["Classes", "Nearest", "Plot"])
def test_a_bank_with_nan_makes_no_set_but_a_message(folder: Path, way: str) -> None:
    bank = put_bank(folder)
    np.full((1000, 64), np.nan, np.float16).tofile(bank / "features.f16")
    page = steps.open_references()
    page.selectbox(key="reference-bank-digits").set_value("own")
    steps.run(page)
    if way == "Classes":
        steps.add_classes(page, [3])
    elif way == "Nearest":
        steps.add_set(steps.make_by(page, "Nearest"))
    else:
        steps.make_by(page, "Plot")
    assert "NaN" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_a_bank_with_nan_leaves_explain_its_other_maps(folder: Path) -> None:
    bank = put_bank(folder)
    np.full((1000, 64), np.nan, np.float16).tofile(bank / "features.f16")
    at = steps.open_app()
    at.selectbox(key="reference-bank-digits").set_value("own")
    steps.run(at)
    assert list(steps.shown_panels(at)) == ["finer-grad-cam", "grad-cam", "guided-absolute-grad"]


def build_animals(folder: Path) -> None:
    """Build a bank of other classes than the model's; one picture of a cat is a dog, too."""
    root = folder / "pictures"
    pictures = strokes(6)
    for index, (name, content) in enumerate(pictures.items()):
        path = root / ("cats" if index % 2 else "dogs") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "dogs" / "cat.png").write_bytes(pictures["stroke-1.png"])
    build_bank(xc.load_model("digits"), root, folder / "banks" / "animals")


@pytest.fixture
def animals(folder: Path) -> AppTest:
    """Give the References page with that bank chosen."""
    build_animals(folder)
    page = steps.open_references()
    page.selectbox(key="reference-bank-digits").set_value("animals")
    return steps.run(page)


def test_a_bank_of_other_classes_makes_sets_of_them(animals: AppTest) -> None:
    steps.add_classes(animals, [0], "cats")
    expected = sorted(id_of(each) for each in list(strokes(6).values())[1::2])
    assert ids_of(animals, "cats") == expected


def test_a_picture_that_a_bank_has_in_two_classes_is_shown_with_both(animals: AppTest) -> None:
    steps.add_classes(animals, [0, 1])
    assert len(ids_of(animals, "cats and dogs")) == 7
    assert "Farthest from the mean" in steps.texts(animals)


def test_members_bear_the_models_classes_whatever_bank_is_chosen(animals: AppTest) -> None:
    animals.selectbox(key="reference-bank-digits").set_value("digits")
    steps.run(animals)
    steps.add_classes(animals, [1])
    animals.selectbox(key="reference-bank-digits").set_value("animals")
    steps.run(animals)
    assert {name for name, _ in tile_texts(animals)} == {"1"}


def test_with_other_classes_explain_asks_only_what_it_can(animals: AppTest) -> None:
    at = steps.show_page(animals, "explain")
    steps.run(at)
    assert steps.keyed(at.selectbox, "reference-bank").value == "animals"
    options = steps.keyed(at.button_group, "question-").options
    assert "What varies" not in str(options)


def test_with_other_classes_explain_says_why_there_is_no_diffcam(animals: AppTest) -> None:
    at = steps.run(steps.show_page(animals, "explain"))
    assert "diffcam" not in steps.shown_panels(at)
    (said,) = [each.value for each in at.info if each.value.startswith("DiffCAM")]
    assert "has no pictures of that class" not in said
