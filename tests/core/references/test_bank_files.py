"""Damaged banks: each is refused with the name of the file and what to do."""

import json
from pathlib import Path

import numpy as np
import pytest

from explain_core.errors import BankError
from explain_core.references.bank import open_bank
from explain_core.references.bank_files import DATA_FILES, GROWING_FILES, check_bank, open_files
from explain_core.references.bank_writer import open_writer
from tests.core.references.bank_making import DIM, features_of, rows_of, small_model, write_bank

NAMES = ["cat", "dog", "fish", "dog", None] * 4


@pytest.fixture
def folder(tmp_path) -> Path:
    """Write a bank of two commits, with thumbnails and a picture left out."""
    with open_writer(tmp_path / "pets", small_model()) as writer:
        for first in (0, 10):
            rows = rows_of(NAMES[first : first + 10], first, [b"thumbnail"] * 10)
            writer.append(rows, features_of(10, seed=first))
            writer.commit()
        writer.skip("broken.png", "it is no picture")
    return tmp_path / "pets"


def change_manifest(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | changes), "utf-8")


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_sound_bank_has_no_fault(folder):
    assert check_bank(folder) == []


def test_empty_bank_has_no_fault(tmp_path):
    open_writer(tmp_path / "empty", small_model()).close()
    assert check_bank(tmp_path / "empty") == []


def test_manifest_names_no_place_on_this_machine(folder):
    manifest = (folder / "manifest.json").read_text("utf-8")
    assert str(folder.parent) not in manifest


@pytest.mark.parametrize("file", GROWING_FILES)
def test_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(BankError, match=f"bank 'pets': {file} is missing; restore .* or build"):
        open_bank(folder)


@pytest.mark.parametrize("file", GROWING_FILES)
def test_file_that_is_too_short_is_named(folder, file):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-1])
    told = f"'pets': {file} has {len(content) - 1} bytes, and {len(content)} are needed; restore"
    with pytest.raises(BankError, match=told):
        open_bank(folder)


