"""Can a map be trusted? Tests of one map, on demand, with a verdict in plain words for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from components import caching, state
from components.map_strip import StripMap, map_strip, strip_legend
from components.notices import sentence
from components.score_strip import settings_text
from components.slow_methods import about
from components.trust_charts import short_stage, show_curves, show_stages
from components.trust_steps import Curves, Failed, Forgotten, Step, Tested, Testing
from components.wording import counted, minus
from explain_core import METHODS, render
from explain_core.metrics.randomisation import NUM_PAIRS, Randomisation
from explain_core.metrics.repeatability import SIGMA, Agreement
from explain_core.metrics.verdicts import (
    ONE_PICTURE,
    Verdict,
    controls_verdict,
    noise_verdict,
    seed_verdict,
    weights_verdict,
)
from explain_core.types import Array

_ICONS = {
    True: ":green[:material/check_circle:]",
    None: ":orange[:material/help:]",
    False: ":red[:material/cancel:]",
}
_NO_ICON = ":gray[:material/remove:]"
_NOT_KNOWN = "time not known yet: it is told after the first step"
_HEADLESS = (
    "This method does not look at the classifier, so randomising it alone changes nothing: the "
    "first stage says nothing of the map."
)
TITLES: dict[Step, str] = {
    "curves": "Against the controls",
    "weights": "When the network forgets",
    "noise": "With a little noise",
    "seed": "With another seed",
}
_ABOUT = (
    "Four questions to one map: is it better than maps that know nothing of the model? Does it "
    "change when the network’s weights are drawn at random, on a copy? Does it come out again when "
    "the picture is a little noisy, and with another seed?"
)


def trust_toggle() -> bool:
    """Show the switch that opens the panel and return how it stands."""
    return st.toggle(
        "Can a map be trusted?",
        key=state.TRUST,
        persist_state="session",
        help="Puts one map to the test: against controls, with a network that forgets, and again "
        "with noise or another seed.",
    )


def show_trust(maps: Sequence[Tested]) -> tuple[Testing, Any] | None:
    """Show the panel of the map that is chosen.

    Returns:
        The test that was started and is not done, and where its progress is shown.
    """
    with st.container(key="trust-panel"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            tested = _chosen(maps)
            testing = Testing(tested)
            is_under_way = state.is_started(testing.id) and bool(tested.left)
            state.keep_started_of("trust", {testing.id} if is_under_way else set())
            # Kept free while it runs, lest the offer of the last run is left standing.
            slot = st.empty()
            if tested.left and not is_under_way:
                with slot.container(horizontal=True, vertical_alignment="bottom"):
                    _offer(testing)
        place = st.container()
        _show_findings(tested)
    return (testing, place) if is_under_way else None


def _chosen(maps: Sequence[Tested]) -> Tested:
    if len(maps) == 1:
        return maps[0]
    named = {each.shown.name: each for each in maps}
    first = next((name for name in named if not METHODS[name].is_control), next(iter(named)))
    name = st.selectbox(
        "Map to test",
        list(named),
        index=list(named).index(first),
        format_func=lambda name: named[name].shown.title,
        key=f"{state.TRUST_OF}-{'-'.join(named)}",
        width=260,
    )
    return named[name]


def _offer(testing: Testing) -> None:
    has_begun = len(testing.tested.left) < len(testing.tested.steps)
    if st.button(
        "Go on" if has_begun else "Test it",
        icon=":material/science:",
        key="trust-start",
    ):
        state.start(testing.id)
        st.rerun()
    left = testing.passes.total - testing.passes_done
    told = f"about {_coarsely(testing.seconds)}" if testing.is_time_known else _NOT_KNOWN
    st.markdown(f":gray[{left:,} passes, {told}]", width="content")


def _coarsely(seconds: float) -> str:
    """Return a duration in tens of seconds, minutes or more: "20 s", "1 min", "15 min", "2 h"."""
    if seconds <= 50:
        return f"{10 * max(1, math.ceil(seconds / 10))} s"
    return about(seconds) if seconds >= 90 else "1 min"


def _show_findings(tested: Tested) -> None:
    findings = {step: tested.finding(step) for step in tested.steps}
    if all(found is None for found in findings.values()):
        before = tested.last_values
        if before is not None:
            st.caption(
                f"Tested at {settings_text(before, tested.shown.values)}; set so, what was found "
                "is here again."
            )
        else:
            st.caption(f"{_ABOUT}{_without_seed(tested)}")
        return
    for step, found in findings.items():
        if found is not None:
            _say(step, found)
    if not tested.left:
        if "seed" not in tested.steps:
            st.markdown(f"{_NO_ICON} **{TITLES['seed']}** —{_without_seed(tested)}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{ONE_PICTURE} The marks are ours.", width="content")
            st.page_link("pages/evaluate.py", label="Evaluate", icon=":material/monitoring:")
    for step, found in findings.items():
        if found is not None and not isinstance(found, Failed):
            _show(tested, step, found)


def _without_seed(tested: Tested) -> str:
    if "seed" in tested.steps:
        return ""
    return f" {tested.shown.title} draws nothing at random: the same map with any seed."


# ---- verdicts ----------------------------------------------------------------------------------


def verdict_of(step: Step, found: Any) -> Verdict:
    """Return what a step's finding means."""
    if isinstance(found, Curves):
        return controls_verdict(found.scores, found.controls)
    if isinstance(found, Forgotten):
        return weights_verdict(found.found)
    assert isinstance(found, Agreement)
    return seed_verdict(found) if step == "seed" else noise_verdict(found, SIGMA)


