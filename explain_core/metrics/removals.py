"""Pictures with some pixels removed, in the order of a map, and the model's answers for them.

Every metric that changes the picture asks for pictures of one form: the most or least relevant
pixels of a map give way to something else. So that many maps and metrics share what they have in
common, each picture is described first, and then painted and predicted once, batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from explain_core.errors import InputError
from explain_core.metrics.filling import blurred, impute
from explain_core.metrics.scorer import Scorer
from explain_core.types import Array, as_size

Progress = Callable[[float], None]

_TIES_SEED = 0


@dataclass(frozen=True)
class Black:
    """Fill with 0 of displayed pixels."""


@dataclass(frozen=True)
class Blurred:
    """Fill with the picture smoothed by a Gaussian.

    Attributes:
        sigma_px: its standard deviation, in pixels of the model's input.
    """

    sigma_px: float


@dataclass(frozen=True)
class Imputed:
    """Fill with what the remaining pixels suggest, see `impute`, plus noise.

    Attributes:
        noise: its standard deviation, in displayed pixels.
        seed: of the noise, one picture of it for all maps and shares.
    """

    noise: float
    seed: int


Fill = Black | Blurred | Imputed
BLACK = Black()


@dataclass(frozen=True)
class Removal:
    """Describe a picture without some of its pixels.

    Attributes:
        count: how many pixels are removed.
        first: whether the most or the least relevant ones go.
        fill: what takes their place.
    """

    count: int
    first: Literal["most relevant", "least relevant"] = "most relevant"
    fill: Fill = BLACK


def ranks(maps: Array) -> Array:
    """Return (M, H, W) int32: 0 for each map's most salient pixel, H W - 1 for its least.

    Pixels of equal value come in an order that is random, but the same for all maps of a size: in
    the order of their places the picture would always be taken away from the top.
    """
    num_maps, height, width = maps.shape
    places = np.random.default_rng(_TIES_SEED).permutation(height * width)
    order = np.argsort(-maps.reshape(num_maps, -1)[:, places], axis=1, kind="stable")
    ranked = np.empty((num_maps, height * width), np.int32)
    np.put_along_axis(ranked, places[order], np.arange(height * width, dtype=np.int32)[None], 1)
    return ranked.reshape(maps.shape)


def answers(
    scorer: Scorer,
    maps: Array,
    wanted: Sequence[tuple[int, Sequence[Removal]]],
    classes: Sequence[int],
    progress: Progress | None = None,
) -> list[Array]:
    """Return the probabilities that each group of pictures gets, each picture predicted once.

    Memory grows with the number of pictures by their probabilities only: they are painted and
    predicted `scorer.num_at_once` at a time.

    Args:
        maps: (M, H, W) of the scorer's size.
        wanted: index of a map, and what is removed in its order.
        classes: the columns of the result.
        progress: told the share that is done; may raise to stop.

    Returns:
        For each entry of `wanted` (len(removals), len(classes)) float64.

    Raises:
        InputError: a class that the model does not have.
    """
    num_pixels = scorer.size[0] * scorer.size[1]
    rows: dict[tuple[int, Removal], int] = {}
    places = [
        [rows.setdefault(_same(map_idx, each, num_pixels), len(rows)) for each in removals]
        for map_idx, removals in wanted
    ]
    found = np.empty((len(rows), len(classes)))
    ranked = torch.from_numpy(ranks(maps)).to(scorer.pixels.device)
    done = 0
    for fill, group in _by_fill(rows):
        paint = _painter(scorer.pixels, fill)
        for start in range(0, len(group), scorer.num_at_once):
            if progress is not None:
                progress(done / len(rows))
            batch = group[start : start + scorer.num_at_once]
            pictures = paint(_removed(ranked, batch, num_pixels))
            probabilities = scorer.probabilities(pictures)
            _require_classes(classes, probabilities.shape[1])
            found[[rows[each] for each in batch]] = probabilities[:, classes]
            done += len(batch)
    if progress is not None:
        progress(1.0)
    return [found[each] for each in places]


def _require_classes(classes: Sequence[int], num_classes: int) -> None:
    for index in classes:
        if not 0 <= index < num_classes:
            raise InputError(
                f"there is no class {index}; give an index from 0 to {num_classes - 1}"
            )


def _same(map_idx: int, removal: Removal, num_pixels: int) -> tuple[int, Removal]:
    """Return one description for all that mean the same picture."""
    if removal.count == 0:
        return 0, Removal(0)
    if removal.count == num_pixels:
        return 0, Removal(num_pixels, fill=removal.fill)
    return map_idx, removal


def _by_fill(
    rows: dict[tuple[int, Removal], int],
) -> Iterator[tuple[Fill, list[tuple[int, Removal]]]]:
    groups: dict[Fill, list[tuple[int, Removal]]] = {}
    for each in rows:
        groups.setdefault(each[1].fill, []).append(each)
    yield from groups.items()


def _removed(ranked: Tensor, batch: Sequence[tuple[int, Removal]], num_pixels: int) -> Tensor:
    """Return (n, H, W) bool: the pixels that give way."""
    low, high = [], []
    for _, removal in batch:
        is_most = removal.first == "most relevant"
        low.append(0 if is_most else num_pixels - removal.count)
        high.append(removal.count if is_most else num_pixels)
    maps = ranked[[map_idx for map_idx, _ in batch]]
    bounds = torch.tensor([low, high], device=ranked.device)[:, :, None, None]
    return (maps >= bounds[0]) & (maps < bounds[1])


def _painter(pixels: Tensor, fill: Fill) -> Callable[[Tensor], Tensor]:
    """Return what turns removed places (n, H, W) bool into pictures (n, C, H, W)."""
    if isinstance(fill, Black):
        return lambda removed: pixels * ~removed[:, None]
    if isinstance(fill, Blurred):
        soft = blurred(pixels[None], fill.sigma_px)
        return lambda removed: torch.where(removed[:, None], soft, pixels)
    rng = torch.Generator().manual_seed(fill.seed)
    noise = fill.noise * torch.randn(pixels.shape, generator=rng).to(pixels)

    def imputed(removed: Tensor) -> Tensor:
        pictures = impute(pixels.expand(len(removed), *pixels.shape), removed)
        return pictures + noise * removed[:, None]

    return imputed


def num_pixels_of(share: float, size: tuple[int, int]) -> int:
    """Return how many pixels a share of a picture means, rounded."""
    height, width = as_size(size)
    return round(share * height * width)
