"""Looking at a reference set: its counts, its members, and where the picture in hand lies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.gallery import Tile, gallery
from components.wording import short
from explain_core import ReferenceSet
from explain_core.references.judging import Distances
from explain_core.references.pictures import Pictures
from explain_core.types import Array

_NUM_TILES = 8
_HEIGHT_PX = 220
_ROW_PX = 26
_MAX_BARS = 12
_MAX_BINS = 40


def show_members(
    references: ReferenceSet,
    distances: Distances,
    pictures: Pictures,
    classes: tuple[str, ...],
    titles: Mapping[int, str],
    key: str,
    on_remove: Callable[[int], None],
) -> None:
    """Show the members nearest to the set's mean and farthest from it.

    Args:
        titles: of members without a class, by id.
        on_remove: called with the id of a member to take out.
    """
    order = np.argsort(distances.members, kind="stable")
    if pictures.thumbnail(int(references.ids[order[0]])) is None:
        st.caption(
            ":material/hide_image: The bank holds features only, so members have no pictures here."
        )

    def tiles(rows: Array) -> list[Tile]:
        return [
            Tile(
                id=int(references.ids[row]),
                picture=pictures.thumbnail(int(references.ids[row])),
                text=_title(references, distances, classes, titles, row),
            )
            for row in rows
        ]

    num_near = min(_NUM_TILES, len(order) // 2)
    num_far = min(_NUM_TILES, len(order) - num_near)
    if num_near:
        st.markdown("**Nearest to the mean** — typical members, each with its distance")
        gallery(tiles(order[:num_near]), f"{key}-nearest")
    st.markdown("**Farthest from the mean** — do they belong?")
    gallery(tiles(order[::-1][:num_far]), f"{key}-farthest", on_remove if len(order) > 1 else None)


def show_mix(references: ReferenceSet, classes: tuple[str, ...], key: str) -> None:
    """Show how many members each class has."""
    labels, counts = np.unique(references.labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MAX_BARS]
    names = [_class_name(classes, int(labels[index])) for index in order]
    figure = go.Figure(
        go.Bar(
            x=counts[order],
            y=names,
            orientation="h",
            text=[f"{counts[index]:,}" for index in order],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,}<extra></extra>",
        )
    )
    figure.update_layout(
        height=_ROW_PX * (len(order) + 2),
        margin={"l": 0, "r": 56, "t": 8, "b": 0},
        xaxis={"visible": False, "rangemode": "tozero"},
        yaxis={
            "autorange": "reversed",
            "type": "category",
            "automargin": True,
            "ticksuffix": " ",
        },
        dragmode=False,
    )
    st.markdown("**Classes**")
    st.plotly_chart(figure, config={"displayModeBar": False}, key=f"{key}-mix")
    if len(labels) > _MAX_BARS:
        st.caption(f"The {_MAX_BARS} largest of {len(labels):,} classes.")


def show_place(distances: Distances, key: str) -> None:
    """Show how far the members lie from their mean, and where the picture in hand falls."""
    st.markdown("**Distance to the mean**")
    known = distances.members[np.isfinite(distances.members)]
    counts, edges = np.histogram(known, bins=min(_MAX_BINS, max(1, len(known))))
    figure = go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            hovertemplate="%{y:,} at %{x:.2f}<extra></extra>",
        )
    )
    if distances.image is not None:
        figure.add_vline(
            x=distances.image,
            line={"width": 3, "color": "#d55e00"},
            annotation_text="this picture",
            annotation_position="top",
        )
    figure.update_layout(
        height=_HEIGHT_PX,
        margin={"l": 0, "r": 0, "t": 24, "b": 0},
        xaxis_title="Euclidean distance of features",
        yaxis={"title": "members", "dtick": max(1, math.ceil(counts.max() / 4))},
        showlegend=False,
        dragmode=False,
    )
    st.plotly_chart(figure, config={"displayModeBar": False}, key=f"{key}-place")
    if distances.percentile is not None:
        st.caption(_in_words(distances.percentile))


def _in_words(percentile: float) -> str:
    if percentile >= 100:
        return "This picture lies farther out than every member."
    if percentile <= 0:
        return "This picture lies nearer to the mean than every member."
    return f"This picture lies farther out than {percentile:.0f} % of the members."


def _title(
    references: ReferenceSet,
    distances: Distances,
    classes: tuple[str, ...],
    titles: Mapping[int, str],
    row: int,
) -> str:
    name = titles.get(int(references.ids[row]))
    if name is None:
        name = _class_name(classes, int(references.labels[row]))
    distance = distances.members[row]
    return name if np.isnan(distance) else f"{name} · {distance:.2f}"


def _class_name(classes: tuple[str, ...], label: int) -> str:
    return short(classes[label]) if 0 <= label < len(classes) else "no class"
