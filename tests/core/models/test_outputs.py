"""What logits mean: one of the classes, labels on their own, or one logit with two sides."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models.heads import two_sided
from explain_core.models.model import OutputKind
from tests.core.models.checkpoints import list_model, random_network

PREPROCESSING = xc.Preprocessing(size=(24, 16), mean=(0.4,), std=(0.2,))
PHOTO = image_from_pixels(np.random.default_rng(0).integers(0, 256, (50, 41, 3), np.uint8))


class Flat(nn.Module):
    """Drop the last axis, as heads with one output often do."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def network(num_outputs: int, *last: nn.Module) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 9, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(9, num_outputs),
            *last,
        )


def wrapped(module: nn.Module, output: OutputKind, classes: list[str] | None = None) -> xc.Model:
    return xc.wrap_model(module, preprocessing=PREPROCESSING, output=output, classes=classes)


# ---- labels --------------------------------------------------------------------------------


def test_each_labels_probability_is_its_own_sigmoid() -> None:
    logits = np.array([0.0, math.log(3), -math.log(9)])
    probabilities = wrapped(network(3), "sigmoid").probabilities(logits)
    np.testing.assert_allclose(probabilities, [0.5, 0.75, 0.1], rtol=1e-12)


def test_a_sigmoid_of_large_logits_does_not_overflow() -> None:
    with np.errstate(all="raise"):
        probabilities = wrapped(network(2), "sigmoid").probabilities(np.array([-2e3, 2e3]))
    np.testing.assert_array_equal(probabilities, [0, 1])


def test_a_multi_label_model_may_have_one_label() -> None:
    assert wrapped(network(1), "sigmoid", ["cat"]).predict(PHOTO).shape == (1,)


def test_a_labels_map_is_its_logits() -> None:
    """How the logits are read changes no map: no other label takes part."""
    labels, classes = (
        xc.explain(wrapped(network(3), output), PHOTO, method="grad-cam", target=0, signed=True)
        for output in ("sigmoid", "softmax")
    )
    np.testing.assert_array_equal(labels.values, classes.values)


def test_only_sigmoid_heads_are_multi_label() -> None:
    assert wrapped(network(2), "sigmoid").is_multi_label
    assert not wrapped(network(2), "softmax").is_multi_label
    assert not wrapped(network(1), "single-logit").is_multi_label


# ---- one logit ------------------------------------------------------------------------------


def test_the_sides_of_a_logit() -> None:
    sides = two_sided(torch.tensor([[3.0], [-1.0]]))
    assert sides.tolist() == [[-1.5, 1.5], [0.5, -0.5]]


@pytest.mark.parametrize("last", [(), (Flat(),)], ids=["(N, 1)", "(N,)"])
def test_the_softmax_of_the_sides_is_the_logits_sigmoid(last: tuple[nn.Module, ...]) -> None:
    module = network(1, *last)
    model = wrapped(module, "single-logit")
    with torch.no_grad():
        positive = torch.sigmoid(module(model.preprocess(PHOTO))).item()
    np.testing.assert_allclose(
        model.probabilities(model.predict(PHOTO)), [1 - positive, positive], rtol=1e-6
    )


def test_the_sides_gradients_are_half_the_logits() -> None:
    module = network(1)
    model = wrapped(module, "single-logit")
    x = model.preprocess(PHOTO)
    sides, outputs = model.record(x, ["3"])
    found = [
        torch.autograd.grad(sides[0, side], outputs["3"], retain_graph=True)[0] for side in (0, 1)
    ]
    activations = module[:4](x).detach().requires_grad_()
    (expected,) = torch.autograd.grad(module[4:](activations).sum(), activations)
    torch.testing.assert_close(found[1], expected / 2)
    torch.testing.assert_close(found[0], -expected / 2)


@pytest.mark.parametrize("method", ["grad-cam", "vanilla-gradient"])
def test_negative_and_positive_are_explained(method: str) -> None:
    model = wrapped(network(1), "single-logit")
    negative, positive = (
        xc.explain(model, PHOTO, method=method, target=side, signed=method == "grad-cam").values
        for side in ("negative", "positive")
    )
    assert np.abs(positive).max() > 0
    sign = -1 if method == "grad-cam" else 1
    np.testing.assert_allclose(negative, sign * positive, atol=1e-6 * np.abs(positive).max())


def test_the_sides_weights_point_apart() -> None:
    module = network(1)
    weights = wrapped(module, "single-logit").class_weights
    expected = module[6].weight.detach().numpy()[0] / 2
    np.testing.assert_allclose(weights, [-expected, expected])


def test_the_sides_can_be_named() -> None:
    assert wrapped(network(1), "single-logit", ["healthy", "ill"]).class_index("ill") == 1


def test_one_name_for_two_sides_is_refused() -> None:
    with pytest.raises(ModelError, match="needs two class names, the negative first"):
        wrapped(network(1), "single-logit", ["ill"])


def test_two_logits_are_not_one() -> None:
    with pytest.raises(ModelError, match=r"gives \(1, 2\) for one picture, which is not one logit"):
        wrapped(network(2), "single-logit")


def test_the_module_in_hand_keeps_its_one_logit() -> None:
    module = network(1)
    wrapped(module, "single-logit")
    assert module(torch.zeros(1, 1, 24, 16)).shape == (1, 1)


def test_the_last_stage_of_a_one_logit_network_is_explained() -> None:
    assert wrapped(network(1), "single-logit").layer == wrapped(network(1), "softmax").layer


def test_a_map_of_the_logit_itself_is_not_explained() -> None:
    fully_convolutional = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 1), nn.AdaptiveAvgPool2d(1)
    )
    model = wrapped(nn.Sequential(*fully_convolutional, nn.Flatten()), "single-logit")
    assert model.layer == "1"


# ---- models.toml ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "num_outputs", "classes"),
    [("sigmoid", 3, ("0", "1", "2")), ("single-logit", 1, ("negative", "positive"))],
)
def test_the_operator_says_what_logits_mean(
    no_network: Path, output: str, num_outputs: int, classes: tuple[str, ...]
) -> None:
    state = random_network("squeezenet1_1", num_classes=num_outputs).state_dict()
    save_file(state, no_network / "w.safetensors")
    list_model(
        no_network,
        "own",
        architecture="torchvision/squeezenet1_1",
        weights="w.safetensors",
        output=output,
    )
    model = xc.load_model("own", device="cpu")
    assert (model.output, model.classes) == (output, classes)
