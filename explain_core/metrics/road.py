"""ROAD: what removing pixels costs, where their neighbours fill them in and no edge is made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from explain_core.errors import InputError
from explain_core.metrics.asking import score_of_map
from explain_core.metrics.metric import Curve, Plan, Score
from explain_core.metrics.removals import Imputed, Removal, num_pixels_of
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Image, SaliencyMap, as_size, read_only

SHARES = (0.25, 0.5, 0.75)

NOISE = Parameter(
    name="noise",
    label="Noise (ROAD)",
    default=0.01,
    phase="prepare",
    help="Standard deviation of the noise on pixels that are filled in, so that the filling does "
    "not give away where they were. 1 is white.",
    min=0.0,
    max=1.0,
    step=0.01,
)
SEED = Parameter(
    name="seed",
    label="Seed (ROAD)",
    default=0,
    phase="prepare",
    help="Of the noise, which is the same for all maps.",
    min=0,
    max=2**31 - 1,
    step=1,
)

Order = Literal["combined", "most relevant first", "least relevant first"]


def road(
    model: Model,
    image: Image,
    smap: SaliencyMap,
    *,
    target: int | str,
    order: Order = "combined",
    shares: Sequence[float] = SHARES,
    noise: float = 0.01,
    seed: int = 0,
) -> float:
    """Score a map by removing and debiasing (Rong et al., ICML 2022).

    A share of the pixels is removed in the map's order and imputed from the others (`impute`), plus
    Gaussian noise. What counts is the decrease of the probability of c, averaged over the shares.

    Args:
        smap: of a signed map the positive part counts; equal values come in a random order that is
            the same for all maps.
        target: c, class index or name.
        order: "most relevant first": higher is better; "least relevant first": lower is better;
            "combined": half of the first less the second, higher is better.
        shares: of the pixels that are removed, each 0 < share < 1.
        noise: its standard deviation; white is 1.
        seed: of the noise.

    Returns:
        In [-1, 1].

    Raises:
        InputError: a map with NaN, without positive evidence or of another size than the model's
            input, or shares that do not fit.
    """
    if order not in _READ:
        raise InputError(f"order must be one of {list(_READ)} (got {order!r})")
    plan = partial(plan_road, order=order, shares=shares, noise=noise, seed=seed)
    value = score_of_map(plan, model, image, smap, target=target).value
    assert value is not None
    return value


def plan_road(
    values: Array,
    *,
    order: Order = "combined",
    shares: Sequence[float] = SHARES,
    noise: float = 0.01,
    seed: int = 0,
) -> Plan:
    """Ask for the picture as it is and for those with pixels imputed, in one order or in both.

    Args:
        values: (H, W), >= 0.
    """
    if not len(shares) or not all(0 < share < 1 for share in shares):
        raise InputError(
            f"shares must lie between 0 and 1, both excluded (got {list(shares)}); a picture of "
            "which nothing remains cannot be imputed"
        )
    if not 0 <= noise < np.inf:
        raise InputError(f"noise must not be negative (got {noise:g}); 0.01 is usual")
    size = as_size(values.shape)
    counts = [min(num_pixels_of(share, size), values.size - 1) for share in shares]
    fill = Imputed(float(noise), int(seed))
    removals = [Removal(0)]
    for first in ("most relevant", "least relevant"):
        if order in ("combined", f"{first} first"):
            removals += [Removal(count, first, fill) for count in counts]

    def read(found: Array) -> Score:
        decreases = (found[0, 0] - found[1:, 0]).reshape(-1, len(counts))
        curve = read_only(_READ[order](decreases))
        return Score(float(curve.mean()), curve=Curve(read_only(np.array(shares, float)), curve))

    return Plan(tuple(removals), read)


def _only(decreases: Array) -> Array:
    only: Array = decreases[0]
    return only


def _half_the_difference(decreases: Array) -> Array:
    difference: Array = (decreases[0] - decreases[1]) / 2
    return difference


_READ = {
    "combined": _half_the_difference,
    "most relevant first": _only,
    "least relevant first": _only,
}
