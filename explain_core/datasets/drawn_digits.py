"""Make the bank of drawn digits: pictures of which nobody holds the rights, kept as their own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow

from explain_core.datasets.strokes import draw_digit
from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models.digits_net import DIGITS_LAYER, DIGITS_SIZE_PX, NUM_DIGITS
from explain_core.models.model import Model
from explain_core.references.bank_writer import Row, open_writer
from explain_core.types import Image, picture_id

NUM_DRAWN_PER_CLASS = 100

_MAX_TRIES = 10  # for each picture that is kept


def write_drawn_bank(model: Model, folder: Path, num_per_class: int, seed: int) -> int:
    """Write a bank of drawn digits, 28 x 28 as the network reads them, into a new folder.

    Only pictures that the network reads as the digit they are go in. Thumbnails are PNG files with
    the picture's own pixels.

    Args:
        seed: settles every hand.

    Returns:
        How many pictures were drawn for that, kept or not.

    Raises:
        ModelError: the network reads fewer than one in ten right.
    """
    rng = np.random.default_rng(seed)
    num_drawn = 0
    with open_writer(folder, model, layer=DIGITS_LAYER, pooling="mean") as writer:
        for digit in range(NUM_DIGITS):
            kept: list[Image] = []
            tries = 0
            while len(kept) < num_per_class:
                if tries == _MAX_TRIES * num_per_class:
                    raise ModelError(
                        f"the network reads {len(kept)} of {tries} drawn pictures of a {digit} as "
                        "that; train it longer before drawing"
                    )
                tries += 1
                image = image_from_pixels(draw_digit(digit, rng, DIGITS_SIZE_PX))
                if int(model.predict(image).argmax()) == digit:
                    kept.append(image)
            num_drawn += tries
            x = torch.cat([model.preprocess(image) for image in kept])
            features = model.pooled(x, DIGITS_LAYER, "mean").float().cpu().numpy()
            rows = [
                Row(f"{digit}/{index:03}.png", str(digit), picture_id(image), _png(image))
                for index, image in enumerate(kept)
            ]
            writer.append(rows, features)
    return num_drawn


def _png(image: Image) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(image.pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
