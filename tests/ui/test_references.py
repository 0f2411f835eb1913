"""The References page, and what Explain does with sets: made, looked at, judged, saved."""

from __future__ import annotations

import copy
import errno
import io
import json
import os
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from streamlit.testing.v1 import AppTest
from torch import Tensor

import explain_core as xc
from components import caching, reference_upload, state
from components.reference_builder import _as_name, _free_name
from explain_core.images import archives
from explain_core.methods.settings import LAM
from explain_core.models.digits_net import DigitsNet
from explain_core.references import banks
from explain_core.references.building import build_bank
from explain_core.references.judging import outliers
from explain_core.references.sets import check_name
from explain_core.references.spectrum import spectrum_of
from explain_core.types import picture_id
from tests.ui import steps
from tests.ui.test_models import write_list, write_weights

ASSETS = steps.APP.parent / "assets"
SAMPLES = ASSETS / "samples" / "digits"
BANKS = ASSETS / "digits" / "banks"
FIRST_SAMPLE = SAMPLES / "three-almost-eight.png"
UNSTABLE = [100, 1700, 4200]  # rows of the bank "digits": a 0, a 3 and an 8


@dataclass(frozen=True)
class Rows:
    """Hold a bank's files as they are, read without the product.

    Attributes:
        features: (n, d) float16.
        labels: (n,).
        ids: (n,).
    """

    features: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    def of(self, *classes: int) -> list[int]:
        """Return the ids of some classes, rising."""
        found: list[int] = np.sort(self.ids[np.isin(self.labels, classes)]).tolist()
        return found


def rows_of(name: str) -> Rows:
    folder = BANKS / name
    dim = json.loads((folder / "manifest.json").read_text("utf-8"))["dim"]
    return Rows(
        np.fromfile(folder / "features.f16", np.float16).reshape(-1, dim),
        np.fromfile(folder / "labels.i32", np.int32),
        np.fromfile(folder / "ids.u64", np.uint64),
    )


DIGITS, DRAWN = rows_of("digits"), rows_of("drawn-digits")


def forget_banks() -> None:
    """Forget which banks there are; all sessions share that."""
    caching._banks.clear()
    caching._refused_banks.clear()


@pytest.fixture(autouse=True)
def no_folder(bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away the operator's folder."""
    monkeypatch.delenv("WHYNOT_REFERENCES", raising=False)
    forget_banks()
    yield
    forget_banks()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the operator's folder, empty."""
    made = tmp_path / "operator"
    made.mkdir()
    monkeypatch.setenv("WHYNOT_REFERENCES", str(made))
    return made


@pytest.fixture
def page() -> AppTest:
    """Give a session that shows the References page."""
    return steps.open_references()


@pytest.fixture
def other_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let there be a model with other weights; give its name."""
    write_weights(tmp_path / "other.safetensors", "squeezenet1_1")
    text = '[other]\narchitecture = "torchvision/squeezenet1_1"\nweights = "other.safetensors"\n'
    write_list(tmp_path, text + "size = 64\nresize_px = 64\n", monkeypatch)
    return "other"


@dataclass
class Counted:
    """Count the pictures that went through the network."""

    num: int = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count every pass of the digits model, whoever asks for it."""
    counter, forward = Counted(), DigitsNet.forward

    def count(self: DigitsNet, x: Tensor) -> Tensor:
        counter.num += len(x)
        return forward(self, x)

    monkeypatch.setattr(DigitsNet, "forward", count)
    return counter


def ids_of(at: AppTest, name: str) -> list[int]:
    """Return the ids of a set's members, rising."""
    found: list[int] = np.sort(steps.kept_sets(at)[name].references.ids).tolist()
    return found


def id_of(content: bytes) -> int:
    return picture_id(xc.read_image(content))


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def stroke(column: int = 14, height: int = 28, width: int = 28) -> np.ndarray:
    """Return a light upright stroke on dark, about as a 1."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[height // 7 : -height // 7, column - 2 : column + 1] = 255
    return pixels


def strokes(num: int) -> dict[str, bytes]:
    """Return this many pictures, no two the same."""
    return {f"stroke-{index}.png": encoded(stroke(4 + index)) for index in range(num)}


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def encrypted(packed: bytes) -> bytes:
    """Return a zip whose members all say that they are encrypted."""
    changed = bytearray(packed)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(mark), packed):
            changed[found.start() + offset] |= 1
    return bytes(changed)


def feature_of(content: bytes, layer: str = "features.5") -> np.ndarray:
    """Return a picture's feature (d,) from a pass of its own."""
    model = xc.load_model("digits")
    pixels = model.to_pixels(xc.read_image(content))
    found: np.ndarray = model.pooled(model.normalise(pixels), layer, "mean").numpy()[0]
    return found


PNG = encoded(stroke(10))
JPEG = encoded(np.stack([stroke(40, 90, 120)] * 3, axis=2), "JPEG")
TEXT = b"This is a letter, not a picture."
TRUNCATED = JPEG[: len(JPEG) // 2]


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


def test_twenty_sets_are_kept_and_no_more(page: AppTest) -> None:
    for index in range(20):
        steps.add_classes(page, [index % 10], f"set {index}")
    assert not page.error
    steps.add_classes(page, [0], "one more")
    assert "keeps 20 sets of a model; delete one first" in steps.errors(page)
    assert len(steps.kept_sets(page)) == 20
    steps.delete_set(page, "set 19")
    steps.add_classes(page, [0], "one more")
    assert list(steps.kept_sets(page)) == [*(f"set {index}" for index in range(19)), "one more"]


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


# ---- uploads -------------------------------------------------------------------------------


def test_uploaded_pictures_are_the_set(page: AppTest) -> None:
    files = strokes(5)
    steps.add_files(page, files)
    assert ids_of(page, "uploaded") == sorted(map(id_of, files.values()))


def test_bad_files_are_listed_and_the_rest_is_kept(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG, "letter.png": TEXT, "cut.jpg": TRUNCATED})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert set(steps.left_out(page)) == {"letter.png", "cut.jpg"}
    assert all(len(reason) > 20 for reason in steps.left_out(page).values())


def test_the_list_of_bad_files_is_open_here_and_closed_on_explain(page: AppTest) -> None:
    def is_open(at: AppTest) -> bool:
        (found,) = [each for each in at.expander if each.label == "Left out: 1"]
        return bool(found.proto.expanded)

    steps.add_files(page, {"good.png": PNG, "letter.png": TEXT})
    assert is_open(page)
    assert not is_open(ask_how_unlike(steps.show_page(page, "explain")))


def test_a_good_upload_clears_the_list_of_bad_files(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG, "letter.png": TEXT})
    steps.add_files(page, strokes(2), "better")
    assert not steps.left_out(page)


