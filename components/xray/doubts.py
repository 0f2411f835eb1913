"""What is known to speak against a map; whoever asks, no network runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import streamlit as st

from components import caching
from components.reference_builder import Place
from components.score_strip import kept_controls
from components.trust_panel import TITLES, verdict_of
from components.trust_steps import Failed, Tested
from components.wording import literal
from components.xray.mean_maps import reference_maps
from components.xray.reference import Reference
from explain_core import METHODS, render
from explain_core.honesty.marks import marks_near_peak
from explain_core.honesty.mean_map import alikeness, border_peaks
from explain_core.images.film import Film
from explain_core.metrics.verdicts import controls_verdict


@dataclass(frozen=True)
class Doubt:
    """Hold what speaks against a map: in a few words, and in sentences."""

    words: str
    text: str


def doubts_of(place: Place, film: Film, reference: Reference, tested: Tested) -> tuple[Doubt, ...]:
    """Return what speaks against a map, as far as it was looked at."""
    if METHODS[tested.shown.name].is_control:
        return (Doubt("a control", "It is a control: it knows nothing of the model."),)
    found = (*_on_the_film(place, film, reference, tested), *_of_tests(tested))
    return tuple(doubt for doubt in found if doubt.text)


def is_wholly_tested(tested: Tested) -> bool:
    """Return whether scores and all tests were asked for at these settings."""
    return not tested.left and caching.kept_scores(tested.shown.key) is not None


def show_summary(tested: Sequence[Tested], doubts: Sequence[Sequence[Doubt]]) -> None:
    """Show a line for each map: what speaks against it, or that nothing does so far."""
    for each, found in zip(tested, doubts, strict=True):
        icon = ":orange[:material/warning:]" if found else ":green[:material/check_circle:]"
        if not found and not is_wholly_tested(each):
            icon = ":gray[:material/pending:]"
        said = " ".join(doubt.text for doubt in found) or "Nothing was found against it."
        open_ = "" if is_wholly_tested(each) else " :gray[Not yet scored and tested below.]"
        st.markdown(f"{icon} **{literal(each.shown.title)}** — {said}{open_}")


def _on_the_film(place: Place, film: Film, reference: Reference, tested: Tested) -> Iterator[Doubt]:
    smap = render(tested.shown.basis, **tested.shown.values)
    yield Doubt("near text or a marker", marks_near_peak(smap, caching.marks_on(film)).text)
    wish = reference_maps(place.bank, reference.label, tested)
    if wish is not None and wish.is_kept():
        mean = wish.mean()
        alike = alikeness(smap, mean)
        yield Doubt("the same on most films", alike.text if alike.is_alike else "")
        yield Doubt("most films peak at the border", border_peaks(mean))


def _of_tests(tested: Tested) -> Iterator[Doubt]:
    scored, controls = caching.kept_scores(tested.shown.key), kept_controls(tested.shown)
    is_told_below = "curves" in tested.steps and tested.finding("curves") is not None
    if scored is not None and controls is not None and not is_told_below:
        others = {name: each.scores for name, each in controls.items()}
        verdict = controls_verdict(scored.scores, others)
        yield Doubt("does not beat every control", "" if verdict.is_good else verdict.text)
    for step in tested.steps:
        found = tested.finding(step)
        words = f"test “{TITLES[step].lower()}”"
        if isinstance(found, Failed):
            yield Doubt(f"{words} impossible", f"{TITLES[step]}: not tested, as {found.reason}.")
        elif found is not None:
            verdict = verdict_of(step, found)
            text = "" if verdict.is_good else f"{TITLES[step]}: {verdict.text}"
            yield Doubt(f"{words} not passed", text)
