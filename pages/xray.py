"""The X-ray reading room: what in a film made the model say this, and can it be believed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from components import caching, state
from components.map_viewer import settings_before, show_maps
from components.map_viewer.film_view import FilmView
from components.model_picker import bank_picker, layer_picker, model_picker
from components.notices import reading_note, show_cautions, show_error
from components.page import page_head, require_navigation
from components.parameter_panel import Values, parameter_widgets, parameters_of
from components.prediction import show_prediction
from components.reference_builder import Place
from components.slow_methods import Prepared, Task, prepare_quick, run_started
from components.xray.annotation import annotation_widgets, show_measures
from components.xray.doubts import Doubt, doubts_of
from components.xray.examine import examine
from components.xray.film_facts import research_notice, show_film_facts
from components.xray.film_input import ChosenFilm, film_input
from components.xray.findings import Finding, findings_of, findings_picker, shown_findings
from components.xray.maps import (
    FindingMap,
    methods_picker,
    panel_of,
    sliders_of,
    tested_map,
    wanted_maps,
)
from components.xray.offered import FIRST_MODEL, PHANTOM_MODELS, RADIOGRAPHS, is_offered
from components.xray.reference import Reference, reference_widgets
from components.xray.report_form import Reported, report_form
from explain_core import ExplainError, Model
from explain_core.methods.cautions import basis_cautions, picture_cautions
from explain_core.types import Array

_LEAD = "What in this film made the model say this?"


@dataclass(frozen=True, eq=False)
class Asked:
    """Hold everything the sidebar says.

    Attributes:
        findings: all that the model knows; empty for a model without classes.
        asked: those asked about.
    """

    place: Place
    chosen: ChosenFilm
    logits: Array | None
    findings: tuple[Finding, ...]
    asked: tuple[Finding, ...]
    reference: Reference
    methods: tuple[str, ...]
    parameters: Values

    @property
    def model(self) -> Model:
        """Return the model."""
        return self.place.model

    @property
    def text(self) -> str:
        """Return the question in words."""
        if self.findings and not any(finding.is_called for finding in self.findings):
            return "The model calls no finding on this film"
        names = [finding.name for finding in self.asked]
        *first, last = names or ["this"]
        said = f"{', '.join(first)} and {last}" if first else last
        is_called = any(finding.is_called for finding in self.asked)
        what = "made the model say" if is_called or not names else "speaks for"
        return f"What in this film {what} {said}, compared with {self.reference.words}?"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what makes all that is said of this film doubtful, in sentences."""
        film, found = self.chosen.film, []
        if self.model.name in PHANTOM_MODELS and self.chosen.case is None:
            found.append(
                f"“{self.model.name}” knows nothing but drawn phantoms: what it says of any other "
                "film means nothing, though the page works. Choose a model that learnt from films."
            )
        if film.modality and film.modality not in RADIOGRAPHS:
            found.append(
                f"The file says that this is no radiograph but {film.modality}: a model of chest "
                "films has not learnt from such pictures."
            )
        cautions = picture_cautions(self.model, film.image)
        return (*found, *(caution.text for caution in cautions))

    @property
    def source(self) -> str:
        """Return what exports say about where the maps come from; no file name."""
        mark = f"; {self.chosen.mark.lower()}" if self.chosen.mark else ""
        return f"Model {self.model.name}{mark}"


def main() -> None:
    """Lay out the page."""
    require_navigation()
    research_notice()
    try:
        with st.sidebar:
            asked = _ask()
    except ExplainError as error:
        page_head(_LEAD)
        show_error(error)
        st.caption("Your films and your settings are kept.")
        return
    page_head(_LEAD if asked is None else asked.text)
    if asked is None:
        st.info(
            "Upload a film on the left, or take a phantom to look round.",
            icon=":material/arrow_back:",
        )
        return
    above, below = st.container(), st.container()
    with above:
        _show_prediction(asked)
        shown, hidden = shown_findings(asked.model, asked.chosen.film.image, asked.asked)
        wanted: dict[str, FindingMap] = {}
        if asked.findings and not shown:
            _say_nothing_shown(asked, hidden)
        else:
            wanted = wanted_maps(
                asked.place,
                asked.chosen.film.image,
                asked.reference,
                asked.methods,
                shown,
                asked.parameters,
            )
        prepared = prepare_quick(wanted)
    with below:
        asked_below = _maps(asked, prepared, wanted)
    run_started(prepared.started, prepared.place)
    for task, place in asked_below:
        run_started([task], place)


