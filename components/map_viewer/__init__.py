"""Maps side by side over the picture, each with title, legend, parameters and downloads.

All pages draw maps through `show_maps`.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components import colours, state
from components.map_viewer import painting
from components.map_viewer.painting import Scale
from components.wording import number
from explain_core import Image, SaliencyMap

_SHOWN_SIDE_PX = 800
_SCALES = ("Own", "Shared")
_EVIDENCE = ("For", "For and against")
_STYLE = """
<style>
.st-key-maps { display: grid !important; gap: 1rem; max-width: calc(%(count)d * 27rem);
  grid-template-columns: repeat(auto-fit, minmax(min(100%%, 208px), 1fr)); }
.st-key-maps > div { width: auto !important; min-width: 0; }
.st-key-maps img { width: 100%%; }
.panel-head { min-height: %(head)s; line-height: 1.35; }
.panel-head strong { display: block; }
.panel-head span { font-size: 0.85rem; opacity: 0.8; }
.legend { font-size: 0.8rem; line-height: 1.35; }
.legend-bar { height: 0.6rem; border-radius: 0.2rem; border: 1px solid rgb(128 128 128 / 40%%); }
.legend-row { display: flex; justify-content: space-between; gap: 0.5rem; }
.legend-row:last-child { opacity: 0.8; }
.no-evidence { margin: 0; padding: 0.45rem 0.6rem; font-size: 0.85rem; text-align: center;
  border: 1px dashed rgb(128 128 128 / 60%%); border-radius: 0.3rem; }
</style>
"""
_MANY_PANELS = 4


@dataclass(frozen=True, eq=False)
class Panel:
    """Hold one map and what is said about it.

    Attributes:
        name: short and unique, for file names and keys.
        title: the method.
        smap: the map.
        subtitle: what it is in contrast to.
        parameters: those that took effect, in words.
        meaning: what a signed map's negative and positive ends mean; an unsigned map's low and
            high.
    """

    name: str
    title: str
    smap: SaliencyMap
    subtitle: str
    parameters: str
    meaning: tuple[str, str]


@dataclass(frozen=True)
class Look:
    """Hold how maps are drawn; nothing in it changes a map's values."""

    opacity: float
    is_signed: bool
    is_shared_scale: bool
    colour_map: str


def look_controls() -> Look:
    """Show the controls of the drawing and return their values."""
    opacity, scale, colour_map, signed = st.columns([1, 1, 1, 1], gap="medium")
    with opacity:
        percent = st.slider(
            "Opacity of the map",
            0,
            100,
            60,
            step=5,
            format="%d %%",
            key=state.OPACITY,
            persist_state="session",
        )
    with scale:
        chosen_scale = st.segmented_control(
            "Scale",
            _SCALES,
            default=_SCALES[0],
            required=True,
            key=state.SCALE,
            persist_state="session",
            width="stretch",
            help="Own: colours span each map's own range. Shared: the same colour is the same "
            "value in every map; methods have different units, so compare like with like.",
        )
    with colour_map:
        chosen_colours = st.selectbox(
            "Colours",
            colours.SEQUENTIAL,
            format_func=colours.label,
            key=state.COLOURS,
            persist_state="session",
            help="Signed maps are always blue–white–orange. Jet shows edges that are not there.",
        )
    with signed:
        is_signed = st.segmented_control(
            "Evidence",
            _EVIDENCE,
            default=_EVIDENCE[0],
            required=True,
            key=state.SIGNED,
            persist_state="session",
            width="stretch",
            help="For and against: also show, in blue, what speaks against the class, or what "
            "the picture has less of than the references. Some methods only know “for”.",
        )
    return Look(
        opacity=percent / 100,
        is_signed=is_signed == _EVIDENCE[1],
        is_shared_scale=chosen_scale == _SCALES[1],
        colour_map=chosen_colours,
    )


def show_maps(image: Image, panels: Sequence[Panel], look: Look, question: str) -> None:
    """Show the panels in a grid that wraps to the window's width."""
    shared = painting.shared_scale([panel.smap for panel in panels])
    head = "4.1rem" if len(panels) >= _MANY_PANELS else "2.9rem"
    st.html(_STYLE % {"count": len(panels), "head": head})
    with st.container(key="maps"):
        for panel in panels:
            scale = (
                shared[panel.smap.is_signed]
                if look.is_shared_scale
                else painting.scale_of(panel.smap)
            )
            with st.container(gap="xsmall", key=f"panel-{panel.name}"):
                _show_panel(image, panel, look, scale, question)


def _show_panel(image: Image, panel: Panel, look: Look, scale: Scale, question: str) -> None:
    smap = panel.smap
    colour_map = colours.DIVERGING if smap.is_signed else look.colour_map
    st.html(
        f'<div class="panel-head"><strong>{html.escape(panel.title)}</strong>'
        f"<span>{html.escape(panel.subtitle)}</span></div>"
    )
    is_empty = not (smap.values.any() if smap.is_signed else smap.has_positive_evidence)
    shown = Scale(0.0, 0.0, scale.is_shared) if is_empty else scale

    def paint(max_side_px: int | None) -> np.ndarray:
        return painting.overlay(
            image,
            smap,
            scale=shown,
            colour_map=colour_map,
            opacity=look.opacity,
            max_side_px=max_side_px,
        )

    st.image(
        paint(_SHOWN_SIDE_PX),
        width="stretch",
        output_format="PNG",
        alt=f"{panel.title}, {panel.subtitle}: {'no positive evidence' if is_empty else 'map'}",
    )
    if is_empty:
        st.html('<p class="no-evidence">No positive evidence</p>')
    else:
        st.html(_legend(shown, colour_map, panel.meaning))
    st.caption(panel.parameters)

    def as_png() -> bytes:
        return painting.sheet(
            paint(None),
            title=f"{panel.title}: {question}",
            lines=[panel.subtitle, panel.parameters],
            scale=shown,
            colour_map=colour_map,
        )

    def as_npy() -> bytes:
        file = io.BytesIO()
        np.save(file, smap.on_original())
        return file.getvalue()

    with st.container(horizontal=True, gap="xsmall"):
        st.download_button(
            "PNG",
            as_png,
            file_name=f"whynot-{panel.name}.png",
            mime="image/png",
            key=f"png-{panel.name}",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            help="The map over the picture at full size, with legend and parameters.",
        )
        st.download_button(
            "NPY",
            as_npy,
            file_name=f"whynot-{panel.name}.npy",
            mime="application/octet-stream",
            key=f"npy-{panel.name}",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            help="The map's values on the picture's pixels, float32, not normalised; NaN where "
            "the model never looked.",
        )


def _legend(scale: Scale, colour_map: str, meaning: tuple[str, str]) -> str:
    low, high = number(scale.low), number(scale.high)
    middle = "0" if scale.low < 0 else ""
    note = "one scale for all" if scale.is_shared else "own scale"
    return (
        f'<div class="legend" role="img" aria-label="Colours from {low}, {meaning[0]}, '
        f'to {high}, {meaning[1]}; {note}">'
        f'<div class="legend-bar" style="background:{colours.css_gradient(colour_map)}"></div>'
        f'<div class="legend-row"><span>{low}</span><span>{middle}</span><span>{high}</span></div>'
        f'<div class="legend-row"><span>{meaning[0]}</span><span>{note}</span>'
        f"<span>{meaning[1]}</span></div></div>"
    )
