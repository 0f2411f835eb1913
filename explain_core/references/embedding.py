"""From picture files to pooled features: reading goes on in threads beside the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explain_core.errors import ImageError
from explain_core.images.reading import read_image
from explain_core.images.thumbnails import thumbnail
from explain_core.models import preprocessing as prep
from explain_core.models.device import batch_size, halve_on_out_of_memory
from explain_core.models.model import Model
from explain_core.types import Array, Pooling, picture_id, read_only

_MAX_READERS = 16
_MAX_BATCH = 256


@dataclass(frozen=True)
class Item:
    """Name a picture that waits to be read.

    Attributes:
        path: relative, with forward slashes; what people are shown, and what records hold.
        class_name: None where it has no class.
        content: the encoded file, or where it lies.
    """

    path: str
    class_name: str | None
    content: bytes | Path


@dataclass(frozen=True, eq=False)
class Embedded:
    """Hold one batch of pictures, read and pooled.

    Attributes:
        features: (m, d) float32, finite.
        items: m, those that were read, in the order in which they came.
        ids: (m,) uint64, see `picture_id`.
        thumbnails: m, see `thumbnail`.
        refused: (path, reason) of the pictures among them that could not be read.
    """

    features: Array
    items: tuple[Item, ...]
    ids: Array
    thumbnails: tuple[bytes, ...]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class _Read:
    """Hold a picture ready for the network: pixels (1, C, H, W) float32 in [0, 1]."""

    item: Item
    pixels: Tensor
    id: int
    thumbnail: bytes


def embed(
    model: Model,
    items: Iterable[Item],
    *,
    layer: str | None = None,
    pooling: Pooling | None = None,
    batch: int | None = None,
    readers: int | None = None,
) -> Generator[Embedded, None, None]:
    """Read and pool pictures, batch by batch, in the order in which they come.

    While the network runs, threads read what comes next: two batches ahead and no further, so
    that memory is bounded whatever the number of pictures. A picture takes the same way as on the
    Explain page.

    Args:
        model: with a head or without.
        items: may be lazy; taken from in the caller's thread.
        layer: None takes the model's default.
        pooling: None takes the layer's own.
        batch: pictures per pass; None takes what suits the device.
        readers: threads that read; None takes one per core.

    Yields:
        Batches of `batch` pictures; smaller ones at the end and where many are refused, down to
        (0, d) features; none for no items.

    Raises:
        ModelError: no such layer.
        InputError: a pooling that the layer does not have.
    """
    tapped = model.layer_named(layer)
    size = batch or min(_MAX_BATCH, batch_size(model.device, model.preprocessing.size))
    read: list[_Read] = []
    refused: list[tuple[str, str]] = []
    for outcome in _read_ahead(model, items, size, readers or _num_readers()):
        if isinstance(outcome, _Read):
            read.append(outcome)
        else:
            refused.append(outcome)
        if size in (len(read), len(refused)):
            yield _embedded(model, read, refused, tapped.name, pooling)
            read, refused = [], []
    if read or refused:
        yield _embedded(model, read, refused, tapped.name, pooling)


def _embedded(
    model: Model,
    read: list[_Read],
    refused: list[tuple[str, str]],
    layer: str,
    pooling: Pooling | None,
) -> Embedded:
    """Run the network over what was read; a picture that it makes no number of is refused."""
    features = np.empty((0, model.layer_named(layer).num_channels), np.float32)
    if read:
        pixels = torch.cat([each.pixels for each in read])
        features = _pooled(model, pixels, layer, pooling)
    is_finite: Array = np.asarray(np.isfinite(features).all(axis=1))
    kept = [each for each, is_kept in zip(read, is_finite, strict=True) if is_kept]
    not_finite = [
        (each.item.path, f"'{each.item.path}' gives NaN or infinity at layer '{layer}'")
        for each, is_kept in zip(read, is_finite, strict=True)
        if not is_kept
    ]
    return Embedded(
        features=read_only(features[is_finite]),
        items=tuple(each.item for each in kept),
        ids=read_only(np.array([each.id for each in kept], np.uint64)),
        thumbnails=tuple(each.thumbnail for each in kept),
        refused=(*refused, *not_finite),
    )


def _pooled(model: Model, pixels: Tensor, layer: str, pooling: Pooling | None) -> Array:
    """Return (m, d) float32 of pixels (m, C, H, W) in [0, 1], in fewer at once if memory ends."""

    def run(size: int) -> Array:
        parts = [
            model.pooled(
                model.normalise(part.to(model.device, model.dtype)), layer, pooling
            ).float()
            for part in torch.split(pixels, size)
        ]
        features: Array = torch.cat(parts).cpu().numpy()
        return features

    return halve_on_out_of_memory(run, len(pixels))


def _read_ahead(
    model: Model, items: Iterable[Item], size: int, num_readers: int
) -> Iterator[_Read | tuple[str, str]]:
    """Yield what became of each item, in order, with two batches being read at most."""
    remaining = iter(items)
    pool = ThreadPoolExecutor(num_readers, thread_name_prefix="read")
    ahead: deque[Future[_Read | tuple[str, str]]] = deque()
    try:
        while True:
            for item in islice(remaining, 2 * size - len(ahead)):
                ahead.append(pool.submit(_read, model, item))
            if not ahead:
                return
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _num_readers() -> int:
    return min(_MAX_READERS, os.cpu_count() or 1)


def _read(model: Model, item: Item) -> _Read | tuple[str, str]:
    """Return a picture ready for the network, or its path and why it was refused."""
    try:
        image = read_image(item.content)
        pixels = prep.to_pixels(model.preprocessing, image)
    except ImageError as error:
        return item.path, str(error).replace(f"'{item.content!s}'", f"'{item.path}'")
    return _Read(item, pixels, picture_id(image), thumbnail(image))
