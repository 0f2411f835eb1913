"""Count, mean and scatter of groups, which merge by sums."""

import itertools

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.references.statistics import group_statistics
from tests.oracles.diffcams import scatter_of
from tests.oracles.nets import reference_features

# Two points of the plane and two others, by hand.
LEFT = np.array([[0.0, 0.0], [2.0, 0.0]])
RIGHT = np.array([[4.0, 2.0], [6.0, 2.0]])


def assert_same_statistics(statistics, features):
    np.testing.assert_array_equal(statistics.count, len(features))
    np.testing.assert_allclose(statistics.mean, features.mean(axis=0), rtol=1e-10)
    expected = scatter_of(features)
    peak = max(np.abs(expected).max(), 1e-9)
    np.testing.assert_allclose(statistics.scatter, expected, rtol=0, atol=1e-10 * peak)


def test_scatter_by_hand():
    np.testing.assert_array_equal(group_statistics(LEFT).scatter, [[2, 0], [0, 0]])


def test_union_s_mean_by_hand():
    union = group_statistics(LEFT) + group_statistics(RIGHT)
    np.testing.assert_array_equal(union.mean, [3, 1])


def test_union_s_scatter_by_hand():
    # within: 2 + 2 along the first axis; between: 1 * (4, 2)(4, 2)^T
    union = group_statistics(LEFT) + group_statistics(RIGHT)
    np.testing.assert_array_equal(union.scatter, [[20, 8], [8, 4]])


def test_union_counts_both():
    assert (group_statistics(LEFT) + group_statistics(RIGHT)).count == 4


@pytest.mark.parametrize("seed", range(20))
def test_union_of_a_random_split_equals_recomputation(seed):
    rng = np.random.default_rng(seed)
    features = reference_features(int(rng.integers(2, 60)), int(rng.integers(1, 12)), seed)
    cuts = np.sort(rng.integers(1, len(features), size=int(rng.integers(1, 5))))
    parts = [part for part in np.split(features, cuts) if len(part) > 0]
    union = group_statistics(parts[0])
    for part in parts[1:]:
        union = union + group_statistics(part)
    assert_same_statistics(union, features)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_order_of_merging_does_not_matter(order):
    features = reference_features(30, 5)
    parts = [features[:1], features[1:12], features[12:]]
    first, second, third = (group_statistics(parts[index]) for index in order)
    assert_same_statistics(first + (second + third), features)


def test_merging_far_groups_loses_no_digits():
    near, far = reference_features(20, 4), reference_features(20, 4, seed=1) + 1e6
    union = group_statistics(near) + group_statistics(far)
    assert_same_statistics(union, np.vstack([near, far]))


def test_statistics_of_half_precision_are_computed_in_double():
    features = (reference_features(50, 4) * 1000).astype(np.float16)
    assert_same_statistics(group_statistics(features), features.astype(np.float64))


def test_merging_changes_neither_part():
    first, second = group_statistics(LEFT), group_statistics(RIGHT)
    _ = first + second
    assert_same_statistics(first, LEFT)
    assert_same_statistics(second, RIGHT)


def test_statistics_are_read_only():
    union = group_statistics(LEFT) + group_statistics(RIGHT)
    assert not union.mean.flags.writeable
    assert not union.scatter.flags.writeable


def test_groups_of_different_width_do_not_merge():
    with pytest.raises(InputError, match="cannot merge groups of 2-d and 3-d features"):
        group_statistics(LEFT) + group_statistics(np.ones((2, 3)))


@pytest.mark.parametrize("features", [np.empty((0, 3)), np.ones(3)])
def test_features_of_another_shape_are_refused(features):
    with pytest.raises(InputError, match=r"features must be \(n, d\) with n >= 1"):
        group_statistics(features)
