"""Maps side by side over the picture, drawn in the page while a slider is dragged.

All pages draw maps through `show_maps`. The page is sent each map's basis once (`packing.py`),
mixes and paints it itself (`render.js`, `viewer.js`), and tells Python what is set when a control
is released, so that numbers and downloads agree with what is seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from components import caching, state
from components.map_viewer.packing import pack
from explain_core import METHODS, Image, InputError, Model
from explain_core.parameters import Parameter
from explain_core.types import Basis, ParameterValue

_HERE = Path(__file__).parent
_MODULES = (  # each after those that it imports
    "render.js",
    "elements.js",
    "export.js",
    "pointers.js",
    "panel.js",
    "swipe.js",
    "viewer.js",
)
_SIGNED = "For and against"

Values = dict[str, ParameterValue]


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
    result = _viewer(
        key=state.VIEWER,
        data=_message(model, image, panels, parameters, question, source),
        default={"settings": None},
        on_settings_change=lambda: None,
    )
    return _settings(result.settings, parameters)


def _message(
    model: Model,
    image: Image,
    panels: Sequence[Panel],
    parameters: Sequence[Parameter],
    question: str,
    source: str,
) -> bytes:
    def make() -> bytes:
        seen = model.to_pixels(image)[0].permute(1, 2, 0).float().cpu().numpy()
        seen = (seen * 255).round().astype("uint8")
        return pack(
            [
                {
                    "name": panel.name,
                    "title": panel.title,
                    "subtitle": panel.subtitle,
                    "reversed_subtitle": panel.reversed_subtitle,
                    "foot": panel.foot,
                    "meaning": panel.meaning,
                }
                for panel in panels
            ],
            [panel.basis for panel in panels],
            image=image,
            seen=seen[:, :, 0] if seen.shape[2] == 1 else seen,
            parameters=parameters,
            viewer=state.VIEWER,
            question=question,
            source=source,
        )

    key = (
        question,
        source,
        *(id(panel.basis) for panel in panels),
        *(panel.foot for panel in panels),
    )
    return caching.message_of(key, make)


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
