"""The models that come with WhyNot and work without a network."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from explain_core.errors import ModelError
from explain_core.models.digits_net import DIGITS_MEAN, DIGITS_STD, DigitsNet
from explain_core.models.model import Model, build_model
from explain_core.models.preprocessing import Preprocessing

ASSETS = Path(__file__).parents[2] / "assets"

DIGITS_PREPROCESSING = Preprocessing(
    size=(28, 28),
    mean=(DIGITS_MEAN,),
    std=(DIGITS_STD,),
    fit="letterbox",
    polarity="light-on-dark",
)


def load_digits(layer: str | None = None, device: torch.device | None = None) -> Model:
    """Load the network that reads handwritten digits; see `assets/digits/README.md`."""
    weights = ASSETS / "digits" / "weights.safetensors"
    if not weights.is_file():
        raise ModelError(
            "the bundled weights assets/digits/weights.safetensors are missing; restore them from "
            "the repository, or train them: python -m explain_core.datasets.digits train"
        )
    network = DigitsNet()
    network.load_state_dict(load_file(weights))
    return build_model(
        network,
        name="digits",
        classes=[str(digit) for digit in range(10)],
        preprocessing=DIGITS_PREPROCESSING,
        layer=layer,
        device=device,
        bank="digits",
    )
