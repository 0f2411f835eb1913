"""What the model says: the most probable classes, or the labels that it finds."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.wording import percent
from explain_core import Model
from explain_core.models.model import DEFAULT_THRESHOLD
from explain_core.types import Array

_NUM_SHOWN = 5
_NUM_LABELS_SHOWN = 20
_MAX_NAME = 28
_ROW_PX = 24


def show_prediction(model: Model, logits: Array) -> None:
    """Show the top classes with their probabilities, as bars and as numbers.

    Of a multi-label model, whose labels do not compete: every label, and which of them it finds.
    """
    probabilities = model.probabilities(logits)
    num_shown = _NUM_LABELS_SHOWN if model.is_multi_label else _NUM_SHOWN
    top = np.argsort(-probabilities, kind="stable")[:num_shown]
    names = [_short(model.classes[index]) for index in top]
    if model.is_multi_label:
        _say_what_is_found(model, names, probabilities[top], model.finds(probabilities)[top])
    else:
        st.markdown(f"**The model says {names[0]}** — {percent(probabilities[top[0]])}")
    figure = go.Figure(
        go.Bar(
            x=probabilities[top],
            y=[f"{rank}" for rank in range(len(top))],
            text=[percent(probabilities[index]) for index in top],
            textposition="outside",
            cliponaxis=False,
            orientation="h",
            hovertemplate="%{customdata}: %{x:.2%}<extra></extra>",
            customdata=[model.classes[index] for index in top],
            showlegend=False,
        )
    )
    if model.thresholds is not None:
        figure.add_scatter(
            x=model.thresholds[top],
            y=[f"{rank}" for rank in range(len(top))],
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 14, "color": "#888", "line": {"width": 2}},
            hovertemplate="counts as found from %{x:.1%}<extra></extra>",
            showlegend=False,
        )
    figure.update_layout(
        height=_ROW_PX * len(top),
        margin={"l": 0, "r": 56, "t": 0, "b": 0},
        bargap=0.35,
        xaxis={"range": [0, 1], "visible": False, "fixedrange": True},
        yaxis={
            "autorange": "reversed",
            "fixedrange": True,
            "tickvals": [f"{rank}" for rank in range(len(top))],
            "ticktext": [f"{name} " for name in names],
            "automargin": True,
            "type": "category",
        },
    )
    st.plotly_chart(figure, config={"displayModeBar": False}, key="prediction")


def _say_what_is_found(
    model: Model, names: list[str], probabilities: Array, is_found: Array
) -> None:
    found = [
        f"{name} ({percent(probability)})"
        for name, probability, counts in zip(names, probabilities, is_found, strict=True)
        if counts
    ]
    what = ", ".join(found) or "none of its labels"
    st.markdown(f"**The model finds {what}**")
    st.caption(
        f"Each label has its own probability; from {percent(DEFAULT_THRESHOLD)} it counts as found."
        if model.operating_points is None
        else "Each label has its own probability and operating point (the tick), from which it "
        "counts as found."
    )


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