def test_nothing_readable_gives_a_message_and_loses_nothing(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG}, "good")
    steps.add_files(page, {"letter.png": TEXT, "cut.jpg": TRUNCATED}, "bad")
    assert "of the 2 files could be read" in steps.errors(page)
    assert list(steps.kept_sets(page)) == ["good"]
    assert set(steps.left_out(page)) == {"letter.png", "cut.jpg"}


ODD_PICTURES = {
    "wide": encoded(stroke(150, 60, 300)),
    "tall": encoded(stroke(30, 300, 60)),
    "tiny": encoded(stroke(5, 10, 10)),
    "colour": JPEG,
    "16 bit": encoded(stroke(20, 50, 40).astype(np.uint16) * 257),
    "transparent": encoded(np.dstack([stroke(20, 50, 40)] * 4)),
    "bilevel": encoded(stroke(20, 50, 40) > 0),
}


@pytest.mark.parametrize("kind", ODD_PICTURES)
def test_a_picture_of_any_size_and_depth_is_read_as_on_explain(page: AppTest, kind: str) -> None:
    content = ODD_PICTURES[kind]
    steps.add_files(page, {"odd.png": content})
    assert ids_of(page, "uploaded") == [id_of(content)]
    features = steps.kept_sets(page)["uploaded"].references.features
    np.testing.assert_allclose(features[0], feature_of(content), atol=1e-5)


def test_pictures_of_all_sizes_and_depths_are_one_set(page: AppTest) -> None:
    steps.add_files(page, {f"{kind}.png": content for kind, content in ODD_PICTURES.items()})
    assert not steps.left_out(page)
    assert ids_of(page, "uploaded") == sorted(map(id_of, ODD_PICTURES.values()))


def test_a_picture_that_is_there_twice_counts_once_and_is_said(page: AppTest) -> None:
    files = {"one.png": PNG, "same.bmp": encoded(stroke(10), "BMP"), "other.png": JPEG}
    steps.add_files(page, files)
    assert ids_of(page, "uploaded") == sorted([id_of(PNG), id_of(JPEG)])
    assert "1 picture came more than once; each counts once." in steps.texts(page)
    assert not steps.left_out(page)


def test_pictures_that_are_there_twice_are_counted(page: AppTest) -> None:
    files = strokes(3)
    steps.add_files(page, files | {f"copy-{name}": files[name] for name in list(files)[:2]})
    assert len(ids_of(page, "uploaded")) == 3
    assert "2 pictures came more than once; each counts once." in steps.texts(page)


