"""Maps and pixels that the tests of metrics share."""

import numpy as np

import explain_core as xc
from explain_core.types import Contrast, Provenance, SaliencyMap

SIZE = (20, 28)


def as_map(model, image, values, is_signed=False):
    return SaliencyMap(
        values=np.asarray(values, np.float32),
        is_signed=is_signed,
        provenance=Provenance("", "", "", "", "", Contrast(0)),
        geometry=model.geometry(image),
    )


def signed_map(model, image, values):
    return as_map(model, image, values, is_signed=True)


def gradient_of(model, image, seed):
    return xc.explain(model, image, method="vanilla-gradient", target=1)


def brightness_of(model, image, seed):
    """A map that knows the picture only."""
    return signed_map(model, image, model.to_pixels(image)[0].mean(dim=0).numpy())


def random_values(seed=0):
    return np.random.default_rng(seed).random(SIZE).astype(np.float32)


def pixels_of(image):
    pixels = image.pixels.astype(np.float64) / image.white
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
