"""What holds for every metric of the table that asks the model; those of truth have their own."""

import inspect
import re

import numpy as np
import pytest

import explain_core as xc
from explain_core.metrics.metric import NO_EVIDENCE, NOT_FINITE
from tests.core.metrics.made_up import SIZE, as_map, random_values

ALL = list(xc.METRICS)
ASKING = [name for name in ALL if xc.METRICS[name].asks_model]
PARAMETERS = [
    pytest.param(name, parameter, id=f"{name}-{parameter.name}")
    for name, metric in xc.METRICS.items()
    for parameter in metric.parameters
]
QUICK = {"steps": 5}


@pytest.fixture(scope="module")
def scorer(model, image):
    return xc.metrics.scorer_of(model, image)


def values_of(name):
    return {p.name: QUICK[p.name] for p in xc.METRICS[name].parameters if p.name in QUICK}


@pytest.fixture(scope="module")
def score_of(scorer, model, image):
    def score(name, values, **changes):
        smap = as_map(model, image, values, is_signed=bool((values < 0).any()))
        asked = {name: values_of(name) | changes}
        found = xc.metrics.score_maps(scorer, {"map": smap}, asked, target=0, references=(1, 2))
        return found["map"][name]

    return score


def test_table_cannot_be_written_to():
    with pytest.raises(TypeError, match="does not support item assignment"):
        xc.METRICS["new"] = xc.METRICS["rcap"]


@pytest.mark.parametrize("name", ALL)
def test_metric_says_what_it_is(name):
    metric = xc.METRICS[name]
    assert metric.name == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert all(text.strip() for text in (metric.title, metric.summary, metric.paper))
    assert metric.summary.endswith(".")
    assert bool(metric.shares) == bool(metric.values)


@pytest.mark.parametrize("name", ALL)
def test_measure_takes_the_parameters_with_their_defaults(name):
    metric = xc.METRICS[name]
    taken = inspect.signature(metric.measure).parameters
    for parameter in metric.parameters:
        assert taken[parameter.name].default == parameter.default


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_parameter_can_be_drawn(name, parameter):
    assert parameter.check(parameter.default) == parameter.default
    assert parameter.label.strip()
    assert parameter.help.strip()
    if not isinstance(parameter.default, bool | str):
        assert -np.inf < parameter.min < parameter.max < np.inf
        assert parameter.step > 0


@pytest.mark.parametrize("name", ASKING)
def test_score_is_finite_and_the_same_again(name, score_of):
    first, again = score_of(name, random_values()), score_of(name, random_values())
    assert np.isfinite(first.value)
    assert first.value == again.value
    assert not first.reason


@pytest.mark.parametrize("name", ASKING)
def test_curve_is_there_where_the_table_says_so(name, score_of):
    curve = score_of(name, random_values()).curve
    assert (curve is not None) == bool(xc.METRICS[name].shares)
    if curve is not None:
        assert curve.shares.shape == curve.values.shape
        assert (np.diff(curve.shares) > 0).all()
        assert not curve.values.flags.writeable


@pytest.mark.parametrize("name", ASKING)
def test_positive_part_counts(name, score_of):
    values = random_values() - 0.4
    assert score_of(name, values).value == score_of(name, np.maximum(values, 0)).value


@pytest.mark.parametrize("name", ASKING)
def test_scale_of_the_map_does_not_count(name, score_of):
    scaled = score_of(name, 512 * random_values()).value
    np.testing.assert_allclose(scaled, score_of(name, random_values()).value, rtol=1e-6)


@pytest.mark.parametrize("name", ASKING)
def test_even_map_has_a_score(name, score_of):
    assert np.isfinite(score_of(name, np.ones(SIZE)).value)


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(SIZE), NO_EVIDENCE),
        (-np.ones(SIZE), NO_EVIDENCE),
        (np.full(SIZE, np.nan), NOT_FINITE),
        (np.full(SIZE, np.inf), NOT_FINITE),
    ],
    ids=["zero", "negative", "nan", "infinite"],
)
def test_map_that_says_nothing_has_no_score(name, values, reason, score_of):
    score = score_of(name, values)
    assert score.value is None
    assert score.reason == reason


@pytest.mark.parametrize(
    "measure", [xc.metrics.rcap, xc.metrics.deletion, xc.metrics.insertion, xc.metrics.road]
)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full(SIZE, np.nan), "the map holds NaN or infinity, so the metric is undefined"),
        (np.zeros(SIZE), "no positive evidence, so the metric is undefined; leave this map out"),
        (np.ones(SIZE[::-1]), r"the map is \(28, 20\), but 'module' looks at \(20, 28\)"),
    ],
    ids=["nan", "zero", "turned"],
)
def test_plain_function_refuses_it(measure, values, message, model, image):
    with pytest.raises(xc.InputError, match=message):
        measure(model, image, as_map(model, image, values), target=0)
