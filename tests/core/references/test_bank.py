"""Banks: sets by class, statistics that add up, neighbours, and pictures that are at hand."""

import json
import time

import numpy as np
import pytest
from PIL import Image as Pillow

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.images.reading import image_from_pixels, read_image
from explain_core.images.thumbnails import thumbnail
from explain_core.references import bank as bank_module
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_writer import Row, open_writer
from explain_core.types import picture_id
from tests.core.references.bank_making import (
    DIM,
    assert_same_statistics,
    features_of,
    rows_of,
    slow_nearest,
    small_model,
    write_bank,
)

FEATURES = np.arange(12, dtype=np.float16).reshape(6, 2)
BANK = Bank("small", FEATURES, np.array([0, 2, 0, 5, 2, 2]), "stage2", "abc")
NAMES = ["cat", "dog", "cat", "fish", None, "dog", "dog", "fish", "cat", "dog"] * 3


@pytest.fixture
def bank(tmp_path) -> Bank:
    return open_bank(write_bank(tmp_path / "pets", NAMES))


# ---- sets ---------------------------------------------------------------------------------------


def test_class_zero_has_examples():
    np.testing.assert_array_equal(BANK.reference_set((0,)).features, FEATURES[[0, 2]])


def test_union_holds_the_examples_of_each_class():
    assert BANK.reference_set((0, 5)).labels.tolist() == [0, 0, 5]


def test_all_but_leaves_out_the_target():
    assert BANK.all_but(2).labels.tolist() == [0, 0, 5]


def test_all_but_zero_leaves_out_class_zero():
    assert BANK.all_but(0).labels.tolist() == [2, 5, 2, 2]


def test_set_knows_whose_features_it_holds():
    references = BANK.reference_set((5,))
    assert (references.layer, references.fingerprint, references.key) == (
        "stage2",
        "abc",
        "small/5",
    )


def test_class_without_examples_is_refused():
    with pytest.raises(BankError, match=r"no examples of the classes \[1\]; it holds \[0, 2, 5\]"):
        BANK.reference_set((0, 1))


def test_no_class_at_all_is_refused():
    with pytest.raises(BankError, match="no examples of the classes asked for"):
        BANK.reference_set(())


def test_only_class_has_nothing_to_be_compared_with():
    only = Bank("one", FEATURES, np.zeros(6, np.int64), "stage2", "abc")
    with pytest.raises(BankError, match="holds no class but 0, so there is nothing to compare"):
        only.others(0, np.zeros(2))


def test_rows_become_a_set_in_the_order_given(bank):
    references = bank.rows(np.array([7, 0, 4]), "chosen")
    assert references.key == "chosen"
    assert references.labels.tolist() == [2, 0, -1]
    assert references.ids.tolist() == [1007, 1000, 1004]
    np.testing.assert_array_equal(references.features, features_of(30)[[7, 0, 4]])


@pytest.mark.parametrize("rows", [[-1], [30], [0, 30]])
def test_rows_that_are_not_there_are_refused(bank, rows):
    with pytest.raises(InputError, match="bank 'pets' has the rows 0 to 29"):
        bank.rows(np.array(rows), "chosen")


@pytest.mark.parametrize("rows", [np.array([]), np.array([0.5]), np.array([[1]])])
def test_no_rows_are_refused(bank, rows):
    with pytest.raises(InputError, match="rows must be"):
        bank.rows(rows, "chosen")


def test_set_that_takes_too_much_memory_is_refused(bank, monkeypatch):
    monkeypatch.setattr(bank_module, "MAX_SET_BYTES", 2 * DIM * 10)
    with pytest.raises(BankError, match=r"the 12 pictures of 'pets/1' take .* fewer classes"):
        bank.reference_set((1,))


def test_labels_of_classes_that_are_not_the_models_are_unknown(tmp_path):
    bank = open_bank(write_bank(tmp_path / "films", ["ill", "healthy", "ill"]))
    assert (bank.is_aligned, bank.classes) == (False, ("ill", "healthy"))
    assert bank.reference_set((0,)).labels.tolist() == [-1, -1]
    assert bank.reference_set((0,)).key == "films/ill"


