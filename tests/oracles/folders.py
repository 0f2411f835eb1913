"""Folders of small pictures on disk, and digits drawn at random, that banks are built from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image

NO_PICTURE = b"not a picture"


def encoded(size: tuple[int, ...] = (20, 28, 3), seed: int = 0, kind: str = "PNG") -> bytes:
    """Return the file of a picture of random pixels, (H, W) or (H, W, 3)."""
    pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def fill(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder and return it."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def class_folders(root: Path, num_classes: int, num_each: int) -> Path:
    """Write gray pictures of 28 x 30 in the folders "0", "1" ..., and return their root."""
    files = {
        f"{label}/{number:03}.png": encoded((28, 30), seed=1000 * label + number)
        for label in range(num_classes)
        for number in range(num_each)
    }
    return fill(root, files)
