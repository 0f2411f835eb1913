"""Maps side by side over the picture, drawn in the page while a slider is dragged.

All pages draw maps through `show_maps`. The page is sent each map's basis once (`packing.py`),
mixes and paints it itself (`render.js`, `viewer.js`), and tells Python what is set when a control
is released, so that numbers and downloads agree with what is seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from components import caching, state
from components.inline_js import joined
from components.map_viewer.film_view import FilmView
from components.map_viewer.packing import pack
from components.map_viewer.settings import Settings, Values, film_settings
from components.map_viewer.settings import settings as _settings
from explain_core import METHODS, Image, Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Basis

__all__ = [
    "Cell",
    "FilmView",
    "Heading",
    "Panel",
    "Settings",
    "Table",
    "meaning",
    "settings_before",
    "show_maps",
    "show_table",
]

_HERE = Path(__file__).parent
_MODULES = (  # each after those that it imports
    "render.js",
    "elements.js",
    "export.js",
    "windowing.js",
    "regions.js",
    "lengths.js",
    "marks.js",
    "annotations.js",
    "film_facts.js",
    "pointers.js",
    "view.js",
    "panel.js",
    "film_panel.js",
    "cells.js",
    "swipe.js",
    "gestures.js",
    "film_bar.js",
    "film.js",
    "viewer.js",
)
_FILM_LOOK = {"drawing": "Both"}

Scale = Literal["Own", "Per method", "Shared"]


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_viewer = st.components.v2.component(
    "whynot_map_viewer",
    html=_read("viewer.html"),
    css=_read("viewer.css"),
    js=joined(_HERE, _MODULES),
)


@dataclass(frozen=True, eq=False)
class Panel:
    """Hold one map's basis and what is said about it.

    Attributes:
        name: short and unique, for file names and keys.
        method: name in `METHODS`.
        title: the method as people read it.
        basis: what the map is mixed from.
        subtitle: what it is in contrast to.
        reversed_subtitle: the same while "reverse" is on.
        foot: what else took effect, in words.
        meaning: what the ends of the legend mean, for the unsigned and for the signed view.
        doubt: why the map may not be worth believing, in a few words; told at its head.
    """

    name: str
    method: str
    title: str
    basis: Basis
    subtitle: str
    reversed_subtitle: str
    foot: str
    meaning: Mapping[str, tuple[str, str]]
    doubt: str = ""


def meaning(method: str) -> Mapping[str, tuple[str, str]]:
    """Return what the ends of a method's legend mean, for the unsigned and the signed view."""
    is_of_pictures = METHODS[method].compares_with == "pictures"
    return {
        "unsigned": ("none", "most"),
        "signed": ("has less", "has more") if is_of_pictures else ("against", "for"),
    }


