"""Plots of scores: bars with intervals, curves over a setting, a point per picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.colours import CATEGORIES, MARKERS
from components.evaluation_words import (
    arrow,
    ends,
    is_control,
    method_text,
    metric_text,
    number,
    value_text,
)
from explain_core.evaluation.intervals import Interval
from explain_core.evaluation.sweep import SWEEPS, sweep_curves
from explain_core.evaluation.tables import Summary
from explain_core.metrics.table import METRICS
from explain_core.types import Array

_GREY = "#8a949e"  # of controls
_DOTTED = {"width": 1.5, "dash": "dot", "color": _GREY}
_PICKED = CATEGORIES[1]
_OPACITY = {"control": 0.6, "better": 1.0, "": 1.0, "worse": 0.4, "not told apart": 0.4}
_ROW_PX = 26
_CURVE_PX = 340
_SCATTER_PX = 440
_STILL = {"displayModeBar": False}


def show_bars(summary: Summary) -> None:
    """Show a plot per metric, the best method at the top, with a line at the best control."""
    metrics = summary.results.plan.metrics
    for begin in range(0, len(metrics), 2):
        for place, column in zip(
            range(begin, min(begin + 2, len(metrics))), st.columns(2, gap="large"), strict=False
        ):
            with column:
                _head(summary, place)
                _bars(summary, place)


def _head(summary: Summary, place: int) -> None:
    metric = summary.results.plan.metrics[place]
    better = "higher" if METRICS[metric.name].is_higher_better else "lower"
    st.markdown(
        f"**{metric_text(metric)} {arrow(metric)}** :gray[{better} is better]",
        help=METRICS[metric.name].summary,
    )


def _bars(summary: Summary, place: int) -> None:
    plan = summary.results.plan
    is_higher_better = METRICS[plan.metrics[place].name].is_higher_better
    means = [row[place] for row in summary.means]
    defined = [i for i, each in enumerate(means) if not math.isnan(each.mean)]
    if not defined:
        st.caption("Not defined for any picture yet.")
        return
    order = sorted(defined, key=lambda i: means[i].mean, reverse=is_higher_better)
    best = _best_control(summary, place)
    figure = go.Figure(
        go.Bar(
            x=[means[i].mean for i in order],
            y=[str(rank) for rank in range(len(order))],
            orientation="h",
            marker={
                "color": [_GREY if is_control(plan.methods[i]) else CATEGORIES[0] for i in order],
                "opacity": [
                    _OPACITY["control" if is_control(plan.methods[i]) else said]
                    for i in order
                    for said in [summary.over_controls[i][place]]
                ],
            },
            error_x=_whiskers([means[i] for i in order]),
            customdata=[
                [method_text(plan.methods[i]), ends(means[i]), means[i].count] for i in order
            ],
            hovertemplate="%{customdata[0]}: %{x:.3f} %{customdata[1]}, %{customdata[2]:,} "
            "pictures<extra></extra>",
        )
    )
    if best is not None:
        figure.add_vline(x=best[1], line=_DOTTED)
    figure.update_layout(
        height=_ROW_PX * len(order) + 36,
        margin={"l": 0, "r": 8, "t": 4, "b": 28},
        bargap=0.4,
        dragmode=False,
        xaxis={"fixedrange": True, "zeroline": True, "exponentformat": "power"},
        yaxis={
            "autorange": "reversed",
            "fixedrange": True,
            "type": "category",
            "tickvals": [str(rank) for rank in range(len(order))],
            "ticktext": [f"{method_text(plan.methods[i])} " for i in order],
            "automargin": True,
            "showgrid": False,
        },
    )
    st.plotly_chart(
        figure,
        config=_STILL,
        key=f"bars-{place}",
        alt=f"{metric_text(plan.metrics[place])}: "
        + ", ".join(f"{method_text(plan.methods[i])} {number(means[i].mean)}" for i in order),
    )


def _whiskers(intervals: Sequence[Interval]) -> dict[str, Any]:
    def length(end: float, mean: float) -> float:
        return 0.0 if math.isnan(end) else abs(end - mean)

    return {
        "type": "data",
        "symmetric": False,
        "array": [length(each.high, each.mean) for each in intervals],
        "arrayminus": [length(each.low, each.mean) for each in intervals],
        "thickness": 1.5,
        "width": 4,
        "color": _GREY,
    }


def show_curves(summary: Summary, sweep: str) -> None:
    """Show a plot per metric: a line per method over the setting's values, bands of 95 %."""
    metrics = summary.results.plan.metrics
    for begin in range(0, len(metrics), 2):
        for place, column in zip(
            range(begin, min(begin + 2, len(metrics))), st.columns(2, gap="large"), strict=False
        ):
            with column:
                _head(summary, place)
                _curves(summary, sweep, place)


