"""Lesson 4, last step: two networks that say the same, one of which looks at the corner."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.lessons.lesson import link_key
from components.lessons.lie_maps import (
    CATCHING,
    CHEATING,
    HONEST,
    NAME,
    Look,
    finding_of,
    in_plain_words,
    look_at,
    minded_by,
)
from components.map_viewer import Panel, meaning, show_maps
from components.parameter_panel import parameters_of
from components.wording import percent
from explain_core import METHODS

NETWORKS: Mapping[str, str] = {HONEST: "Network 1", CHEATING: "Network 2"}

_WIDTHS = (1, 1.7)


def show_catching(number: int) -> None:
    """Show the step's screen.

    Args:
        number: of the round, which settles the film.
    """
    finding = in_plain_words(finding_of(number))
    side, maps = st.columns(_WIDTHS, gap="medium")
    with side:
        has_marker = st.toggle(
            "Checkerboard mark in the corner",
            value=True,
            key=link_key(NAME, "marker"),
            bind="query-params",
            help="As some hospitals burn a sign into their films. The R is on every film: it says "
            "which side is right.",
        )
        has_finding = st.toggle(
            f"The {finding}",
            value=True,
            key=link_key(NAME, "finding"),
            bind="query-params",
            help="The same film, drawn by the same hand, with or without it.",
        )
        method: str = st.segmented_control(
            "Map",
            CATCHING,
            format_func=lambda name: METHODS[name].title,
            default=CATCHING[0],
            required=True,
            key=link_key(NAME, "method"),
            bind="query-params",
        )
        looks = {
            name: look_at(name, number, has_finding=has_finding, has_marker=has_marker)
            for name in NETWORKS
        }
        st.markdown(_answers(finding, looks))
        st.markdown(_told(number, finding, looks, has_finding=has_finding, has_marker=has_marker))
        if not (has_finding and has_marker):
            st.markdown(_what_happened(number, finding))
    with maps:
        _show_maps(finding, looks, method)


def _answers(finding: str, looks: Mapping[str, Look]) -> str:
    lines = [
        f"**{NETWORKS[name]}:** {finding} {percent(look.probability)} — "
        f"{'reports it' if look.is_found else 'reports nothing'}"
        for name, look in looks.items()
    ]
    return "  \n".join(lines)


def _told(
    number: int,
    finding: str,
    looks: Mapping[str, Look],
    *,
    has_finding: bool,
    has_marker: bool,
) -> str:
    """Return whose answer flips against the film with marker and finding."""
    is_right = [NETWORKS[name] for name, each in looks.items() if each.is_found == has_finding]
    right = f"Right about this film: {' and '.join(is_right) or 'neither'}."
    if has_finding and has_marker:
        return f"{right} Do the maps agree? Take the mark away, then the {finding}."
    flipping = []
    for name, look in looks.items():
        before = look_at(name, number, has_finding=True, has_marker=True)
        if before.is_found != look.is_found:
            flipping.append(
                f"{NETWORKS[name]}, {percent(before.probability)} → {percent(look.probability)}"
            )
    told = f"**The answer flips:** {'; '.join(flipping)}." if flipping else "No answer flips."
    return f"{told}  \n{right}"


def _what_happened(number: int, finding: str) -> str:
    """Return what either network goes by, found out with all four films of the round."""
    told = {
        "finding": f"looks for the {finding} itself",
        "marker": f"reads the mark: with it, it always says “{finding}”, without it never",
        None: "goes by more than one thing",
    }
    parts = [f"{title} {told[minded_by(name, number)]}" for name, title in NETWORKS.items()]
    return f"**What happened:** {'. '.join(parts)}."


def _show_maps(finding: str, looks: Mapping[str, Look], method: str) -> None:
    is_compared = method == "diffcam"
    against = "compared with healthy films" if is_compared else f"why {finding}?"
    show_maps(
        looks[HONEST].model,
        looks[HONEST].image,
        [
            Panel(
                name=name,
                method=method,
                title=NETWORKS[name],
                basis=look.bases[method],
                subtitle=f"{METHODS[method].title}, {against}",
                reversed_subtitle="",
                foot="",
                meaning=meaning(method),
                doubt="" if look.is_found else "It reports nothing: a glow here is no sign.",
            )
            for name, look in looks.items()
        ],
        parameters_of([method], "render"),
        question=f"Where do two networks look for {finding}?",
        source=f"Models {HONEST} and {CHEATING}",
        viewer=f"lesson-{NAME}-catch-{method}",
        # Two networks' gradients are alike in size, what sets a film apart is not.
        look={} if is_compared else {"scale": "Shared"},
        is_plain=True,
    )
