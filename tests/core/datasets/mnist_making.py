"""Tiny files in MNIST's form."""

import gzip
from pathlib import Path

import numpy as np

from explain_core.datasets.strokes import draw_digit
from explain_core.types import Array


def write_idx(path: Path, values: Array) -> None:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    content = head + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_tiny(folder: Path) -> Path:
    """Write 40 training and 20 test pictures as gzipped idx files."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, num in (("train", 40), ("t10k", 20)):
        labels = np.arange(num, dtype=np.uint8) % 10
        images = np.stack([draw_digit(int(label), rng, 28) for label in labels])
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder
