"""The name of a set of weights."""

import hashlib
import re
from collections import OrderedDict

import pytest
import torch
from torch import nn

from explain_core.models.fingerprint import fingerprint


def two_layers(seed: int = 0) -> nn.Sequential:
    rng = torch.Generator().manual_seed(seed)
    network = nn.Sequential(OrderedDict(a=nn.Conv2d(2, 3, 3), b=nn.BatchNorm2d(3)))
    for parameter in network.parameters():
        nn.init.normal_(parameter, generator=rng)
    return network


def test_is_the_digest_of_names_types_shapes_and_bytes() -> None:
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 0.5)
    nn.init.constant_(layer.bias, -1.0)
    by_hand = (
        b"bias torch.float32 (1,)\n"
        + bytes.fromhex("000080bf")
        + b"weight torch.float32 (1, 2)\n"
        + bytes.fromhex("0000003f0000003f")
    )
    assert fingerprint(layer) == hashlib.sha256(by_hand).hexdigest()


def test_is_64_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(two_layers()))


def test_equal_weights_have_equal_fingerprints() -> None:
    assert fingerprint(two_layers()) == fingerprint(two_layers())


def test_one_changed_weight_changes_it() -> None:
    network = two_layers()
    before = fingerprint(network)
    with torch.no_grad():
        network.a.weight[0, 0, 0, 0] += 1e-3
    assert fingerprint(network) != before


def test_a_changed_buffer_changes_it() -> None:
    network = two_layers()
    before = fingerprint(network)
    network.b.running_mean[0] = 1.0
    assert fingerprint(network) != before


def test_another_name_changes_it() -> None:
    renamed = nn.Sequential(OrderedDict(c=two_layers().a, b=two_layers().b))
    assert fingerprint(renamed) != fingerprint(two_layers())


def test_another_shape_of_the_same_bytes_changes_it() -> None:
    wide, tall = nn.Linear(4, 1, bias=False), nn.Linear(1, 4, bias=False)
    nn.init.ones_(wide.weight)
    nn.init.ones_(tall.weight)
    assert fingerprint(wide) != fingerprint(tall)


def test_order_of_registration_does_not_matter() -> None:
    network = two_layers()
    turned = nn.Sequential(OrderedDict(b=network.b, a=network.a))
    assert fingerprint(turned) == fingerprint(network)


def test_memory_layout_does_not_matter() -> None:
    network = two_layers()
    before = fingerprint(network)
    assert fingerprint(network.to(memory_format=torch.channels_last)) == before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_works_for_other_types(dtype: torch.dtype) -> None:
    assert fingerprint(two_layers().to(dtype)) != fingerprint(two_layers())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_device_does_not_matter() -> None:
    assert fingerprint(two_layers().to("cuda")) == fingerprint(two_layers())


def test_leaves_the_weights_as_they_were() -> None:
    network = two_layers()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fingerprint(network)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
