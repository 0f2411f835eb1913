"""Colour maps: from a number in [0, 1] to a colour, safe for colour-blind readers by default."""

from __future__ import annotations

from functools import cache

import numpy as np
from plotly import colors

from explain_core.types import Array, read_only

SEQUENTIAL = ("Cividis", "Viridis", "Inferno", "Gray", "Jet")
MISLEADING = ("Jet",)
DIVERGING = "Blue–white–orange"

_BLUE_WHITE_ORANGE = ["#08519c", "#6baed6", "#f7f7f7", "#fd8d3c", "#a63603"]


@cache
def lookup_table(name: str) -> Array:
    """Return (256, 3) uint8, the colour of each level."""
    scale = _BLUE_WHITE_ORANGE if name == DIVERGING else name
    sampled = colors.sample_colorscale(scale, np.linspace(0, 1, 256).tolist(), colortype="tuple")
    return read_only(np.rint(np.array(sampled) * 255).astype(np.uint8))


def label(name: str) -> str:
    """Return the name as it is listed."""
    return f"{name} (misleading)" if name in MISLEADING else name
