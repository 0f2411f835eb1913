"""A page with the viewer in its film mode, and made-up films for it, by name."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import streamlit as st
import torch

from components.map_viewer import FilmView, Panel, meaning, show_maps
from explain_core import METHODS, Geometry, Model
from explain_core.images.film import Film, Lookup, Spacing, Window
from explain_core.images.reading import image_from_pixels
from explain_core.truth import Box, Truth
from explain_core.types import Basis, Contrast, LinearBasis, Provenance, StaticBasis

SIZE = (60, 90)
INPUT = (30, 40)
# The network looks at the middle: 5 of 90 columns are cut off on either side.
GEOMETRY = Geometry(SIZE, INPUT, (0.5, 0.5), (0.0, 2.5))
SPACING = Spacing(rows_mm=0.5, columns_mm=0.25, plane="detector")
WINDOWS = (
    Window(900.0, 700.0),
    Window(1000.25, 400.5, "LINEAR_EXACT"),
    Window(800.0, 300.0, "SIGMOID"),
    Lookup(500.0, np.minimum(np.arange(900) ** 1.3, 4000.0), 4000.0),
)
MARK = "SYNTHETIC PHANTOM"
DOUBT = "This map looks like that of every film."
MAP_PANEL, MIXED_PANEL = "grad-cam", "finer-grad-cam-2"


def make_film(seed: int, *, is_inverted: bool = False) -> Film:
    """Return (60, 90) values from -200 to 1,847, in which a corner is padding."""
    rng = np.random.default_rng(seed)
    codes = (
        np.add.outer(np.arange(60) * 20, np.arange(90) * 8) + rng.integers(0, 100, SIZE)
    ).astype(np.uint16)
    codes[:8, :10] = 0
    return Film(
        image=image_from_pixels((codes >> 3).astype(np.uint8)),
        codes=codes,
        values=np.arange(2048) - 200.0,
        counts=np.bincount(np.where(codes == 0, 1, codes).ravel(), minlength=2048)
        * (np.arange(2048) > 0),
        is_padding=np.arange(2048) == 0,
        is_inverted=is_inverted,
        unit="HU",
        windows=WINDOWS,
        spacing=SPACING,
    )


def make_bases() -> dict[str, Basis]:
    """Return a finished map and one that gamma mixes, by panel."""
    rng = np.random.default_rng(7)

    def common(method: str) -> dict[str, Any]:
        provenance = Provenance(method, "m", "0" * 8, "layer", "0" * 8, Contrast(0, (1,)))
        return {"provenance": provenance, "geometry": GEOMETRY}

    maps = rng.normal(size=(2, 6, 8)).astype(np.float32)
    return {
        MAP_PANEL: StaticBasis(**common("grad-cam"), map=rng.normal(size=INPUT).astype(np.float32)),
        MIXED_PANEL: LinearBasis(**common("finer-grad-cam"), maps=maps, weights=np.ones(1)),
    }


def known() -> dict[str, Truth]:
    mask = np.zeros(SIZE, bool)
    mask[20:40, 30:60] = True
    return {"nodule": Truth(mask=mask), "mass": Truth(boxes=(Box(40, 10, 55, 20),))}


FILMS = {
    "first": make_film(0),
    "inverted": make_film(1, is_inverted=True),
    "without spacing": replace(make_film(2), spacing=None),
    "without maps": make_film(3),
}


def main() -> None:
    """Show the film that is chosen, and what the page told of it."""
    st.set_page_config(layout="wide")
    name = st.segmented_control("Film", list(FILMS), default="first", required=True)
    film = FILMS[name]
    # The films and the bases must outlive a run: what was packed of them is known by them.
    bases = st.session_state.setdefault("bases", make_bases())
    methods = {panel: basis.provenance.method for panel, basis in bases.items()}
    panels = [
        Panel(
            name=panel,
            method=methods[panel],
            title=METHODS[methods[panel]].title,
            basis=basis,
            subtitle="A against B",
            reversed_subtitle="B against A",
            foot="",
            meaning=meaning(methods[panel]),
            doubt=DOUBT if panel == MAP_PANEL else "",
        )
        for panel, basis in bases.items()
    ]
    if name == "without maps":
        panels = []
    model = SimpleNamespace(
        to_pixels=lambda _: torch.full((1, 1, *INPUT), 0.5), geometry=lambda _: GEOMETRY
    )
    parameters = METHODS["finer-grad-cam"].parameters_of("render")
    view = FilmView(film, mark=MARK, annotation=known() if name == "first" else None)
    settings = show_maps(
        cast("Model", model),
        film.image,
        panels,
        parameters,
        question="Why A?",
        source="Model m",
        film=view,
    )
    told = {
        "regions": [[each.kind, each.points] for each in settings.regions],
        "rulers": settings.rulers,
        "window": None if settings.window is None else repr(settings.window),
        "is_inverted": settings.is_inverted,
        "gamma": settings.of(MIXED_PANEL)["gamma"] if panels else None,
    }
    with st.container(key="told"):
        st.text(json.dumps(told))


if __name__ == "__main__":
    main()
