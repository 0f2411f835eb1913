"""Unions, differences and parts of reference sets, against recomputation."""

import io
import tracemalloc

import numpy as np
import PIL.Image
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references.embedding import Embedded, Item
from explain_core.references.sets import (
    check_name,
    difference,
    set_of,
    subset,
    union,
    without,
    without_image,
)
from explain_core.references.statistics import group_statistics
from explain_core.types import ReferenceSet, picture_id
from tests.oracles.diffcams import scatter_of
from tests.oracles.nets import TinyNet, picture, reference_features, wrap

DIM = 6


def made(numbers, *, key="made-up", dtype=np.float32, knows=False, **changes):
    """Return a set in which the picture with id i has the i-th of some features, and label i."""
    numbers = np.array(numbers)
    features = reference_features(40, DIM)[numbers].astype(dtype)
    fields = {
        "key": key,
        "features": features,
        "labels": numbers,
        "layer": "stage2",
        "fingerprint": "f",
        "ids": numbers.astype(np.uint64),
        "statistics": (lambda: group_statistics(features)) if knows else None,
    }
    return ReferenceSet(**(fields | changes))


def assert_statistics(references):
    """Assert that what a set knows of itself is what its features say."""
    features = references.features.astype(np.float64)
    known = references.statistics()
    scatter = scatter_of(features)
    assert known.count == len(features)
    np.testing.assert_allclose(known.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(known.scatter, scatter, rtol=0, atol=1e-10 * max(scatter.max(), 1))


def embedded(ids, refused=(), dtype=np.float32):
    ids = np.array(ids, np.uint64)
    return Embedded(
        features=reference_features(40, DIM)[ids.astype(int)].astype(dtype),
        items=tuple(Item(f"{id}.png", None, b"") for id in ids),
        ids=ids,
        thumbnails=tuple(b"" for _ in ids),
        refused=tuple(refused),
    )


# ---- union ---------------------------------------------------------------------------------------


def test_a_union_has_every_picture_once_in_order():
    both = union([made([3, 1, 2]), made([2, 5, 3, 4])], "both")
    assert both.ids.tolist() == [3, 1, 2, 5, 4]
    assert both.labels.tolist() == [3, 1, 2, 5, 4]
    np.testing.assert_array_equal(both.features, made([3, 1, 2, 5, 4]).features)


def test_of_copies_the_first_is_kept():
    other = made([1, 2], features=np.ones((2, DIM), np.float32), labels=np.array([8, 9]))
    both = union([made([1]), other], "both")
    np.testing.assert_array_equal(both.features[0], made([1]).features[0])
    assert both.labels.tolist() == [1, 9]


def test_a_union_drops_copies_within_a_part():
    assert union([made([1, 1, 2])], "one").ids.tolist() == [1, 2]


def test_features_of_a_union_take_the_widest_type():
    both = union([made([1], dtype=np.float16), made([2])], "both")
    assert both.features.dtype == np.float32


@pytest.mark.parametrize("knows", [(True, True), (True, False), (False, True)])
def test_statistics_of_a_union_are_those_recomputed(knows):
    parts = [made(range(9), knows=knows[0]), made(range(9, 30), knows=knows[1])]
    assert_statistics(union(parts, "both"))


def test_statistics_of_a_union_of_many_are_those_recomputed():
    parts = [made([2 * i, 2 * i + 1], knows=True, dtype=np.float16) for i in range(15)]
    assert_statistics(union(parts, "all"))


@pytest.mark.parametrize(
    "parts",
    [
        [made([1, 2], knows=True), made([2, 3], knows=True)],
        [made([1, 1], knows=True), made([2], knows=True)],
        [made([1]), made([2])],
    ],
    ids=["overlapping", "copies within", "none known"],
)
def test_a_union_knows_no_statistics_that_would_be_wrong(parts):
    assert union(parts, "both").statistics is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "g"}, "'one' and 'two' cannot .* made with different weights"),
        ({"layer": "stage3"}, r"their layer differs \('stage2' and 'stage3'\)"),
        ({"pooling": "both"}, r"their pooling differs \('mean' and 'both'\)"),
        ({"features": np.ones((1, 7))}, r"their width differs \('6-d' and '7-d'\)"),
    ],
)
def test_sets_that_differ_in_kind_have_no_union(changes, message):
    with pytest.raises(BankError, match=message):
        union([made([1], key="one"), made([2], key="two", **changes)], "both")


def test_a_union_of_nothing_is_refused():
    with pytest.raises(InputError, match="needs at least one reference set"):
        union([], "none")


# ---- parts ---------------------------------------------------------------------------------------


def test_a_difference_has_what_is_in_the_first_alone():
    rest = difference(made([3, 1, 2]), made([1, 7]), "rest")
    assert (rest.key, rest.ids.tolist()) == ("rest", [3, 2])


def test_a_difference_without_a_rest_is_refused():
    with pytest.raises(InputError, match="every picture of reference set 'a' is in 'b' too"):
        difference(made([1, 2], key="a"), made([2, 1, 3], key="b"), "rest")


def test_outliers_are_taken_out_by_id():
    kept = without(made([3, 1, 2]), [1, 77])
    assert (kept.key, kept.ids.tolist()) == ("made-up", [3, 2])


def test_largest_ids_are_told_apart():
    ids = np.array([2**64 - 1, 2**64 - 2], np.uint64)
    pair = made([1, 2], ids=ids)
    assert without(pair, [2**64 - 1]).ids.tolist() == [2**64 - 2]


def test_a_set_without_any_picture_is_refused():
    with pytest.raises(InputError, match="nothing is left of reference set 'made-up'"):
        without(made([3, 1]), [1, 3])


