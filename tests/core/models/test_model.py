"""A loaded model: what it is made of, what it answers, and which modules it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import InputError, ModelError, NumericsError
from explain_core.images.reading import image_from_pixels
from explain_core.models.fingerprint import fingerprint
from explain_core.models.model import build_model

PREPROCESSING = xc.Preprocessing(size=(24, 16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
PHOTO = image_from_pixels(np.random.default_rng(0).integers(0, 256, (50, 41, 3), np.uint8))


def network(num_classes: int = 4) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 9, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(9, num_classes),
        )


@pytest.fixture
def model() -> xc.Model:
    return xc.wrap_model(network(), preprocessing=PREPROCESSING, classes=["a", "b", "c", "c"])


# ---- wrapping ------------------------------------------------------------------------------


def test_classes_are_numbered_where_none_are_named() -> None:
    assert xc.wrap_model(network(), preprocessing=PREPROCESSING).classes == ("0", "1", "2", "3")


def test_default_input_is_imagenets() -> None:
    assert xc.wrap_model(network()).preprocessing == xc.Preprocessing(
        size=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )


def test_default_layer_is_the_last_stage(model: xc.Model) -> None:
    assert model.layer == "4"
    assert model.layer_named(None).size == (12, 8)


def test_weights_are_shared() -> None:
    module = network()
    model = xc.wrap_model(module, preprocessing=PREPROCESSING)
    assert model.network[0].weight.data_ptr() == module[0].weight.data_ptr()
    assert model.network[1].running_mean.data_ptr() == module[1].running_mean.data_ptr()


def test_the_module_is_left_as_it_was() -> None:
    module = network().train()
    before = fingerprint(module)
    xc.wrap_model(module, preprocessing=PREPROCESSING).predict(PHOTO)
    assert fingerprint(module) == before
    assert all(part.training for part in module.modules())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())


def test_the_model_neither_trains_nor_takes_gradients_of_weights(model: xc.Model) -> None:
    assert not any(part.training for part in model.network.modules())
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def test_fingerprint_is_that_of_the_weights(model: xc.Model) -> None:
    assert model.fingerprint == fingerprint(network())


@pytest.mark.parametrize("num_names", [3, 5])
def test_a_wrong_number_of_classes_is_refused(num_names: int) -> None:
    names = [f"class {index}" for index in range(num_names)]
    message = rf"gives \(1, 4\) for one picture, but there are {num_names} class names"
    with pytest.raises(ModelError, match=message):
        xc.wrap_model(network(), preprocessing=PREPROCESSING, classes=names)


def test_an_input_size_that_does_not_fit_is_refused() -> None:
    fixed = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 8 * 8, 4))
    with pytest.raises(ModelError, match=r"cannot take an input of shape \(1, 3, 224, 224\)"):
        xc.wrap_model(fixed)


def test_a_number_of_channels_that_does_not_fit_is_refused() -> None:
    gray = xc.Preprocessing(size=(24, 16), mean=(0.5,), std=(0.5,))
    with pytest.raises(ModelError, match="set the input size and channels"):
        xc.wrap_model(network(), preprocessing=gray)


@pytest.mark.parametrize("classes", [None, ["a"]], ids=["numbered", "named"])
def test_a_module_without_weights_is_refused(classes: list[str] | None) -> None:
    pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match="'module' has no weights; give a trained network"):
        xc.wrap_model(pooling, classes=classes)


def test_a_module_without_maps_is_refused() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 16, 4))
    with pytest.raises(ModelError, match="no layer with maps that its output depends on"):
        xc.wrap_model(linear, preprocessing=PREPROCESSING)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = network()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.body(x)
        return logits, logits


def test_a_module_that_gives_no_tensor_is_refused() -> None:
    with pytest.raises(ModelError, match="gives tuple for one picture"):
        xc.wrap_model(Pair(), preprocessing=PREPROCESSING, classes=list("abcd"))


def test_an_unknown_output_is_refused() -> None:
    output: Any = "argmax"
    with pytest.raises(ModelError, match=r"output must be one of .*'sigmoid'.* \(got 'argmax'\)"):
        build_model(
            network(), name="x", classes=list("abcd"), preprocessing=PREPROCESSING, output=output
        )


def test_maps_per_class_are_not_the_default_layer() -> None:
    """A fully convolutional head gives one map per class: there the classes are already apart."""
    convolutional = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    assert xc.wrap_model(convolutional, preprocessing=PREPROCESSING).layer == "1"


def test_a_chosen_layer_is_the_default() -> None:
    assert xc.wrap_model(network(), layer="0", preprocessing=PREPROCESSING).layer == "0"


class DeadEnd(nn.Module):
    """Run a layer whose maps nobody reads, after the others."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network()[:5]
        self.head = network()[5:]
        self.dead = nn.Conv2d(9, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(x)
        self.dead(maps)
        return self.head(maps)


def test_a_layer_that_nobody_reads_is_not_the_default() -> None:
    assert xc.wrap_model(DeadEnd(), preprocessing=PREPROCESSING).layer == "body"


# ---- layers and classes --------------------------------------------------------------------


def test_a_layer_without_a_tap_is_refused(model: xc.Model) -> None:
    with pytest.raises(ModelError, match=r"no tap at layer 'conv9'; choose one of .*'4'"):
        model.layer_named("conv9")


@pytest.mark.parametrize("given", ["b", 1, "1", np.int64(1)], ids=repr)
def test_a_class_goes_by_index_or_name(model: xc.Model, given: Any) -> None:
    assert model.class_index(given) == 1


def test_class_zero_is_a_class(model: xc.Model) -> None:
    assert model.class_index(0) == 0


def test_a_name_comes_before_an_index() -> None:
    model = xc.wrap_model(network(), preprocessing=PREPROCESSING, classes=["3", "2", "1", "0"])
    assert model.class_index("3") == 0
    assert model.class_index(3) == 3


@pytest.mark.parametrize("given", [4, -1, "d", "", True], ids=repr)
def test_an_unknown_class_is_refused(model: xc.Model, given: Any) -> None:
    with pytest.raises(InputError, match="give an index from 0 to 3 or a class name such as 'a'"):
        model.class_index(given)


def test_a_name_that_classes_share_is_refused(model: xc.Model) -> None:
    with pytest.raises(InputError, match="'c' names 2 classes; give the index"):
        model.class_index("c")


# ---- answers -------------------------------------------------------------------------------


def test_preprocess_is_normalised_pixels(model: xc.Model) -> None:
    pixels = model.to_pixels(PHOTO)
    assert pixels.shape == (1, 3, 24, 16)
    assert 0 <= pixels.min() <= pixels.max() <= 1
    mean, std = (torch.tensor(part)[:, None, None] for part in ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3)))
    torch.testing.assert_close(model.preprocess(PHOTO), (pixels - mean) / std)


