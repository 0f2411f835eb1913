"""Maps and pixels that the tests of metrics share."""

import numpy as np

from explain_core.types import Contrast, Provenance, SaliencyMap

SIZE = (20, 28)


def as_map(model, image, values, is_signed=False):
    return SaliencyMap(
        values=values.astype(np.float32),
        is_signed=is_signed,
        provenance=Provenance("", "", "", "", "", Contrast(0)),
        geometry=model.geometry(image),
    )


def random_values(seed=0):
    return np.random.default_rng(seed).random(SIZE).astype(np.float32)


def pixels_of(image):
    pixels = image.pixels.astype(np.float64) / image.white
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
