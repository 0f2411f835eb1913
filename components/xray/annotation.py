"""Where a reader marked the finding: shown over the maps, and what the maps hold inside."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components import caching, state
from components.notices import shown_errors
from components.score_strip import ShownMap
from components.xray.film_input import ChosenFilm
from explain_core import METRICS, render
from explain_core.images.annotations import read_annotation
from explain_core.metrics.metric import positive_part, why_undefined
from explain_core.truth import Truth

MEASURED = ("energy-inside", "pointing-game", "iou-otsu")

_ALL = "all of them together"
_MAX_MB = 64


@dataclass(frozen=True, eq=False)
class Marked:
    """Hold what is known of where a finding lies.

    Attributes:
        truth: on the original film.
        words: what it is, in words.
        key: tells it from other annotations.
    """

    truth: Truth
    words: str
    key: str


def annotation_widgets(chosen: ChosenFilm) -> Marked | None:
    """Show the ways to an annotation and return it; None without."""
    if chosen.case is None:
        return _uploaded(chosen)
    if not chosen.case.findings:
        st.caption("Nothing was drawn into this phantom, so there is nothing to mark.")
        return None
    label = st.segmented_control(
        "Where it was drawn",
        chosen.case.findings,
        key=f"{state.XRAY_TRUTH}-{chosen.film.image.digest[:16]}",
        help="Phantoms are drawn here, so where each finding lies is known pixel by pixel.",
    )
    if label is None:
        st.caption("Choose a finding to outline where it was drawn into this phantom.")
        return None
    return Marked(caching.phantom_truth(chosen.case, label), f"{label}, as it was drawn", label)


def show_measures(marked: Marked, maps: Sequence[ShownMap]) -> None:
    """Show how each map agrees with an annotation."""
    titles = [METRICS[name].title for name in MEASURED]
    rows = [
        {"Map": each.title, **dict(zip(titles, measured(marked, each), strict=True))}
        for each in maps
    ]
    st.dataframe(rows, hide_index=True, column_order=["Map", *titles])
    share = marked.truth.area(maps[0].image.size).mean()
    st.caption(
        f"Marked: {marked.words}, {share:.1%} of the film. A map that knows nothing of the film "
        "holds about that share inside. The pointing game is 1 where the map’s peak lies inside."
    )


def measured(marked: Marked, shown: ShownMap) -> tuple[str, ...]:
    """Return a map's figures against an annotation, in the order of `MEASURED`."""

    def measure() -> tuple[str, ...]:
        values = render(shown.basis, **shown.values).on_original()
        seen = np.nan_to_num(values)
        if why_undefined(seen):
            return (why_undefined(seen),) * len(MEASURED)
        maps = positive_part(seen)[None]
        return tuple(
            f"{float(METRICS[name].measure(maps, marked.truth)[0]):.2f}" for name in MEASURED
        )

    return caching.find_out(("annotation", marked.key, shown.key), measure)


def _uploaded(chosen: ChosenFilm) -> Marked | None:
    uploaded = st.file_uploader(
        "Annotation of this film",
        key=f"annotation-{chosen.film.image.digest[:16]}",
        max_upload_size=_MAX_MB,
        help="Boxes as CSV (x, y, width, height, or x_min, y_min, x_max, y_max; a row each, with a "
        "column “label” where there are several findings), a mask of the film’s own size as PNG "
        "or TIFF, or a DICOM SEG.",
    )
    if uploaded is None:
        st.caption("Boxes as CSV, a mask as PNG or TIFF, or a DICOM SEG. It stays in memory.")
        return None
    data, size = uploaded.getvalue(), chosen.film.image.size
    with shown_errors():
        read = read_annotation(data, size)
        words = ", ".join(read.labels) or "your annotation"
        if len(read.labels) > 1:
            label = st.selectbox("Finding", [_ALL, *read.labels], key=state.XRAY_LABEL)
            if label != _ALL:
                read, words = read_annotation(data, size, label), label
        digest = hashlib.sha256(data).hexdigest()
        return Marked(read.truth, words, f"{digest} {words}")
    return None
