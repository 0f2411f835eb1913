"""The bundled digits network."""

from pathlib import Path

import pytest
import torch

from explain_core.datasets.digits import (
    BANKS_FOLDER,
    DIGITS_BANK,
    WEIGHTS_FILE,
)
from explain_core.errors import ModelError
from explain_core.models.digits_net import (
    DigitsNet,
    load_digits_net,
    normalise_digits,
)
from tests.core.datasets.digits_assets import ASSETS


@pytest.fixture(scope="module")
def network() -> DigitsNet:
    return load_digits_net(ASSETS / WEIGHTS_FILE)


def test_last_block_has_14_by_14_places(network: DigitsNet) -> None:
    assert network.features(torch.zeros(2, 1, 28, 28)).shape == (2, 64, 14, 14)


def test_forward_is_the_head_of_the_pooled_features(network: DigitsNet) -> None:
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    by_hand = network.classifier(network.features(images).sum(dim=(2, 3)) / 196)
    torch.testing.assert_close(network(images), by_hand)


def test_normalised_gray_is_what_the_network_was_trained_on() -> None:
    gray = torch.tensor([0, 255], dtype=torch.uint8)
    expected = torch.tensor([-0.1307 / 0.3081, (1 - 0.1307) / 0.3081])
    torch.testing.assert_close(normalise_digits(gray), expected)


def test_loaded_network_is_in_eval_mode_without_gradients(network: DigitsNet) -> None:
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_loading_leaves_global_randomness_alone() -> None:
    before = torch.get_rng_state()
    load_digits_net(ASSETS / WEIGHTS_FILE)
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_weights_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing; make them with .*digits train"):
        load_digits_net(tmp_path / "none.safetensors")


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes((ASSETS / WEIGHTS_FILE).read_bytes()[:1000])
    with pytest.raises(ModelError, match="do not fit the digits network"):
        load_digits_net(path)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match="do not fit the digits network"):
        load_digits_net(ASSETS / BANKS_FOLDER / DIGITS_BANK / "class_means.safetensors")
