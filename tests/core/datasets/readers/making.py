"""Tiny sets in the forms in which the real ones are distributed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

SIZE = (40, 60)


def picture(path: Path, value: int = 0, size: tuple[int, int] = SIZE) -> Path:
    """Write a picture of one colour, which a reader's pixels can be told by."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.full((*size, 3), value, np.uint8)).save(path, format="PNG")
    return path


def mask(path: Path, numbers: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(numbers).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def square(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """Return (H, W) bool, True from top to bottom - 1 and left to right - 1."""
    inside = np.zeros(SIZE, bool)
    inside[top:bottom, left:right] = True
    return inside
