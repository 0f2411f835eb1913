"""Lesson 3: what each slider does, in plain words, in a formula, and in numbers."""

from __future__ import annotations

from components import colours
from components.lessons.slider_maps import Question, Slider, num_directions, strength_left
from explain_core.types import Array

_LIT = colours.CATEGORIES[1]


def in_words(slider: Slider, asked: Question) -> str:
    """Return in plain words what a slider does."""
    target, other = digits_of(asked)
    return {
        "gamma": f"**γ** (gamma): how much of what speaks for {other} is taken away from what "
        f"speaks for {target}.",
        "p": "**p**: how much of the picture is damped. The network looked at noisy copies of it; "
        "the pixels whose effect varied least are damped.",
        "lam": f"**λ** (lambda): how far to forget that {other}s differ among themselves. Small: "
        f"what all {other}s share counts most. Large: every difference counts alike.",
    }[slider.name]


def formula(slider: Slider, asked: Question, *, is_lit: bool) -> tuple[str, str]:
    """Return a method's formula in LaTeX, and what its letters mean.

    Args:
        is_lit: whether to light up the term that the slider moves.
    """
    target, other = digits_of(asked)

    def term(text: str) -> str:
        return rf"\underline{{\textcolor{{{_LIT}}}{{\boldsymbol{{{text}}}}}}}" if is_lit else text

    taken, guide, ridge = (term(text) for text in (rf"\gamma\,m_{{{other}}}", "P_p", r"\lambda I"))
    return {
        "gamma": (
            rf"M=(m_{{{target}}}-{taken})_+",
            f"$M$: the map. $m_{target}$ speaks for the {target}, $m_{other}$ for the {other}. "
            "$+$: below 0 nothing is shown.",
        ),
        "p": (
            rf"M=\overline{{|g|}}\cdot\begin{{cases}}1,&V\ge {guide}\\V&\end{{cases}}",
            "$M$: the map. $g$: a pixel's effect, in noisy copies. $V$: how it varies. $P_p$: "
            "$p$ % of the pixels vary less.",
        ),
        "lam": (
            rf"M=\textstyle\sum_k w_kA_k,\quad w=(S+{ridge})^{{-1}}\delta",
            rf"$M$: the map. $\delta$: this {target} less the mean {other}. $S$: how the {other}s "
            "vary.",
        ),
    }[slider.name]


def kept(slider: Slider, asked: Question, value: float, first: Array, now: Array) -> str:
    """Return in one sentence what a slider keeps and throws away, with its numbers."""
    _, other = digits_of(asked)
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


def digits_of(asked: Question) -> tuple[str, str]:
    """Return what the network reads, and what comes second."""
    return asked.model.classes[asked.target], asked.model.classes[asked.other]
