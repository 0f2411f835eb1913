"""The models that come with WhyNot and work without a network."""

from __future__ import annotations

from pathlib import Path

import torch

from explain_core.models.digits_net import DIGITS_MEAN, DIGITS_STD, load_digits_net
from explain_core.models.model import Model, build_model
from explain_core.models.preprocessing import Preprocessing

ASSETS = Path(__file__).parents[2] / "assets"

DIGITS_PREPROCESSING = Preprocessing(
    size=(28, 28),
    mean=(DIGITS_MEAN,),
    std=(DIGITS_STD,),
    fit="letterbox",
    polarity="light-on-dark",
    border=0.0,
)


def load_digits(layer: str | None = None, device: torch.device | None = None) -> Model:
    """Load the network that reads handwritten digits; see `assets/digits/README.md`."""
    return build_model(
        load_digits_net(ASSETS / "digits" / "weights.safetensors"),
        name="digits",
        classes=[str(digit) for digit in range(10)],
        preprocessing=DIGITS_PREPROCESSING,
        layer=layer,
        device=device,
    )
