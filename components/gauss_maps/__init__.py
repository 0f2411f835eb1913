"""Four Gaussian maps over one picture, each moved with a finger, a mouse or the arrow keys.

The page draws the maps by itself while they are moved, and tells where they are; Python scores
them and answers with the numbers, which are dimmed until then.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from components import colours
from components.gauss_maps.setting import NUM_MAPS, gaussians_from, text_of
from components.inline_js import joined
from explain_core.datasets.gaussian_maps import LARGEST_WIDTH, LEAST_WIDTH, Gaussian
from explain_core.metrics.metric import Metric
from explain_core.types import Array

__all__ = ["NUM_MAPS", "gauss_maps", "gaussians_from", "text_of"]

_HERE = Path(__file__).parent

_maps = st.components.v2.component(
    "whynot_gauss_maps",
    html=(_HERE / "maps.html").read_text(encoding="utf-8"),
    css=(_HERE / "maps.css").read_text(encoding="utf-8"),
    js=joined(_HERE, ("painting.js", "figure.js", "maps.js")),
)


def gauss_maps(
    picture: Array,
    box: tuple[int, int, int, int],
    gaussians: Sequence[Gaussian],
    scores: Sequence[Mapping[str, float]],
    metrics: Sequence[Metric],
    *,
    pair: Collection[int],
    begins: Mapping[str, Sequence[Gaussian]],
    answered: int,
    key: str,
) -> None:
    """Show the maps; where they are stands under `key` as `{"told": {...}}` on the next run.

    `told` holds "maps", a text for `gaussians_from`; "number", which counts what was told; and
    "moving", whether a map is still held.

    Args:
        picture: (H, W) in [0, 1].
        box: (top, left, bottom, right) of the object, in pixels.
        gaussians: where the maps are.
        scores: of each map, by the metric's name.
        metrics: in the order in which they are listed.
        pair: indices of maps to mark.
        begins: what each button brings, by its text; all but the first appear with the first pair.
        answered: the number that was told last.
    """
    _maps(
        key=key,
        data={
            "picture": _bytes(picture * 255),
            "size": list(picture.shape),
            "box": list(box),
            "colours": _bytes(colours.lookup_table(colours.SEQUENTIAL[0])),
            "widths": [LEAST_WIDTH, LARGEST_WIDTH],
            "maps": text_of(gaussians),
            "scores": [[each[metric.name] for metric in metrics] for each in scores],
            "metrics": [
                {"title": metric.title, "isHigherBetter": metric.is_higher_better}
                for metric in metrics
            ],
            "pair": sorted(pair),
            "begins": {text: text_of(begin) for text, begin in begins.items()},
            "answered": answered,
        },
        default={"told": None},
        on_told_change=lambda: None,
    )


def _bytes(values: Array) -> str:
    return base64.b64encode(np.rint(values).astype(np.uint8).tobytes()).decode()
