"""Making the report: a page for people, and DICOM objects for the archive."""

from __future__ import annotations

import math
import string
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from components import caching, state
from components.film_picture import paint_film
from components.map_viewer import Panel, Settings
from components.notices import shown_errors
from components.report import Report, ReportMap, report_pdf, report_png
from components.report.contents import MAX_MAPS
from components.score_strip import ShownMap, kept_controls, main_settings, metrics_of
from components.wording import minus, percent
from components.xray.annotation import Marked, measured
from components.xray.film_facts import RESEARCH_USE, film_facts
from components.xray.film_input import ChosenFilm
from components.xray.findings import Finding
from explain_core import METHODS, METRICS, Model, render
from explain_core.exports import (
    map_description,
    parametric_map,
    patient_details,
    secondary_capture,
    segmentation,
)
from explain_core.images.film import Film, Lookup, Voi, presets
from explain_core.metrics.region_share import region_share
from explain_core.metrics.verdicts import CONTROL_WORDS
from explain_core.regions import Region
from explain_core.types import Array, SaliencyMap

_CAPTURE_PX = 2048
_FIRST_SHARE = 50
_MAX_TEXT = 2000
_OBJECTS = {
    "Secondary Capture": "the picture with heat map and contours",
    "Parametric Map": "the map’s values, on the film’s own pixels",
    "Segmentation": "where the map reaches a share of its largest value",
}


@dataclass(frozen=True, eq=False)
class Reported:
    """Hold all that a report is made of, as it is on the page now.

    Attributes:
        maps: whole ones, in the order shown, each with its panel.
        doubts: what speaks against each of them, in the same order.
        cautions: on all of them, whole sentences.
    """

    question: str
    model: Model
    chosen: ChosenFilm
    findings: tuple[Finding, ...]
    maps: tuple[tuple[Panel, ShownMap], ...]
    doubts: tuple[tuple[str, ...], ...]
    settings: Settings
    marked: Marked | None
    cautions: tuple[str, ...]

    @property
    def key(self) -> Hashable:
        """Return what changes when the report would say something else."""
        settings, image = self.settings, self.chosen.film.image
        return (
            self.question,
            image.digest,
            tuple(shown.key for _, shown in self.maps),
            tuple(caching.kept_scores(shown.key) is not None for _, shown in self.maps),
            self.doubts,
            settings.regions,
            settings.rulers,
            _window_text(self.chosen, settings),
            settings.is_signed,
            None if self.marked is None else self.marked.key,
        )


def report_form(reported: Reported) -> None:
    """Show the form of the report and of the DICOM objects."""
    _report(reported)
    st.divider()
    if not reported.maps:
        st.caption("There is no whole map yet to export as a DICOM object.")
        return
    if reported.chosen.data is None:
        st.caption(
            "From a DICOM film, its map can be had as DICOM objects that refer to the film’s "
            "series; this film is none."
        )
        return
    _objects(reported)


def _report(reported: Reported) -> None:
    text = st.text_area(
        "Your remarks",
        max_chars=_MAX_TEXT,
        key=f"{state.XRAY_TEXT}-{reported.chosen.film.image.digest[:16]}",
        persist_state="session",
        placeholder="They stand in the report as you type them.",
        height=96,
    )
    details: tuple[tuple[str, str], ...] = ()
    with st.container(horizontal=True, vertical_alignment="center"):
        is_pressed = st.button("Make the report", type="primary", icon=":material/description:")
        if reported.chosen.data is not None and st.checkbox(
            "With the patient’s details",
            key=f"{state.XRAY_PATIENT}-{state.study_round()}",
            help="Name, ID, dates, as far as the file has them. Without this, the report holds "
            "nothing of the patient but the film.",
        ):
            with shown_errors():
                details = patient_details(reported.chosen.data)
    of = (reported.key, text, details)
    if is_pressed:
        with shown_errors(), st.spinner("Making the report …"):
            report = _as_report(reported, text, details)
            files = {"PDF": report_pdf(report), "PNG": report_png(report)}
            state.keep_made("report", state.Made(of, files))
    _downloads("report", of, {"PDF": "application/pdf", "PNG": "image/png"})


