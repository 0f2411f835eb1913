"""What the model says: the most probable classes."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.wording import percent
from explain_core import Model
from explain_core.types import Array

_NUM_SHOWN = 5
_MAX_NAME = 28
_ROW_PX = 24


def show_prediction(model: Model, logits: Array) -> None:
    """Show the top classes with their probabilities, as bars and as numbers."""
    probabilities = model.probabilities(logits)
    top = np.argsort(-probabilities, kind="stable")[:_NUM_SHOWN]
    names = [_short(model.classes[index]) for index in top]
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
        )
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


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
