"""The central types: groups that are merged and taken apart, sets that know their pictures."""

import hashlib

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels
from explain_core.references.statistics import group_statistics
from explain_core.types import ReferenceSet, id_of_bytes, picture_id
from tests.oracles.diffcams import scatter_of
from tests.oracles.nets import reference_features

# ---- groups that are taken apart --------------------------------------------------------------


@pytest.mark.parametrize("num_taken", [1, 3, 19, 39])
def test_what_stays_has_the_statistics_of_a_fresh_count(num_taken):
    features = reference_features(40, 6)
    stays = features[num_taken:]
    left = group_statistics(features) - group_statistics(features[:num_taken])
    assert left.count == 40 - num_taken
    np.testing.assert_allclose(left.mean, sum(stays) / len(stays), rtol=1e-12)
    size = np.abs(scatter_of(features)).max()
    np.testing.assert_allclose(left.scatter, scatter_of(stays), rtol=0, atol=1e-12 * size)


def test_numbers_worked_out_by_hand():
    """0, 2 and 7 have mean 3 and scatter 26; without the 7 they have mean 1 and scatter 2."""
    left = group_statistics(np.array([[0.0], [2.0], [7.0]])) - group_statistics(np.array([[7.0]]))
    assert (left.count, left.mean.tolist(), left.scatter.tolist()) == (2, [1.0], [[2.0]])


def test_taking_what_was_added_gives_back_the_group():
    features = reference_features(30, 5)
    first, second = group_statistics(features[:12]), group_statistics(features[12:])
    back = (first + second) - second
    assert back.count == 12
    np.testing.assert_allclose(back.mean, first.mean, rtol=1e-12)
    np.testing.assert_allclose(back.scatter, first.scatter, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_taken", [3, 4])
def test_taking_all_is_refused(num_taken):
    features = reference_features(7, 5)
    group, part = group_statistics(features[:3]), group_statistics(features[:num_taken])
    with pytest.raises(InputError, match=rf"cannot take {num_taken} members from a group of 3; at"):
        group - part


def test_statistics_that_were_taken_apart_cannot_be_written_to():
    features = reference_features(7, 5)
    left = group_statistics(features) - group_statistics(features[:2])
    with pytest.raises(ValueError, match="read-only"):
        left.scatter[0, 0] = 1


# ---- ids of pictures --------------------------------------------------------------------------


def test_a_pictures_id_is_the_first_64_bits_of_its_digest():
    image = image_from_pixels(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert picture_id(image).to_bytes(8, "little").hex() == image.digest[:16]


def test_contents_id_is_the_first_64_bits_of_its_sha():
    assert id_of_bytes(b"x").to_bytes(8, "little") == hashlib.sha256(b"x").digest()[:8]


def made(features=None, **values):
    features = reference_features(4, 3).astype(np.float32) if features is None else features
    known = {"key": "made-up", "labels": np.full(len(features), -1), "layer": "a"}
    return ReferenceSet(**(known | {"features": features, "fingerprint": "f"} | values))


def test_ids_come_from_the_features_where_none_are_given():
    features = np.array([[1, 2], [3, 4], [1, 2]], np.float16)
    ids = made(features).ids
    assert ids.dtype == np.uint64
    assert ids.tolist() == [id_of_bytes(row.tobytes()) for row in features]
    assert ids[0] == ids[2] != ids[1]


def test_ids_that_are_given_are_kept():
    ids = np.array([3, 1, 2, 9], np.uint64)
    assert made(ids=ids).ids.tolist() == [3, 1, 2, 9]


@pytest.mark.parametrize("shape", [(3,), (5,), (4, 1)])
def test_one_id_for_each_picture_is_asked_for(shape):
    with pytest.raises(InputError, match=r"has 4 features but ids of shape .*; give one for each"):
        made(ids=np.zeros(shape, np.uint64))


# ---- digests of sets --------------------------------------------------------------------------


def test_the_same_set_has_the_same_digest():
    assert made().digest == made().digest


def test_key_and_labels_do_not_count():
    assert made(key="renamed", labels=np.arange(4)).digest == made().digest


@pytest.mark.parametrize(
    "values",
    [
        {"layer": "b"},
        {"fingerprint": "g"},
        {"pooling": "both"},
        {"ids": np.arange(4, dtype=np.uint64)},
        {"features": reference_features(4, 3)},
        {"features": reference_features(3, 3).astype(np.float32)},
        {"features": reference_features(4, 3, seed=1).astype(np.float32)},
    ],
    ids=["layer", "weights", "pooling", "ids", "number type", "fewer pictures", "other pictures"],
)
def test_another_set_has_another_digest(values):
    assert made(**values).digest != made().digest