def _objects(reported: Reported) -> None:
    titles = [shown.title for _, shown in reported.maps]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.selectbox("Map for the archive", titles, key=state.XRAY_OBJECTS, width=420)
        share = st.number_input(
            "Segmentation from",
            1,
            100,
            _FIRST_SHARE,
            key=state.XRAY_SHARE,
            persist_state="session",
            help="Percent of the map’s largest value: pixels that reach it are inside.",
            width=160,
        )
    panel, shown = reported.maps[titles.index(title)]
    with st.container(horizontal=True, vertical_alignment="center"):
        is_pressed = st.button("Make DICOM objects", icon=":material/deployed_code:")
        with_patient = st.checkbox(
            "With the patient’s details",
            key=f"{state.XRAY_PATIENT}-dicom-{state.study_round()}",
            help="An archive needs them to file the objects with the film. Without this the "
            "patient’s elements are empty; study and series of the film are referred to.",
        )
    of = (reported.key, panel.name, share, with_patient)
    if is_pressed:
        with shown_errors(), st.spinner("Making the DICOM objects …"):
            files = _dicom_files(reported, panel, shown, share / 100, with_patient)
            state.keep_made("objects", state.Made(of, files))
    _downloads("objects", of, dict.fromkeys(_OBJECTS, "application/dicom"))
    st.caption(" · ".join(f"{name}: {what}" for name, what in _OBJECTS.items()))


def _downloads(kind: str, of: Hashable, types: dict[str, str]) -> None:
    """Offer the files that were made last, if they still say what the page shows."""
    made = state.kept_made(kind)
    if made is None:
        return
    if made.of != of:
        st.caption("What is shown has changed since it was made: make it anew.")
        return
    with st.container(horizontal=True):
        for name, content in made.files.items():
            ending = {"application/dicom": "dcm"}.get(types[name], name.lower())
            st.download_button(
                name,
                content,
                file_name=f"whynot-{name.lower().replace(' ', '-')}.{ending}"
                if ending == "dcm"
                else f"whynot-report.{ending}",
                mime=types[name],
                on_click="ignore",
                key=f"download-{kind}-{name}",
                icon=":material/download:",
            )


def _as_report(reported: Reported, text: str, details: tuple[tuple[str, str], ...]) -> Report:
    settings, film = reported.settings, reported.chosen.film
    maps = reported.maps[:MAX_MAPS]
    smaps = [_rendered(panel, shown, settings) for panel, shown in maps]
    metrics = metrics_of(maps[0][1]) if maps else ()
    controls = kept_controls(maps[0][1]) if maps else None
    cautions = [*reported.cautions]
    if len(reported.maps) > len(maps):
        cautions.append(f"The first {len(maps)} of {len(reported.maps)} maps are shown.")
    return Report(
        question=reported.question,
        film=film,
        voi=_voi(reported.chosen, settings),
        is_inverted=settings.is_inverted,
        window_text=_window_text(reported.chosen, settings),
        maps=tuple(
            ReportMap(
                title=_title(panel, shown),
                subtitle=panel.subtitle,
                smap=smap,
                is_signed=smap.is_signed,
                meaning=panel.meaning["signed" if smap.is_signed else "unsigned"],
                settings=main_settings(shown.values),
                scores=_scores(shown),
                notes=(*doubts, *_annotation_note(reported.marked, shown)),
            )
            for (panel, shown), smap, doubts in zip(maps, smaps, reported.doubts, strict=False)
        ),
        model=reported.model.name,
        fingerprint=reported.model.fingerprint,
        made=datetime.now().astimezone(),
        findings=tuple(
            (
                finding.name,
                percent(finding.probability),
                "called" if finding.is_called else "not called",
            )
            for finding in reported.findings
        ),
        score_heads=tuple(METRICS[name].title for name in metrics if controls is not None),
        control_scores=tuple(
            (CONTROL_WORDS[name], tuple(_figure(scored, each) for each in metrics))
            for name, scored in (controls or {}).items()
        ),
        cautions=tuple(dict.fromkeys(cautions)),
        free_text=text,
        patient=details,
        regions=settings.regions,
        region_shares=tuple(
            tuple(_share(smap, region) for smap in smaps) for region in settings.regions
        ),
        annotation=None if reported.marked is None else reported.marked.whole,
        mark=reported.chosen.mark,
        facts=(*film_facts(film), *_lengths(film, settings)),
    )


