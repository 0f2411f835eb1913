"""When a map comes with a warning."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.images.reading import image_from_pixels
from explain_core.methods.cautions import basis_cautions, picture_cautions, question_cautions
from explain_core.types import Contrast
from tests.oracles.nets import (
    TinyNet,
    picture,
    preprocessing,
    reference_features,
    reference_set,
    wrap,
)

# Cosines with class 0: 1, 0.98, 0.71, 0, -1.
WEIGHTS = [[1.0, 0.0], [1.0, 0.2], [1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]]


@pytest.fixture(scope="module")
def model():
    network = TinyNet(width=2)
    network.head.weight = nn.Parameter(torch.tensor(WEIGHTS))
    return wrap(network)


def codes(cautions):
    return [caution.code for caution in cautions]


def sure_of(index):
    return np.where(np.arange(5) == index, 9.0, 0.0)


def test_sure_prediction_and_similar_references_need_no_warning(model):
    assert codes(question_cautions(model, sure_of(0), Contrast(0, (1, 2)))) == []


def test_target_that_is_not_predicted_is_told(model):
    assert codes(question_cautions(model, sure_of(2), Contrast(0))) == ["target-not-predicted"]


def test_weak_prediction_is_told(model):
    weak = np.array([0.3, 0.2, 0.1, 0.0, 0.0])
    assert codes(question_cautions(model, weak, Contrast(0))) == ["weak-prediction"]


def test_references_that_are_not_similar_are_told(model):
    found = question_cautions(model, sure_of(0), Contrast(0, (1, 4)))
    assert codes(found) == ["references-not-similar"]


def test_only_references_that_are_not_similar_are_named(model):
    (found,) = question_cautions(model, sure_of(0), Contrast(0, (1, 4)))
    assert found.text.startswith("“4”: not similar to “0”")


def test_where_all_weights_lie_apart_they_are_no_measure():
    """As a head of few classes may have them: its look-alikes are then the farthest."""
    network = TinyNet(width=2)
    apart = [[1.0, 0.0], [-0.1, 1.0], [-0.2, 1.0], [-0.3, 1.0], [-1.0, 0.0]]
    network.head.weight = nn.Parameter(torch.tensor(apart))
    assert question_cautions(wrap(network), sure_of(0), Contrast(0, (4,))) == ()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((200, 200), []), ((20, 200), ["mostly-unseen"]), ((300, 20), ["mostly-unseen"])],
)
def test_picture_that_the_network_hardly_sees_is_told(model, size, expected):
    image = image_from_pixels(np.zeros(size, np.uint8))
    cropping = xc.wrap_model(TinyNet(), preprocessing=replace(preprocessing(), fit="crop"))
    assert codes(picture_cautions(cropping, image)) == expected


def test_question_without_a_target_needs_no_warning(model):
    assert question_cautions(model, sure_of(0), Contrast(None)) == ()


# RISE and Mask watch the probability, which the other classes' scores move too.
ON_THE_SCORE = [
    name
    for name, method in xc.METHODS.items()
    if method.needs_class and name not in ("rise", "mask")
]


@pytest.mark.parametrize("method", ON_THE_SCORE)
def test_dead_gradient_is_told(method):
    network = TinyNet()
    with torch.no_grad():
        network.head.weight[0] = 0
    basis = xc.prepare(wrap(network), picture(), method=method, target=0)
    values = {p.name: p.default for p in xc.METHODS[method].parameters_of("render")}
    assert codes(basis_cautions(basis, values)) == ["dead-gradient"]


@pytest.mark.parametrize("method", ON_THE_SCORE)
def test_live_gradient_needs_no_warning(method):
    basis = xc.prepare(wrap(TinyNet()), picture(), method=method, target=0)
    values = {p.name: p.default for p in xc.METHODS[method].parameters_of("render")}
    assert basis_cautions(basis, values) == ()


@pytest.mark.parametrize(
    ("count", "lam", "expected"),
    [(8, 1e-5, ["few-references"]), (8, 1.0, []), (9, 1e-5, []), (1, 1e-6, ["few-references"])],
)
def test_few_references_are_told_where_what_they_do_not_span_dominates(count, lam, expected):
    model = wrap(TinyNet())
    references = reference_set(model, reference_features(count, 8).astype(np.float32))
    basis = xc.prepare(model, picture(), method="diffcam", target=0, references=references)
    assert codes(basis_cautions(basis, {"lam": lam})) == expected


def test_one_reference_spans_nothing_but_is_no_dead_gradient():
    """One reference spans no direction, yet its difference from the picture is all there is."""
    model = wrap(TinyNet())
    references = reference_set(model, reference_features(1, 8).astype(np.float32))
    basis = xc.prepare(model, picture(), method="diffcam", target=0, references=references)
    (found,) = basis_cautions(basis, {"lam": 1.0})
    assert found.code == "few-references"
    assert "100 % of DiffCAM's map" in found.text
