"""The models that come with WhyNot and work without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from explain_core.errors import ModelError
from explain_core.models.birds_net import BIRDS_MEAN, BIRDS_SIZE_PX, BIRDS_STD, load_birds_net
from explain_core.models.digits_net import DIGITS_MEAN, DIGITS_STD, load_digits_net
from explain_core.models.films_net import (
    FILMS_CLASSES,
    FILMS_LAYER,
    FILMS_MEAN,
    FILMS_SIZE_PX,
    FILMS_STD,
    load_films_net,
)
from explain_core.models.model import Model, build_model
from explain_core.models.preprocessing import Preprocessing
from explain_core.types import read_only

ASSETS = Path(__file__).parents[2] / "assets"

DIGITS_PREPROCESSING = Preprocessing(
    size=(28, 28),
    mean=(DIGITS_MEAN,),
    std=(DIGITS_STD,),
    fit="letterbox",
    polarity="light-on-dark",
    border=0.0,
)
FILMS_WEIGHTS = MappingProxyType(
    {"films": "weights.safetensors", "films-confounded": "confounded.safetensors"}
)
FILMS_PREPROCESSING = Preprocessing(
    size=(FILMS_SIZE_PX, FILMS_SIZE_PX),
    mean=(FILMS_MEAN,),
    std=(FILMS_STD,),
    fit="letterbox",
    border=0.0,
)
BIRDS_PREPROCESSING = Preprocessing(
    size=(BIRDS_SIZE_PX, BIRDS_SIZE_PX), mean=BIRDS_MEAN, std=BIRDS_STD, fit="letterbox"
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


def load_films(
    name: str = "films",
    layer: str | None = None,
    device: torch.device | None = None,
    folder: Path = ASSETS / "films",
) -> Model:
    """Load a network that reads phantom films; see `assets/films/README.md`.

    Args:
        name: "films", or "films-confounded", which looks at the markers in the corners alone.
        folder: with the weights and `card.json`, whose thresholds become the operating points.

    Raises:
        ModelError: weights or card are missing or damaged.
    """
    network = load_films_net(folder / FILMS_WEIGHTS[name])
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))[name]
        points = [float(card["labels"][label]["operating_point"]) for label in FILMS_CLASSES]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"'{folder / 'card.json'}' does not say from which probability '{name}' counts a "
            "finding as found; make it again with `python -m explain_core.datasets.films train`"
        ) from error
    model = build_model(
        network,
        name=name,
        classes=FILMS_CLASSES,
        preprocessing=FILMS_PREPROCESSING,
        layer=layer or FILMS_LAYER,
        output="sigmoid",
        device=device,
    )
    return replace(model, operating_points=read_only(np.array(points, np.float32)))


def birds_model(
    name: str, weights: Path, layer: str | None = None, device: torch.device | None = None
) -> Model:
    """Return the model of a file of weights for drawn birds."""
    network, classes = load_birds_net(weights)
    return build_model(
        network,
        name=name,
        classes=list(classes),
        preprocessing=BIRDS_PREPROCESSING,
        layer=layer,
        device=device,
    )


def _load_birds(name: str, file: str, layer: str | None, device: torch.device | None) -> Model:
    return birds_model(name, ASSETS / "birds" / file, layer, device)


# The name of each bundled model, and what loads it: as layer (explained by default) and device. How
# each was made stands in the README of its folder in `assets`.
BUNDLED_LOADERS: Mapping[str, Callable[[str | None, torch.device | None], Model]] = (
    MappingProxyType(
        {
            "digits": load_digits,
            "birds": partial(_load_birds, "birds", "weights.safetensors"),
            "birds-confounded": partial(_load_birds, "birds-confounded", "confounded.safetensors"),
            "films": partial(load_films, "films"),
            "films-confounded": partial(load_films, "films-confounded"),
        }
    )
)
