"""Colour maps and numbers of legends."""

from __future__ import annotations

import numpy as np
import pytest

from components import colours


@pytest.mark.parametrize("name", [*colours.SEQUENTIAL, colours.DIVERGING])
def test_a_lookup_table_has_256_colours(name: str) -> None:
    table = colours.lookup_table(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert not table.flags.writeable
    assert len(np.unique(table, axis=0)) > 150


def luminance(table: np.ndarray) -> np.ndarray:
    """Return the relative luminance of sRGB (WCAG 2)."""
    shares = table / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("name", ["Cividis", "Viridis", "Inferno", "Gray"])
def test_a_sequential_colour_map_grows_lighter_all_the_way(name: str) -> None:
    assert (np.diff(luminance(colours.lookup_table(name))) > -1e-3).all()


def test_the_default_colours_never_fall_in_luminance() -> None:
    light = luminance(colours.lookup_table(colours.SEQUENTIAL[0]))
    assert (np.diff(light) >= -2e-4).all()
    assert light[-1] - light[0] > 0.7


def test_only_jet_is_called_misleading() -> None:
    falling = [
        name
        for name in colours.SEQUENTIAL
        if (np.diff(luminance(colours.lookup_table(name))) < -1e-3).any()
    ]
    assert falling == list(colours.MISLEADING)
    assert colours.label("Jet") == "Jet (misleading)"
    assert colours.label("Cividis") == "Cividis"


def test_the_signed_colours_are_lightest_in_the_middle() -> None:
    light = luminance(colours.lookup_table(colours.DIVERGING))
    assert np.argmax(light) in (127, 128)
    blue, orange = colours.lookup_table(colours.DIVERGING)[[0, -1]].astype(int)
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]
