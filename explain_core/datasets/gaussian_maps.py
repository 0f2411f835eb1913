"""Maps that are Gaussians over a picture with one object: Guided AbsoluteGrad's Figure 4, as data.

The object is the middle fifth of the picture. The model is made up as well: as the paper supposes
for its proofs, its answer is the share of the object that it sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from explain_core.errors import InputError
from explain_core.metrics.scorer import Scorer
from explain_core.types import Array, Contrast, Geometry, Provenance, SaliencyMap, read_only

SIDE_PX = 60
OBJECT_SHARE = 0.2
OBJECT_CLASS = 0
# A narrower one would be so faint in a far corner that float32 knows no order of pixels there.
LEAST_WIDTH, LARGEST_WIDTH = 12, 40

_SEED = 0
_AROUND, _OBJECT = (0.08, 0.38), (0.62, 1.0)


@dataclass(frozen=True)
class Gaussian:
    """Hold where a Gaussian map lies and how wide it is, all in percent of the picture's side.

    Attributes:
        across, down: its centre, from the left and from the top, in [0, 100].
        width: its standard deviation, in [12, 40].
    """

    across: int
    down: int
    width: int

    def __post_init__(self) -> None:
        if not (0 <= self.across <= 100 and 0 <= self.down <= 100):
            raise InputError(
                f"across and down must be from 0 to 100 (got {self.across}, {self.down}); "
                "keep the centre inside the picture"
            )
        if not LEAST_WIDTH <= self.width <= LARGEST_WIDTH:
            raise InputError(
                f"width must be from {LEAST_WIDTH} to {LARGEST_WIDTH} (got {self.width}); "
                "take a value between"
            )


# As in the figure: M1 is right, M2 has the same centre but is wider, M3 is as narrow as M1 but lies
# 30 % of the side to the lower right, and M4 is as wide as M2 and lies where M3 does.
FIGURE_4 = (
    Gaussian(50, 50, 12),
    Gaussian(50, 50, 25),
    Gaussian(80, 80, 12),
    Gaussian(80, 80, 25),
)


def object_box() -> tuple[int, int, int, int]:
    """Return (top, left, bottom, right) of the object in pixels, the last two past its edge."""
    half = round(SIDE_PX * sqrt(OBJECT_SHARE) / 2)
    low, high = SIDE_PX // 2 - half, SIDE_PX // 2 + half
    return low, low, high, high


def object_scorer() -> Scorer:
    """Return the picture and the model that answers with the share of the object that it sees.

    A pixel of the object is seen where it is as it was in the picture; blurred or black it is not.

    Returns:
        Of one channel, `SIDE_PX` wide and high; class 0 is the object, class 1 anything else.
    """
    rng = np.random.default_rng(_SEED)
    top, left, bottom, right = object_box()
    values = rng.uniform(*_AROUND, (SIDE_PX, SIDE_PX))
    values[top:bottom, left:right] = rng.uniform(*_OBJECT, (bottom - top, right - left))
    pixels = torch.from_numpy(values.astype(np.float32))[None]
    thing = pixels[:, top:bottom, left:right]

    def seen_share(pictures: Tensor) -> Array:
        is_seen = pictures[:, :, top:bottom, left:right] == thing
        share = is_seen.double().mean(dim=(1, 2, 3))
        both: Array = torch.stack([share, 1 - share], dim=1).numpy()
        return both

    return Scorer(pixels, seen_share)


def gaussian_map(gaussian: Gaussian) -> SaliencyMap:
    """Return the map exp(-d² / 2 σ²), with d the distance of a pixel's middle from the centre.

    Returns:
        Values in (0, 1], at the picture's size; not of any model.
    """
    middles = (np.arange(SIDE_PX) + 0.5) / SIDE_PX * 100
    squares = (middles[:, None] - gaussian.down) ** 2 + (middles - gaussian.across) ** 2
    values = np.exp(-squares / (2 * gaussian.width**2)).astype(np.float32)
    size = (SIDE_PX, SIDE_PX)
    settings = tuple((name, float(value)) for name, value in vars(gaussian).items())
    return SaliencyMap(
        values=read_only(values),
        is_signed=False,
        provenance=Provenance("", "", "", "", "", Contrast(OBJECT_CLASS), settings),
        geometry=Geometry(size, size, (1.0, 1.0), (0.0, 0.0)),
    )
