"""Small pictures in rows, each with a line of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from explain_core.types import Array

_TILE_PX = 96


@dataclass(frozen=True, eq=False)
class Tile:
    """Hold one small picture.

    Attributes:
        id: of the picture.
        picture: an encoded file, or (h, w, 3) uint8; None where none is at hand.
        text: below it.
    """

    id: int
    picture: bytes | Array | None
    text: str


def gallery(
    tiles: Sequence[Tile], key: str, on_remove: Callable[[int], None] | None = None
) -> None:
    """Show the tiles side by side; with `on_remove`, a button below each calls it with its id."""
    with st.container(horizontal=True, key=f"gallery-{key}", gap="small"):
        for index, tile in enumerate(tiles):
            with st.container(width=_TILE_PX, gap="xxsmall"):
                if tile.picture is not None:
                    st.image(
                        tile.picture,
                        width=_TILE_PX,
                        alt=tile.text,
                        output_format="PNG" if _is_png(tile.picture) else "auto",
                    )
                st.caption(tile.text)
                if on_remove is not None:
                    st.button(
                        "Remove",
                        key=f"{key}-remove-{index}-{tile.id}",
                        on_click=on_remove,
                        args=(tile.id,),
                        type="tertiary",
                        icon=":material/close:",
                    )


def _is_png(picture: bytes | Array) -> bool:
    """Return whether a picture is a PNG; Streamlit would make a JPEG of it, not of every depth."""
    return isinstance(picture, bytes) and picture.startswith(b"\x89PNG")