def _ask() -> Asked | None:
    """Show the sidebar and return what is asked; None while there is no film."""
    model = model_picker(state.XRAY_MODEL, FIRST_MODEL, is_offered)
    chosen = film_input(model)
    if chosen is None:
        return None
    show_film_facts(chosen)
    image = chosen.film.image
    logits = caching.logits_of(model, image) if model.has_head else None
    findings = () if logits is None else findings_of(model, logits)
    above = st.container()
    with st.expander("Layer, bank and method settings"):
        layer = layer_picker(model)
        bank = bank_picker(model)
        settings_place = st.container()
    place = Place(model, bank, image, layer)
    with above:
        asked = findings_picker(model, image, findings) if findings else ()
        reference = reference_widgets(place, chosen, asked)
        methods = methods_picker(place, reference)
    with settings_place:
        parameters = parameter_widgets(parameters_of(methods, "prepare"))
    return Asked(place, chosen, logits, findings, asked, reference, tuple(methods), parameters)


def _show_prediction(asked: Asked) -> None:
    if asked.logits is None:
        st.markdown("**A model without findings**")
        st.caption("It gives features only: films are compared, nothing is called.")
    else:
        show_prediction(asked.model, asked.logits)
    for warning in asked.warnings:
        st.warning(warning, icon=":material/warning:")


def _in_short(doubts: Sequence[Doubt]) -> str:
    """Return what speaks against a map, for its head."""
    return "; ".join(dict.fromkeys(doubt.words for doubt in doubts))


def _say_nothing_shown(asked: Asked, hidden: Sequence[Finding]) -> None:
    if not hidden:
        st.info("Choose a finding on the left to see its map.", icon=":material/arrow_back:")
    elif not any(finding.is_called for finding in asked.findings):
        st.info(
            "The model calls no finding on this film. There is no map to read: what a method would "
            "draw here explains no finding.",
            icon=":material/check_circle:",
        )


@st.fragment
def _maps(
    asked: Asked, prepared: Prepared, wanted: Mapping[str, FindingMap]
) -> list[tuple[Task, Any]]:
    """Show the maps and what is made of them; sliders run only this part again, never a network.

    Returns:
        What was started below the maps, and where its progress is shown.
    """
    cautions, viewer = st.container(), st.container()
    tabs = st.tabs(["Can it be believed?", "Known annotation", "Report and export"])
    believing, annotating, reporting = tabs
    panels = [
        panel_of(name, wanted[name], basis, asked.reference, prepared.notes.get(name, ""))
        for name, basis in prepared.bases.items()
    ]
    parameters = sliders_of(panels)
    with annotating:
        marked = annotation_widgets(asked.chosen)
    film = FilmView(asked.chosen.film, asked.chosen.mark, None if marked is None else marked.truths)
    settings = settings_before(panels, parameters, viewer=state.XRAY_VIEWER, film=film)
    maps = {
        panel.name: tested_map(wanted[panel.name], panel, settings)
        for panel in panels
        if not prepared.notes.get(panel.name)
    }
    doubts = {
        name: doubts_of(asked.place, asked.chosen.film, asked.reference, each)
        for name, each in maps.items()
    }
    panels = [replace(panel, doubt=_in_short(doubts.get(panel.name, ()))) for panel in panels]
    with viewer:
        show_maps(
            asked.model,
            asked.chosen.film.image,
            panels,
            parameters,
            question=asked.text,
            source=asked.source,
            viewer=state.XRAY_VIEWER,
            film=film,
        )
    found = [
        caution
        for panel in panels
        for caution in basis_cautions(
            panel.basis, settings.of(panel.name), asked.model.gradient_layer
        )
    ]
    with cautions:
        show_cautions(found)
    if marked is not None and maps:
        with annotating:
            show_measures(marked, [each.shown for each in maps.values()])
    started: list[tuple[Task, Any]] = []
    with believing:
        if maps:
            started = examine(
                asked.place,
                asked.chosen.film,
                asked.reference,
                list(maps.values()),
                list(doubts.values()),
            )
        else:
            st.caption("There is no whole map yet to judge.")
    with reporting:
        report_form(
            Reported(
                question=asked.text,
                model=asked.model,
                chosen=asked.chosen,
                findings=asked.findings,
                maps=tuple(
                    (panel, maps[panel.name].shown) for panel in panels if panel.name in maps
                ),
                doubts=tuple(tuple(doubt.text for doubt in each) for each in doubts.values()),
                settings=settings,
                marked=marked,
                cautions=(
                    *asked.warnings,
                    *(
                        f"The model does not call {finding.name} on this film."
                        for finding in asked.asked
                        if not finding.is_called
                    ),
                    *(caution.text for caution in found),
                ),
            )
        )
    reading_note(caching.session_memory().passes)
    return started


main()
