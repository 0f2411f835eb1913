"""Relative drop against its equation."""

import numpy as np
import pytest

import explain_core as xc
from tests.core.metrics.made_up import as_map, pixels_of, random_values
from tests.oracles import removals
from tests.oracles.nets import MEANS, STDS, TinyNet, picture, wrap


@pytest.fixture(scope="module")
def network():
    return TinyNet()


@pytest.mark.parametrize(("share", "count"), [(0.05, 28), (0.1, 56), (1.0, 560), (0.0001, 1)])
@pytest.mark.parametrize("references", [(3,), (3, 0, 2)])
def test_it_is_the_difference_of_the_drops(network, references, share, count):
    image, values = picture(), random_values()
    predict = removals.predictor(network, MEANS[3], STDS[3])
    clean = predict(pixels_of(image))
    masked = predict(removals.without_top(pixels_of(image), values, count))
    others = list(references)
    expected = (clean[1] - masked[1]) - np.mean(clean[others] - masked[others])
    model = wrap(network)
    score = xc.metrics.relative_drop(
        model, image, as_map(model, image, values), target=1, references=references, share=share
    )
    np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"references": ()}, "there is no reference class to compare with; name a class"),
        ({"references": (1,)}, r"references must not contain the target class 1 \(got \[1\]\)"),
        ({"references": (7,)}, "'module' has no class 7"),
        ({"share": 0}, r"share must be above 0 and at most 1 \(got 0\)"),
        ({"share": 1.5}, "share must be above 0 and at most 1"),
    ],
)
def test_what_does_not_fit_is_refused(network, values, message):
    model, image = wrap(network), picture()
    smap = as_map(model, image, random_values())
    with pytest.raises(xc.InputError, match=message):
        xc.metrics.relative_drop(model, image, smap, **({"target": 1, "references": (0,)} | values))
