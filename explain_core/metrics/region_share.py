"""How much of a map's evidence lies in a region that a reader drew."""

from __future__ import annotations

import numpy as np

from explain_core.maps import relu
from explain_core.regions import Region
from explain_core.types import SaliencyMap


def region_share(smap: SaliencyMap, region: Region) -> float | None:
    """Return `sum(relu(map) * coverage) / sum(relu(map))`, at the size of the model's input.

    `coverage` is the share of each input pixel inside the region, see `Region.coverage`. A map
    without knowledge gets the region's share of what the model saw; what of the region lies
    outside of that counts for nothing.

    Returns:
        In [0, 1]; None for a map without positive evidence.
    """
    evidence = relu(smap.values).astype(np.float64)
    total = float(evidence.sum())
    if total == 0:
        return None
    return float((evidence * region.coverage(smap.geometry)).sum() / total)
