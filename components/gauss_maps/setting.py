"""Where the four maps lie, as a short text: so it stands in the link and so the page tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from explain_core.datasets.gaussian_maps import Gaussian
from explain_core.errors import InputError

NUM_MAPS = 4

_ONE = r"(\d{1,3})-(\d{1,3})-(\d{1,3})"
_ALL = re.compile("_".join([_ONE] * NUM_MAPS), re.ASCII)


def text_of(gaussians: Sequence[Gaussian]) -> str:
    """Return the maps as text: "50-50-12_...", across, down and width of each in percent."""
    return "_".join(f"{each.across}-{each.down}-{each.width}" for each in gaussians)


def gaussians_from(text: object) -> tuple[Gaussian, ...] | None:
    """Return the maps that a text from a browser describes; None where it is broken."""
    found = _ALL.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    numbers = [int(each) for each in found.groups()]
    try:
        return tuple(Gaussian(*numbers[at : at + 3]) for at in range(0, len(numbers), 3))
    except InputError:  # outside the picture, or too wide: not from this page
        return None