@pytest.mark.parametrize("num_left_out", [0, 1, 12, 25])
def test_statistics_of_a_part_are_those_recomputed(num_left_out):
    whole = made(range(30), knows=True)
    part = subset(whole, np.arange(30) >= num_left_out)
    if num_left_out == 25:
        assert part.statistics is None, "recomputing five is cheaper than taking 25 off"
    else:
        assert_statistics(part)


def test_sets_are_not_written_to():
    whole = made(range(5))
    before = whole.features.copy()
    union([whole, made([7])], "both").features.flags.writeable = False
    without(whole, [1])
    np.testing.assert_array_equal(whole.features, before)


# ---- the picture itself --------------------------------------------------------------------------


def test_the_image_is_left_out_by_its_id():
    image = picture()
    ids = np.array([1, picture_id(image), 2], np.uint64)
    kept, left_out = without_image(made([1, 2, 3], ids=ids), image, np.full(DIM, 99.0))
    assert (kept.ids.tolist(), left_out) == ([1, 2], 1)


def test_the_image_is_looked_for_in_bounded_memory():
    features = np.random.default_rng(0).random((40_000, 64), np.float32).astype(np.float16)
    many = ReferenceSet(
        "many", features, np.zeros(40_000), "l", "f", ids=np.arange(40_000).astype(np.uint64)
    )
    feature = features[39_999].astype(np.float64)
    tracemalloc.start()
    _, left_out = without_image(many, picture(), feature)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert left_out == 1
    assert peak < 4 * features.nbytes, "all rows in float64 would take more"


# ---- sets of pictures that were read -------------------------------------------------------------


def test_a_set_has_every_picture_that_was_read_once():
    references, num_copies = set_of(
        [embedded([1, 2, 1]), embedded([2, 5])], wrap(TinyNet()), "stage2", "mean", "mine"
    )
    assert (references.ids.tolist(), num_copies) == ([1, 2, 5], 2)
    np.testing.assert_array_equal(references.features, made([1, 2, 5]).features)
    assert references.labels.tolist() == [-1, -1, -1]


def test_a_set_of_pictures_says_how_it_came_about():
    model = wrap(TinyNet())
    references, _ = set_of([embedded([1])], model, "stage3", "mean", "mine")
    found = (references.key, references.layer, references.pooling, references.fingerprint)
    assert found == ("mine", "stage3", "mean", model.fingerprint)


def test_features_of_a_set_are_float32():
    references, _ = set_of(
        [embedded([1], dtype=np.float64)], wrap(TinyNet()), "stage2", "mean", "mine"
    )
    assert references.features.dtype == np.float32


def test_labels_follow_the_pictures_that_are_kept():
    references, _ = set_of(
        [embedded([1, 1]), embedded([], [("x", "y")]), embedded([4])],
        wrap(TinyNet()),
        "stage2",
        "mean",
        "mine",
        labels=[7, 8, 9],
    )
    assert references.labels.tolist() == [7, 9]


def test_labels_of_another_number_are_refused():
    with pytest.raises(InputError, match=r"has 2 pictures but labels of shape \(1,\)"):
        set_of([embedded([1, 2])], wrap(TinyNet()), "stage2", "mean", "mine", labels=[1])


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], r"needs at least one picture \(there is none\)"),
        ([embedded([], [("a.png", "bad")])], r"\(none of the 1 files could be read\)"),
    ],
)
def test_a_set_without_pictures_is_refused(batches, message):
    with pytest.raises(InputError, match=message):
        set_of(batches, wrap(TinyNet()), "stage2", "mean", "mine")


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "healthy films 2", "Ärzte_v1.2", "健康", "हिन्दी", "x" * 60])
def test_ordinary_names_are_kept(name):
    assert check_name(name) == name


def test_names_are_trimmed_and_composed():
    assert check_name("  Ä ") == "Ä"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", "0 characters"),
        ("   ", "0 characters"),
        ("x" * 61, "61 characters"),
        ("a/b", "other characters: /"),
        ("a\\b", "other characters"),
        ("C:", "other characters: :"),
        ("a\x00b", r"other characters: \\x00"),
        ("a\nb", r"other characters: \\n"),
        ("a\u202eb", "other characters"),
        ("a／b", "other characters"),
        (".hidden", "a dot at its beginning"),
        ("..", "a dot at its beginning"),
        ("end.", "a dot at its beginning or end"),
        ("NUL", "a word that Windows keeps"),
        ("con.txt", "a word that Windows keeps"),
        ("lpt1", "a word that Windows keeps"),
    ],
)
def test_names_that_may_be_paths_are_refused(name, found):
    with pytest.raises(InputError, match=rf"letters, digits, .*\(got {found}"):
        check_name(name)


# ---- of pictures at hand -------------------------------------------------------------------


def png(seed, size=(24, 31)):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_pictures_at_hand_become_a_set(tmp_path):
    model = wrap(TinyNet())
    (tmp_path / "second.png").write_bytes(png(2))
    references = xc.make_reference_set(model, [png(1), tmp_path / "second.png", png(1)], key="two")
    slow = [
        model.pooled(model.preprocess(xc.read_image(png(seed))), "stage2")[0].numpy()
        for seed in (1, 2)
    ]
    np.testing.assert_allclose(references.features, slow, rtol=1e-5)
    assert (references.key, references.layer) == ("two", "stage2")


def test_pictures_that_cannot_be_read_are_named():
    with pytest.raises(xc.ImageError, match="1 of 2 pictures cannot be read; picture 2: "):
        xc.make_reference_set(wrap(TinyNet()), [png(1), b"Dear all"])


def test_no_pictures_are_no_set():
    with pytest.raises(InputError, match="needs at least one picture"):
        xc.make_reference_set(wrap(TinyNet()), [])
