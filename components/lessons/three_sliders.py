"""Lesson 3: γ, p and λ, what each keeps of a map and what it throws away."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import streamlit as st

from components import colours, state
from components.lessons.lesson import Answer, Lesson, link_key
from components.lessons.not_eight_drawing import samples
from components.lessons.slider_maps import (
    SLIDERS,
    Change,
    Question,
    Slider,
    change_of,
    map_at,
    num_directions,
    question_of,
    size_of,
    strength_left,
)
from components.map_viewer import Panel, meaning, show_maps
from components.wording import percent
from explain_core import METHODS, InputError
from explain_core.types import Array

NAME = "three-sliders"
VIEWER = f"lesson-{NAME}"
FIRST_SAMPLE = "seven-like-one"

_BEGUN = link_key(NAME, "begun")
_MOVED = link_key(NAME, "moved")
_WIDTHS = (1, 1.85)
_UNSURE = ("three-almost-eight", "zero-like-six", "seven-like-one", "four-like-nine")
_LIT = colours.CATEGORIES[1]
_GUESSES: Mapping[Change, str] = {"shrinks": "shrink", "stays": "stay", "grows": "grow"}
_CAME: Mapping[Change, str] = {"shrinks": "it shrank", "stays": "it stayed", "grows": "it grew"}


def _show() -> None:
    cards, maps = st.columns(_WIDTHS, gap="medium")
    with cards:
        asked = question_of(_sample())
    begun = _begun()
    guesses: dict[str, Change] = {}
    formulas: dict[str, Any] = {}
    below: dict[str, Any] = {}
    for slider in SLIDERS:
        with cards, st.container(gap="xsmall", key=link_key(NAME, f"card-{slider.name}")):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                formulas[slider.name] = st.container(width="content")
                guess = _guess(slider)
            if guess is not None:
                guesses[slider.name] = guess
            below[slider.name] = st.container(gap="xsmall")
    with maps:
        values = _show_maps(asked, begun, guesses)
    moved = _keep_in_link(values)
    for slider in SLIDERS:
        formula, letters = _formula(slider, asked, is_lit=slider.name == moved)
        formulas[slider.name].latex(formula)
        with below[slider.name]:
            st.caption(letters)
            _say(slider, asked, guesses.get(slider.name), values.get(slider.name))


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
    )


def _guess(slider: Slider) -> Change | None:
    chosen: Change | None = st.segmented_control(
        f"{slider.letter} up: the map will",
        list(_GUESSES),
        format_func=_GUESSES.__getitem__,
        key=link_key(NAME, f"guess-{slider.name}"),
        bind="query-params",
        width="content",
    )
    return chosen


# ---- the maps ----------------------------------------------------------------------------------


def _show_maps(
    asked: Question, begun: Mapping[str, float], guesses: Mapping[str, Change]
) -> dict[str, float]:
    """Show the maps; return the values of the sliders whose guess was made.

    The others wait: their maps are finished, and there is no slider.
    """
    target, other = (asked.model.classes[each] for each in (asked.target, asked.other))
    against = {
        "gamma": f"{target} against {other}",
        "p": f"why {target}, compared with nothing",
        "lam": f"against {asked.spectrum.count} pictures of a {other}",
    }
    set_now = show_maps(
        asked.model,
        asked.image,
        [
            Panel(
                name=slider.method,
                method=slider.method,
                title=f"{slider.letter} · {METHODS[slider.method].title}",
                basis=(asked.bases if slider.name in guesses else asked.first)[slider.name],
                subtitle=against[slider.name],
                reversed_subtitle="",
                foot="",
                meaning=meaning(slider.method),
            )
            for slider in SLIDERS
        ],
        [
            replace(slider.parameter, default=begun[slider.name])
            for slider in SLIDERS
            if slider.name in guesses
        ],
        question=f"Why {target}, and not {other}?",
        source=f"Model {asked.model.name}",
        viewer=VIEWER,
        is_plain=True,
    )
    return {
        slider.name: float(set_now.own.get(slider.method, set_now.shared)[slider.name])
        for slider in SLIDERS
        if slider.name in guesses
    }


# ---- the link ----------------------------------------------------------------------------------


def _begun() -> Mapping[str, float]:
    """Return where the sliders begin in this session: where the link says, else on the left."""
    state.begin(_BEGUN, {slider.name: _in_link(slider) for slider in SLIDERS})
    begun: Mapping[str, float] = state.values_of([_BEGUN])[_BEGUN]  # type: ignore[assignment]
    return begun


def _in_link(slider: Slider) -> float:
    told = st.query_params.get(link_key(NAME, slider.name), "")
    with suppress(InputError, ValueError):
        return float(slider.parameter.check(float(told)))
    return slider.least


def _keep_in_link(values: Mapping[str, float]) -> str | None:
    """Let the link say where the sliders are; return the one that was moved last, or None."""
    names = [slider.name for slider in SLIDERS]
    moved = st.query_params.get(_MOVED)
    if state.told(VIEWER, "settings") is not None:
        for slider in SLIDERS:
            key = link_key(NAME, slider.name)
            value = values.get(slider.name)
            if value is None or _text(value) == _text(_in_link(slider)):
                continue
            moved = slider.name
            st.query_params[_MOVED] = moved
            if value == slider.least:
                st.query_params.pop(key, None)
            else:
                st.query_params[key] = _text(value)
    return moved if moved in names else None


def _text(value: float) -> str:
    return f"{value:.4g}"


# ---- what is said ------------------------------------------------------------------------------


def _formula(slider: Slider, asked: Question, *, is_lit: bool) -> tuple[str, str]:
    """Return a method's formula in LaTeX, and what its letters mean.

    Args:
        is_lit: whether to light up the term that the slider moves.
    """
    target, other = (asked.model.classes[each] for each in (asked.target, asked.other))

    def term(text: str) -> str:
        return rf"\underline{{\textcolor{{{_LIT}}}{{\boldsymbol{{{text}}}}}}}" if is_lit else text

    taken, guide, ridge = (term(text) for text in (rf"\gamma\,m_{{{other}}}", "P_p", r"\lambda I"))
    return {
        "gamma": (
            rf"M=(m_{{{target}}}-{taken})_+",
            f"$m_{target}$ speaks for the {target}, $m_{other}$ for the {other}. "
            "$+$: below 0 nothing is shown.",
        ),
        "p": (
            rf"M=\overline{{|g|}}\cdot\begin{{cases}}1,&V\ge {guide}\\V&\end{{cases}}",
            "$g$: gradients of noisy copies. $V$: how they vary, $P_p$ its p-th percentile.",
        ),
        "lam": (
            r"\begin{aligned}M&=\textstyle\sum_k w_kA_k\\"
            rf"w&=(S+{ridge})^{{-1}}\delta\end{{aligned}}",
            rf"$\delta$: this {target} less the mean {other}. $S$: how the {other}s vary.",
        ),
    }[slider.name]


def _say(slider: Slider, asked: Question, guess: Change | None, value: float | None) -> None:
    if guess is None or value is None:
        st.markdown(":gray[Guess first: then the slider appears.]")
        return
    basis = asked.bases[slider.name]
    first, now = map_at(basis, slider, slider.least), map_at(basis, slider, value)
    if _text(value) == _text(slider.least):
        st.markdown(
            f"Half of the map lies on **{percent(size_of(first))}** of the picture. Now slide "
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
        f"Half of it lay on **{percent(size_of(first))}** of the picture, now on "
        f"**{percent(size_of(now))}**: {_CAME[came]}. {held}  \n"
        f"{_kept(slider, asked, value, first, now)}"
    )


def _kept(slider: Slider, asked: Question, value: float, first: Array, now: Array) -> str:
    """Return in one sentence what a slider keeps and throws away, with its numbers."""
    other = asked.model.classes[asked.other]
    left = f"{100 * strength_left(first, now):.0f} %"
    if slider.name == "gamma":
        return (
            f"Takes away {value:.2f} × what speaks for {other}, keeps the rest: {left} of its "
            "strength."
        )
    if slider.name == "p":
        return (
            f"Keeps the {100 - value:.0f} % of pixels that vary most, damps the others: {left} of "
            "its strength is left."
        )
    kept, count = num_directions(asked.spectrum, value)
    return (
        f"Minds how the {other}s vary in {kept:.1f} of {count} directions; in the others only the "
        "plain difference counts."
    )


LESSON = Lesson(
    name=NAME,
    title="γ, p, λ",
    source="Finer-CAM, Guided AbsoluteGrad and DiffCAM",
    do="Guess first what a slider does to its map. Then slide.",
    see="The map moves while you drag. Let go: the part of the formula that you moved lights up.",
    question="All three sliders change the map. Which one needs the network to run again?",
    answers=(
        Answer(
            "γ, because it asks about another class.",
            False,
            "No. The network gave the map of each class once. γ only says how much of one is "
            "taken from the other.",
        ),
        Answer(
            "λ, because it compares with many pictures.",
            False,
            "No. The network saw those pictures once, before you came. λ only weighs what was "
            "measured then.",
        ),
        Answer(
            "None of them: they weigh what the network said once.",
            True,
            "Yes. In each formula the letter stands outside the network. That is why the map can "
            "follow your hand, and why it stays exact.",
        ),
    ),
    show=_show,
)