# ---- statistics ---------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [(0,), (1,), (0, 1), (0, 2), (2, 1), (0, 1, 2)])
def test_statistics_of_unions_are_those_of_the_pictures(bank, classes):
    is_in = np.isin(bank.labels, classes)
    assert_same_statistics(bank.statistics(classes), bank.features[is_in])


def test_statistics_of_most_classes_are_those_of_the_pictures():
    labels = np.arange(60) % 12
    many = Bank("many", features_of(60), labels, "stage2", "abc")
    chosen = tuple(index for index in range(12) if index != 4)
    assert_same_statistics(many.statistics(chosen), many.features[labels != 4])


def test_statistics_in_pieces_are_those_of_the_pictures(bank, monkeypatch):
    monkeypatch.setattr(bank_module, "_PIECE_BYTES", 8 * DIM * 3)
    assert_same_statistics(bank.statistics((1,)), bank.features[bank.labels == 1])


def test_set_of_classes_knows_its_statistics(bank):
    references = bank.all_but(0)
    assert_same_statistics(references.statistics(), references.features)


def test_set_of_rows_does_not(bank):
    assert bank.rows(np.array([1, 2]), "chosen").statistics is None


def test_statistics_are_kept(bank, monkeypatch):
    bank.statistics((0,))
    monkeypatch.setattr(bank_module, "group_statistics", None)
    assert bank.statistics((0,)).count == 9


def test_statistics_of_a_class_without_examples_are_refused(bank):
    with pytest.raises(BankError, match=r"no examples of the classes \[3\]"):
        bank.statistics((0, 3))


def test_counts_are_those_of_the_names(bank):
    assert bank.counts().tolist() == [NAMES.count(name) for name in bank.classes]


# ---- class means --------------------------------------------------------------------------------


def means_of(features, labels, num_classes):
    return np.array([features[labels == c].astype(float).mean(axis=0) for c in range(num_classes)])


def test_class_means_are_those_of_the_pictures(bank):
    expected = means_of(bank.features, bank.labels, 3)
    np.testing.assert_allclose(bank.class_means()[:3], expected, rtol=1e-6)
    assert np.isnan(bank.class_means()[3]).all()


def test_class_means_after_an_append_are_those_of_all_pictures(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES)
    writer = open_writer(folder, small_model())
    writer.append(rows_of(["fish", "tench"] * 4, 100), features_of(8, seed=5))
    writer.close()  # without bringing the means up to date
    grown = open_bank(folder)
    assert grown.class_means().shape == (4, DIM)
    np.testing.assert_allclose(
        grown.class_means(), means_of(grown.features, grown.labels, 4), rtol=1e-6
    )


def test_class_means_of_a_bank_that_grew_meanwhile_stay(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES)
    before = open_bank(folder)
    with open_writer(folder, small_model()) as writer:
        writer.append(rows_of(["fish"] * 4, 100), features_of(4, seed=5))
    expected = means_of(before.features, before.labels, 3)
    np.testing.assert_allclose(before.class_means()[:3], expected, rtol=1e-6)


def test_damaged_class_means_say_that_they_may_be_deleted(bank):
    (bank.files.folder / "class_means.safetensors").write_bytes(b"nonsense")
    with pytest.raises(BankError, match=r"class_means.safetensors: .*; delete this file"):
        bank.class_means()


def test_class_means_of_a_folder_that_cannot_be_written(bank, monkeypatch):
    (bank.files.folder / "class_means.safetensors").unlink()

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("explain_core.references.class_sums.replace_file", refuse)
    assert np.isfinite(bank.class_means()[:3]).all()


# ---- what a class is compared with where nothing is said ----------------------------------------


def bank_of_many(num_classes: int) -> Bank:
    rng = np.random.default_rng(0)
    labels = np.arange(3 * num_classes) % num_classes
    features = rng.normal(size=(len(labels), DIM)).astype(np.float16)
    return Bank("many", features, labels, "stage2", "abc")


