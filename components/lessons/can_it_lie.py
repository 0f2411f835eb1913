"""Lesson 4: can a picture lie? Maps that never asked the network, and a network that cheats."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from components.lessons import link
from components.lessons.lesson import Answer, Lesson, link_key
from components.lessons.lie_catching import show_catching
from components.lessons.lie_maps import (
    GOOD,
    LETTERS,
    METRICS_ASKED,
    NAME,
    Forgotten,
    Round,
    best_by,
    forgetting_of,
    in_plain_words,
    round_of,
    scores_of,
    verdict_of,
)
from components.map_viewer import Panel, show_maps
from components.wording import minus
from explain_core import METRICS
from explain_core.metrics.metric import Score
from explain_core.metrics.randomisation import Randomisation
from explain_core.metrics.verdicts import weights_verdict
from explain_core.types import Basis

LAST_ROUND = 20
WHAT: Mapping[str, str] = {
    GOOD: "Layer-CAM, made from the network",
    "edges": "an edge detector",
    "center-gaussian": "the same spot on every film",
    "random": "random dots",
}
_SHORT: Mapping[str, str] = {
    GOOD: "Layer-CAM",
    "edges": "Edge detector",
    "center-gaussian": "Spot in the middle",
    "random": "Random dots",
}
_SCORES: Mapping[str, str] = {
    "deletion": "**Deletion** ↓: cover the film, where the map is brightest first. How sure does "
    "the network stay? Low is good: the map's places were what it needed.",
    "rcap": "**RCAP** ↑: show only where the map is brightest. How sure does the network become, "
    "and how much of the map lies there? High is good.",
}

_WIDTHS = (1, 2.3)
_ENDS = {"unsigned": ("none", "most"), "signed": ("against", "for")}


def _show() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        step = st.segmented_control(
            "Step",
            list(_STEPS),
            format_func=_STEPS.__getitem__,
            default="vote",
            required=True,
            key=link_key(NAME, "step"),
            bind="query-params",
            label_visibility="collapsed",
        )
        number = st.number_input(
            "Round",
            min_value=1,
            max_value=LAST_ROUND,
            step=1,
            key=link_key(NAME, "round"),
            bind="query-params",
            help="Another number: another picture, and the maps in another order.",
            width=220,
        )
    _SHOW[step](int(number))


# ---- vote and reveal ---------------------------------------------------------------------------


def _show_vote(number: int) -> None:
    asked = round_of(number)
    side, maps = st.columns(_WIDTHS, gap="medium")
    with maps:
        _show_lined_up(asked, {letter: f"Map {letter}" for letter in LETTERS}, "vote")
    with side:
        st.markdown(
            "A network looked at this film of a chest and said: "
            f"**{in_plain_words(asked.finding)}** (doctors say {asked.finding}). One of the maps "
            "shows why. Two know nothing of the network."
        )
        if _vote(number) is not None:
            st.markdown("Your vote is in. Go on to **2 Reveal**.")


def _show_reveal(number: int) -> None:
    asked = round_of(number)
    side, maps = st.columns(_WIDTHS, gap="medium")
    with side:
        vote = _vote(number)
        if vote is None:
            st.info("Vote first, then see.", icon=":material/how_to_vote:")
        else:
            _reveal(asked, vote)
    with maps:
        if vote is None:
            _show_lined_up(asked, {letter: f"Map {letter}" for letter in LETTERS}, "vote")
        else:
            titles = {letter: f"{letter} · {WHAT[name]}" for letter, name in asked.order.items()}
            _show_lined_up(asked, titles, "reveal")


def _vote(number: int) -> str | None:
    """Show the vote, which stands in the link on the later steps, too."""
    told = st.query_params.get(link_key(NAME, f"vote-{number}"))
    vote: str | None = st.segmented_control(
        "Which map do you trust?",
        LETTERS,
        default=told if told in LETTERS else None,
        key=link_key(NAME, f"choice-{number}"),
        persist_state="session",
    )
    link.put(NAME, f"vote-{number}", vote)
    return vote


def _show_lined_up(asked: Round, titles: Mapping[str, str], step: str) -> None:
    _show_panels(
        asked,
        {letter: (asked.bases[name], titles[letter]) for letter, name in asked.order.items()},
        {letter: "" for letter in asked.order},
        question="Which of these maps was made from the network?",
        viewer=f"lesson-{NAME}-{step}",
    )


def _reveal(asked: Round, vote: str) -> None:
    chosen = asked.order[vote]
    if chosen == GOOD:
        st.success(f"{vote} is {WHAT[GOOD]}.", icon=":material/check_circle:")
    else:
        st.warning(f"{vote} is {WHAT[chosen]}. It never asked the network.", icon=":material/help:")
    scores = scores_of(asked)
    st.markdown(_table(asked, scores))
    verdict = verdict_of(scores)
    st.markdown(
        f"{_SHORT[GOOD]} does better than both maps that never asked the network."
        if verdict.is_good
        else f"{_SHORT[GOOD]}: {verdict.text}"
    )
    st.caption("  \n".join(_SCORES[metric] for metric in METRICS_ASKED))


def _table(asked: Round, scores: Mapping[str, Mapping[str, Score]]) -> str:
    """Return the scores as a table in markdown, a row for each metric."""
    rows = [["", *asked.order], ["---", *["---:"] * len(asked.order)]]
    for metric in METRICS_ASKED:
        best = best_by(scores, metric)
        arrow = "↑" if METRICS[metric].is_higher_better else "↓"
        cells = [
            f"**{_number(scores[name][metric])}**"
            if name == best
            else _number(scores[name][metric])
            for name in asked.order.values()
        ]
        rows.append([f"{METRICS[metric].title} {arrow}", *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _number(score: Score) -> str:
    if score.value is None:
        return "–"
    return minus(f"{round(score.value, 2) + 0.0:.2f}")  # nothing is "-0.00"


# ---- forget ------------------------------------------------------------------------------------


def _show_forgetting(number: int) -> None:
    asked = round_of(number)
    with st.spinner("The network forgets, layer by layer …"):
        found = forgetting_of(asked)
    num_stages = len(found[GOOD].found.stages)
    side, maps = st.columns(_WIDTHS, gap="medium")
    with side:
        stage = st.slider(
            "Layers forgotten, the last first",
            min_value=0,
            max_value=num_stages,
            key=link_key(NAME, "forgotten"),
            bind="query-params",
            help="A forgotten layer has random weights in the place of those that it learned.",
        )
        st.markdown(_forgotten(found, stage))
    with maps:
        _show_panels(
            asked,
            {name: (each.bases[stage], _SHORT[name]) for name, each in found.items()},
            {name: _likeness(each.found, stage) for name, each in found.items()},
            question=f"What is left after {stage} of {num_stages} layers are forgotten?",
            viewer=f"lesson-{NAME}-forget",
        )


def _forgotten(found: Mapping[str, Forgotten], stage: int) -> str:
    """Return what is said beside the slider: at the end what the core's verdicts come to."""
    num_stages = len(found[GOOD].found.stages)
    if stage == 0:
        return "The network knows all that it learned. Make it forget, and watch the maps."
    if stage < num_stages:
        return (
            f"The last {stage} of {num_stages} layers hold random numbers now. A map that shows "
            "what the network learned has to change."
        )
    lines = ["Nothing is left of what it learned."]
    for name, each in found.items():
        if weights_verdict(each.found).is_good:
            lines.append(
                f":green[:material/check_circle:] **{_SHORT[name]}:** changes, so it depends on "
                "what the network learned."
            )
        else:
            lines.append(
                f":red[:material/cancel:] **{_SHORT[name]}:** does not care, much of it stays."
            )
    return "\n\n".join(lines)


