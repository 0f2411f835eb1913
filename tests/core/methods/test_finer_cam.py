"""Finer-CAM against the gradient of its score, taken anew for every γ."""

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods.finer_cam import reference_weights
from explain_core.methods.rendering import render_linear
from explain_core.methods.settings import AGGREGATION
from explain_core.types import LinearBasis, Provenance
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap
from tests.oracles.stretching import stretch

GAMMAS = [0.0, 0.6, 1.0, 2.0]
WEIGHTS = ["uniform", "softmax", "released"]
AGGREGATIONS = ["maximum before ReLU", "average after ReLU"]
REFERENCES = (4, 1, 2)
OF_MEAN = {"finer-grad-cam": cams.finer_grad_cam_of_mean, "finer-layer-cam": cams.finer_layer_cam}
BASES = {"finer-grad-cam": "grad-cam", "finer-layer-cam": "layer-cam"}


def shown(low):
    return stretch(np.maximum(low, 0), (20, 28))


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finer_grad_cam_averages_the_maps_of_single_references(dtype, num_channels, gamma):
    network, image = TinyNet(num_channels).to(dtype), picture(num_channels)
    low = cams.finer_grad_cam(network, network_input(image), "stage2", 0, REFERENCES, gamma)
    smap = xc.explain(
        wrap(network), image, method="finer-grad-cam", target=0, references=REFERENCES, gamma=gamma
    )
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 3, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finer_layer_cam_takes_the_gradient_of_the_difference(dtype, strides, gamma):
    network, image = TinyNet(strides=strides).to(dtype), picture()
    low = cams.finer_layer_cam(network, network_input(image), "stage2", 0, REFERENCES, gamma)
    smap = xc.explain(
        wrap(network), image, method="finer-layer-cam", target=0, references=REFERENCES, gamma=gamma
    )
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("method", OF_MEAN)
def test_weights_are_those_of_the_score(method, weights, gamma):
    network, image = TinyNet(), picture()
    low = OF_MEAN[method](network, network_input(image), "stage2", 3, REFERENCES, gamma, weights)
    smap = xc.explain(
        wrap(network),
        image,
        method=method,
        target=3,
        references=REFERENCES,
        gamma=gamma,
        weights=weights,
    )
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize("gamma", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("method", OF_MEAN)
def test_reverse_takes_the_gradient_of_the_references_minus_the_target(method, weights, gamma):
    network, image = TinyNet(), picture()
    low = OF_MEAN[method](
        network,
        network_input(image),
        "stage2",
        3,
        REFERENCES,
        gamma,
        weights,
        is_reversed=True,
    )
    smap = xc.explain(
        wrap(network),
        image,
        method=method,
        target=3,
        references=REFERENCES,
        gamma=gamma,
        weights=weights,
        reverse=True,
    )
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize(("target", "references"), [(0, (3,)), (3, (0,))])
@pytest.mark.parametrize("method", OF_MEAN)
def test_class_zero_is_a_class_like_any_other(method, target, references):
    network, image = TinyNet(), picture()
    low = OF_MEAN[method](
        network, network_input(image), "stage2", target, references, 0.6, "uniform"
    )
    smap = xc.explain(wrap(network), image, method=method, target=target, references=references)
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize("method", OF_MEAN)
def test_thousand_classes_as_references(method):
    network, image = TinyNet(num_classes=1000), picture()
    references = tuple(range(1, 1000, 111))
    low = OF_MEAN[method](network, network_input(image), "stage2", 0, references, 0.6, "softmax")
    smap = xc.explain(
        wrap(network), image, method=method, target=0, references=references, weights="softmax"
    )
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("layer", ["stage1", "stage2", "stage2.0"])
@pytest.mark.parametrize("method", BASES)
def test_gamma_zero_is_the_base_bit_for_bit(method, layer, weights):
    model, image = wrap(TinyNet(), layer=layer), picture()
    base = xc.explain(model, image, method=BASES[method], target=0)
    finer = xc.explain(
        model, image, method=method, target=0, references=(1, 2), weights=weights, gamma=0.0
    )
    np.testing.assert_array_equal(finer.values, base.values)


def test_gamma_zero_is_the_signed_base_bit_for_bit():
    model, image = wrap(TinyNet()), picture()
    base = xc.render(xc.prepare(model, image, method="grad-cam", target=0), signed=True)
    basis = xc.prepare(model, image, method="finer-grad-cam", target=0, references=(1, 2))
    np.testing.assert_array_equal(xc.render(basis, gamma=0.0, signed=True).values, base.values)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_reverse_at_gamma_one_is_minus_the_map(weights):
    model, image = wrap(TinyNet()), picture()
    basis = xc.prepare(
        model, image, method="finer-grad-cam", target=0, references=(1, 2), weights=weights
    )
    forward = xc.render(basis, gamma=1.0, signed=True).values
    backward = xc.render(basis, gamma=1.0, reverse=True, signed=True).values
    np.testing.assert_array_equal(backward, -forward)


def test_reverse_at_gamma_one_exchanges_the_classes():
    model, image = wrap(TinyNet()), picture()
    one = xc.explain(
        model,
        image,
        method="finer-layer-cam",
        target=0,
        references=(1,),
        gamma=1.0,
        reverse=True,
    )
    other = xc.explain(model, image, method="finer-layer-cam", target=1, references=(0,), gamma=1.0)
    np.testing.assert_array_equal(one.values, other.values)


def test_order_of_references_does_not_matter():
    model, image = wrap(TinyNet()), picture()
    maps = [
        xc.explain(
            model, image, method="finer-grad-cam", target=0, references=order, weights="softmax"
        )
        for order in [(1, 2, 4), (4, 2, 1)]
    ]
    assert_same_map(maps[0].values, maps[1].values.astype(np.float64))


# ---- several references -----------------------------------------------------------------------


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("how", AGGREGATIONS)
@pytest.mark.parametrize("method", OF_MEAN)
def test_aggregation_takes_the_maps_of_single_references(method, how, gamma, is_reversed):
    network, image = TinyNet(), picture()
    singles = [
        OF_MEAN[method](
            network, network_input(image), "stage2", 0, [d], gamma, "uniform", is_reversed
        )
        for d in REFERENCES
    ]
    smap = xc.explain(
        wrap(network),
        image,
        method=method,
        target=0,
        references=REFERENCES,
        gamma=gamma,
        reverse=is_reversed,
        aggregation=how,
    )
    assert_same_map(smap.values, shown(cams.aggregated(singles, how)))


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_signed_view_is_the_aggregation_before_the_last_relu(how):
    network, image = TinyNet(), picture()
    x = network_input(image)
    singles = [cams.finer_grad_cam(network, x, "stage2", 0, [d], 1.0) for d in REFERENCES]
    basis = xc.prepare(
        wrap(network), image, method="finer-grad-cam", target=0, references=REFERENCES
    )
    smap = xc.render(basis, gamma=1.0, aggregation=how, signed=True)
    assert_same_map(smap.values, stretch(cams.aggregated(singles, how), (20, 28)))


@pytest.mark.parametrize("method", OF_MEAN)
def test_average_after_the_relu_weighs_as_before_it(method):
    network, image = TinyNet(), picture()
    x = network_input(image)
    model = wrap(network)
    shares = reference_weights(model.predict(image), REFERENCES, "softmax")
    expected = sum(
        share * np.maximum(OF_MEAN[method](network, x, "stage2", 0, [d], 0.6, "uniform"), 0)
        for share, d in zip(shares, REFERENCES, strict=True)
    )
    smap = xc.explain(
        model,
        image,
        method=method,
        target=0,
        references=REFERENCES,
        weights="softmax",
        aggregation="average after ReLU",
    )
    assert_same_map(smap.values, shown(expected))


@pytest.mark.parametrize("how", AGGREGATIONS)
@pytest.mark.parametrize("method", [*OF_MEAN, "finer-score-cam"])
def test_one_reference_is_the_same_in_every_aggregation(method, how):
    model, image = wrap(TinyNet()), picture()
    basis = xc.prepare(model, image, method=method, target=0, references=(3,))
    one = xc.render(basis, aggregation=how).values
    np.testing.assert_array_equal(one, xc.render(basis).values)


@pytest.mark.parametrize("method", [*OF_MEAN, "finer-score-cam"])
def test_order_of_references_does_not_change_their_maximum(method):
    model, image = wrap(TinyNet()), picture()
    maps = [
        xc.explain(
            model,
            image,
            method=method,
            target=0,
            references=order,
            aggregation="maximum before ReLU",
        ).values
        for order in [(1, 2, 4), (4, 2, 1)]
    ]
    np.testing.assert_array_equal(*maps)


def test_aggregations_by_hand():
    # m_c - m_d is (-1, 2) for one reference and (3, -2) for the other
    basis = LinearBasis(
        Provenance("finer-grad-cam", "", "", "", "", xc.Contrast(0, (1, 2))),
        xc.Geometry((1, 2), (1, 2), (1, 1), (0, 0)),
        maps=np.array([[[4.0, 5.0]], [[5.0, 3.0]], [[1.0, 7.0]]]),
        weights=np.array([0.25, 0.75]),
    )
    by_hand = [[[2.0, -1.0]], [[3.0, 2.0]], [[2.25, 0.5]]]
    for how, expected in zip(AGGREGATION.choices, by_hand, strict=True):
        values = {"gamma": 1.0, "reverse": False, "aggregation": how}
        np.testing.assert_allclose(render_linear(basis, values), expected)


# ---- weights by hand: logits 0, ln 3 -> softmax 1/4, 3/4 --------------------------------------

LOGITS = np.array([9.0, 0.0, np.log(3.0)])


def test_uniform_weights_share_equally():
    np.testing.assert_allclose(reference_weights(LOGITS, (1, 2), "uniform"), [0.5, 0.5])


def test_softmax_weights_by_hand():
    np.testing.assert_allclose(reference_weights(LOGITS, (1, 2), "softmax"), [0.25, 0.75])


def test_released_weights_by_hand():
    mean = 0.75 * np.log(3)
    by_hand = [0.25 * (1 - mean), 0.75 * (1 + np.log(3) - mean)]
    np.testing.assert_allclose(reference_weights(LOGITS, (1, 2), "released"), by_hand)


def test_released_weights_sum_to_one():
    logits = np.random.default_rng(0).normal(size=8) * 10
    total = reference_weights(logits, (1, 2, 5), "released").sum()
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_softmax_weights_survive_huge_logits():
    logits = np.array([0.0, 5000.0, 4000.0])
    np.testing.assert_allclose(reference_weights(logits, (1, 2), "softmax"), [1.0, 0.0])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_one_reference_weighs_one(weights):
    np.testing.assert_allclose(reference_weights(LOGITS, (2,), weights), [1.0])