def test_a_hundred_other_classes_are_taken_with_all_their_pictures():
    bank = bank_of_many(101)
    assert len(bank.others(7, np.zeros(DIM)).features) == 300


@pytest.mark.parametrize("target", [0, 7, 119])
def test_of_more_other_classes_the_nearest_means_stand_for_them(target):
    bank = bank_of_many(120)
    feature = np.random.default_rng(1).normal(size=DIM)
    references = bank.others(target, feature)
    means = means_of(bank.features, bank.labels, 120)
    order, _ = slow_nearest(means, feature, 120)
    expected = [index for index in order if index != target][:100]
    assert references.labels.tolist() == expected
    np.testing.assert_allclose(references.features, means[expected], rtol=1e-5, atol=1e-6)


def test_class_without_examples_is_never_among_the_nearest():
    bank = bank_of_many(120)
    some = Bank("some", bank.features[::2], bank.labels[::2] * 2, "stage2", "abc")
    assert set(some.nearest_classes(np.zeros(DIM), 500)) == set(some.labels)


# ---- neighbours and pictures --------------------------------------------------------------------


def test_nearest_is_that_of_a_slow_loop(bank):
    feature = features_of(1, seed=9)[0].astype(np.float64)
    rows, distances = bank.nearest(feature, 6)
    expected_rows, expected = slow_nearest(bank.features, feature, 6)
    assert rows.tolist() == expected_rows
    np.testing.assert_allclose(distances, expected, rtol=1e-12)


def test_nearest_leaves_out_the_pictures_named(bank):
    feature = bank.features[4].astype(np.float64)
    rows, _ = bank.nearest(feature, 5, without=[1004, 77])
    expected, _ = slow_nearest(bank.features, feature, 6)
    assert rows.tolist() == [row for row in expected if row != 4]


def test_more_than_there_are_gives_all(bank):
    rows, distances = bank.nearest(np.zeros(DIM), 1000)
    assert sorted(rows) == list(range(30))
    assert (np.diff(distances) >= 0).all()


@pytest.mark.parametrize("feature", [np.zeros(3), np.full(DIM, np.nan), np.zeros((1, DIM))])
def test_nearest_to_what_is_no_feature_is_refused(bank, feature):
    with pytest.raises(InputError, match="holds 8-d features"):
        bank.nearest(feature, 3)


def test_nearest_none_is_refused(bank):
    with pytest.raises(InputError, match="count must be at least 1"):
        bank.nearest(np.zeros(DIM), 0)


def test_ids_are_found(bank):
    assert bank.rows_of([1003, 5, 1029, 2**64 - 1]).tolist() == [3, -1, 29, -1]


def test_no_id_is_found_in_an_empty_bank(tmp_path):
    open_writer(tmp_path / "empty", small_model()).close()
    empty = open_bank(tmp_path / "empty")
    assert empty.rows_of([1]).tolist() == [-1]
    assert len(empty.nearest(np.zeros(DIM), 3)[0]) == 0


@pytest.fixture
def pictured(tmp_path):
    """Write a bank of a small and a large picture, whose files lie beside it."""
    rng = np.random.default_rng(0)
    (tmp_path / "files").mkdir()
    images = []
    for name, side in (("small", 20), ("large", 200)):
        pixels = rng.integers(0, 256, (side, side + 4, 3), np.uint8)
        Pillow.fromarray(pixels).save(tmp_path / "files" / f"{name}.png")
        images.append(image_from_pixels(pixels))
    rows = [
        Row(f"{name}.png", "cat", picture_id(image), thumbnail(image))
        for name, image in zip(("small", "large"), images, strict=True)
    ]
    with open_writer(tmp_path / "bank", small_model(), images=tmp_path / "files") as writer:
        writer.append(rows, features_of(2))
    return open_bank(tmp_path / "bank"), images


def test_picture_comes_from_the_originals(pictured):
    bank, images = pictured
    for image in images:
        np.testing.assert_array_equal(bank.picture(picture_id(image)).pixels, image.pixels)


