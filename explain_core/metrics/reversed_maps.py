"""Reversed maps: high and low values exchanged, for a metric that should then fall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array, SaliencyMap, read_only


def reversed_map(smap: SaliencyMap, *, kept: float = 5.0, swapped: float = 10.0) -> SaliencyMap:
    """Keep a map's top values and exchange the next ones with the lowest (see `reverse_values`).

    A metric that tells where evidence lies must score the result lower (Guided AbsoluteGrad,
    Proposition 1): the values stay the same, and only their places are worse.

    Raises:
        InputError: shares that do not fit.
    """
    values = reverse_values(smap.values, kept=kept, swapped=swapped)
    settings = (("reversed_kept", kept), ("reversed_swapped", swapped))
    provenance = replace(smap.provenance, parameters=(*smap.provenance.parameters, *settings))
    return replace(smap, values=read_only(values), provenance=provenance)


def reverse_values(values: Array, *, kept: float, swapped: float) -> Array:
    """Exchange the lowest `swapped` % with the `swapped` % just below the top `kept` %.

    Departure: the paper leaves open which value goes where, and its code draws that at random; here
    each part keeps its order, so that the lowest changes places with the lowest of the upper part.
    Of equal values the later place counts as the higher.

    Args:
        values: of any shape.
        kept: l, in percent of the places, rounded down.
        swapped: m, in percent, rounded down; the two parts must not overlap.

    Raises:
        InputError: shares that do not fit.
    """
    if not (0 <= kept <= 100 and swapped >= 0 and kept + 2 * swapped <= 100):
        raise InputError(
            "kept + 2 * swapped must not exceed 100 percent, and neither be negative "
            f"(got kept={kept:g}, swapped={swapped:g}); try 5 and 10"
        )
    order = np.argsort(values, axis=None, kind="stable")
    num_swapped = int(values.size * swapped / 100)
    stop = values.size - int(values.size * kept / 100)
    low, high = order[:num_swapped], order[stop - num_swapped : stop]
    changed: Array = values.flatten()
    changed[low], changed[high] = changed[high], changed[low]
    return changed.reshape(values.shape)