def test_beside_pictures_that_are_there_twice_bad_files_are_listed(page: AppTest) -> None:
    steps.add_files(page, {"one.png": PNG, "two.png": PNG, "letter.png": TEXT})
    assert "1 picture came more than once" in steps.texts(page)
    assert list(steps.left_out(page)) == ["letter.png"]


def test_without_pictures_that_are_there_twice_nothing_is_said_of_them(page: AppTest) -> None:
    steps.add_files(page, strokes(3))
    assert "more than once" not in steps.texts(page)


def test_uploads_are_pooled_at_the_chosen_layer(page: AppTest) -> None:
    page.selectbox(key="layer-digits").select_index(0)
    steps.add_files(steps.run(page), {"good.png": PNG})
    references = steps.kept_sets(page)["uploaded"].references
    assert references.layer == page.selectbox(key="layer-digits").value != "features.5"
    np.testing.assert_allclose(references.features[0], feature_of(PNG, references.layer), atol=1e-5)


def test_one_single_picture_is_a_set(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    assert len(ids_of(page, "uploaded")) == 1
    assert "One picture: there is nothing to learn what varies from" in steps.texts(page)
    assert not [each for each in page.button if each.label == "Remove"]


def test_one_single_picture_is_not_called_several(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    assert "1 pictures" not in steps.texts(page)
    assert "1 uploaded pictures" not in steps.texts(page)


def test_one_single_picture_has_no_distance_to_others(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    assert "nan" not in steps.texts(page)


@pytest.mark.usefixtures("no_memory")
def test_the_passes_on_explain_count_uploads(counted: Counted) -> None:
    page = steps.open_references()
    steps.add_files(page, strokes(5))
    assert steps.passes(steps.show_page(page, "explain")) == counted.num > 5


def test_a_taken_name_keeps_the_upload(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG}, "mine")
    steps.give_files(page, strokes(3))
    steps.add_set(page, "mine")
    assert "already" in steps.errors(page)
    steps.add_set(page, "yours")
    assert len(ids_of(page, "yours")) == 3


def test_a_folder_is_a_set(page: AppTest) -> None:
    steps.make_by(page, "Uploads")
    steps.keyed(page.button_group, "set-upload-kind").set_value("A folder")
    steps.run(page)
    assert steps.keyed(page.file_uploader, "set-upload").accept_directory
    steps.add_files(page, {"ones/a.png": PNG, "ones/b/c.jpg": JPEG})
    assert ids_of(page, "uploaded") == sorted([id_of(PNG), id_of(JPEG)])


def test_more_than_fifty_bad_files_are_counted(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG} | {f"{index}.png": TEXT for index in range(60)})
    assert len(steps.left_out(page)) == 50
    assert "… and 10 more." in steps.texts(page)


@pytest.mark.parametrize("is_packed", [False, True])
def test_too_many_pictures_are_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    monkeypatch.setattr(reference_upload, "MAX_PICTURES", 3)
    files = {"all.zip": zip_of(strokes(4))} if is_packed else strokes(4)
    steps.add_files(page, files)
    assert "these are 4 pictures; a set takes 3 at most" in steps.errors(page).lower()
    assert not steps.kept_sets(page)


def test_as_many_pictures_as_allowed_are_a_set(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_upload, "MAX_PICTURES", 3)
    steps.add_files(page, {"all.zip": zip_of(strokes(2)), "good.jpg": JPEG})
    assert len(ids_of(page, "uploaded")) == 3


# ---- zips ----------------------------------------------------------------------------------


def test_a_zips_pictures_are_the_set(page: AppTest) -> None:
    files = {"ones/a.png": PNG, "ones/deep/b.jpg": JPEG, "__MACOSX/._a.png": b"x", ".DS_Store": b""}
    steps.add_files(page, {"all.zip": zip_of(files)})
    assert ids_of(page, "uploaded") == sorted([id_of(PNG), id_of(JPEG)])
    assert not steps.left_out(page)


def test_a_zip_and_files_are_one_set(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": zip_of(strokes(3)), "more.jpg": JPEG})
    assert len(ids_of(page, "uploaded")) == 4


def test_a_zips_bad_members_are_listed_and_the_rest_is_kept(page: AppTest) -> None:
    packed = zip_of({"a.png": PNG, "letter.png": TEXT, "in/cut.jpg": TRUNCATED})
    steps.add_files(page, {"all.zip": packed})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert set(steps.left_out(page)) == {"letter.png", "in/cut.jpg"}


def test_a_bomb_is_left_out_and_the_rest_is_kept(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "RATIO_COUNTS_FROM_BYTES", 10_000)
    steps.add_files(page, {"all.zip": zip_of({"a.png": PNG, "bomb.png": bytes(300_000)})})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert "as bombs do" in steps.left_out(page)["bomb.png"]


def test_an_archive_that_unpacks_to_too_much_is_cut_off(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = strokes(4)
    limit = sum(len(each) for each in content.values()) - 1
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", limit)
    steps.add_files(page, {"all.zip": zip_of(content, zipfile.ZIP_STORED)})
    assert len(ids_of(page, "uploaded")) == 3
    assert list(steps.left_out(page)) == ["stroke-3.png"]


def test_an_archive_with_too_many_members_is_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    steps.add_files(page, {"all.zip": zip_of(strokes(4))})
    assert "more than 3 files" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_an_archive_that_is_too_large_is_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 100)
    steps.add_files(page, {"all.zip": zip_of(strokes(4))})
    assert "split it" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_climbing_paths_are_left_out_and_nothing_is_written(page: AppTest, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    climbing = {"../../evil.png": JPEG, "/etc/evil.png": JPEG, "C:/evil.png": JPEG}
    steps.add_files(page, {"all.zip": zip_of({"a.png": PNG, **climbing})})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert set(steps.left_out(page)) == set(climbing)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_encrypted_zip_says_so_and_makes_no_set(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": encrypted(zip_of(strokes(2)))})
    assert "of the 2 files could be read" in steps.errors(page)
    assert all("encrypted" in reason for reason in steps.left_out(page).values())
    assert len(steps.left_out(page)) == 2
    assert not steps.kept_sets(page)


BROKEN_ZIPS = {
    "cut short": zip_of(strokes(3))[:-40],
    "only its beginning": b"PK\x03\x04",
    "only two letters": b"PK",
    "noise": b"PK" + np.random.default_rng(0).bytes(500),
}


@pytest.mark.parametrize("fault", BROKEN_ZIPS)
def test_a_broken_zip_gives_a_message_and_loses_nothing(page: AppTest, fault: str) -> None:
    steps.add_files(page, {"good.png": PNG}, "good")
    steps.add_files(page, {"all.zip": BROKEN_ZIPS[fault]}, "bad")
    assert "not a zip archive, or is damaged" in steps.errors(page)
    assert list(steps.kept_sets(page)) == ["good"]


def test_a_zip_whose_members_overlap_is_refused(page: AppTest) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", PNG)
        twin = copy.copy(archive.filelist[0])
        twin.filename = "b.png"
        archive.filelist.append(twin)
    steps.add_files(page, {"all.zip": packed.getvalue()})
    assert "members overlap" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_a_broken_zips_message_names_the_file(page: AppTest) -> None:
    steps.add_files(page, {"first.zip": zip_of(strokes(2)), "second.zip": BROKEN_ZIPS["noise"]})
    assert "second.zip" in steps.errors(page)


def test_an_empty_zip_gives_a_message(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": zip_of({})})
    assert "of the 1 files could be read" in steps.errors(page)
    assert steps.left_out(page) == {"all.zip": "holds no pictures"}
    assert not steps.kept_sets(page)


def test_an_empty_zip_is_listed_and_the_rest_is_kept(page: AppTest) -> None:
    packed = zip_of({".DS_Store": b"", "__MACOSX/._a.png": b"x"})
    steps.add_files(page, {"none.zip": packed, "good.png": PNG})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert steps.left_out(page) == {"none.zip": "holds no pictures"}


def test_a_text_that_is_called_a_zip_gives_a_message(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": TEXT})
    assert "of the 1 files could be read" in steps.errors(page)
    assert list(steps.left_out(page)) == ["all.zip"]


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


# ---- saving --------------------------------------------------------------------------------


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


# ---- banks ---------------------------------------------------------------------------------


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


# ---- looking at a set ----------------------------------------------------------------------


def images(at: AppTest) -> list[str]:
    """Return the texts that stand for the pictures on the page."""
    return [each.alt for shown in at.get("image") for each in shown.proto.imgs]


def tile_texts(at: AppTest) -> list[tuple[str, float]]:
    """Return title and distance of the members shown: the nearest, then the farthest."""
    found = re.findall(r"^(.+) · (\d+\.\d\d)$", steps.texts(at), re.MULTILINE)
    return [(name, float(value)) for name, value in found]


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


def metrics(at: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in at.metric}


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


# ---- how unlike ----------------------------------------------------------------------------


def ask_how_unlike(at: AppTest) -> AppTest:
    steps.keyed(at.button_group, "question-").set_value("how unlike")
    return steps.run(at)


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
