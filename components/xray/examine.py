"""Can a map be believed? Its scores, its tests, and what every film's map shows alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from components import state
from components.reference_builder import Place
from components.score_strip import score_button, show_scores
from components.slow_methods import Task
from components.trust_panel import show_trust
from components.trust_steps import Tested
from components.xray.doubts import Doubt, show_summary
from components.xray.honesty import show_honesty
from components.xray.reference import Reference
from explain_core.images.film import Film


def examine(
    place: Place,
    film: Film,
    reference: Reference,
    maps: Sequence[Tested],
    doubts: Sequence[Sequence[Doubt]],
) -> list[tuple[Task, Any]]:
    """Show what speaks against each of the maps, and the evidence for one of them.

    Returns:
        What was started and is not done, and where its progress is shown.
    """
    show_summary(maps, doubts)
    tested = _chosen(maps)
    started = show_honesty(place, film, reference, tested)
    st.markdown("**How well it accounts for the model’s answer**")
    show_scores([tested.shown])
    scores = st.container()
    scoring = score_button([tested.shown])
    if scoring is not None:
        started.append((scoring, scores))
    testing = show_trust([tested])
    return started if testing is None else [*started, testing]


def _chosen(maps: Sequence[Tested]) -> Tested:
    if len(maps) == 1:
        return maps[0]
    names = [each.shown.title for each in maps]
    chosen = st.selectbox("Map to look into", names, key=f"{state.XRAY_EXAMINED}-{'-'.join(names)}")
    return maps[names.index(chosen)]
