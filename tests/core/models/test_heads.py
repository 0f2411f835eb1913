"""Heads: the weight vector of each class, and networks that lose theirs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import explain_core as xc
from explain_core.models.heads import class_weights, classifier, take_head_off_


def test_linear_heads_weights_are_its_rows() -> None:
    head = nn.Linear(3, 2)
    head.weight.data = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    np.testing.assert_array_equal(class_weights(network, 2), [[1, 2, 3], [4, 5, 6]])


def test_squeezenets_head_is_its_last_convolution() -> None:
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=7)
    name, head = classifier(network)
    assert name == "classifier.1"
    weights = class_weights(network, 7)
    assert weights.shape == (7, 512)
    np.testing.assert_array_equal(weights, head.weight.detach()[:, :, 0, 0])


@pytest.mark.parametrize(
    ("architecture", "name", "dim"),
    [
        ("alexnet", "classifier.6", 4096),
        ("mobilenet_v3_small", "classifier.3", 1024),
        ("shufflenet_v2_x0_5", "fc", 1024),
        ("googlenet", "fc", 1024),
    ],
)
def test_head_is_the_last_linear_layer(architecture: str, name: str, dim: int) -> None:
    extra = {"init_weights": False} if architecture == "googlenet" else {}
    with torch.device("meta"):
        network = torchvision.models.get_model(architecture, num_classes=4, **extra)
    assert classifier(network)[0] == name
    assert classifier(network)[1].weight.shape == (4, dim)


def test_weights_agree_with_the_logits() -> None:
    """For pooling and a linear head, the logits are the weights times the pooled features."""
    model = xc.load_model("digits", device="cpu")
    with torch.no_grad():
        images = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        features = model.network.pool(images)
        logits = model.network(images)
    expected = features.numpy() @ model.class_weights.T + model.network.classifier.bias.numpy()
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_weights_are_float32_and_read_only() -> None:
    weights = class_weights(nn.Sequential(nn.Linear(3, 2).to(torch.bfloat16)), 2)
    assert weights.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 1


def test_no_weights_where_outputs_are_not_the_classes() -> None:
    assert class_weights(nn.Sequential(nn.Linear(3, 2)), 5) is None


def test_a_3x3_convolution_is_no_head() -> None:
    assert classifier(nn.Sequential(nn.Conv2d(3, 5, 3))) is None


def test_no_weights_without_a_head() -> None:
    assert class_weights(nn.Sequential(nn.ReLU()), 5) is None


@pytest.mark.parametrize(
    ("architecture", "head"),
    [
        ("resnet18", "fc"),
        ("squeezenet1_1", "classifier"),
        ("vit_b_32", "heads"),
        ("swin_t", "head"),
    ],
)
def test_the_part_that_holds_the_head_is_taken_off(architecture: str, head: str) -> None:
    with torch.device("meta"):
        network = torchvision.models.get_model(architecture, weights=None)
    parts = [name for name, _ in network.named_children()]
    assert take_head_off_(network) == head
    assert isinstance(getattr(network, head), nn.Identity)
    assert [name for name, _ in network.named_children()] == parts
