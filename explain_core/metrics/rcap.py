"""RCAP: do the most salient pixels alone bring the prediction back, without visual noise?"""

from __future__ import annotations

import numpy as np
import torch

from explain_core.errors import InputError
from explain_core.models.device import batch_size
from explain_core.models.model import Model
from explain_core.types import Image, SaliencyMap


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
        InputError: a map without positive evidence, of another size than the model's input, or
            bounds that do not fit.
    """
    index = model.class_index(target)
    num_steps = round((100 - lower_bound) / interval) if interval > 0 else 0
    if not 0 <= lower_bound < 100 or not np.isclose(num_steps * interval, 100 - lower_bound):
        raise InputError(
            "interval must divide 100 - lower_bound into whole steps "
            f"(got lower_bound={lower_bound:g}, interval={interval:g}); try 50 and 10"
        )
    values = np.maximum(smap.values.astype(np.float64), 0)
    if not values.any():
        raise InputError("the map has no positive evidence, so RCAP is undefined")
    pixels = model.to_pixels(image)
    if values.shape != tuple(pixels.shape[2:]):
        raise InputError(
            f"the map is {values.shape}, but '{model.name}' looks at {tuple(pixels.shape[2:])}"
        )
    if values.min() < values.max():
        values = values - values.min()
    values = values / values.max()
    thresholds = np.percentile(values, [100 - k * interval for k in range(1, num_steps + 1)])
    kept = values >= thresholds[:, None, None]
    ratios = (values * kept).sum(axis=(1, 2)) / values.sum()

    masks = torch.from_numpy(kept).to(pixels)[:, None]
    size = batch_size(model.device, (values.shape[0], values.shape[1]))
    logits = torch.cat(
        [model.logits(model.normalise(pixels * part)) for part in torch.split(masks, size)]
    )
    probabilities = model.probabilities(logits.cpu().double().numpy())[:, index]
    return float(np.mean(ratios * probabilities))
