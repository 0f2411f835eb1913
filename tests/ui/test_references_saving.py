"""Reference sets are saved in the operator's folder, and loaded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import steps
from tests.ui.reference_steps import DIGITS, JPEG, PNG, id_of, ids_of, strokes, tile_texts, zip_of

pytestmark = pytest.mark.usefixtures("no_folder")


def save_as(at: AppTest, name: str = "", *, is_replaced: bool = False) -> None:
    """Save the chosen set."""
    if name:
        steps.keyed(at.text_input, "save-as-").set_value(name)
    (replaced,) = [each for each in at.checkbox if each.label.startswith("Replace")]
    replaced.set_value(is_replaced)
    steps.press(at, "Save the set")


def can_save(at: AppTest) -> bool:
    popovers = [each.proto.popover for each in at.get("popover")]
    (popover,) = [each for each in popovers if each.label == "Save"]
    return not popover.disabled


def test_without_a_folder_nothing_can_be_saved(page: AppTest) -> None:
    steps.add_classes(page, [3])
    assert not can_save(page)


def test_without_a_folder_the_saved_way_says_why(page: AppTest) -> None:
    steps.make_by(page, "Saved")
    (info, _) = page.info
    assert "WHYNOT_REFERENCES" in info.value
    assert not page.button


@pytest.mark.usefixtures("folder")
def test_with_an_empty_folder_the_saved_way_says_what_to_do(page: AppTest) -> None:
    steps.make_by(page, "Saved")
    assert any("No set is saved for this model yet" in each.value for each in page.info)


@pytest.mark.usefixtures("folder")
def test_a_saved_set_is_loaded_in_another_session(page: AppTest) -> None:
    steps.add_classes(page, [3])
    assert can_save(page)
    save_as(page, "threes")
    assert any("Saved as “threes”" in each.value for each in page.success)
    other = steps.make_by(steps.open_references(), "Saved")
    assert steps.keyed(other.selectbox, "set-saved").options == ["threes (500 pictures)"]
    steps.add_set(other)
    assert ids_of(other, "threes") == DIGITS.of(3)


@pytest.mark.usefixtures("folder")
def test_a_saved_upload_brings_its_thumbnails(page: AppTest) -> None:
    steps.add_files(page, strokes(3), "mine")
    save_as(page)
    other = steps.add_set(steps.make_by(steps.open_references(), "Saved"))
    mine, loaded = steps.kept_sets(page)["mine"], steps.kept_sets(other)["mine"]
    np.testing.assert_array_equal(loaded.references.features, mine.references.features)
    assert loaded.thumbnails == mine.thumbnails
    assert len(loaded.thumbnails) == 3


@pytest.mark.usefixtures("folder")
def test_a_deleted_sets_saved_copy_stays(page: AppTest) -> None:
    steps.add_classes(page, [3], "mine")
    save_as(page)
    steps.delete_set(page, "mine")
    steps.add_set(steps.make_by(page, "Saved"))
    assert ids_of(page, "mine") == DIGITS.of(3)


@pytest.mark.usefixtures("folder")
def test_a_loaded_upload_has_no_file_names(page: AppTest) -> None:
    steps.add_files(page, strokes(3), "mine")
    save_as(page)
    other = steps.add_set(steps.make_by(steps.open_references(), "Saved"))
    assert {name for name, _ in tile_texts(other)} == {"no class"}
    assert "stroke-" not in steps.texts(other)


def test_a_saved_file_holds_no_file_names(page: AppTest, folder: Path) -> None:
    steps.add_files(
        page, {"patient-name.png": PNG, "in.zip": zip_of({"a/Smith.png": JPEG})}, "mine"
    )
    assert {name for name, _ in tile_texts(page)} == {"patient-name.png", "Smith.png"}
    save_as(page)
    content = (folder / "sets" / "mine.safetensors").read_bytes()
    assert id_of(PNG).to_bytes(8, "little") in content
    assert b"patient-name" not in content
    assert b"Smith" not in content


@pytest.mark.usefixtures("folder")
def test_before_saving_it_is_said_who_sees_the_set_and_what_is_left_out(page: AppTest) -> None:
    steps.add_classes(page, [3])
    assert "for everyone who uses this dashboard" in steps.texts(page)
    assert "File names of pictures are not saved." in steps.texts(page)


@pytest.mark.usefixtures("folder")
def test_a_taken_saved_name_is_refused_and_the_file_stays(page: AppTest, folder: Path) -> None:
    for digit in (3, 8):
        steps.add_classes(page, [digit])
        save_as(page, "mine")
    assert "there is a saved set 'mine' already" in steps.errors(page).lower()
    other = steps.add_set(steps.make_by(steps.open_references(), "Saved"))
    assert ids_of(other, "mine") == DIGITS.of(3)


@pytest.mark.usefixtures("folder")
def test_a_taken_saved_name_can_be_replaced(page: AppTest) -> None:
    for digit in (3, 8):
        steps.add_classes(page, [digit])
        save_as(page, "mine", is_replaced=digit == 8)
    assert not page.error
    other = steps.add_set(steps.make_by(steps.open_references(), "Saved"))
    assert ids_of(other, "mine") == DIGITS.of(8)


@pytest.mark.parametrize("name", ["../mine", "a/b", "."])
def test_a_path_is_no_name_to_save_by(page: AppTest, folder: Path, name: str) -> None:
    steps.add_classes(page, [3])
    save_as(page, name)
    assert "choose another name" in steps.errors(page)
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_takes_nothing_gives_a_message_and_the_set_stays(
    page: AppTest, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(_file: int) -> None:
        raise OSError(code, os.strerror(code))

    steps.add_classes(page, [3])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        save_as(page, "mine")
    assert os.strerror(code) in steps.errors(page)
    assert ids_of(page, "3") == DIGITS.of(3)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    save_as(page, "mine")
    assert not page.error


def test_a_file_where_the_folder_should_be_gives_a_message(page: AppTest, folder: Path) -> None:
    (folder / "sets").write_text("in the way", encoding="utf-8")
    steps.add_classes(page, [3])
    save_as(page, "mine")
    assert "cannot be saved" in steps.errors(page)
    assert ids_of(page, "3") == DIGITS.of(3)


def test_a_folder_that_is_not_there_gives_a_message(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.add_classes(page, [3])
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path / "nowhere"))
    steps.run(page)
    assert "which is no folder" in steps.texts(page)
    assert "3 · " in steps.texts(page)


@pytest.mark.parametrize("name", ["explain", "references"])
def test_a_folder_that_is_not_there_leaves_the_bundled_banks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path / "nowhere"))
    at = steps.show_page(steps.open_app(), name)
    assert len(at.selectbox(key="reference-bank-digits").options) == 2
    assert not at.error


def test_with_a_folder_that_is_not_there_the_saved_way_says_so(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path / "nowhere"))
    steps.make_by(page, "Saved")
    assert "which is no folder" in steps.errors(page)


@pytest.mark.usefixtures("folder")
def test_a_saved_set_of_another_model_is_not_offered(other_model: str, page: AppTest) -> None:
    steps.add_classes(page, [3])
    save_as(page)
    page.selectbox(key="model").set_value(other_model)
    steps.make_by(steps.run(page), "Saved")
    assert any("No set is saved for this model yet" in each.value for each in page.info)


def test_a_broken_saved_set_is_named_and_the_others_are_offered(
    page: AppTest, folder: Path
) -> None:
    steps.add_classes(page, [3])
    save_as(page, "good")
    (folder / "sets" / "broken.safetensors").write_bytes(b"\x08" + bytes(30))
    steps.make_by(page, "Saved")
    assert steps.keyed(page.selectbox, "set-saved").options == ["good (500 pictures)"]
    assert "broken" in steps.texts(page)


def test_a_saved_set_that_breaks_before_it_is_loaded_gives_a_message(
    page: AppTest, folder: Path
) -> None:
    steps.add_classes(page, [3])
    save_as(page, "good")
    steps.make_by(page, "Saved")
    file = folder / "sets" / "good.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    steps.add_set(page)
    assert any("No set is saved for this model yet" in each.value for each in page.info)
    assert list(steps.kept_sets(page)) == ["3"]


@pytest.mark.usefixtures("folder")
def test_a_saved_name_that_is_taken_in_the_session_is_suggested_free(page: AppTest) -> None:
    steps.add_classes(page, [3])
    save_as(page)
    steps.add_set(steps.make_by(page, "Saved"))
    assert not page.error
    assert ids_of(page, "3 2") == ids_of(page, "3")


@pytest.mark.usefixtures("folder")
def test_a_saved_name_that_is_taken_in_the_session_can_be_changed(page: AppTest) -> None:
    steps.add_classes(page, [3])
    save_as(page)
    steps.add_set(steps.make_by(page, "Saved"), "3")
    assert "already" in steps.errors(page)
    steps.add_set(page, "again")
    assert ids_of(page, "again") == ids_of(page, "3")
