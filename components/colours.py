"""Colour maps: from a number in [0, 1] to a colour, safe for colour-blind readers by default."""

from __future__ import annotations

from functools import cache

import numpy as np
from plotly import colors

from explain_core.types import Array, read_only

SEQUENTIAL = ("Cividis", "Viridis", "Inferno", "Gray", "Jet")
MISLEADING = ("Jet",)
DIVERGING = "Blue–white–orange"

# Okabe and Ito's, the blue lighter: told apart with any colour vision, on light and dark.
CATEGORIES = ("#2f8cc8", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x")

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
