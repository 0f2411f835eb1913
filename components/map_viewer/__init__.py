"""Maps side by side over the picture, drawn in the page while a slider is dragged.

All pages draw maps through `show_maps`. The page is sent each map's basis once (`packing.py`),
mixes and paints it itself (`render.js`, `viewer.js`), and tells Python what is set when a control
is released, so that numbers and downloads agree with what is seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from components import caching, state
from components.map_viewer.packing import pack
from explain_core import METHODS, Image, InputError, Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Basis, ParameterValue

_HERE = Path(__file__).parent
_MODULES = (  # each after those that it imports
    "render.js",
    "elements.js",
    "export.js",
    "pointers.js",
    "panel.js",
    "cells.js",
    "swipe.js",
    "viewer.js",
)
_SIGNED = "For and against"

Values = dict[str, ParameterValue]
Scale = Literal["Own", "Per method", "Shared"]


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _joined(names: Sequence[str]) -> str:
    """Return ES modules as the one inline module that Streamlit takes, the default export kept.

    Their names share one scope, so no two modules may use the same one at their top.
    """
    source = "\n".join(_read(name) for name in names)
    source = re.sub(r"^import .*? from .*?;\n", "", source, flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", source, flags=re.MULTILINE)


_viewer = st.components.v2.component(
    "whynot_map_viewer",
    html=_read("viewer.html"),
    css=_read("viewer.css"),
    js=_joined(_MODULES),
)


@dataclass(frozen=True, eq=False)
class Panel:
    """Hold one map's basis and what is said about it.

    Attributes:
        name: short and unique, for file names and keys; the method.
        title: the method as people read it.
        basis: what the map is mixed from.
        subtitle: what it is in contrast to.
        reversed_subtitle: the same while "reverse" is on.
        foot: what else took effect, in words.
        meaning: what the ends of the legend mean, for the unsigned and for the signed view.
    """

    name: str
    title: str
    basis: Basis
    subtitle: str
    reversed_subtitle: str
    foot: str
    meaning: Mapping[str, tuple[str, str]]


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


@dataclass(frozen=True, eq=False)
class Settings:
    """Hold what was set in the viewer when a control was last released.

    Attributes:
        shared: the values that all panels follow.
        own: by panel, the values of panels with sliders of their own.
        is_signed: whether evidence against is shown, where a method tells.
    """

    shared: Values
    own: Mapping[str, Values] = field(default_factory=dict)
    is_signed: bool = False

    def of(self, panel: str) -> Values:
        """Return the values of the parameters that a panel's method knows."""
        values = self.shared | dict(self.own.get(panel, {}))
        return {p.name: values[p.name] for p in METHODS[panel].parameters_of("render")}

    def of_cell(self, cell: Cell) -> Values:
        """Return the values of the parameters that a cell's method knows."""
        return self.of(cell.method) | cell.fixed


def show_maps(
    model: Model,
    image: Image,
    panels: Sequence[Panel],
    parameters: Sequence[Parameter],
    *,
    question: str,
    source: str,
) -> Settings:
    """Show the panels with their sliders, and return what is set.

    Args:
        model: whose input is shown as "Network's input".
        parameters: that sliders drive, of the methods shown.
        question, source: in words, for exports: what was asked, of which model.
    """
    described = [
        {
            "name": panel.name,
            "title": panel.title,
            "subtitle": panel.subtitle,
            "reversed_subtitle": panel.reversed_subtitle,
            "foot": panel.foot,
            "meaning": panel.meaning,
        }
        for panel in panels
    ]
    key = (
        question,
        source,
        *(id(panel.basis) for panel in panels),
        *(panel.foot for panel in panels),
    )

    def make() -> bytes:
        return pack(
            described,
            [panel.basis for panel in panels],
            image=image,
            seen=_seen(model, image),
            parameters=parameters,
            viewer=state.VIEWER,
            question=question,
            source=source,
        )

    return _shown(state.VIEWER, caching.message_of(key, make), parameters)


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

    return _shown(viewer, caching.message_of(key, make), parameters)


def _shown(viewer: str, message: bytes, parameters: Sequence[Parameter]) -> Settings:
    result = _viewer(
        key=viewer,
        data=message,
        default={"settings": None},
        on_settings_change=lambda: None,
    )
    return _settings(result.settings, parameters)


def _seen(model: Model, image: Image) -> Array:
    """Return the network's input as the viewer takes it: (H, W) where it is gray."""
    seen = model.to_pixels(image)[0].permute(1, 2, 0).float().cpu().numpy()
    seen = (seen * 255).round().astype("uint8")
    gray: Array = seen[:, :, 0]
    return gray if seen.shape[2] == 1 else seen


def _settings(told: Mapping[str, Any] | None, parameters: Sequence[Parameter]) -> Settings:
    """Return what the page told, checked: it comes from a browser."""
    defaults = {parameter.name: parameter.default for parameter in parameters}
    if not isinstance(told, Mapping):
        return Settings(defaults)
    own = told.get("own")
    look = told.get("look")
    return Settings(
        shared=_checked(told.get("values"), parameters, defaults),
        own={
            str(panel): _checked(values, parameters, defaults)
            for panel, values in (own.items() if isinstance(own, Mapping) else ())
        },
        is_signed=isinstance(look, Mapping) and look.get("evidence") == _SIGNED,
    )


def _checked(told: object, parameters: Sequence[Parameter], defaults: Values) -> Values:
    """Return the told values, with the default for what is missing or does not fit."""
    values = dict(defaults)
    for parameter in parameters:
        if isinstance(told, Mapping) and parameter.name in told:
            with suppress(InputError):
                values[parameter.name] = parameter.check(told[parameter.name])
    return values
