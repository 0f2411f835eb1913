"""A bank's features in a plane, in which pictures are chosen by a lasso or a box."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components import caching, state
from components.wording import short
from explain_core import Image, Model
from explain_core.references.bank import Bank
from explain_core.types import Array

_HEIGHT_PX = 480
_MAX_COLOURED = 10
_COLOURS = (  # Okabe and Ito's, then Tol's: told apart with any colour vision, on light and dark
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#bfae00",
    "#882255",
    "#888888",
    "#44aa99",
)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")


def feature_plot(model: Model, bank: Bank, image: Image | None) -> Array:
    """Show the plane and return the bank's rows (m,) that were chosen in it."""
    plane = caching.plane_of(bank)
    figure = go.Figure()
    labels = bank.labels[plane.rows]
    classes = [int(index) for index in np.unique(labels)]
    for order, index in enumerate(classes):
        chosen = labels == index
        is_coloured = len(classes) <= _MAX_COLOURED
        figure.add_scatter(
            x=plane.points[chosen, 0],
            y=plane.points[chosen, 1],
            mode="markers",
            marker={
                "size": 5,
                "opacity": 0.7,
                "color": _COLOURS[order % len(_COLOURS)] if is_coloured else "#7f8c99",
                "symbol": _SYMBOLS[order % len(_SYMBOLS)] if is_coloured else "circle",
            },
            name=short(bank.classes[index]),
            customdata=plane.rows[chosen],
            hovertemplate=f"{short(bank.classes[index])}<extra></extra>",
            showlegend=is_coloured,
        )
    if image is not None:
        feature = caching.feature_of(model, image, bank.layer, bank.pooling)
        x, y = plane.place(feature)
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers",
            marker={"size": 17, "symbol": "star", "color": "#d7191c", "line": {"width": 1.5}},
            name="this picture",
            hovertemplate="this picture<extra></extra>",
        )
    figure.update_layout(
        height=_HEIGHT_PX,
        margin={"l": 0, "r": 0, "t": 32, "b": 0},
        dragmode="lasso",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8a949e", "activecolor": "#2f87bd"},
        legend={"itemsizing": "constant", "title": {"text": "Class"}},
        xaxis_title=f"first direction ({plane.explained[0]:.0%} of the variance)",
        yaxis_title=f"second ({plane.explained[1]:.0%})",
    )
    event = st.plotly_chart(
        figure,
        key=state.of_sets(f"plot-{bank.name}"),
        on_select="rerun",
        selection_mode=("lasso", "box"),
        config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage"], "scrollZoom": False},
        alt="The bank's pictures as points in the plane of their two main directions",
    )
    rows = [point["customdata"] for point in event.selection.points if "customdata" in point]
    flat = np.unique([row[0] if isinstance(row, list) else row for row in rows]).astype(np.int64)
    shown = (
        f"{len(plane.rows):,} of {len(bank.features):,}"
        if (len(plane.rows) < len(bank.features))
        else f"all {len(bank.features):,}"
    )
    st.caption(
        f"Draw a loop around pictures with the mouse, or a box (tool at the upper right). Shown: "
        f"{shown} pictures, in the two directions in which they vary most (PCA). "
        + (f"**{len(flat):,} chosen.**" if len(flat) else "None chosen yet.")
    )
    return flat
