"""Lesson "Scoring maps": what RCAP tells of a map that deletion and insertion cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import combinations
from types import MappingProxyType

import streamlit as st

from components import state
from components.gauss_maps import gauss_maps, gaussians_from, text_of
from components.lessons import link
from components.lessons.lesson import Answer, Lesson, link_key
from explain_core import METRICS
from explain_core.datasets.gaussian_maps import (
    FIGURE_4,
    OBJECT_CLASS,
    Gaussian,
    gaussian_map,
    object_box,
    object_scorer,
)
from explain_core.metrics import Scorer, score_maps

NAME = "scoring-maps"
MAPS = link_key(NAME, "maps")
# Lower bound and interval as in the figure; the others as in the paper's tables.
ASKED = {"rcap": {"lower_bound": 60.0, "interval": 20.0}, "deletion": {}, "insertion": {}}
# With these, one centre and one map at least twice as wide as the other always make a pair.
SAME, APART = 0.001, 0.005
START = (Gaussian(26, 30, 14), Gaussian(60, 44, 34), Gaussian(78, 66, 18), Gaussian(40, 76, 26))

_COMPONENT = f"{NAME}-figures"
_BUTTONS = {"Back to start": START, "The paper’s four maps": FIGURE_4}
_MOST_SCORED = 4096


@cache
def _scorer() -> Scorer:
    return object_scorer()


@lru_cache(maxsize=_MOST_SCORED)
def scores_of(gaussian: Gaussian) -> Mapping[str, float]:
    """Return what each metric of `ASKED` says of a map; the same for all sessions."""
    maps = {"map": gaussian_map(gaussian)}
    found = score_maps(_scorer(), maps, ASKED, target=OBJECT_CLASS)["map"]
    # a Gaussian is above 0 everywhere, so every metric is defined
    return MappingProxyType({name: float(score.value) for name, score in found.items()})  # type: ignore[arg-type]


def pairs_in(scores: Sequence[Mapping[str, float]]) -> list[tuple[int, int]]:
    """Return the maps that deletion and insertion cannot tell apart and RCAP can.

    First the pair that RCAP tells apart most; no map stands in two of them.
    """
    found: list[tuple[int, int]] = []
    for pair in sorted(_alike(scores), key=lambda pair: -_distance(scores, pair, "rcap")):
        is_apart = _distance(scores, pair, "rcap") >= APART
        if is_apart and not any(set(pair) & set(other) for other in found):
            found.append(pair)
    return found


def _alike(scores: Sequence[Mapping[str, float]]) -> list[tuple[int, int]]:
    """Return the pairs that deletion and insertion cannot tell apart."""
    return [
        pair
        for pair in combinations(range(len(scores)), 2)
        if max(_distance(scores, pair, name) for name in ("deletion", "insertion")) <= SAME
    ]


def _distance(scores: Sequence[Mapping[str, float]], pair: tuple[int, int], metric: str) -> float:
    return abs(scores[pair[0]][metric] - scores[pair[1]][metric])


@st.fragment
def _show() -> None:
    told = state.told(_COMPONENT, "told")
    told = told if isinstance(told, Mapping) else {}
    number = told.get("number")
    linked = gaussians_from(st.query_params.get(MAPS))
    gaussians = gaussians_from(told.get("maps")) or linked or START
    scores = [scores_of(each) for each in gaussians]
    pairs = pairs_in(scores)
    gauss_maps(
        _scorer().pixels[0].numpy(),
        object_box(),
        gaussians,
        scores,
        [METRICS[name] for name in ASKED],
        pair=pairs[0] if pairs else (),
        begins=_BUTTONS,
        answered=number if isinstance(number, int) else 0,
        key=_COMPONENT,
    )
    if pairs:
        st.success(_found(pairs, gaussians, scores), icon=":material/check_circle:")
    else:
        st.info(_sought(_alike(scores)), icon=":material/search:")
    if not told.get("moving"):  # browsers bear only so many changes of the address
        _keep_in_link(gaussians)


def _sought(alike: Sequence[tuple[int, int]]) -> str:
    """Return what is said while no pair is found.

    Args:
        alike: maps that deletion and insertion cannot tell apart.
    """
    if alike:
        one, other = alike[0]
        return (
            f"Nearly: deletion and insertion cannot tell M{one + 1} and M{other + 1} apart, but "
            "RCAP cannot either. Make one of them at least twice as wide as the other."
        )
    return (
        "No pair yet. Find two maps with the same deletion and insertion (to within "
        f"{SAME}) but another RCAP (by {APART} or more)."
    )


def _found(
    pairs: Sequence[tuple[int, int]],
    gaussians: Sequence[Gaussian],
    scores: Sequence[Mapping[str, float]],
) -> str:
    """Return what is said of the first pair, and that there is another."""
    pair, *others = pairs
    better, worse = sorted(pair, key=lambda each: -scores[each]["rcap"])
    one, other = gaussians[better], gaussians[worse]
    if (one.across, one.down) == (other.across, other.down):
        why = (
            "Same centre, so both put the pixels in the same order, and deletion and insertion "
            "look at nothing but the order."
        )
    else:
        why = (
            "They lie at different places, but hide the thing equally fast. Can you also find a "
            "pair at one place?"
        )
    too = "".join(f" M{min(each) + 1} and M{max(each) + 1} are a pair, too." for each in others)
    return (
        f"**You found a pair: M{min(pair) + 1} and M{max(pair) + 1}.** "
        f"Deletion {_both('deletion', better, worse, scores)}, "
        f"insertion {_both('insertion', better, worse, scores)}, "
        f"but RCAP {scores[better]['rcap']:.3f} for M{better + 1} "
        f"and {scores[worse]['rcap']:.3f} for M{worse + 1}. {why}{too}"
    )


def _both(metric: str, one: int, other: int, scores: Sequence[Mapping[str, float]]) -> str:
    first, second = scores[one][metric], scores[other][metric]
    if first == second:
        return f"is {first:.3f} for both"
    return f"is the same to within {SAME}"


def _keep_in_link(gaussians: Sequence[Gaussian]) -> None:
    """Let the link say where the maps are, unless they are at the start."""
    text = text_of(gaussians)
    link.put(NAME, "maps", None if text == text_of(START) else text)


LESSON = Lesson(
    name=NAME,
    title="Scoring maps",
    source="Guided AbsoluteGrad, Figure 4",
    do="Drag the four maps over the picture and change their widths. Find two maps that deletion "
    "and insertion cannot tell apart, but RCAP can.",
    see="Three scores for each map. Deletion hides the map’s top pixels first, insertion shows "
    "them first; both watch how much of the dashed thing can be seen. RCAP also asks how much of "
    "the map lies on the pixels that are shown.",
    question="A narrow and a wide map have the same centre. Why is their deletion score the same?",
    answers=(
        Answer(
            "Deletion uses only the order of the pixels.",
            is_right=True,
            because="Yes. Both maps hide the pixels from the centre outwards, in the same order. "
            "RCAP weighs the values too, and so it sees that the wide map spreads over "
            "pixels that do not matter.",
        ),
        Answer(
            "Both maps lie on the thing.",
            is_right=False,
            because="No. Drag both to the same corner: the score gets worse, and it is still the "
            "same for both.",
        ),
        Answer(
            "A wide map is as good as a narrow one.",
            is_right=False,
            because="No. With the centre on the thing, a map of width 25 puts more than half of "
            "itself beside it. Deletion does not notice. Look at RCAP.",
        ),
    ),
    show=_show,
)