def test_predict_gives_the_modules_logits(model: xc.Model) -> None:
    with torch.no_grad():
        expected = network().eval()(model.preprocess(PHOTO))[0]
    logits = model.predict(PHOTO)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-6)


def test_logits_have_no_graph(model: xc.Model) -> None:
    assert not model.logits(model.preprocess(PHOTO)).requires_grad


def test_geometry_is_the_pictures(model: xc.Model) -> None:
    assert model.geometry(PHOTO).original_size == (50, 41)
    assert model.geometry(PHOTO).input_size == (24, 16)


def test_probabilities_are_the_softmax(model: xc.Model) -> None:
    logits = np.log([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    np.testing.assert_allclose(model.probabilities(logits), np.exp(logits), rtol=1e-12)


def test_probabilities_of_huge_logits_are_finite(model: xc.Model) -> None:
    shares = model.probabilities(np.array([1e4, 1e4, -1e4, 0.0]))
    np.testing.assert_allclose(shares, [0.5, 0.5, 0, 0])


def test_weights_with_nan_are_noticed(model: xc.Model) -> None:
    broken = network()
    broken[7].weight.data[0, 0] = torch.nan
    broken[4] = nn.Softplus()  # so that no zero hides it
    model = xc.wrap_model(broken, preprocessing=PREPROCESSING)
    with pytest.raises(NumericsError, match="the output of 'module' holds NaN"):
        model.predict(PHOTO)


def test_a_network_in_double_precision_is_fed_doubles() -> None:
    model = xc.wrap_model(network().double(), preprocessing=PREPROCESSING)
    assert model.preprocess(PHOTO).dtype == torch.float64
    single = xc.wrap_model(network(), preprocessing=PREPROCESSING).predict(PHOTO)
    np.testing.assert_allclose(model.predict(PHOTO), single, rtol=1e-4, atol=1e-6)


def test_labels_are_found_from_their_operating_points_on():
    points = np.array([0.2, 0.5, 0.9], np.float32)
    model = xc.wrap_model(
        network(3), preprocessing=PREPROCESSING, classes=["a", "b", "c"], output="sigmoid"
    )
    probabilities = np.array([0.2, 0.4, 0.95])
    assert model.finds(probabilities).tolist() == [False, False, True]
    published = replace(model, operating_points=points)
    assert published.finds(probabilities.astype(np.float32)).tolist() == [True, False, True]


def test_of_classes_that_compete_one_is_found():
    model = xc.wrap_model(network(3), preprocessing=PREPROCESSING, classes=["a", "b", "c"])
    assert model.thresholds is None
    assert model.finds(np.array([0.3, 0.4, 0.3])).tolist() == [False, True, False]
