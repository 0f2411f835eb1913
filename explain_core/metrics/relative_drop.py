"""Relative drop: does the evidence speak for the target rather than for the similar classes?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from explain_core.errors import InputError
from explain_core.metrics.asking import score_of_map
from explain_core.metrics.metric import Plan, Score
from explain_core.metrics.removals import Removal, num_pixels_of
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Image, SaliencyMap, as_size

NO_REFERENCES = "no reference class to compare with"

SHARE = Parameter(
    name="share",
    label="Share masked (relative drop)",
    default=0.05,
    phase="prepare",
    help="Which share of the pixels, the most salient ones, is masked.",
    min=0.001,
    max=1.0,
    step=0.01,
)


def relative_drop(
    model: Model,
    image: Image,
    smap: SaliencyMap,
    *,
    target: int | str,
    references: Sequence[int | str],
    share: float = 0.05,
) -> float:
    """Score a map by how much more the target loses than the references (Finer-CAM, 4.1).

    `RD@q = (p^c - p^c_*) - (p^d - p^d_*)`, where `*` marks the picture whose q most salient pixels
    are black (0 of displayed pixels); of several references d the mean.

    Args:
        smap: of a signed map the positive part counts.
        target: c, class index or name.
        references: d, class indices or names, at least one.
        share: q, 0 < share <= 1, at least one pixel.

    Returns:
        In [-2, 2]; higher is better.

    Raises:
        InputError: a map with NaN, without positive evidence or of another size than the model's
            input, no reference, or a share that does not fit.
    """
    if not references:
        raise InputError(f"there is {NO_REFERENCES}; name a class similar to the target")
    plan = partial(plan_relative_drop, share=share)
    value = score_of_map(plan, model, image, smap, target=target, references=references).value
    assert value is not None
    return value


def plan_relative_drop(values: Array, *, share: float = 0.05) -> Plan:
    """Ask for the picture as it is and with its top pixels black.

    Args:
        values: (H, W), >= 0.
    """
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1 (got {share:g}); try 0.05")
    count = max(1, num_pixels_of(share, as_size(values.shape)))
    return Plan((Removal(0), Removal(count)), _difference)


def _difference(found: Array) -> Score:
    if found.shape[1] < 2:
        return Score(None, NO_REFERENCES)
    drops = found[0] - found[1]
    return Score(float(drops[0] - np.mean(drops[1:])))