def _curves(summary: Summary, sweep: str, place: int) -> None:
    plan = summary.results.plan
    about = SWEEPS[sweep].parameter
    figure = go.Figure()
    for order, (name, curve) in enumerate(sweep_curves(summary, sweep).items()):
        colour = CATEGORIES[order % len(CATEGORIES)]
        steps = [value_text(step) if about.choices else step for step, _ in curve]
        points = [intervals[place] for _, intervals in curve]
        lows = [each.mean if math.isnan(each.low) else each.low for each in points]
        highs = [each.mean if math.isnan(each.high) else each.high for each in points]
        if not about.choices:
            figure.add_scatter(
                x=[*steps, *reversed(steps)],
                y=[*highs, *reversed(lows)],
                fill="toself",
                fillcolor=_faint(colour),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=name,
            )
        figure.add_scatter(
            x=steps,
            y=[each.mean for each in points],
            error_y=_whiskers(points) if about.choices else None,
            mode="markers" if about.choices else "lines+markers",
            line={"color": colour, "width": 2},
            marker={"symbol": MARKERS[order % len(MARKERS)], "size": 7, "color": colour},
            name=method_text(type(plan.methods[0])(name)),
            legendgroup=name,
            customdata=[ends(each) for each in points],
            hovertemplate="%{x}: %{y:.3f} %{customdata}<extra>%{fullData.name}</extra>",
        )
    best = _best_control(summary, place)
    if best is not None:
        name, mean = best
        figure.add_hline(y=mean, line=_DOTTED)
        figure.add_scatter(x=[None], y=[None], mode="lines", line=_DOTTED, name=f"best: {name}")
    figure.update_layout(
        height=_CURVE_PX,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        dragmode=False,
        xaxis={
            "title": about.label,
            "type": "category" if about.choices else about.scale,
            "fixedrange": True,
            "exponentformat": "power",
        },
        yaxis={"fixedrange": True, "exponentformat": "power"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(
        figure,
        config=_STILL,
        key=f"curves-{place}",
        alt=f"{metric_text(plan.metrics[place])} over {about.label}",
    )


def _best_control(summary: Summary, place: int) -> tuple[str, float] | None:
    """Return the control with the best mean by a metric, and that mean; None without any."""
    plan = summary.results.plan
    means = {
        method_text(method): row[place].mean
        for method, row in zip(plan.methods, summary.means, strict=True)
        if is_control(method) and not math.isnan(row[place].mean)
    }
    if not means:
        return None
    is_higher_better = METRICS[plan.metrics[place].name].is_higher_better
    name = (max if is_higher_better else min)(means, key=means.__getitem__)
    return name, means[name]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def show_points(
    across: Array,
    up: Array,
    titles: tuple[str, str],
    pictures: Sequence[tuple[int, str]],
    picked: int | None,
    *,
    is_same_scale: bool,
    key: str,
    on_pick: Callable[[], None],
) -> None:
    """Show a point per picture; a click picks one.

    Args:
        across, up: (n,) scores; NaN where not defined.
        titles: of both axes.
        pictures: (number, what to say of it) of each; a click gives the number.
        picked: the number of the one that is open.
        is_same_scale: whether both axes are the same quantity, with a diagonal of equal scores.
        on_pick: called when a point was clicked.
    """
    shown = np.flatnonzero(np.isfinite(across) & np.isfinite(up))
    figure = go.Figure()
    if is_same_scale and len(shown):
        values = np.concatenate([across[shown], up[shown]])
        low, high = float(values.min()), float(values.max())
        pad = 0.04 * (high - low or 1.0)
        both = [low - pad, high + pad]
        figure.add_scatter(
            x=both,
            y=both,
            mode="lines",
            line={"width": 1, "dash": "dot", "color": _GREY},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_scatter(
        x=across[shown],
        y=up[shown],
        mode="markers",
        marker={
            "size": [13 if pictures[i][0] == picked else 9 for i in shown],
            "color": [_PICKED if pictures[i][0] == picked else CATEGORIES[0] for i in shown],
            "symbol": ["diamond" if pictures[i][0] == picked else "circle" for i in shown],
            "opacity": 0.9,
        },
        selected={"marker": {"opacity": 0.9}},
        unselected={"marker": {"opacity": 0.9}},
        customdata=[pictures[i][0] for i in shown],
        text=[pictures[i][1] for i in shown],
        hovertemplate="%{text}<br>across %{x:.3f}, up %{y:.3f}<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(
        height=_SCATTER_PX,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        dragmode=False,
        clickmode="event+select",
        xaxis={"title": titles[0], "zeroline": False, "exponentformat": "power"},
        yaxis={"title": titles[1], "zeroline": False, "exponentformat": "power"},
    )
    st.plotly_chart(
        figure,
        key=key,
        on_select=on_pick,
        selection_mode="points",
        config=_STILL,
        alt=f"A point per picture: {titles[0]} across, {titles[1]} up",
    )
    num_missing = len(across) - len(shown)
    if num_missing:
        st.caption(f"{num_missing:,} of {len(across):,} pictures lack one of the two numbers.")
