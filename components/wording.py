"""Numbers, names and settings as people read them."""

from __future__ import annotations

import re
import string

from explain_core import Model
from explain_core.types import Basis


def minus(text: str) -> str:
    """Return a number's text with a true minus sign."""
    return text.replace("-", "−")


def class_name(model: Model, index: int) -> str:
    """Return what a class is called in a sentence: a text as it was typed, else the short name."""
    name = model.classes[index]
    return name if model.has_texts else short(name)


def short(name: str) -> str:
    """Return a class name without its synonyms: "papillon, toy spaniel" is a papillon."""
    return name.split(",")[0]


def literal(text: str) -> str:
    """Return a text that markdown shows as it is, whatever a class or a typed text is called."""
    return re.sub(f"([{re.escape(string.punctuation)}])", r"\\\1", text)


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


def took_effect(basis: Basis) -> str:
    """Return what took effect besides the sliders, for a panel's foot."""
    shown = dict(basis.provenance.parameters)
    parts = []
    if "weights" in shown:
        parts.append(f"{shown['weights']} weights")
    if shown.get("top_channels"):
        parts.append(f"the {shown['top_channels']} strongest channels only: an approximation")
    if shown.get("left_out"):
        parts.append("the picture itself left out")
    if "num_samples" in shown:
        parts.append(f"n = {shown['num_samples']}, σ = {shown['spread']:.2f}")
    if "num_masks" in shown:
        parts.append(f"{shown['num_masks']:,} masks of {shown['grid']} × {shown['grid']}")
    if "num_updates" in shown:
        parts.append(f"{shown['num_updates']:,} steps, deleted parts: {shown['perturbation']}")
    if "seed" in shown:
        parts.append(f"seed {shown['seed']}")
    layer = basis.provenance.layer
    parts.append("at the input" if layer == "input" else f"layer {layer}")
    return " · ".join(parts)