def test_small_picture_comes_from_its_thumbnail_where_the_original_is_gone(pictured):
    bank, (small, large) = pictured
    for path in bank.images.iterdir():
        path.unlink()
    np.testing.assert_array_equal(bank.picture(picture_id(small)).pixels, small.pixels)
    assert bank.picture(picture_id(large)) is None


def test_changed_original_is_not_taken_for_the_picture(pictured):
    bank, (_, large) = pictured
    Pillow.fromarray(np.zeros((9, 9), np.uint8)).save(bank.images / "large.png")
    assert bank.picture(picture_id(large)) is None


def test_thumbnail_is_the_file_that_was_stored(pictured):
    bank, (_, large) = pictured
    assert max(read_image(bank.thumbnail(picture_id(large))).size) <= 96


def test_path_is_that_of_the_original(pictured):
    bank, (_, large) = pictured
    assert bank.path_of(picture_id(large)) == "large.png"


def test_unknown_picture_has_nothing(pictured):
    bank, _ = pictured
    assert (bank.path_of(1), bank.thumbnail(1), bank.picture(1)) == (None, None, None)


def test_picture_without_a_thumbnail_has_none(bank):
    assert bank.thumbnail(1003) is None


@pytest.mark.parametrize("path", ["../secret.png", "/secret.png", "a/../../secret.png"])
def test_record_that_climbs_out_of_the_originals_is_not_followed(tmp_path, path):
    image = image_from_pixels(np.full((5, 5), 7, np.uint8))
    Pillow.fromarray(image.pixels).save(tmp_path / "secret.png")
    (tmp_path / "files" / "a").mkdir(parents=True)
    with open_writer(tmp_path / "bank", small_model(), images=tmp_path / "files") as writer:
        writer.append([Row(path, "cat", picture_id(image), None)], features_of(1))
    assert open_bank(tmp_path / "bank").picture(picture_id(image)) is None


def test_originals_are_found_where_bank_and_pictures_were_moved_together(pictured, tmp_path):
    _, (_, large) = pictured
    (tmp_path / "elsewhere").mkdir()
    for name in ("bank", "files"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    moved = open_bank(tmp_path / "elsewhere" / "bank")
    assert moved.picture(picture_id(large)) is not None


# ---- what opening reads -------------------------------------------------------------------------


def test_features_are_mapped(bank):
    assert isinstance(bank.features, np.memmap)


def test_features_cannot_be_written(bank):
    with pytest.raises(ValueError, match="read-only"):
        bank.features[0] = 0


def test_huge_bank_opens_without_being_read(tmp_path):
    """1.3 million pictures of 2,048 features each: 5.3 GB that no disk block stands behind."""
    num, dim = 1_300_000, 2048
    folder = write_bank(tmp_path / "huge", ["cat"])
    sizes = {"features.f16": 2 * num * dim, "labels.i32": 4 * num}
    sizes |= dict.fromkeys(("ids.u64", "record_ends.u64", "thumbnail_ends.u64"), 8 * num)
    for file, size in sizes.items():
        with (folder / file).open("r+b") as stream:
            stream.truncate(size)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest |= {"rows": num, "dim": dim, "counts": [num]}
    manifest["sizes"] |= sizes
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    started = time.perf_counter()
    huge = open_bank(folder)
    assert time.perf_counter() - started < 5
    assert isinstance(huge.features, np.memmap)
    assert huge.features.shape == (num, dim)
    assert huge.rows(np.array([num - 1]), "last").features.tolist() == [[0.0] * dim]


# ---- reference sets in general ------------------------------------------------------------------


def test_empty_reference_set_is_refused():
    with pytest.raises(InputError, match=r"needs features of shape \(n, d\) with n >= 1"):
        xc.ReferenceSet("none", np.empty((0, 3)), np.empty(0), "stage2", "abc")


def test_labels_must_match_the_features():
    with pytest.raises(InputError, match="has 2 features but 3 labels"):
        xc.ReferenceSet("odd", np.ones((2, 3)), np.zeros(3), "stage2", "abc")
