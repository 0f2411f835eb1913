"""What an exported map says of itself: who made it, of what, and how."""

from __future__ import annotations

import sys
from pathlib import PurePath

from explain_core.types import SaliencyMap

MAKER = "WhyNot"
CAUTION = "Research use; shows what influenced this model, not where disease is."

_FOLDER_PREFIX = "file:"
_MAX_CHARACTERS = 1024


def version() -> str:
    """Return the version of this package."""
    # It stands in the package itself, which imports this module.
    return str(sys.modules["explain_core"].__version__)


def method_name(smap: SaliencyMap) -> str:
    """Return "WhyNot <method>", as one line."""
    return one_line(f"{MAKER} {smap.provenance.method}")


def model_name(smap: SaliencyMap) -> str:
    """Return the model's name; of a folder on this machine only its last part."""
    name = smap.provenance.model
    if name.startswith(_FOLDER_PREFIX):
        name = _FOLDER_PREFIX + PurePath(name.removeprefix(_FOLDER_PREFIX)).name
    return name


def parameters_text(smap: SaliencyMap) -> str:
    """Return every parameter that took effect, as "name=value, ..."; "" where there is none."""
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in smap.provenance.parameters
    )


def map_description(smap: SaliencyMap) -> str:
    """Return one sentence for each of method, model with fingerprint, question and parameters.

    The name of a set of reference pictures is left out: its maker may have called it after a
    patient.
    """
    made = smap.provenance
    asked = f"class {made.contrast.target}" if made.contrast.target is not None else "no class"
    if made.contrast.references:
        asked += f" against {', '.join(map(str, made.contrast.references))}"
    if made.contrast.reference_set is not None:
        asked += " compared with a set of reference pictures"
    parts = [
        f"{method_name(smap)} {version()}",
        f"model {model_name(smap)}, layer {made.layer}, weights {made.fingerprint}",
        f"question: {asked}",
    ]
    if made.parameters:
        parts.append(f"parameters: {parameters_text(smap)}")
    return "; ".join(parts) + "."


def derivation(*sentences: str) -> str:
    """Return sentences and the caution as one text of at most 1024 characters (an ST)."""
    told = [sentence.strip() for sentence in sentences if sentence.strip()]
    told = [sentence if sentence[-1] in ".!?" else f"{sentence}." for sentence in told]
    room = _MAX_CHARACTERS - len(CAUTION) - 1
    return f"{one_line(' '.join(told), room)} {CAUTION}".strip()


def one_line(text: str, max_characters: int = 64) -> str:
    """Return text without control characters and backslashes, which part values, cut to fit."""
    legible = "".join(c if c.isprintable() and c != "\\" else " " for c in text)
    legible = " ".join(legible.split())
    if len(legible) > max_characters:
        legible = f"{legible[: max_characters - 3].rstrip()}..."
    return legible