def test_folder_without_a_manifest_is_no_bank(tmp_path):
    with pytest.raises(BankError, match=r"'nowhere' is no bank: it has no manifest.json; build"):
        open_bank(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", "{", "\0", "[" * 100_000, '{"format": "whynot-bank"'])
def test_broken_manifest_is_named(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(BankError, match=r"bank 'pets': manifest.json is no JSON .*; restore"):
        open_bank(folder)


@pytest.mark.parametrize("content", ["[]", "3", '"whynot-bank"', "{}", '{"format": "other"}'])
def test_manifest_of_something_else_is_named(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(BankError, match=r"manifest.json is not that of a bank; restore"):
        open_bank(folder)


@pytest.mark.parametrize("version", [0, 2, None, "1", [1]])
def test_unknown_version_is_refused(folder, version):
    change_manifest(folder, version=version)
    with pytest.raises(BankError, match=r"is of version .*, but version 1 is read here; use the"):
        open_bank(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": 21}, "21 pictures need 336 bytes of features.f16, not 320"),
        ({"rows": -1}, "rows is -1"),
        ({"rows": True}, "rows should be a int, not True"),
        ({"rows": 20.0}, "rows should be a int"),
        ({"dim": 0}, "features of no dimension"),
        ({"dim": 16}, "20 pictures need 640 bytes of features.f16, not 320"),
        ({"classes": ["cat", "dog"]}, "2 classes, but 3 counts"),
        ({"classes": ["cat", "cat", "dog"]}, "a class is named twice"),
        ({"classes": [1, 2, 3]}, "classes should be names"),
        ({"pooling": "max"}, "pooling 'max' is unknown"),
        ({"images": 3}, "images should be a folder or null"),
        ({"preprocessing": {"size": [6, 6]}}, "preprocessing should have the fields"),
        ({"sizes": {}}, "manifest.json lacks 'features.f16'"),
        ({"fingerprint": None}, "fingerprint should be a str"),
    ],
)
def test_manifest_that_lies_is_refused(folder, changes, told):
    change_manifest(folder, **changes)
    with pytest.raises(BankError, match=r"bank 'pets': manifest.json .*; restore") as error:
        open_bank(folder)
    assert told in str(error.value)


def test_preprocessing_from_before_a_choice_was_given_has_its_default(folder):
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    older = {key: value for key, value in manifest["preprocessing"].items() if key != "halves"}
    change_manifest(folder, preprocessing=older)
    assert open_bank(folder).preprocessing.halves == "round"


def test_preprocessing_that_cannot_be_is_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    change_manifest(folder, preprocessing=manifest["preprocessing"] | {"fit": "squeeze"})
    with pytest.raises(BankError, match=r"cannot be believed \(fit must be crop"):
        open_bank(folder)


@pytest.mark.parametrize("counts", [[4, 8, 5], [4, 8, -4], ["4", 8, 4]])
def test_counts_that_lie_are_refused(folder, counts):
    change_manifest(folder, counts=counts)
    with pytest.raises(BankError, match=r"labels.i32: the classes' counts differ from those in"):
        open_bank(folder)


@pytest.mark.parametrize("label", [3, 2**31 - 1, -2])
def test_label_of_no_class_is_refused(folder, label):
    labels = np.fromfile(folder / "labels.i32", "<i4")
    labels[3] = label
    labels.tofile(folder / "labels.i32")
    with pytest.raises(BankError, match=r"labels.i32: labels from -\d to \d+ for 3 classes; rest"):
        open_bank(folder)


def test_nan_in_the_features_is_refused_where_it_is_used(folder):
    features = np.fromfile(folder / "features.f16", "<f2").reshape(-1, DIM)
    features[6, 2] = np.nan
    features.tofile(folder / "features.f16")
    (folder / "class_means.safetensors").unlink()
    bank = open_bank(folder)
    told = "bank 'pets': features.f16: .*NaN or infinity; restore"
    for use in (
        lambda: bank.reference_set((1,)),
        lambda: bank.rows(np.array([6]), "one"),
        lambda: bank.statistics((1,)),
        bank.class_means,
    ):
        with pytest.raises(BankError, match=told):
            use()
    assert len(bank.reference_set((0,)).features) == 4


def test_damaged_record_is_named_where_it_is_used(folder):
    path, name = folder / "records.jsonl", b'"fish/00002.png"'
    path.write_bytes(path.read_bytes().replace(name, b"77".ljust(len(name))))
    bank = open_bank(folder)
    with pytest.raises(BankError, match=r"records.jsonl: .*damaged; restore"):
        bank.path_of(1002)


def test_places_that_lie_are_named_where_they_are_used(folder):
    ends = np.fromfile(folder / "thumbnail_ends.u64", "<u8")
    ends[4] = 2**60
    ends.tofile(folder / "thumbnail_ends.u64")
    bank = open_bank(folder)
    with pytest.raises(BankError, match=r"thumbnails.bin: picture 4 should lie at bytes 36 to 115"):
        bank.thumbnail(1004)


def test_damaged_record_stops_a_writer(folder):
    path = folder / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"path"', b'{"pith"', 1))
    with pytest.raises(BankError, match=r"records.jsonl: line 1 is damaged"):
        open_writer(folder, small_model())


# ---- the whole check ----------------------------------------------------------------------------


@pytest.mark.parametrize("file", DATA_FILES)
@pytest.mark.parametrize("at", [0, -2])
def test_every_changed_byte_is_found(folder, file, at):
    flip(folder / file, at)
    faults = check_bank(folder)
    assert faults
    assert all(fault.startswith("bank 'pets': ") for fault in faults)
    assert any(file in fault for fault in faults)


def test_changed_bytes_are_placed(folder):
    flip(folder / "features.f16", 200)
    assert check_bank(folder) == [
        "bank 'pets': features.f16: bytes 160 to 320 were changed; restore the folder from a copy, "
        "or build the bank again"
    ]


@pytest.mark.parametrize("at", [0, 3, -3])
def test_changed_digests_are_found(folder, at):
    flip(folder / "digests.jsonl", at)
    assert any("digests.jsonl" in fault or "were changed" in fault for fault in check_bank(folder))


def test_wrong_number_of_left_out_pictures_is_found(folder):
    change_manifest(folder, num_skipped=4)
    assert "skipped.jsonl: 1 pictures, and manifest.json says 4" in check_bank(folder)[0]


def test_check_of_what_cannot_be_opened_says_why(tmp_path):
    assert check_bank(tmp_path / "nowhere") == [
        "'nowhere' is no bank: it has no manifest.json; build one with "
        "`python -m explain_core bank build`"
    ]


def test_skipped_are_listed_with_their_reasons(folder):
    assert list(open_files(folder).skipped()) == [("broken.png", "it is no picture")]


def test_bank_written_at_once_has_one_digest_per_commit(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES)
    assert len((folder / "digests.jsonl").read_text().splitlines()) == 1
