"""Numbers as people read them."""

from __future__ import annotations

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e5


def minus(text: str) -> str:
    """Return a number's text with a true minus sign."""
    return text.replace("-", "−")


def short(name: str) -> str:
    """Return a class name without its synonyms: "papillon, toy spaniel" is a papillon."""
    return name.split(",")[0]


def percent(probability: float) -> str:
    """Return a probability such as "33.0 %"; what is neither 0 nor 1 is never shown as such."""
    if 0 < probability < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= probability < 1:
        return "> 99.9 %"
    return f"{probability:.1%}".replace("%", " %")


def scientific(value: float) -> str:
    """Return a number as "10⁻³" or "−1.8 · 10⁻³"."""
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return power if mantissa == "1.0" else f"{minus(mantissa)} · {power}"


def number(value: float) -> str:
    """Return a value with three digits, as legends show it."""
    if value == 0:
        return "0"
    if _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return minus(f"{value:.3g}")
    return scientific(value)