def _likeness(found: Randomisation, stage: int) -> str:
    if stage == 0:
        return "the map as it is"
    likeness = float(found.rank_correlations[stage - 1])
    if math.isnan(likeness):
        return "nothing is left of it"
    chance = float(np.nanpercentile(found.random_rank_correlations, 95))
    return f"like the first map: {likeness:.2f}; by chance up to {chance:.2f}"


# ---- maps --------------------------------------------------------------------------------------


def _show_panels(
    asked: Round,
    shown: Mapping[str, tuple[Basis, str]],
    feet: Mapping[str, str],
    *,
    question: str,
    viewer: str,
) -> None:
    """Show finished maps, of which nothing but the titles says what they are.

    Args:
        shown: by the panel's name, map and title.
        feet: what stands below each.
    """
    show_maps(
        asked.model,
        asked.image,
        [
            Panel(
                name=f"map-{name.lower()}",
                method=basis.provenance.method,
                title=title,
                basis=basis,
                subtitle="",
                reversed_subtitle="",
                foot=feet[name],
                meaning=_ENDS,
            )
            for name, (basis, title) in shown.items()
        ],
        (),
        question=question,
        source=f"Model {asked.model.name}, a drawn film with {asked.finding}",
        viewer=viewer,
        is_plain=True,
    )


_STEPS: Mapping[str, str] = {
    "vote": "1 Vote",
    "reveal": "2 Reveal",
    "forget": "3 Forget",
    "catch": "4 Catch it",
}
_SHOW: Mapping[str, Callable[[int], Any]] = {
    "vote": _show_vote,
    "reveal": _show_reveal,
    "forget": _show_forgetting,
    "catch": show_catching,
}
_ANSWERS: Sequence[Answer] = (
    Answer(
        "Yes. It follows the picture so closely that it must be right.",
        False,
        "No. An edge detector follows the picture best of all, and it never asked the network. "
        "In step 3 it does not even notice that the network forgot everything.",
    ),
    Answer(
        "No. A good map of a bad network is still a bad map.",
        False,
        "Not quite. In step 4 the map of the cheating network is right: it shows the mark. "
        "That is how the network was caught.",
    ),
    Answer(
        "Only if it also beats maps that know nothing, and changes when the network forgets.",
        True,
        "Yes. Looks prove nothing. Scores against the controls do, and so does forgetting. Then a "
        "map can tell you something that you did not want to see, like a mark in a corner.",
    ),
)

LESSON = Lesson(
    name=NAME,
    title="Can a picture lie?",
    source="Adebayo et al., Sanity Checks for Saliency Maps, 2018, and the controls of Evaluate",
    do="Vote for the map that you trust. Then go through the steps.",
    see="Some maps look good and know nothing. Which ones do not care what the network learned?",
    question="A map looks sharp and sensible. Can you trust it?",
    answers=tuple(_ANSWERS),
    show=_show,
)
