"""Reversed maps on arrays small enough to be read."""

import numpy as np
import pytest

import explain_core as xc
from explain_core.metrics.reversed_maps import reverse_values, reversed_map
from tests.oracles.nets import TinyNet, picture, wrap

TEN = np.array([[9.0, 0.0, 5.0, 3.0, 7.0], [1.0, 8.0, 2.0, 6.0, 4.0]])


def test_lowest_change_places_with_those_below_the_kept():
    # kept: 9; swapped: 0 with 7, 1 with 8
    expected = [[9.0, 7.0, 5.0, 3.0, 0.0], [8.0, 1.0, 2.0, 6.0, 4.0]]
    np.testing.assert_array_equal(reverse_values(TEN, kept=10, swapped=20), expected)


def test_nothing_kept_begins_at_the_top():
    expected = [[0.0, 9.0, 5.0, 3.0, 7.0], [1.0, 8.0, 2.0, 6.0, 4.0]]
    np.testing.assert_array_equal(reverse_values(TEN, kept=0, swapped=10), expected)


def test_parts_may_meet_in_the_middle():
    expected = [[4.0, 5.0, 0.0, 8.0, 2.0], [6.0, 3.0, 7.0, 1.0, 9.0]]
    np.testing.assert_array_equal(reverse_values(TEN, kept=0, swapped=50), expected)


def test_nothing_swapped_changes_nothing():
    np.testing.assert_array_equal(reverse_values(TEN, kept=30, swapped=0), TEN)


def test_twice_is_the_map_itself_where_values_differ():
    once = reverse_values(TEN, kept=10, swapped=30)
    np.testing.assert_array_equal(reverse_values(once, kept=10, swapped=30), TEN)


def test_counts_are_rounded_down():
    # 25 % of ten places are two, 5 % none
    expected = [[1.0, 8.0, 5.0, 3.0, 7.0], [9.0, 0.0, 2.0, 6.0, 4.0]]
    np.testing.assert_array_equal(reverse_values(TEN, kept=5, swapped=25), expected)


def test_values_stay_the_same():
    values = np.random.default_rng(0).normal(size=(20, 28))
    changed = reverse_values(values, kept=5, swapped=10)
    np.testing.assert_array_equal(np.sort(changed, axis=None), np.sort(values, axis=None))
    assert (changed != values).sum() == 2 * 56


def test_equal_values_are_told_apart_by_their_place():
    np.testing.assert_array_equal(
        reverse_values(np.array([1.0, 1.0, 1.0, 0.0]), kept=25, swapped=25), [1.0, 0.0, 1.0, 1.0]
    )


def test_map_given_is_left_alone():
    before = TEN.copy()
    reverse_values(TEN, kept=10, swapped=20)
    np.testing.assert_array_equal(TEN, before)


@pytest.mark.parametrize(
    ("kept", "swapped"), [(10, 46), (-1, 10), (5, -10), (101, 0), (float("nan"), 10)]
)
def test_shares_that_do_not_fit_are_refused(kept, swapped):
    with pytest.raises(xc.InputError, match="must not exceed 100 percent"):
        reverse_values(TEN, kept=kept, swapped=swapped)


def test_map_says_that_it_is_reversed():
    smap = xc.explain(wrap(TinyNet()), picture(), method="vanilla-gradient", target=0)
    turned = reversed_map(smap)
    assert turned.provenance.parameter("reversed_swapped") == 10.0
    np.testing.assert_array_equal(turned.values, reverse_values(smap.values, kept=5, swapped=10))
    assert not turned.values.flags.writeable


def test_it_is_exported():
    assert xc.metrics.reversed_map is reversed_map
