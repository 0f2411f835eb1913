"""The maps that answer a question about a film: one per finding, or one of the whole film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from components import state
from components.map_viewer import Panel, Settings, meaning
from components.method_picker import tell_unfit
from components.parameter_panel import parameters_of
from components.reference_builder import Place
from components.score_strip import ShownMap
from components.slow_methods import Wanted
from components.trust_steps import Tested
from components.wording import took_effect
from components.xray.findings import Finding
from components.xray.reference import Reference
from explain_core import METHODS, Image
from explain_core.methods.method import why_not_at
from explain_core.methods.settings import FILM_LAM, LAM
from explain_core.parameters import Parameter
from explain_core.types import Basis, ParameterValue

MAX_MAPS = 8

_DEFAULT = ["diffcam", "grad-cam"]
_OF_CLASSES = "finer-grad-cam"


@dataclass(frozen=True, eq=False)
class FindingMap(Wanted):
    """Hold one method's question about a finding, told apart from the same about another."""

    @property
    def title(self) -> str:
        """Return the method, and the finding where the map is of one."""
        title = METHODS[self.method].title
        if self.target is None or not METHODS[self.method].needs_class:
            return title
        return f"{title}, {self.model.classes[self.target]}"


def methods_picker(place: Place, reference: Reference) -> list[str]:
    """Show the methods and return the chosen ones that can answer."""
    default = [*_DEFAULT, _OF_CLASSES] if reference.classes else _DEFAULT
    methods = [name for name in METHODS if place.model.has_head or not METHODS[name].needs_class]
    chosen = st.multiselect(
        "Methods",
        methods,
        default=[name for name in default if name in methods],
        format_func=lambda name: METHODS[name].title,
        key=f"{state.XRAY_METHODS}-{reference.kind}-{place.model.name}",
        persist_state="session",
        max_selections=MAX_MAPS,
        select_all=False,
        wrap=True,
        placeholder="Choose at least one method",
    )
    unfit = {name: reason for name in chosen if (reason := _why_not(place, reference, name))}
    tell_unfit(unfit)
    return [name for name in chosen if name not in unfit]


def wanted_maps(
    place: Place,
    image: Image,
    reference: Reference,
    methods: Sequence[str],
    findings: Sequence[Finding],
    parameters: Mapping[str, ParameterValue],
) -> dict[str, FindingMap]:
    """Return the maps to show, by name: of each finding, or one of the film where that is all one.

    Args:
        findings: those that a map may be shown of; none where the model has no classes.
    """
    targets: list[int | None] = [finding.index for finding in findings]
    wanted = {}
    for method in methods:
        known = {p.name for p in METHODS[method].parameters_of("prepare")}
        needs_class = METHODS[method].needs_class
        for target in targets if needs_class else (targets or [None])[:1]:
            name = f"{method}-{target}" if needs_class and len(targets) > 1 else method
            wanted[name] = FindingMap(
                model=place.model,
                image=image,
                method=method,
                target=target,
                references=reference.classes,
                reference_set=reference.pictures,
                layer=place.layer,
                parameters={key: value for key, value in parameters.items() if key in known},
            )
    return dict(list(wanted.items())[:MAX_MAPS])


def sliders_of(panels: Sequence[Panel]) -> list[Parameter]:
    """Return the parameters that sliders drive; λ begins as films want it."""
    return [
        replace(each, default=FILM_LAM) if each.name == LAM.name else each
        for each in parameters_of(dict.fromkeys(panel.method for panel in panels), "render")
    ]


def panel_of(name: str, wanted: FindingMap, basis: Basis, reference: Reference, note: str) -> Panel:
    """Return a map's panel, with what it is in contrast to."""
    about = METHODS[wanted.method]
    target = ""
    if about.needs_class and wanted.target is not None:
        target = wanted.model.classes[wanted.target]
    others = ", ".join(wanted.model.classes[index] for index in wanted.references)
    subtitle, turned = {
        "nothing": (f"for {target}" if target else "of the whole film", ""),
        "classes": (f"{target} against {others}", f"{others} against {target}"),
        "pictures": (f"this film against {reference.words}", ""),
    }[about.compares_with]
    ends = dict(meaning(wanted.method))
    if about.compares_with == "pictures":
        ends["signed"] = (f"less than {reference.short}", f"more than {reference.short}")
    return Panel(
        name=name,
        method=wanted.method,
        title=about.title,
        basis=basis,
        subtitle="knows nothing of the model" if about.is_control else subtitle,
        reversed_subtitle=turned or subtitle,
        foot=" · ".join(filter(None, [note, took_effect(basis)])),
        meaning=ends,
    )


def tested_map(wanted: FindingMap, panel: Panel, settings: Settings) -> Tested:
    """Return a map as it is set now, for scores and tests of trust."""
    shown = ShownMap(
        model=wanted.model,
        image=wanted.image,
        title=f"{panel.title}, {panel.subtitle}",
        basis=panel.basis,
        values=settings.of(panel.name),
        target=wanted.target,
        references=wanted.references,
        reference_set=wanted.reference_set,
    )
    return Tested(shown, wanted)


def _why_not(place: Place, reference: Reference, name: str) -> str | None:
    """Return why a method cannot answer; None if it can."""
    reason = why_not_at(METHODS[name], place.model, place.layer)
    if reason is not None:
        return f"left out: {reason}"
    compares_with = METHODS[name].compares_with
    if compares_with == "classes" and not reference.classes:
        return "left out: it compares findings. Choose “Another finding” to compare with."
    if compares_with == "pictures" and reference.pictures is None:
        return f"left out: it compares with pictures, and there are none of {reference.words}."
    if compares_with == "pictures" and reference.pictures is not None:
        known_at = reference.pictures.layer
        if known_at != place.layer:
            return (
                f"left out: the reference films are known at layer {known_at} only. Choose it "
                "under “Layer, bank and method settings”."
            )
    return None
