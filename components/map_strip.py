"""Finished maps in a row, each over its own picture, with one legend for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components import colours
from components.gallery import Tile, gallery
from explain_core.maps import normalise, relu
from explain_core.types import Array

_OPACITY = 0.6
_SIDE_PX = 192
_LEGEND_PX = 180


@dataclass(frozen=True, eq=False)
class StripMap:
    """Hold one map of a strip.

    Attributes:
        picture: (H, W, 3) uint8, as the network sees it.
        values: (H, W), signed.
        text: below it.
    """

    picture: Array
    values: Array
    text: str


def map_strip(maps: Sequence[StripMap], key: str, *, is_signed: bool = False) -> None:
    """Show the maps side by side, each scaled to its own largest value; `strip_legend` explains."""
    gallery(
        [Tile(index, _overlay(each, is_signed), each.text) for index, each in enumerate(maps)],
        key,
    )


def _overlay(shown: StripMap, is_signed: bool) -> Array:
    values = shown.values if is_signed else relu(shown.values)
    level = normalise(values, is_signed)
    table = colours.lookup_table(colours.DIVERGING if is_signed else colours.SEQUENTIAL[0])
    share = (level + 1) / 2 if is_signed else level
    painted = table[np.rint(share * 255).astype(np.uint8)].astype(np.float32)
    alpha = _OPACITY * (np.abs(level)[..., None] if is_signed else 1.0)
    mixed = shown.picture * (1 - alpha) + painted * alpha
    factor = max(1, round(_SIDE_PX / max(level.shape)))
    large = np.rint(mixed).astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1)
    result: Array = large
    return result


def strip_legend(is_signed: bool = False) -> None:
    """Show what the colours of strips mean."""
    low, high = ("has less", "has more") if is_signed else ("none", "most")
    table = colours.lookup_table(colours.DIVERGING if is_signed else colours.SEQUENTIAL[0])
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(low, width="content")
        st.image(table[None].repeat(12, axis=0), width=_LEGEND_PX, alt=f"from {low} to {high}")
        st.caption(f"{high} — each map by its own largest value", width="content")
