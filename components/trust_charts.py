"""Plots of one map's test: its curves beside the controls', and what random weights make of it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.colours import CATEGORIES, MARKERS
from components.trust_steps import Curves
from components.wording import minus
from explain_core import METRICS
from explain_core.metrics.metric import Score
from explain_core.metrics.randomisation import Randomisation
from explain_core.metrics.verdicts import CONTROL_WORDS

_CURVE_PX = 250
_FEW = 10
_MAX_TITLE = 24
_MAX_STAGE = 12
_STAGES_PX = 280
_STILL = {"displayModeBar": False}
_DASHES = ("dot", "dash", "dashdot")


def show_curves(found: Curves, title: str, key: str) -> None:
    """Show a plot per metric: the map's curve beside those of the controls."""
    names = [name for name in found.scores if METRICS[name].shares]
    for begin in range(0, len(names), 2):
        for name, place in zip(names[begin : begin + 2], st.columns(2, gap="large"), strict=False):
            with place:
                _head(name, found.scores[name])
                if found.scores[name].curve is not None:
                    _curve(name, found, title, key)


def _head(name: str, score: Score) -> None:
    metric = METRICS[name]
    arrow, better = ("↑", "higher") if metric.is_higher_better else ("↓", "lower")
    told = score.reason if score.value is None else minus(f"{score.value:.3f}")
    st.markdown(
        f"**{metric.title} {arrow}** {told} :small[:gray[{better} is better]]",
        help=f"{metric.summary} {metric.paper}.",
    )


def _curve(name: str, found: Curves, title: str, key: str) -> None:
    metric = METRICS[name]
    figure = go.Figure()
    for order, (control, scores) in enumerate(found.controls.items()):
        colour, dash = CATEGORIES[1 + order], _DASHES[order % len(_DASHES)]
        _line(figure, scores[name], CONTROL_WORDS[control], colour, width=1.6, dash=dash)
    _line(figure, found.scores[name], title, CATEGORIES[0], width=3)
    figure.data[-1].legendrank = 1  # drawn last, over the others, and named first
    figure.update_layout(
        height=_CURVE_PX,
        xaxis={
            "title": metric.shares,
            "ticksuffix": " %",
            "fixedrange": True,
            **_ticks(found, name),
        },
        yaxis={
            "title": _wrapped(metric.values, _MAX_TITLE),
            "fixedrange": True,
            "rangemode": "tozero",
        },
        hovermode="x unified",
        **_calm(),
    )
    st.plotly_chart(
        figure,
        config=_STILL,
        key=f"{key}-{name}",
        alt=f"{metric.title}: {metric.values} by {metric.shares}, of {title} and three controls",
    )


def _ticks(found: Curves, name: str) -> dict[str, Any]:
    """Return marks at each share where there are few."""
    curve = found.scores[name].curve
    if curve is None or len(curve.shares) > _FEW:
        return {"dtick": 20, "range": [0, 100], "ticklabeloverflow": "allow"}
    percents = [100 * float(share) for share in curve.shares]
    return {"tickvals": percents, "ticktext": [f"{each:g} %" for each in percents]}


def _wrapped(text: str, width: int) -> str:
    return "<br>".join(textwrap.wrap(text, width))


def _line(figure: go.Figure, score: Score, title: str, colour: str, **line: Any) -> None:
    if score.curve is None:
        return
    figure.add_scatter(
        x=100 * score.curve.shares,
        y=score.curve.values,
        mode="lines+markers" if len(score.curve.shares) <= _FEW else "lines",
        name=title,
        line={"color": colour, **line},
        marker={"size": 6, "color": colour},
        hovertemplate="%{y:.3f}",
    )


def show_stages(found: Randomisation, key: str) -> None:
    """Show how like the original the map stays, stage by stage, beside pairs of random maps."""
    numbers = list(range(1, len(found.stages) + 1))
    lowest = min(0.0, float(np.nanmin(found.similarities)))
    figure = go.Figure()
    for order, (title, (values, chance)) in enumerate(_measures(found).items()):
        colour = CATEGORIES[order]
        figure.add_scatter(
            x=numbers,
            y=values,
            mode="lines+markers",
            name=title,
            line={"color": colour, "width": 2.5},
            marker={"symbol": MARKERS[order], "size": 8, "color": colour},
            customdata=list(found.stages),
            hovertemplate="%{y:.2f} after %{customdata}",
        )
        figure.add_scatter(
            x=[0.5, len(numbers) + 0.5],
            y=[float(np.nanpercentile(chance, 95))] * 2,
            mode="lines",
            name=f"{title}: 95 % of random pairs are below",
            line={"color": colour, "width": 1.4, "dash": "dot"},
            hoverinfo="skip",
        )
    figure.update_layout(
        height=_STAGES_PX,
        xaxis={
            "title": "stages randomised, from the head down",
            "range": [0.5, len(numbers) + 0.5],
            "tickvals": numbers,
            "ticktext": [
                f"{number}<br>{_wrapped(short_stage(stage), _MAX_STAGE)}"
                for number, stage in enumerate(found.stages, 1)
            ],
            "fixedrange": True,
            "zeroline": False,
        },
        yaxis={
            "title": "like the map as it is",
            "range": [lowest - 0.05, 1.05],
            "fixedrange": True,
        },
        **_calm(),
    )
    st.plotly_chart(
        figure,
        config=_STILL,
        key=f"{key}-stages",
        alt="Likeness of the map after each stage to the map as it is, beside random pairs",
    )


def short_stage(stage: str) -> str:
    """Return a stage's modules in few letters: "features.5" for all of it, "features.17–15"."""
    first, *others = (name.split(".") for name in stage.split(" to "))
    if not others:
        return stage
    pairs = list(zip(first, others[0], strict=False))
    num_common = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
    common = ".".join(first[:num_common])
    ends = [parts[num_common] if num_common < len(parts) else "" for parts in (first, others[0])]
    if common and not all(end.isdigit() for end in ends):
        return common
    return f"{common}.{'–'.join(ends)}" if common else stage


def _measures(found: Randomisation) -> Mapping[str, tuple[Any, Any]]:
    return {
        "Spearman |ρ|": (found.rank_correlations, found.random_rank_correlations),
        "SSIM": (found.similarities, found.random_similarities),
    }


def _calm() -> dict[str, Any]:
    return {
        "margin": {"l": 0, "r": 24, "t": 8, "b": 0},
        "dragmode": False,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
