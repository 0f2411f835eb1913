"""RCAP: do the most salient pixels alone bring the prediction back, without visual noise?"""

from __future__ import annotations

from functools import partial

import numpy as np

from explain_core.errors import InputError
from explain_core.metrics.asking import score_of_map
from explain_core.metrics.metric import Curve, Plan, Score
from explain_core.metrics.removals import Removal
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Image, SaliencyMap, read_only

LOWER_BOUND = Parameter(
    name="lower_bound",
    label="Lower bound (RCAP)",
    default=50.0,
    phase="prepare",
    help="Percentile of the map below which pixels are never recovered.",
    min=0.0,
    max=99.0,
    step=10.0,
    unit="%",
)
INTERVAL = Parameter(
    name="interval",
    label="Interval (RCAP)",
    default=10.0,
    phase="prepare",
    help="How many percent of the pixels each step recovers; it must divide 100 - lower bound.",
    min=0.5,
    max=100.0,
    step=0.5,
    unit="%",
)


def rcap(
    model: Model,
    image: Image,
    smap: SaliencyMap,
    *,
    target: int | str,
    lower_bound: float = 50.0,
    interval: float = 10.0,
) -> float:
    """Score a map by recovering pixels from black and predicting (Guided AbsoluteGrad, eq. 5).

    `RCAP = (1/j) Σ_k (Σ_{M >= p_k} M / Σ M) softmax(f(I_k))_c` for k = 1..j with
    `j = (100 - lower_bound) / interval`; `p_k` is the (100 - k interval)-th percentile of M, and
    `I_k` is black except for the displayed pixels where `M >= p_k`.

    Args:
        smap: scaled to [0, 1] here; of a signed map the positive part counts.
        target: c, class index or name.
        lower_bound: percentile below which pixels are not recovered, 0 <= lower_bound < 100.
        interval: percentiles per step; must divide `100 - lower_bound`.

    Returns:
        In [0, 1]; higher is better.

    Raises:
        InputError: a map with NaN, without positive evidence or of another size than the model's
            input, or bounds that do not fit.
    """
    plan = partial(plan_rcap, lower_bound=lower_bound, interval=interval)
    value = score_of_map(plan, model, image, smap, target=target).value
    assert value is not None
    return value


def plan_rcap(values: Array, *, lower_bound: float = 50.0, interval: float = 10.0) -> Plan:
    """Ask for the pictures `I_k`; the curve holds the j terms of which RCAP is the mean.

    Args:
        values: (H, W), >= 0, some above 0.
    """
    num_steps = round((100 - lower_bound) / interval) if interval > 0 else 0
    if not 0 <= lower_bound < 100 or not np.isclose(num_steps * interval, 100 - lower_bound):
        raise InputError(
            "interval must divide 100 - lower_bound into whole steps "
            f"(got lower_bound={lower_bound:g}, interval={interval:g}); try 50 and 10"
        )
    if values.min() < values.max():
        values = values - values.min()
    percents = interval * np.arange(1, num_steps + 1)
    thresholds = np.percentile(values, np.maximum(100 - percents, 0))
    kept = values >= thresholds[:, None, None]
    saliency = (values * kept).sum(axis=(1, 2)) / values.sum()
    counts = values.size - kept.sum(axis=(1, 2))

    def read(found: Array) -> Score:
        terms = read_only(saliency * found[:, 0])
        return Score(float(terms.mean()), curve=Curve(read_only(percents / 100), terms))

    # Ties with the threshold are recovered together, so that the order among them has no say.
    return Plan(tuple(Removal(int(count), "least relevant") for count in counts), read)
