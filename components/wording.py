"""Numbers as people read them."""

from __future__ import annotations


def minus(text: str) -> str:
    """Return a number's text with a true minus sign."""
    return text.replace("-", "−")


def short(name: str) -> str:
    """Return a class name without its synonyms: "papillon, toy spaniel" is a papillon."""
    return name.split(",")[0]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 picture", "2,000 pictures"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def percent(probability: float) -> str:
    """Return a probability such as "33.0 %"; what is neither 0 nor 1 is never shown as such."""
    if 0 < probability < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= probability < 1:
        return "> 99.9 %"
    return f"{probability:.1%}".replace("%", " %")
