"""One block of bytes for the page: a JSON header with the arrays behind it.

Layout: the header's length (uint32, little-endian), the header (UTF-8), then the arrays' bytes,
which the header describes (type, shape, offset). Large arrays are sent as 16-bit steps per slice,
a map in most cases, `value = low + step * stored`: half the bytes of float32 with an error of
1/131070 of the slice's range, where float16 would lose small gradients. Each slice's step and low
are two more arrays. Where every slice holds one number only, as gradients below a global average
do, nothing else is sent. A slice with NaN or infinity becomes NaN: the page then says so in its
panel.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explain_core.types import Array


@dataclass
class Message:
    """Collect arrays while the header is written; `header` refers to them by index."""

    described: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    known: dict[Hashable, int] = field(default_factory=dict)
    num_bytes: int = 0

    def add(self, array: Array, **more: Any) -> int:
        """Add an array as it is, with what else describes it; return its index.

        One that is there already is not added again: maps of one layer share its activations.
        """
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        chunk = array.tobytes()
        key = (array.dtype.str, array.shape, *more.items(), chunk)
        if key in self.known:
            return self.known[key]
        self.known[key] = len(self.described)
        self.described.append(
            {
                "type": array.dtype.str[1:],
                "shape": array.shape,
                "offset": self.num_bytes,
                "num_bytes": array.nbytes,
                **more,
            }
        )
        self.chunks.append(chunk)
        self.num_bytes += len(chunk)
        return self.known[key]

    def add_quantised(self, array: Array, num_axes: int = 1) -> int:
        """Add an array as 16-bit steps per slice of its first axes; return its index."""
        if array.size == 0:
            return self.add(array.astype(np.float32))
        flat = array.reshape(math.prod(array.shape[:num_axes]), -1).astype(np.float64)
        is_whole = np.isfinite(flat).all(axis=1)
        flat[~is_whole] = 0
        lows = flat.min(axis=1)
        steps = (flat.max(axis=1) - lows) / 65535
        safe = np.where(steps > 0, steps, 1)
        stored = np.rint((flat - lows[:, None]) / safe[:, None]).astype(np.uint16)
        is_flat = not steps.any()
        steps[~is_whole] = np.nan
        described = {
            "shape": array.shape,
            "steps": self.add(steps.astype(np.float32)),
            "lows": self.add(lows.astype(np.float32)),
            "is_flat": is_flat,
        }
        return self.add(stored[:0] if is_flat else stored, **described)

    def packed(self, header: Mapping[str, Any]) -> bytes:
        """Return the whole message."""
        text = json.dumps({**header, "arrays": self.described}, allow_nan=False).encode()
        return b"".join([struct.pack("<I", len(text)), text, *self.chunks])