@dataclass(frozen=True)
class Heading:
    """Hold what stands at the head of a row or a column."""

    title: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class Cell:
    """Hold one map of a table and where it stands.

    Attributes:
        row, column: indices of its headings.
        method: whose basis it is.
        fixed: values that its sliders do not move.
    """

    row: int
    column: int
    method: str
    basis: Basis
    subtitle: str
    foot: str
    fixed: Values = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what tells the cell from the others."""
        return f"{self.row}-{self.column}"


@dataclass(frozen=True, eq=False)
class Table:
    """Hold maps in rows and columns.

    Attributes:
        scale: of the colours, at first.
    """

    rows: Sequence[Heading]
    columns: Sequence[Heading]
    cells: Sequence[Cell]
    scale: Scale


def show_maps(
    model: Model,
    image: Image,
    panels: Sequence[Panel],
    parameters: Sequence[Parameter],
    *,
    question: str,
    source: str,
    viewer: str = state.VIEWER,
    film: FilmView | None = None,
    look: Mapping[str, Any] | None = None,
    is_plain: bool = False,
) -> Settings:
    """Show the panels with their sliders, and return what is set.

    Args:
        model: whose input is shown as "Network's input".
        image: the picture that the maps are of; of a film its `image`.
        parameters: that sliders drive, of the methods shown.
        question, source: in words, for exports: what was asked, of which model.
        viewer: key of the viewer, under which the page remembers what was set.
        film: shows the picture as on a reading workstation, beside its maps or without any.
        look: how maps are drawn at first, where that differs from the viewer's own.
        is_plain: leave out exports and how maps are drawn, for who is to look at one thing.
    """
    if film is not None:
        look = {**_FILM_LOOK, **(look or {})}
    described = [
        {
            "name": panel.name,
            "title": panel.title,
            "subtitle": panel.subtitle,
            "reversed_subtitle": panel.reversed_subtitle,
            "foot": panel.foot,
            "meaning": panel.meaning,
            "doubt": panel.doubt,
        }
        for panel in panels
    ]
    key = (
        viewer,
        question,
        source,
        None if film is None else film.key,
        json.dumps([described, look, is_plain]),
        *(id(panel.basis) for panel in panels),
    )

    def make() -> bytes:
        return pack(
            described,
            [panel.basis for panel in panels],
            image=image,
            seen=_seen(model, image),
            parameters=parameters,
            viewer=viewer,
            question=question,
            source=source,
            look=look,
            is_plain=is_plain,
            film=film,
            geometry=None if panels else model.geometry(image),
        )

    return _as_set(_shown(viewer, caching.message_of(key, make)), panels, parameters, film)


def settings_before(
    panels: Sequence[Panel],
    parameters: Sequence[Parameter],
    *,
    viewer: str,
    film: FilmView | None = None,
) -> Settings:
    """Return what `show_maps` will, before anything is shown: what the page told last."""
    told = state.told(viewer, "settings")
    return _as_set(told if isinstance(told, Mapping) else None, panels, parameters, film)


def _as_set(
    told: Mapping[str, Any] | None,
    panels: Sequence[Panel],
    parameters: Sequence[Parameter],
    film: FilmView | None,
) -> Settings:
    return replace(
        _settings(told, parameters),
        methods={panel.name: panel.method for panel in panels},
        **({} if film is None else film_settings(told, film)),
    )


def show_table(
    model: Model,
    image: Image,
    table: Table,
    parameters: Sequence[Parameter],
    *,
    viewer: str,
    question: str,
    source: str,
) -> Settings:
    """Show maps in rows and columns under one set of sliders, and return what is set.

    Args:
        model: whose input is shown as "Network's input".
        parameters: that sliders drive, of the methods shown.
        viewer: key of the viewer, under which the page remembers what was set.
        question, source: in words, for exports: what was asked, of which model.
    """
    rows, columns = ([asdict(each) for each in part] for part in (table.rows, table.columns))
    described = [
        {
            "name": cell.name,
            "row": cell.row,
            "column": cell.column,
            "method": cell.method,
            "method_title": METHODS[cell.method].title,
            "title": f"{METHODS[cell.method].title}, {table.rows[cell.row].title}",
            "subtitle": cell.subtitle,
            "reversed_subtitle": f"{cell.subtitle}, reversed",
            "foot": cell.foot,
            "meaning": meaning(cell.method),
            "fixed": cell.fixed,
        }
        for cell in table.cells
    ]
    key = (
        viewer,
        question,
        source,
        json.dumps([rows, columns, described]),
        *(id(cell.basis) for cell in table.cells),
    )

    def make() -> bytes:
        return pack(
            described,
            [cell.basis for cell in table.cells],
            image=image,
            seen=_seen(model, image),
            parameters=parameters,
            viewer=viewer,
            question=question,
            source=source,
            grid={"rows": rows, "columns": columns},
            look={"scale": table.scale},
        )

    return _settings(_shown(viewer, caching.message_of(key, make)), parameters)


def _shown(viewer: str, message: bytes) -> Mapping[str, Any] | None:
    """Show the viewer and return what the page told last."""
    result = _viewer(
        key=viewer,
        data=message,
        default={"settings": None},
        on_settings_change=lambda: None,
    )
    told: Mapping[str, Any] | None = result.settings
    return told


def _seen(model: Model, image: Image) -> Array:
    """Return the network's input as the viewer takes it: (H, W) where it is gray."""
    seen = model.to_pixels(image)[0].permute(1, 2, 0).float().cpu().numpy()
    seen = (seen * 255).round().astype("uint8")
    gray: Array = seen[:, :, 0]
    return gray if seen.shape[2] == 1 else seen
