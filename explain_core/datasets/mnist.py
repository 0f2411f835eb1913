"""MNIST's handwritten digits, read from its own idx files or downloaded."""

from __future__ import annotations

import gzip
import urllib.error
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explain_core.errors import InputError

_SIZE_PX = 28
# (images, labels) of each part, by the names under which MNIST is published
MNIST_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_IDX_UBYTE = 8  # the code for unsigned bytes in the third byte of an idx file


@dataclass(frozen=True, eq=False)
class Mnist:
    """Hold one part of the handwritten digits.

    Attributes:
        images: (n, 28, 28) uint8, light strokes on dark.
        labels: (n,) int64, 0 to 9.
    """

    images: Tensor
    labels: Tensor


def read_idx(path: Path) -> Tensor:
    """Return the unsigned bytes of an idx file, gzipped or not, in the shape that its head states.

    Raises:
        InputError: the file is damaged, or no idx file of unsigned bytes.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"'{path}' cannot be read ({error}); fetch it again") from error
    if len(content) < 4 or content[:3] != bytes([0, 0, _IDX_UBYTE]):
        raise InputError(
            f"'{path}' is no idx file of unsigned bytes (it begins with {content[:4].hex(' ')}); "
            "fetch MNIST's original files"
        )
    num_axes = content[3]
    start = 4 + 4 * num_axes
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    if len(content) != start + int(np.prod(shape)):
        raise InputError(
            f"'{path}' states the shape {shape} but holds {len(content) - start} bytes; "
            "fetch it again"
        )
    values = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    return torch.from_numpy(values.copy())


def load_mnist(part: str, folder: Path) -> Mnist:
    """Read the part "train" or "test" of MNIST from `folder`.

    The four files may be gzipped or not, and lie in `folder` itself or, as torchvision lays them
    out, in `MNIST/raw` below it.

    Raises:
        InputError: a file is missing or damaged.
    """
    images, labels = (read_idx(_find(name, folder)) for name in MNIST_FILES[part])
    expected = (len(labels), _SIZE_PX, _SIZE_PX)
    if images.shape != expected or labels.ndim != 1:
        raise InputError(
            f"'{folder}' holds {part} images of shape {tuple(images.shape)} and labels of shape "
            f"{tuple(labels.shape)}, but needs (n, {_SIZE_PX}, {_SIZE_PX}) and (n,); "
            "fetch MNIST's original files"
        )
    return Mnist(images, labels.to(torch.int64))


def _find(name: str, folder: Path) -> Path:
    candidates = [
        place / (name + suffix)
        for place in (folder, folder / "raw", folder / "MNIST" / "raw")
        for suffix in (".gz", "")
    ]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    names = sorted(name for pair in MNIST_FILES.values() for name in pair)
    raise InputError(
        f"data folder '{folder}' holds no '{name}' (nor '{name}.gz'); point --data at a folder "
        f"with MNIST's four files {', '.join(names)}, or leave it out to download them"
    )


def download_mnist() -> Path:
    """Return a folder with MNIST, downloaded by torchvision into torch's cache where it is not yet.

    Raises:
        InputError: the files could not be fetched.
    """
    from torchvision.datasets import MNIST

    folder = Path(torch.hub.get_dir()) / "datasets"
    try:
        MNIST(str(folder), download=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise InputError(
            f"MNIST could not be downloaded ({error}); with a network, run this again, and without "
            "one, copy MNIST's four idx files from elsewhere and name their folder with --data"
        ) from error
    return folder