def _dicom_files(
    reported: Reported, panel: Panel, shown: ShownMap, share: float, with_patient: bool
) -> dict[str, bytes]:
    film, data = reported.chosen.film, reported.chosen.data
    assert data is not None
    smap = _rendered(panel, shown, reported.settings)
    common = {"with_patient": with_patient, "frame": film.frame}
    return {
        "Secondary Capture": secondary_capture(
            data, _picture(reported, smap), description=map_description(smap), **common
        ),
        "Parametric Map": parametric_map(data, smap, description=reported.question, **common),
        "Segmentation": segmentation(data, smap, share=share, label=panel.title, **common),
    }


def _picture(reported: Reported, smap: SaliencyMap) -> Array:
    settings = reported.settings
    return paint_film(
        reported.chosen.film,
        _voi(reported.chosen, settings),
        is_inverted=settings.is_inverted,
        smap=smap,
        is_signed=smap.is_signed,
        regions=settings.regions,
        annotation=None if reported.marked is None else reported.marked.whole,
        mark=reported.chosen.mark or RESEARCH_USE.partition(",")[0],
        max_side_px=_CAPTURE_PX,
    )


def _rendered(panel: Panel, shown: ShownMap, settings: Settings) -> SaliencyMap:
    is_signed = settings.is_signed and METHODS[panel.method].can_be_signed
    return render(panel.basis, signed=is_signed, **shown.values)


def _voi(chosen: ChosenFilm, settings: Settings) -> Voi:
    return presets(chosen.film)[0].voi if settings.window is None else settings.window


def _window_text(chosen: ChosenFilm, settings: Settings) -> str:
    voi = _voi(chosen, settings)
    inverted = ", inverted" if settings.is_inverted else ""
    if isinstance(voi, Lookup):
        return f"the file’s own table{inverted}"
    unit = f" {chosen.film.unit}" if chosen.film.unit else ""
    return minus(f"center {voi.center:g}, width {voi.width:g}{unit}{inverted}")


def _scores(shown: ShownMap) -> tuple[tuple[str, str], ...]:
    scored = caching.kept_scores(shown.key)
    if scored is None:
        return ()
    return tuple((METRICS[name].title, _figure(scored, name)) for name in metrics_of(shown))


def _figure(scored: caching.Scored, metric: str) -> str:
    score = scored.scores[metric]
    return "–" if score.value is None else minus(f"{score.value:.3f}")


def _lengths(film: Film, settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return the rulers' lengths, and their ratio where there are two."""
    spacing = film.spacing
    rows_mm, columns_mm = (spacing.rows_mm, spacing.columns_mm) if spacing else (1.0, 1.0)
    lengths = [
        math.hypot((end[0] - start[0]) * rows_mm, (end[1] - start[1]) * columns_mm)
        for start, end in settings.rulers
    ]
    unit = spacing.unit if spacing else "px"
    told = [
        (f"Ruler {letter}", f"{length:.0f} {unit}")
        for letter, length in zip(string.ascii_lowercase, lengths, strict=False)
    ]
    if len(lengths) == 2 and lengths[1] > 0:
        told.append(("a / b", f"{lengths[0] / lengths[1]:.2f}"))
    return tuple(told)


def _share(smap: SaliencyMap, region: Region) -> str:
    share = region_share(smap, region)
    if share is None:
        return "no positive evidence"
    return f"{percent(share)} (area {percent(float(region.coverage(smap.geometry).mean()))})"


def _title(panel: Panel, shown: ShownMap) -> str:
    """Return the method, with its finding where the map is of one."""
    if not METHODS[panel.method].needs_class or shown.target is None:
        return panel.title
    return f"{panel.title}, {shown.model.classes[shown.target]}"


def _annotation_note(marked: Marked | None, shown: ShownMap) -> tuple[str, ...]:
    if marked is None:
        return ()
    texts = measured(marked, shown).texts
    told = ", ".join(f"{what.lower()} {value}" for what, value in texts.items())
    return (f"Held against a known annotation: {told}.",)
