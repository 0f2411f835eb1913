"""Where the evidence lies on a picture, for maps to be held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array, read_only


@dataclass(frozen=True)
class Box:
    """Bound a region in pixels of the original picture; `bottom` and `right` lie outside.

    Raises:
        InputError: edges that are not finite or enclose nothing.
    """

    top: float
    left: float
    bottom: float
    right: float

    def __post_init__(self) -> None:
        edges = (self.top, self.left, self.bottom, self.right)
        if not all(map(np.isfinite, edges)) or self.top >= self.bottom or self.left >= self.right:
            raise InputError(
                f"a box must have top < bottom and left < right, all finite; got top {self.top:g}, "
                f"left {self.left:g}, bottom {self.bottom:g}, right {self.right:g}"
            )


@dataclass(frozen=True)
class Part:
    """Name a keypoint at (row, column), in pixels of the original picture.

    Attributes:
        is_visible: False where the part is hidden; its place then means nothing.
    """

    name: str
    row: float
    column: float
    is_visible: bool = True


@dataclass(frozen=True, eq=False)
class Truth:
    """State where the evidence lies on the original picture.

    Attributes:
        mask: (H0, W0) bool.
        boxes: what encloses the evidence, where no mask is known.
        parts: keypoints of what differs from the other class; where none is named, of everything.
    """

    mask: Array | None = None
    boxes: tuple[Box, ...] = ()
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if self.mask is not None:
            if self.mask.ndim != 2:
                raise InputError(f"a mask must be (height, width), not {self.mask.shape}")
            object.__setattr__(self, "mask", read_only(self.mask.astype(bool, copy=False)))

    def area(self, size: tuple[int, int]) -> Array:
        """Return the evidence as (H0, W0) bool: the mask, else the union of the boxes.

        A pixel belongs to a box that holds its centre.

        Args:
            size: (H0, W0) of the original picture.

        Raises:
            InputError: neither mask nor box, nothing inside the picture, or a mask of another size.
        """
        if self.mask is not None:
            area = self.mask
        elif self.boxes:
            rows, columns = (np.arange(length) + 0.5 for length in size)
            area = np.zeros(size, bool)
            for box in self.boxes:
                inside_rows = (rows >= box.top) & (rows < box.bottom)
                inside_columns = (columns >= box.left) & (columns < box.right)
                area |= inside_rows[:, None] & inside_columns
        else:
            raise InputError(
                "there is no mask and no box for this picture, so its map cannot be held against "
                "the truth; choose pictures with masks or boxes"
            )
        if area.shape != tuple(size):
            raise InputError(
                f"the mask is {area.shape[0]} x {area.shape[1]}, but the picture is "
                f"{size[0]} x {size[1]}; a mask must be of the picture's own size"
            )
        if not area.any():
            raise InputError(
                "the mask or the boxes are empty inside the picture, so there is no evidence to "
                "find; leave this picture out"
            )
        return area