def _say(step: Step, found: Any) -> None:
    if isinstance(found, Failed):
        text, figures, is_good = f"Not tested: {sentence(found.reason)}", "", None
    else:
        verdict = verdict_of(step, found)
        text, figures, is_good = verdict.text, minus(verdict.figures), verdict.is_good
    told = f"  \n:small[:gray[{figures[:1].upper() + figures[1:]}.]]" if figures else ""
    st.markdown(f"{_ICONS[is_good]} **{TITLES[step]}** — {text}{told}")


# ---- what they rest on -------------------------------------------------------------------------


def _show(tested: Tested, step: Step, found: Any) -> None:
    key = f"trust-{step}"
    st.markdown(f"**{TITLES[step]}**")
    if isinstance(found, Curves):
        show_curves(found, tested.shown.title, key)
    elif isinstance(found, Forgotten):
        stages = found.found
        if not METHODS[tested.shown.name].needs_class:
            st.caption(_HEADLESS)
        show_stages(stages, key)
        _strip(tested, stages.original, stages.maps, _stage_texts(stages), key)
        st.caption(_about_stages(tested, found.pictures))
    elif isinstance(found, Agreement):
        texts = [f"ρ = {minus(f'{each:.2f}')}" for each in found.rank_correlations]
        first = render(tested.shown.basis, **tested.shown.values).values
        _strip(tested, first, found.maps, texts, key)


def _strip(tested: Tested, first: Array, maps: Array, texts: Sequence[str], key: str) -> None:
    seen = caching.seen_by(tested.shown.model, tested.shown.image)
    strip = [StripMap(seen, first, "as it is")]
    strip += [StripMap(seen, values, text) for values, text in zip(maps, texts, strict=True)]
    map_strip(strip, f"{key}-maps")
    strip_legend()


def _stage_texts(found: Randomisation) -> list[str]:
    return [
        f"{number} · {short_stage(stage)}: "
        + (
            "nothing left"
            if np.isnan(rho)
            else f"|ρ|\N{NO-BREAK SPACE}{rho:.2f}, SSIM\N{NO-BREAK SPACE}{minus(f'{ssim:.2f}')}"
        )
        for number, (stage, rho, ssim) in enumerate(
            zip(found.stages, found.rank_correlations, found.similarities, strict=True), 1
        )
    ]


def _about_stages(tested: Tested, pictures: str) -> str:
    told = (
        "On a copy of the network, each stage’s weights are drawn anew, with the mean and "
        f"deviation that they had, from the head down; seed {tested.seed}. The dotted lines: of "
        f"{counted(NUM_PAIRS, 'pair')} of random maps as smooth as this one, 95 % are less alike."
    )
    if pictures:
        told += (
            " Every network sees the pictures that it compares with anew; here they are "
            f"{pictures}, so the map as it is may differ from the one above."
        )
    return told
