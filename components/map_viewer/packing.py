"""What the page is sent of maps and their picture (`message.py` lays it out)."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import PIL.Image

from components import colours
from components.map_viewer.film_view import FilmView, film_header, film_picture
from components.map_viewer.message import Message
from explain_core import METHODS, Geometry, Image
from explain_core.images.display import to_display
from explain_core.images.film import Window
from explain_core.parameters import Parameter
from explain_core.types import (
    Array,
    Basis,
    GuidedBasis,
    LayerBasis,
    LinearBasis,
    ScoreBasis,
    SpectralBasis,
    StaticBasis,
)

MAX_SIDE_PX = 1024
_JPEG_QUALITY = 92
_LOSSLESS_UP_TO_PX = 512
_LOSSLESS_UP_TO_BYTES = 128 * 1024
_DEEP = np.dtype(np.uint16)


def pack(
    panels: Sequence[Mapping[str, Any]],
    bases: Sequence[Basis],
    *,
    image: Image,
    seen: Array,
    parameters: Sequence[Parameter],
    viewer: str,
    question: str,
    source: str,
    grid: Mapping[str, Any] | None = None,
    look: Mapping[str, Any] | None = None,
    is_plain: bool = False,
    film: FilmView | None = None,
    geometry: Geometry | None = None,
) -> bytes:
    """Return the message for the viewer.

    Args:
        panels: what is said about each map: name, title, subtitle, foot, meaning; in a table also
            its place and the values that stay fixed.
        bases: one per panel.
        image: the picture.
        seen: (H, W) or (H, W, 3) uint8, the network's own input as a person would see it.
        parameters: those that sliders drive.
        viewer: under which the page remembers what was set.
        question, source: shown in exports.
        grid: the headings of a table's rows and columns; None shows panels.
        look: how maps are drawn at first, where that differs from the viewer's own.
        is_plain: leave out exports and how maps are drawn, for who is to look at one thing.
        film: the picture as a film, windowed in the page; None shows it as it is.
        geometry: of the network's input on the picture; None takes the first map's.
    """
    message = Message()
    geometry = bases[0].geometry if geometry is None else geometry
    header = {
        "viewer": viewer,
        "question": question,
        "source": source,
        "picture": _picture(message, image) if film is None else film_picture(message, film.film),
        "film": None if film is None else film_header(message, film),
        "input": {"file": message.add(_encoded(seen)), "size": seen.shape[:2]},
        "grid": grid,
        "look": dict(look or {}),
        "is_plain": is_plain,
        "geometry": _geometry(geometry),
        "parameters": [_parameter(parameter) for parameter in parameters],
        "colours": {
            name: message.add(colours.lookup_table(name))
            for name in (*colours.SEQUENTIAL, colours.DIVERGING)
        },
        "labels": {name: colours.label(name) for name in colours.SEQUENTIAL},
        "diverging": colours.DIVERGING,
        "panels": [
            {
                **panel,
                **_basis(message, basis),
                **({} if basis.geometry == geometry else {"geometry": _geometry(basis.geometry)}),
            }
            for panel, basis in zip(panels, bases, strict=True)
        ],
    }
    return message.packed(header)


def _picture(message: Message, image: Image) -> dict[str, Any]:
    """Return the picture as the screen needs it; deep gray pictures keep their depth."""
    shown = to_display(image, MAX_SIDE_PX)
    described: dict[str, Any] = {"size": image.size, "shown_size": shown.shape[:2], "gray": None}
    if image.pixels.dtype == _DEEP and image.pixels.ndim == 2:
        deep = image.pixels
        if shown.shape[:2] != image.size:
            whole = PIL.Image.fromarray(image.pixels.astype(np.float32))
            small = whole.resize(shown.shape[1::-1], PIL.Image.Resampling.BOX)
            deep = np.rint(np.asarray(small)).astype(_DEEP)
        whole_range = Window(image.white / 2, image.white, "LINEAR_EXACT")
        return described | {
            "gray": {
                "codes": message.add(deep),
                "low": 0,
                "high": image.white,
                "step": 1,
                "first": 0,
                "is_inverted": False,
                "span": image.white,
                "presets": [{"name": "full", "is_relative": False, **asdict(whole_range)}],
            }
        }
    return described | {"file": message.add(_encoded(shown))}


def _encoded(pixels: Array) -> Array:
    """Return the bytes of a PNG, where that would be large of a JPEG, as (n,) uint8."""
    file = io.BytesIO()
    picture = PIL.Image.fromarray(pixels)
    if max(picture.size) <= _LOSSLESS_UP_TO_PX:
        picture.save(file, format="PNG")
    if not 0 < file.tell() <= _LOSSLESS_UP_TO_BYTES:
        file = io.BytesIO()
        picture.save(file, format="JPEG", quality=_JPEG_QUALITY)
    return np.frombuffer(file.getvalue(), np.uint8)


def _geometry(geometry: Geometry) -> dict[str, Any]:
    return asdict(geometry) | {"seen_box": geometry.seen_box()}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "label": parameter.label,
        "help": parameter.help,
        "default": parameter.default,
        "is_switch": isinstance(parameter.default, bool),
        "choices": parameter.choices,
        "unit": parameter.unit,
        **(
            {}
            if isinstance(parameter.default, bool | str)
            else {
                "min": parameter.min,
                "max": parameter.max,
                "step": parameter.step,
                "is_log": parameter.scale == "log",
            }
        ),
    }


def _basis(message: Message, basis: Basis) -> dict[str, Any]:
    method = METHODS[basis.provenance.method]
    kind, numbers, arrays = _KINDS[type(basis)](message, basis)
    return {
        "kind": kind,
        "size": basis.geometry.input_size,
        "numbers": numbers,
        "fields": arrays,
        # a finished map has nothing to slide: p acts on guided variants only
        "knows": []
        if isinstance(basis, StaticBasis)
        else [parameter.name for parameter in method.parameters_of("render")],
        "can_be_signed": method.can_be_signed,
    }


Packed = tuple[str, dict[str, float | bool | None], dict[str, int]]


def _static(message: Message, basis: StaticBasis) -> Packed:
    # Exact: its positive part, shown alone, may be far smaller than its range.
    return "static", {}, {"map": message.add(basis.map.astype(np.float32))}


def _linear(message: Message, basis: LinearBasis) -> Packed:
    arrays = {
        "maps": message.add(basis.maps.astype(np.float32)),
        "weights": message.add(basis.weights.astype(np.float64)),
    }
    return "linear", {}, arrays


def _layer(message: Message, basis: LayerBasis) -> Packed:
    arrays = {
        "activations": message.add_quantised(basis.activations),
        "target_gradient": message.add_quantised(basis.target_gradient),
        "reference_gradients": message.add_quantised(basis.reference_gradients, num_axes=2),
        "weights": message.add(basis.weights.astype(np.float64)),
    }
    return "layer", {}, arrays


def _score(message: Message, basis: ScoreBasis) -> Packed:
    arrays = {
        "activations": message.add_quantised(basis.activations),
        "scores": message.add(basis.scores.astype(np.float64)),
        "baselines": message.add(basis.baselines.astype(np.float64)),
        "weights": message.add(basis.weights.astype(np.float64)),
    }
    return "score", {}, arrays


def _spectral(message: Message, basis: SpectralBasis) -> Packed:
    arrays = {
        "eigenvalues": message.add(basis.eigenvalues.astype(np.float64)),
        "coefficients": message.add(basis.coefficients.astype(np.float64)),
        "projections": message.add(basis.projections.astype(np.float32)),
        "rest": message.add(basis.rest.astype(np.float64)),
    }
    # JSON has no NaN: without the number the page says that the map has none either.
    lam_unit = basis.lam_unit if math.isfinite(basis.lam_unit) else None
    return "spectral", {"lam_unit": lam_unit}, arrays


def _guided(message: Message, basis: GuidedBasis) -> Packed:
    # Variances are compared with a percentile, and what reaches it jumps: they are sent exact.
    exact = np.result_type(basis.variance, np.float32)
    arrays = {
        "mean_absolute": message.add_quantised(basis.mean_absolute),
        "variance": message.add(basis.variance.astype(exact)),
    }
    return "guided", {}, arrays


_KINDS: Mapping[type[Basis], Callable[[Message, Any], Packed]] = {
    StaticBasis: _static,
    LinearBasis: _linear,
    LayerBasis: _layer,
    ScoreBasis: _score,
    SpectralBasis: _spectral,
    GuidedBasis: _guided,
}
