"""Where a reader marked the finding: shown over the maps, and what the maps hold inside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from components import caching, state
from components.notices import shown_errors
from components.score_strip import ShownMap
from components.wording import percent
from components.xray.film_input import ChosenFilm
from explain_core import METHODS, METRICS, render
from explain_core.images.annotations import read_annotation
from explain_core.metrics.metric import positive_part, why_undefined
from explain_core.truth import Truth

_ALL = "all findings"
_MAX_MB = 64


@dataclass(frozen=True, eq=False)
class Marked:
    """Hold what is known of where findings lie.

    Attributes:
        truths: on the original film, by what each is.
        whole: all of them together.
        key: tells them from other annotations.
    """

    truths: Mapping[str, Truth]
    whole: Truth
    key: str

    def of(self, shown: ShownMap) -> tuple[str, Truth]:
        """Return what a map is held against: its own finding's annotation, else all of them."""
        if METHODS[shown.name].needs_class and shown.target is not None:
            finding = shown.model.classes[shown.target].strip().lower()
            for name, truth in self.truths.items():
                if name.strip().lower() == finding:
                    return name, truth
        return next(iter(self.truths)) if len(self.truths) == 1 else _ALL, self.whole


@dataclass(frozen=True)
class Measured:
    """Hold how a map agrees with an annotation.

    Attributes:
        against: which one.
        area: share of the film that it covers.
        inside: share of the map's positive evidence that lies in it; None without any.
        peak: share of the map's largest values that lie in it, 1 where all do.
        overlap: IoU with the pixels above Otsu's threshold of the map.
    """

    against: str
    area: float
    inside: float | None = None
    peak: float | None = None
    overlap: float | None = None

    @property
    def texts(self) -> dict[str, str]:
        """Return the figures as people read them, by what they are."""
        if self.inside is None or self.peak is None or self.overlap is None:
            figures = dict.fromkeys(("Share inside", "Peak inside", "Overlap (IoU)"), "no evidence")
        else:
            figures = {
                "Share inside": percent(self.inside),
                "Peak inside": "yes" if self.peak == 1 else "no" if self.peak == 0 else "partly",
                "Overlap (IoU)": f"{self.overlap:.2f}",
            }
        return {"Annotation": self.against, "Its area": percent(self.area)} | figures


def annotation_widgets(chosen: ChosenFilm) -> Marked | None:
    """Show the ways to an annotation and return it; None without."""
    if chosen.case is None:
        return _uploaded(chosen)
    if not chosen.case.findings:
        st.caption("Nothing was drawn into this phantom, so there is nothing to mark.")
        return None
    is_shown = st.toggle(
        "Show where the findings were drawn",
        key=f"{state.XRAY_TRUTH}-{chosen.film.image.digest[:16]}",
        help="Phantoms are drawn here, so where each finding lies is known pixel by pixel.",
    )
    if not is_shown:
        st.caption("Findings were drawn into this phantom: see how well each map finds them.")
        return None
    # Of the findings, also where a marker gives them away: a map that sees it alone misses them.
    case = replace(chosen.case, has_markers=False)
    truths = {name: caching.phantom_truth(case, name) for name in case.findings}
    return Marked(truths, _together(truths, chosen.film.image.size), "drawn")


def show_measures(marked: Marked, maps: Sequence[ShownMap]) -> None:
    """Show how each map agrees with the annotation of its finding."""
    st.dataframe(
        [{"Map": each.title} | measured(marked, each).texts for each in maps], hide_index=True
    )
    st.caption(
        "A map that knows nothing of the film holds about the annotation’s own share of the film "
        "inside. The overlap is of the part of the map above Otsu’s threshold."
    )


def measured(marked: Marked, shown: ShownMap) -> Measured:
    """Return how a map, as it is set now, agrees with the annotation of its finding."""

    def measure() -> Measured:
        against, truth = marked.of(shown)
        area = float(truth.area(shown.image.size).mean())
        values = np.nan_to_num(render(shown.basis, **shown.values).on_original())
        if why_undefined(values):
            return Measured(against, area)
        maps = positive_part(values)[None]
        inside, peak, overlap = (
            float(METRICS[name].measure(maps, truth)[0])
            for name in ("energy-inside", "pointing-game", "iou-otsu")
        )
        return Measured(against, area, inside, peak, overlap)

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
        whole = read_annotation(data, size)
        truths = {label: read_annotation(data, size, label).truth for label in whole.labels}
        return Marked(
            truths or {"your annotation": whole.truth},
            whole.truth,
            hashlib.sha256(data).hexdigest(),
        )
    return None


def _together(truths: Mapping[str, Truth], size: tuple[int, int]) -> Truth:
    area = np.zeros(size, bool)
    for truth in truths.values():
        area |= truth.area(size)
    return Truth(mask=area)
