"""What is set in the viewer, as the page tells it: checked, for it comes from a browser."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.map_viewer.film_view import FilmView
from explain_core import METHODS, InputError
from explain_core.images.film import Film, Voi, Window, presets
from explain_core.parameters import Parameter
from explain_core.regions import Region
from explain_core.types import ParameterValue

if TYPE_CHECKING:
    from components.map_viewer import Cell

MAX_REGIONS = 20
MAX_VERTICES = 200
MAX_RULERS = 10
_SIGNED = "For and against"

Values = dict[str, ParameterValue]
Place = tuple[float, float]
Ruler = tuple[Place, Place]


@dataclass(frozen=True, eq=False)
class Settings:
    """Hold what was set in the viewer when a control was last released.

    Attributes:
        shared: the values that all panels follow.
        own: by panel, the values of panels with sliders of their own.
        is_signed: whether evidence against is shown, where a method tells.
        methods: by panel, its name in `METHODS`; a panel that is not named is its own method.
        regions: drawn on the film, in the order of their numbers.
        rulers: the (row, column) of their two ends on the film, in the order of their letters.
        window: that the reader set; None for the one that the film is shown with at first.
        is_inverted: whether the reader turned the film's grays round.
    """

    shared: Values
    own: Mapping[str, Values] = field(default_factory=dict)
    is_signed: bool = False
    methods: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    rulers: tuple[Ruler, ...] = ()
    window: Voi | None = None
    is_inverted: bool = False

    def of(self, panel: str) -> Values:
        """Return the values of the parameters that a panel's method knows."""
        values = self.shared | dict(self.own.get(panel, {}))
        method = METHODS[self.methods.get(panel, panel)]
        return {p.name: values[p.name] for p in method.parameters_of("render")}

    def of_cell(self, cell: Cell) -> Values:
        """Return the values of the parameters that a cell's method knows."""
        return self.of(cell.method) | cell.fixed


def settings(told: Mapping[str, Any] | None, parameters: Sequence[Parameter]) -> Settings:
    """Return what the page told of its sliders, with the default for what does not fit."""
    defaults = {parameter.name: parameter.default for parameter in parameters}
    if not isinstance(told, Mapping):
        return Settings(defaults)
    own = told.get("own")
    look = told.get("look")
    return Settings(
        shared=_checked(told.get("values"), parameters, defaults),
        own={
            str(panel): _checked(values, parameters, defaults)
            for panel, values in (own.items() if isinstance(own, Mapping) else ())
        },
        is_signed=isinstance(look, Mapping) and look.get("evidence") == _SIGNED,
    )


def film_settings(told: object, view: FilmView) -> dict[str, Any]:
    """Return what the page told of a film, as the fields of `Settings`; none where it does not fit.

    What was set on another film does not count: the page may tell of it until it has the new one.
    """
    about = told.get("film") if isinstance(told, Mapping) else None
    if not isinstance(about, Mapping) or about.get("name") != view.name:
        return {}
    size = view.film.codes.shape
    regions = [_region(each, size) for each in _list(about.get("regions"))[:MAX_REGIONS]]
    rulers = [_ruler(each, size) for each in _list(about.get("rulers"))[:MAX_RULERS]]
    return {
        "regions": tuple(each for each in regions if each is not None),
        "rulers": tuple(each for each in rulers if each is not None),
        "window": _window(about.get("window"), view.film),
        "is_inverted": about.get("is_inverted") is True,
    }


def _checked(told: object, parameters: Sequence[Parameter], defaults: Values) -> Values:
    """Return the told values, with the default for what is missing or does not fit."""
    values = dict(defaults)
    for parameter in parameters:
        if isinstance(told, Mapping) and parameter.name in told:
            with suppress(InputError):
                values[parameter.name] = parameter.check(told[parameter.name])
    return values


def _region(told: object, size: tuple[int, ...]) -> Region | None:
    if not isinstance(told, Mapping):
        return None
    kind, points = told.get("kind"), told.get("points")
    if not isinstance(kind, str) or not isinstance(points, list) or len(points) > MAX_VERTICES:
        return None
    places = [_place(each, size) for each in points]
    if None in places:
        return None
    with suppress(InputError):
        return Region(kind, tuple(places))  # type: ignore[arg-type]  # it checks both itself
    return None


def _ruler(told: object, size: tuple[int, ...]) -> Ruler | None:
    """Return a ruler's two ends, where both lie on a film of a size and apart."""
    ends = [_place(each, size) for each in _list(told)[:3]]
    if len(ends) != 2 or ends[0] is None or ends[1] is None or ends[0] == ends[1]:
        return None
    return ends[0], ends[1]


def _list(told: object) -> list[Any]:
    return told if isinstance(told, list) else []


def _place(told: object, size: tuple[int, ...]) -> Place | None:
    """Return (row, column) where it lies on a film of a size."""
    if not isinstance(told, list) or len(told) != 2:
        return None
    row, column = (_finite(each) for each in told)
    if row is None or column is None or not (0 <= row <= size[0] and 0 <= column <= size[1]):
        return None
    return row, column


def _window(told: object, film: Film) -> Voi | None:
    if not isinstance(told, Mapping):
        return None
    if (place := told.get("preset")) is not None:
        named = presets(film)
        is_known = type(place) is int and 0 <= place < len(named)
        return named[place].voi if is_known else None
    center, width = _finite(told.get("center")), _finite(told.get("width"))
    if center is None or width is None:
        return None
    with suppress(InputError):
        return Window(center, width, told.get("function"))  # type: ignore[arg-type]  # it checks it
    return None


def _finite(told: object) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    with suppress(OverflowError):
        return float(told) if math.isfinite(told) else None
    return None
