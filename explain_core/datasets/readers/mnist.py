"""MNIST's handwritten digits as examples."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from explain_core.datasets.dataset import Dataset, Example
from explain_core.datasets.mnist import load_mnist
from explain_core.datasets.readers.files import LazyExamples, no_truth, require_part
from explain_core.images.reading import image_from_pixels

LAYOUT = (
    "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
    "t10k-labels-idx1-ubyte.gz, packed or not"
)
_PARTS = ("test", "train")


def read_mnist(folder: Path, part: str = "test") -> Dataset:
    """Read MNIST from its idx files, packed or not; light strokes on dark, 28 x 28.

    Raises:
        InputError: a file is missing or damaged.
    """
    require_part(part, _PARTS, "MNIST")
    digits = load_mnist(part, folder)
    images, labels = digits.images.numpy(), digits.labels.tolist()

    def example(index: int) -> Example:
        return Example(
            id=f"{part}/{index:05}",
            label=str(labels[index]),
            read=partial(image_from_pixels, images[index]),
            truth=no_truth,
        )

    return Dataset(
        name="mnist",
        title=f"MNIST ({part})",
        classes=tuple(str(digit) for digit in range(10)),
        examples=LazyExamples(example, range(len(labels))),
        licence="MNIST: CC BY-SA 3.0",
    )
