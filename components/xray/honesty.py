"""What the maps of all films show alike, and what is written beside a peak."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from components import caching, state
from components.map_strip import StripMap, map_strip, strip_legend
from components.notices import shown_errors
from components.reference_builder import Place
from components.slow_methods import Task, is_slow, offer, run_shown
from components.trust_steps import Tested
from components.wording import minus
from components.xray.mean_maps import KIND, ReferenceMaps, reference_maps
from components.xray.reference import Reference
from explain_core import METHODS, render
from explain_core.honesty.marks import marks_near_peak
from explain_core.honesty.mean_map import alikeness, border_peaks
from explain_core.images.film import Film

_ICONS = {True: ":orange[:material/warning:]", False: ":green[:material/check_circle:]"}


def show_honesty(
    place: Place, film: Film, reference: Reference, tested: Tested
) -> list[tuple[Task, Any]]:
    """Say whether a map is about this film, and whether marks draw it.

    Returns:
        What was started and is not done, and where its progress is shown.
    """
    smap = render(tested.shown.basis, **tested.shown.values)
    near = marks_near_peak(smap, caching.marks_on(film))
    _say(
        "Text and side markers", near.text or "None was found near its hot spots.", bool(near.text)
    )
    if METHODS[tested.shown.name].is_control:
        state.keep_started_of(KIND, set())
        return []
    wish = reference_maps(place.bank, reference.label, tested)
    if wish is None:
        state.keep_started_of(KIND, set())
        st.caption(
            "Whether all films get such a map cannot be told: there is no bank of reference films."
        )
        return []
    state.keep_started_of(KIND, {wish.id})
    slot = st.container()
    if not wish.is_kept():
        with slot, shown_errors():
            if state.is_started(wish.id):
                return [(wish, slot)]
            if is_slow(wish):
                offer(wish)
            else:
                run_shown(wish, wish)
    if wish.is_kept():
        with shown_errors():
            _show_mean(wish)
    return []


def _show_mean(wish: ReferenceMaps) -> None:
    shown = wish.tested.shown
    mean = wish.mean()
    smap = render(shown.basis, **shown.values)
    alike = alikeness(smap, mean)
    _say("The same on every film?", alike.text, alike.is_alike, minus(alike.figures))
    at_border = border_peaks(mean)
    if at_border:
        _say("At the border", at_border, True)
    pictures = [caching.seen_by(shown.model, image) for image in wish.images.images]
    average = np.mean(pictures, axis=0).astype(np.uint8)
    map_strip(
        [
            StripMap(caching.seen_by(shown.model, shown.image), smap.values, "this film"),
            StripMap(average, mean.values, f"mean of {mean.count} “{wish.label}”"),
        ],
        "mean-map",
    )
    strip_legend()
    if wish.images.note:
        st.caption(wish.images.note)


def _say(title: str, text: str, is_doubtful: bool, figures: str = "") -> None:
    told = f"  \n:small[:gray[{figures[:1].upper() + figures[1:]}.]]" if figures else ""
    st.markdown(f"{_ICONS[is_doubtful]} **{title}** — {text}{told}")
