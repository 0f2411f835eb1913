"""Deletion and insertion against the form in which RISE's authors released them."""

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.metrics.deletion import plan_deletion
from explain_core.metrics.scorer import scorer_of
from tests.core.metrics.made_up import as_map, pixels_of, random_values
from tests.oracles import removals
from tests.oracles.nets import MEANS, STDS, TinyNet, picture, wrap

NUM_PIXELS = 20 * 28


@pytest.fixture(scope="module", params=[1, 3])
def setting(request):
    network, image = TinyNet(request.param), picture(request.param)
    return (
        wrap(network),
        image,
        removals.predictor(network, MEANS[request.param], STDS[request.param]),
    )


def test_deletion_is_rise_s(setting):
    model, image, predict = setting
    pixels, values = pixels_of(image), random_values()
    _, expected = removals.causal_metric(
        predict, values, 1, pixels, np.zeros_like(pixels), NUM_PIXELS // 10
    )
    score = xc.metrics.deletion(model, image, as_map(model, image, values), target=1, steps=10)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_insertion_is_rise_s(setting):
    model, image, predict = setting
    pixels, values = pixels_of(image), random_values()
    soft = removals.blurred(pixels, 2.0)
    _, expected = removals.causal_metric(predict, values, 1, soft, pixels, NUM_PIXELS // 8)
    score = xc.metrics.insertion(
        model, image, as_map(model, image, values), target=1, steps=8, sigma_px=2
    )
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_curves_begin_and_end_as_they_must(setting):
    model, image, predict = setting
    pixels = pixels_of(image)
    scores = xc.metrics.score_maps(
        scorer_of(model, image),
        {"map": as_map(model, image, random_values())},
        {"deletion": {"steps": 4}, "insertion": {"steps": 4, "sigma_px": 3.0}},
        target=2,
    )["map"]
    clean, black = predict(pixels)[2], predict(np.zeros_like(pixels))[2]
    soft = predict(removals.blurred(pixels, 3.0))[2]
    ends = {name: score.curve.values[[0, -1]] for name, score in scores.items()}
    np.testing.assert_allclose(ends["deletion"], [clean, black], rtol=1e-5)
    np.testing.assert_allclose(ends["insertion"], [soft, clean], rtol=1e-5)
    np.testing.assert_array_equal(scores["deletion"].curve.shares, [0, 0.25, 0.5, 0.75, 1])


def test_pixels_are_divided_evenly_where_steps_do_not_divide_them():
    counts = [each.count for each in plan_deletion(random_values(), steps=3).removals]
    assert counts == [0, 187, 373, 560]


def test_only_the_order_of_a_map_counts(setting):
    model, image, _ = setting
    scores = [
        xc.metrics.deletion(model, image, as_map(model, image, values), target=0, steps=7)
        for values in (random_values(), random_values() ** 3)
    ]
    assert scores[0] == scores[1]


def test_equal_values_are_not_taken_from_the_top(setting):
    """Half of an even map's pixels are black, and as many in the upper part as in the lower."""
    model, image, _ = setting
    seen = []

    def probabilities(pictures):
        seen.append(pictures.numpy())
        return np.ones((len(pictures), 1))

    scorer = xc.metrics.Scorer(scorer_of(model, image).pixels * 0 + 1, probabilities)
    even = as_map(model, image, np.ones((20, 28)))
    xc.metrics.score_maps(scorer, {"even": even}, {"deletion": {"steps": 2}}, target=0)
    (half,) = (each[0] for each in np.concatenate(seen) if 0 < each[0].sum() < NUM_PIXELS)
    assert half.sum() == 280
    assert abs(half[:10].sum() - 140) < 40


@pytest.mark.parametrize(
    ("metric", "values", "message"),
    [
        (xc.metrics.deletion, {"steps": 0}, r"steps must be at least 1 \(got 0\)"),
        (xc.metrics.insertion, {"steps": -1}, "steps must be at least 1"),
        (xc.metrics.insertion, {"sigma_px": 0}, r"sigma_px must be above 0 \(got 0\)"),
        (xc.metrics.insertion, {"sigma_px": np.nan}, "sigma_px must be above 0"),
        (xc.metrics.deletion, {"target": 5}, "'module' has no class 5"),
    ],
)
def test_what_does_not_fit_is_refused(metric, values, message):
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    with pytest.raises(xc.InputError, match=message):
        metric(model, image, smap, **({"target": 0} | values))


@pytest.mark.filterwarnings("ignore")  # what Quantus imports warns of
def test_deletion_is_quantus_s_pixel_flipping():
    quantus = pytest.importorskip(
        "quantus", reason="Quantus is not installed: pip install --no-deps quantus cachetools"
    )
    network, image, values = TinyNet(1), picture(1), random_values()
    model = wrap(network)
    scorer = scorer_of(model, image)

    class Displayed(torch.nn.Module):
        def forward(self, pixels):
            return network((pixels - MEANS[1][0]) / STDS[1][0])

    flip = quantus.PixelFlipping(
        features_in_step=56, perturb_baseline=0.0, normalise=False, disable_warnings=True
    )
    expected = flip(
        Displayed().eval(),
        scorer.pixels[None].numpy(),
        np.array([1]),
        values[None, None],
        channel_first=True,
        device="cpu",
    )
    found = xc.metrics.score_maps(
        scorer, {"map": as_map(model, image, values)}, {"deletion": {"steps": 10}}, target=1
    )
    np.testing.assert_allclose(found["map"]["deletion"].curve.values[1:], expected[0], rtol=1e-4)
