"""Deletion and insertion: how fast the prediction falls, or comes back, in the map's order."""

from __future__ import annotations

from functools import partial

import numpy as np

from explain_core.errors import InputError
from explain_core.metrics.asking import score_of_map
from explain_core.metrics.metric import Curve, Plan, Score
from explain_core.metrics.removals import Blurred, Removal, num_pixels_of
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Image, SaliencyMap, as_size, read_only

NUM_STEPS = Parameter(
    name="steps",
    label="Steps (deletion, insertion)",
    default=50,
    phase="prepare",
    help="Into how many steps the pixels are divided.",
    min=1,
    max=1000,
    step=10,
)
SIGMA_PX = Parameter(
    name="sigma_px",
    label="Blur (insertion)",
    default=5.0,
    phase="prepare",
    help="Standard deviation of the Gaussian that blurs the picture on which pixels come back, in "
    "pixels of the model's input.",
    min=0.5,
    max=100.0,
    step=0.5,
    unit="px",
)


def deletion(
    model: Model, image: Image, smap: SaliencyMap, *, target: int | str, steps: int = 50
) -> float:
    """Score a map by the probability that stays while its top pixels turn black (RISE, 3.3).

    The area under the probability of c over the share of pixels that are black, by the trapezoid
    rule over `steps` equal steps. Black is 0 of displayed pixels.

    Args:
        smap: of a signed map the positive part counts; equal values come in a random order that
            is the same for all maps.
        target: c, class index or name.

    Returns:
        In [0, 1]; lower is better.

    Raises:
        InputError: a map with NaN, without positive evidence or of another size than the model's
            input, or no steps.
    """
    plan = partial(plan_deletion, steps=steps)
    value = score_of_map(plan, model, image, smap, target=target).value
    assert value is not None
    return value


def insertion(
    model: Model,
    image: Image,
    smap: SaliencyMap,
    *,
    target: int | str,
    steps: int = 50,
    sigma_px: float = 5.0,
) -> float:
    """Score a map by the probability that comes back with its top pixels (RISE, 3.3).

    As `deletion`, but the top pixels come back over the blurred picture.

    Departure: the blur is a Gaussian of 5 pixels up to 15 pixels away, edges repeated; the authors'
    code folds the same Gaussian into 11 x 11 pixels, with black around the picture.

    Args:
        smap, target, steps: as `deletion`.
        sigma_px: of the blur, in pixels of the model's input, above 0.

    Returns:
        In [0, 1]; higher is better.

    Raises:
        InputError: as `deletion`, or a blur that does not fit.
    """
    plan = partial(plan_insertion, steps=steps, sigma_px=sigma_px)
    value = score_of_map(plan, model, image, smap, target=target).value
    assert value is not None
    return value


def plan_deletion(values: Array, *, steps: int = 50) -> Plan:
    """Ask for the picture with 0, 1/steps, ..., 1 of its pixels black, most relevant first.

    Args:
        values: (H, W), >= 0.
    """
    counts = _counts(values, steps)
    return Plan(tuple(Removal(count) for count in counts), partial(_area, steps))


def plan_insertion(values: Array, *, steps: int = 50, sigma_px: float = 5.0) -> Plan:
    """Ask for the picture with 0, 1/steps, ..., 1 of its pixels sharp, most relevant first.

    Args:
        values: (H, W), >= 0.
    """
    if not 0 < sigma_px < np.inf:
        raise InputError(f"sigma_px must be above 0 (got {sigma_px:g}); 5 is usual")
    fill = Blurred(float(sigma_px))
    counts = [values.size - count for count in _counts(values, steps)]
    removals = tuple(Removal(count, "least relevant", fill) for count in counts)
    return Plan(removals, partial(_area, steps))


def _counts(values: Array, steps: int) -> list[int]:
    if steps < 1:
        raise InputError(f"steps must be at least 1 (got {steps}); 50 is usual")
    return [num_pixels_of(step / steps, as_size(values.shape)) for step in range(steps + 1)]


def _area(steps: int, found: Array) -> Score:
    probabilities = read_only(found[:, 0])
    area = float((probabilities[1:] + probabilities[:-1]).mean() / 2)
    return Score(area, curve=Curve(read_only(np.arange(steps + 1) / steps), probabilities))
