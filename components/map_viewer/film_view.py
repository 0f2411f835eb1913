"""A film as the page shows it: its values for windowing, and what is known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import PIL.Image

from components.map_viewer.message import Message
from explain_core.images.display import film_on_screen
from explain_core.images.film import Film, Lookup, Preset, Spacing, presets
from explain_core.truth import Truth
from explain_core.types import Array

MAX_FILM_PX = 2048
_MAX_MASK_PX = 768
_NAME_LENGTH = 16
KNOWN = "known annotation"


@dataclass(frozen=True, eq=False)
class FilmView:
    """Hold a film that the viewer shows as a reading workstation does.

    Attributes:
        film: windowed in the page; the maps' picture is `film.image`.
        mark: written onto every picture and export, such as "SYNTHETIC PHANTOM".
        annotation: where the evidence is known to lie, outlined over film and maps; several under
            the names that their outlines are to carry, one alone is the "known annotation".
    """

    film: Film
    mark: str = ""
    annotation: Truth | Mapping[str, Truth] | None = None

    @property
    def name(self) -> str:
        """Return what tells the film from another one: what was set belongs to it alone."""
        return f"{self.film.image.digest[:_NAME_LENGTH]}-{self.film.frame}"

    @property
    def key(self) -> Hashable:
        """Return what changes when something else is to be shown."""
        film = self.film
        windows = tuple(
            each if not isinstance(each, Lookup) else len(each.entries) for each in film.windows
        )
        return (
            self.name,
            film.unit,
            film.spacing,
            film.is_inverted,
            windows,
            self.mark,
            tuple((label, _digest(truth)) for label, truth in self.annotations.items()),
        )

    @property
    def annotations(self) -> Mapping[str, Truth]:
        """Return what is annotated, by the name that its outline carries."""
        if self.annotation is None:
            return {}
        return {KNOWN: self.annotation} if isinstance(self.annotation, Truth) else self.annotation


def film_picture(message: Message, film: Film) -> dict[str, Any]:
    """Return the picture of a film: codes at the size of a screen, and how they are windowed."""
    screen = film_on_screen(film, MAX_FILM_PX)
    low, high = film.range_of(0.0, 1.0)
    named = presets(film)
    auto = next(each.voi for each in named if each.name == "auto")
    assert not isinstance(auto, Lookup)
    return {
        "size": film.codes.shape,
        "shown_size": screen.codes.shape,
        "gray": {
            "codes": message.add(screen.codes),
            "low": low,
            "high": high,
            "step": screen.step,
            "first": 1,
            "is_inverted": screen.is_inverted,
            "span": auto.width,
            "presets": [_preset(message, each) for each in named],
        },
    }


def film_header(message: Message, view: FilmView) -> dict[str, Any]:
    """Return what the page knows of a film besides its picture."""
    film = view.film
    spacing = film.spacing
    return {
        "name": view.name,
        "unit": film.unit,
        "is_whole": bool((film.values == np.rint(film.values)).all()),
        "mark": view.mark,
        "spacing": None if spacing is None else asdict(spacing) | _unit(spacing),
        "annotations": [
            {"label": label, **_annotation(message, truth)}
            for label, truth in view.annotations.items()
        ],
    }


def _unit(spacing: Spacing) -> dict[str, str]:
    """Return what a length is called beside it, and of which plane it has to be said once."""
    unit, _, plane = spacing.unit.partition(" ")
    return {"unit": unit, "plane_in_words": plane}


def _digest(truth: Truth) -> str:
    bits = b"" if truth.mask is None else np.packbits(truth.mask).tobytes()
    return hashlib.sha256(f"{truth.boxes}".encode() + bits).hexdigest()


def _preset(message: Message, preset: Preset) -> dict[str, Any]:
    voi = preset.voi
    named = {"name": preset.name, "is_relative": preset.is_relative}
    if isinstance(voi, Lookup):
        entries = message.add(voi.entries.astype(np.float32))
        return named | {"entries": entries, "first": voi.first, "white": voi.white}
    return named | asdict(voi)


def _annotation(message: Message, truth: Truth) -> dict[str, Any]:
    boxes = [(box.top, box.left, box.bottom, box.right) for box in truth.boxes]
    if truth.mask is None:
        return {"boxes": boxes, "mask": None}
    return {"boxes": [], "mask": message.add(_small(truth.mask))}


def _small(mask: Array) -> Array:
    """Return how much of each pixel a mask covers, 0 to 255, small enough to be outlined."""
    levels = PIL.Image.fromarray(mask.astype(np.uint8) * 255)
    scale = min(1.0, _MAX_MASK_PX / max(levels.size))
    width, height = (max(1, round(side * scale)) for side in levels.size)
    return np.asarray(levels.resize((width, height), PIL.Image.Resampling.BOX))
