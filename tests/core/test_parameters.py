"""What parameters accept, and what they say to the rest."""

import math

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.parameters import Parameter, fill_in

GAMMA = Parameter("gamma", "γ", 0.6, "render", "Help.", min=0.0, max=2.0)
COUNT = Parameter("count", "Count", 20, "prepare", "Help.", min=2, max=500)
SWITCH = Parameter("switch", "Switch", False, "render", "Help.")
CHOICE = Parameter("choice", "Choice", "a", "prepare", "Help.", choices=("a", "b"))


@pytest.mark.parametrize("value", [0.0, 0, 2, 2.0, 1.3])
def test_both_ends_of_the_range_are_in_it(value):
    assert GAMMA.check(value) == value


def test_whole_number_becomes_a_float_where_the_default_is_one():
    assert type(GAMMA.check(1)) is float


def test_float_becomes_a_whole_number_where_the_default_is_one():
    assert type(COUNT.check(20.0)) is int


@pytest.mark.parametrize("value", [np.float64(1.5), np.float32(1.5), np.int64(1)])
def test_numbers_of_numpy_are_numbers(value):
    assert GAMMA.check(value) == value


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert COUNT.check(np.int64(30)) == 30


@pytest.mark.parametrize("value", [-0.01, 2.01, math.inf, -math.inf, math.nan])
def test_value_out_of_range_is_refused(value):
    with pytest.raises(InputError, match="gamma must lie between 0 and 2"):
        GAMMA.check(value)


@pytest.mark.parametrize("value", ["0.5", None, True, [0.5]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match="gamma must be a number"):
        GAMMA.check(value)


def test_broken_number_is_refused_where_a_whole_one_is_needed():
    with pytest.raises(InputError, match=r"count must be a whole number \(got 20\.5\)"):
        COUNT.check(20.5)


@pytest.mark.parametrize("value", [True, False])
def test_switch_takes_true_and_false(value):
    assert SWITCH.check(value) is value


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_switch_takes_nothing_else(value):
    with pytest.raises(InputError, match="switch must be True or False"):
        SWITCH.check(value)


def test_choice_takes_what_it_lists():
    assert CHOICE.check("b") == "b"


@pytest.mark.parametrize("value", ["c", "", 1, None])
def test_choice_takes_nothing_else(value):
    with pytest.raises(InputError, match=r"choice must be one of \['a', 'b'\]"):
        CHOICE.check(value)


def test_what_is_missing_takes_its_default():
    assert fill_in([GAMMA, COUNT], {"count": 3}, "it") == {"gamma": 0.6, "count": 3}


def test_zero_is_given_and_not_missing():
    assert fill_in([GAMMA], {"gamma": 0.0}, "it") == {"gamma": 0.0}


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(
        InputError, match=r"it has no parameter 'gama'; it has \['count', 'gamma'\]"
    ):
        fill_in([GAMMA, COUNT], {"gama": 1.0}, "it")


def test_unknown_name_is_refused_where_there_are_none():
    with pytest.raises(InputError, match="it has no parameter 'p'; it has none"):
        fill_in([], {"p": 1.0}, "it")
