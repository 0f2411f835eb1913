"""What the table of methods says of each."""

import inspect
import re

import numpy as np
import pytest

import explain_core as xc
from explain_core.methods.table import METHODS
from explain_core.metrics.verdicts import CONTROL_WORDS
from tests.contracts.asking import ALL, NUMBERS, PARAMETERS

# ---- the table --------------------------------------------------------------------------------


def test_table_cannot_be_written_to():
    with pytest.raises(TypeError, match="does not support item assignment"):
        METHODS["new"] = METHODS["grad-cam"]


@pytest.mark.parametrize("name", ALL)
def test_method_goes_by_its_key(name):
    assert METHODS[name].name == name


@pytest.mark.parametrize("name", ALL)
def test_names_are_kebab_case(name):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*(\+\+)?", name)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("text", ["title", "summary", "paper"])
def test_method_says_what_it_is(name, text):
    assert getattr(METHODS[name], text).strip()


def test_verdicts_call_the_controls_by_their_titles():
    controls = {name: METHODS[name].title for name in ALL if METHODS[name].is_control}
    assert controls == CONTROL_WORDS


@pytest.mark.parametrize("name", ALL)
def test_signed_method_has_a_signed_view(name):
    assert METHODS[name].can_be_signed or not METHODS[name].is_signed


@pytest.mark.parametrize("name", ALL)
def test_parameters_have_names_of_their_own(name):
    names = [parameter.name for parameter in METHODS[name].parameters]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ALL)
def test_parameters_do_not_hide_arguments(name):
    arguments = {*inspect.signature(xc.explain).parameters, "store", "methods", "basis"}
    assert not arguments & {parameter.name for parameter in METHODS[name].parameters}


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_default_is_accepted(parameter):
    assert parameter.check(parameter.default) == parameter.default


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_parameter_says_what_it_does(parameter):
    assert parameter.label.strip()
    assert parameter.help.strip()


@pytest.mark.parametrize("parameter", NUMBERS)
def test_number_has_a_range_that_a_slider_can_draw(parameter):
    assert -np.inf < parameter.min < parameter.max < np.inf
    assert parameter.step > 0


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_logarithmic_range_is_positive(parameter):
    assert parameter.scale == "linear" or parameter.min > 0
