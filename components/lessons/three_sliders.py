"""Lesson 3: γ, p and λ, what each keeps of a map and what it throws away."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import cast

import streamlit as st

from components import state
from components.lessons.lesson import Answer, Lesson, link_key
from components.lessons.not_eight_drawing import a_digit, samples
from components.lessons.slider_maps import (
    SLIDERS,
    Change,
    Question,
    Slider,
    change_of,
    map_at,
    question_of,
    size_of,
)
from components.lessons.slider_words import digits_of, formula, in_words, kept
from components.map_viewer import Panel, meaning, show_maps
from components.wording import percent
from explain_core import METHODS, InputError
from explain_core.models.tap import count_passes

NAME = "three-sliders"
VIEWER = f"lesson-{NAME}"
FIRST_SAMPLE = "seven-like-one"

_BEGUN = link_key(NAME, "begun")
_PASSES = link_key(NAME, "passes")
_MAP = link_key(NAME, "map")
_TOLD = link_key(NAME, "told")
_WIDTHS = (1.35, 1)
_UNSURE = ("three-almost-eight", "zero-like-six", "seven-like-one", "four-like-nine")
_GUESSES: Mapping[Change, str] = {"shrinks": "shrink", "stays": "stay", "grows": "grow"}
_CAME: Mapping[Change, str] = {"shrinks": "it shrank", "stays": "it stayed", "grows": "it grew"}
# Slider, map and formula are on one screen, on a phone and on a projector, too. On a phone the
# slider comes below the words: there the formula is the last of them.
_STYLE = f"""
<style>
.st-key-{_MAP} {{ max-width: max(200px, 38vh); }}
[class*="st-key-{NAME}"] .katex {{ font-size: 1.05em; }}
[class*="st-key-{NAME}"] .katex-display {{ margin: 0 0 1rem; }}
@media (max-width: 640px) {{
  .st-key-{_MAP} {{ max-width: max(200px, 32vh); }}
  .st-key-{_TOLD} > :has(.katex) {{ order: 1; }}
}}
</style>
"""


def _show() -> None:
    st.html(_STYLE)
    words, maps = st.columns(_WIDTHS, gap="medium")
    with words, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        slider = _slider()
        sample = _sample()
    asked = question_of(sample)
    begun = _begun()
    with count_passes() as counter:
        with words:
            st.markdown(in_words(slider, asked))
            guess = _guess(slider)
        with maps, st.container(key=_MAP):
            value = _show_map(slider, asked, begun[slider.name], has_slider=guess is not None)
        if guess is not None:
            _keep_in_link(slider, value)
        with words, st.container(gap="xsmall", key=_TOLD):
            is_moved = guess is not None and _text(value) != _text(slider.least)
            in_letters, letters = formula(slider, asked, is_lit=is_moved)
            st.latex(in_letters, width="content")
            st.caption(letters)
            _say(slider, asked, guess, value)
            shown_passes = st.empty()
    num_passes = _passes_so_far(sample, asked, counter.passes)
    shown_passes.markdown(f":material/speed: Network passes so far: **{num_passes}**")


def _slider() -> Slider:
    letters = {slider.letter: slider for slider in SLIDERS}
    letter = st.segmented_control(
        "Slider",
        list(letters),
        default=SLIDERS[0].letter,
        required=True,
        key=link_key(NAME, "slider"),
        bind="query-params",
        label_visibility="collapsed",
        width="content",
    )
    return letters[letter]


def _sample() -> str:
    titles = samples()
    return st.selectbox(
        "Picture",
        _UNSURE,
        index=_UNSURE.index(FIRST_SAMPLE),
        format_func=titles.__getitem__,
        key=link_key(NAME, "sample"),
        bind="query-params",
        label_visibility="collapsed",
        width=200,
    )


def _guess(slider: Slider) -> Change | None:
    chosen: Change | None = st.segmented_control(
        f"Guess: {slider.letter} goes to the right. The bright part of the map will",
        list(_GUESSES),
        format_func=_GUESSES.__getitem__,
        key=link_key(NAME, f"guess-{slider.name}"),
        bind="query-params",
        persist_state="session",
        width="content",
        help="The bright part: the smallest part of the picture that holds half of the map's "
        "strength. A change by less than a tenth counts as “stay”.",
    )
    return chosen


# ---- the map -----------------------------------------------------------------------------------


def _show_map(slider: Slider, asked: Question, begun: float, *, has_slider: bool) -> float:
    """Show the slider's map; return the slider's value.

    Before the guess the map is finished, and there is no slider.
    """
    target, other = digits_of(asked)
    against = {
        "gamma": f"{target} against {other}",
        "p": f"why {target}, compared with nothing",
        "lam": f"against {asked.spectrum.count} pictures of {a_digit(int(other))}",
    }[slider.name]
    set_now = show_maps(
        asked.model,
        asked.image,
        [
            Panel(
                name=slider.method,
                method=slider.method,
                title=f"{slider.letter} · {METHODS[slider.method].title}",
                basis=(asked.bases if has_slider else asked.first)[slider.name],
                subtitle=against,
                reversed_subtitle="",
                foot="",
                meaning=meaning(slider.method),
            )
        ],
        [replace(slider.parameter, default=begun)] if has_slider else [],
        question=f"Why {target}, and not {other}?",
        source=f"Model {asked.model.name}",
        viewer=VIEWER,
        is_plain=True,
    )
    own = set_now.own.get(slider.method, set_now.shared)
    return float(own.get(slider.name, slider.least))


def _passes_so_far(sample: str, asked: Question, num_now: int) -> int:
    """Return how often the network ran for the pictures that this session looked at.

    A picture's passes count for whoever looks at it, though its maps are made once for all.

    Args:
        num_now: passes since the question was asked, in this run of the page.
    """
    state.begin(_PASSES, {})
    counted = cast("dict[str, int]", state.values_of([_PASSES])[_PASSES])
    counted[sample] = counted.get(sample, asked.num_passes) + num_now
    return sum(counted.values())


# ---- the link ----------------------------------------------------------------------------------


def _begun() -> Mapping[str, float]:
    """Return where the sliders begin in this session: where the link says, else on the left."""
    state.begin(_BEGUN, {slider.name: _in_link(slider) for slider in SLIDERS})
    return cast("Mapping[str, float]", state.values_of([_BEGUN])[_BEGUN])


def _in_link(slider: Slider) -> float:
    told = st.query_params.get(link_key(NAME, slider.name), "")
    with suppress(InputError, ValueError):
        return float(slider.parameter.check(float(told)))
    return slider.least


def _keep_in_link(slider: Slider, value: float) -> None:
    """Let the link say where the slider is."""
    key = link_key(NAME, slider.name)
    if state.told(VIEWER, "settings") is None or _text(value) == _text(_in_link(slider)):
        return
    if value == slider.least:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = _text(value)


def _text(value: float) -> str:
    return f"{value:.4g}"


# ---- what is said ------------------------------------------------------------------------------


def _say(slider: Slider, asked: Question, guess: Change | None, value: float) -> None:
    if guess is None:
        st.markdown(":gray[Guess first: then the slider appears.]")
        return
    basis = asked.bases[slider.name]
    first, now = map_at(basis, slider, slider.least), map_at(basis, slider, value)
    if _text(value) == _text(slider.least):
        st.markdown(
            f"The bright part is **{percent(size_of(first))}** of the picture. Now slide "
            f"{slider.letter} to the right."
        )
        return
    came = change_of(first, now)
    held = (
        ":green[:material/check_circle:] Your guess holds."
        if came == guess
        else ":orange[:material/help:] You guessed otherwise."
    )
    st.markdown(
        f"The bright part was **{percent(size_of(first))}** of the picture, now it is "
        f"**{percent(size_of(now))}**: {_CAME[came]}. {held}  \n"
        f"{kept(slider, asked, value, first, now)}"
    )


LESSON = Lesson(
    name=NAME,
    title="γ, p, λ",
    source="Finer-CAM, Guided AbsoluteGrad and DiffCAM",
    do="Choose a slider, guess what it does to the map, then slide. Then the next one.",
    see="The part of the formula that you moved lights up. Watch the count of network passes.",
    question="All three sliders change the map. Which one needs the network to run again?",
    answers=(
        Answer(
            "γ, because it asks about another class.",
            False,
            "No. Slide γ and watch the count of network passes. The network gave the map of each "
            "class once; γ only says how much of one is taken from the other.",
        ),
        Answer(
            "λ, because it compares with many pictures.",
            False,
            "No. Slide λ and watch the count of network passes. The network saw those pictures "
            "once, before you came; λ only weighs what was measured then.",
        ),
        Answer(
            "None of them: they weigh what the network said once.",
            True,
            "Yes. The count of passes stays; only another picture raises it. In each formula the "
            "letter stands outside the network. That is why the map can follow your hand.",
        ),
    ),
    show=_show,
)
