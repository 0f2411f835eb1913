"""Chest-like phantom films, drawn at any size, on which every finding's place is known exactly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explain_core.datasets.film_anatomy import draw_body, heart, place_lungs, tissue
from explain_core.datasets.film_findings import FINDINGS, Chest, Lesion
from explain_core.datasets.film_marks import letter, markers
from explain_core.datasets.film_space import Grid, Window, lay_grid, rise
from explain_core.datasets.film_vessels import draw_vessels
from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels
from explain_core.truth import Box, Truth
from explain_core.types import Array, Image, read_only

WHITE = 65535
NOTE = "synthetic phantom, not a patient"

_VESSEL_DEPTH = 0.25
_VISIBLE_DEPTH = 0.05
_UNIT_MM = 380.0  # how long the shorter side of a film is
# What is drawn by chance, each from its own stream: one more finding changes nothing else.
_STREAMS = ("body", "tissue", "vessels", "grain", "markers", *FINDINGS)


@dataclass(frozen=True, eq=False)
class Film:
    """Hold a drawn film.

    Attributes:
        pixels: (H, W) uint16, of 65535.
        findings: (H, W) bool of each, with boxes: exactly where the film would be another without.
        markers: the same of each marker.
    """

    pixels: Array
    findings: Mapping[str, Truth]
    markers: Mapping[str, Truth]

    def image(self) -> Image:
        """Return the film as a picture that says that it is none of a patient."""
        return picture(self.pixels)


def picture(pixels: Array) -> Image:
    """Return a film's pixels (H, W) as a picture that says that it is none of a patient."""
    distance_mm = _UNIT_MM / min(pixels.shape)
    return image_from_pixels(
        pixels, white=WHITE, spacing_mm=(distance_mm, distance_mm), notes=(NOTE,)
    )


def draw_film(
    seed: int,
    findings: Collection[str] = (),
    size: tuple[int, int] = (512, 512),
    markers_of: Collection[str] = (),
) -> Film:
    """Draw one person's chest.

    The seed settles the person, the exposure, the grain and how each finding would look. Films of
    one seed and size differ only by their findings and markers, and exactly inside their masks.

    Args:
        seed: >= 0.
        findings: names in `FINDINGS`; none for a healthy chest.
        size: (H, W), each side from 64 to 4000 pixels; the chest fills the middle square.
        markers_of: names of findings whose marker is burned into a corner.

    Raises:
        InputError: a negative seed, an unknown finding, or a size out of range.
    """
    plan = _plan(seed, findings, size, markers_of)
    groups = [*plan.lesions.values(), *plan.marked.values()]
    truths = [_truth(plan.healthy, groups, index, plan.tone) for index in range(len(groups))]
    num = len(plan.lesions)
    return Film(
        pixels=_developed(plan),
        findings=dict(zip(plan.lesions, truths[:num], strict=True)),
        markers=dict(zip(plan.marked, truths[num:], strict=True)),
    )


def draw_pixels(
    seed: int,
    findings: Collection[str] = (),
    size: tuple[int, int] = (512, 512),
    markers_of: Collection[str] = (),
) -> Array:
    """Return only the pixels of `draw_film`: (H, W) uint16 of 65535, in less time."""
    return _developed(_plan(seed, findings, size, markers_of))


def visible_changes(
    seed: int,
    findings: Collection[str],
    size: tuple[int, int],
    markers_of: Collection[str] = (),
) -> dict[str, Array]:
    """Return where findings, or else markers, change a film visibly: (H, W) bool for each name.

    Less than the masks of `draw_film`, which hold the faintest edge, and in much less time.

    Args:
        markers_of: where this names any, the markers are meant, else the findings.
    """
    rng = _streams(seed)
    body = draw_body(rng["body"])
    grid = lay_grid(size, body.shift, body.scale, body.lean)
    if markers_of:
        marks = markers(grid, rng["markers"])
        lesions = {name: [marks[name]] for name in markers_of}
    else:
        no_vessels = np.zeros(grid.size, np.float32)
        chest = Chest(body, grid, place_lungs(body, grid), no_vessels)
        lesions = {name: FINDINGS[name](chest, rng[name]) for name in findings}
    changes = {}
    for name, group in lesions.items():
        changes[name] = np.zeros(grid.size, bool)
        for lesion in group:
            changes[name][lesion.window] |= np.abs(lesion.change) > _VISIBLE_DEPTH
    return changes


def _streams(seed: int) -> dict[str, np.random.Generator]:
    return {name: np.random.default_rng([seed, index]) for index, name in enumerate(_STREAMS)}


@dataclass(frozen=True, eq=False)
class _Plan:
    """Hold a healthy chest's depths and what is to be added to them."""

    healthy: Array
    lesions: Mapping[str, list[Lesion]]
    marked: Mapping[str, list[Lesion]]
    tone: _Tone


def _plan(
    seed: int, findings: Collection[str], size: tuple[int, int], markers_of: Collection[str]
) -> _Plan:
    if seed < 0:
        raise InputError(f"seed must be at least 0 (got {seed})")
    unknown = sorted({*findings, *markers_of} - FINDINGS.keys())
    if unknown:
        raise InputError(f"there is no finding {unknown}; choose among {list(FINDINGS)}")
    rng = _streams(seed)
    body = draw_body(rng["body"])
    grid = lay_grid(size, body.shift, body.scale, body.lean)
    lungs = place_lungs(body, grid)
    vessels = np.float32(_VESSEL_DEPTH) * draw_vessels(rng["vessels"], grid)
    vessels *= np.square(lungs.depth)
    chest = Chest(body, grid, lungs, vessels)
    depth = tissue(body, grid, lungs, rng["tissue"])
    depth += vessels
    depth += heart(body, grid, lungs)
    depth *= _exposed(grid, body.field)
    is_right, x, y, half = body.letter
    _add_(depth, [letter(grid, "R" if is_right else "L", x, y, half)])
    depth += np.float32(body.noise) * rng["grain"].standard_normal(grid.size, np.float32)
    marks = markers(grid, rng["markers"]) if markers_of else {}
    return _Plan(
        healthy=depth,
        lesions={
            name: draw(chest, rng[name]) for name, draw in FINDINGS.items() if name in findings
        },
        marked={name: [lesion] for name, lesion in marks.items() if name in markers_of},
        tone=_Tone(body.contrast, body.level),
    )


def _developed(plan: _Plan) -> Array:
    """Return the pixels; `plan.healthy` becomes the diseased chest's."""
    for group in (*plan.lesions.values(), *plan.marked.values()):
        _add_(plan.healthy, group)
    return read_only(plan.tone.pixels(plan.healthy))


@dataclass(frozen=True)
class _Tone:
    """Turn depth into brightness: dense is bright, and nothing is quite black or white."""

    contrast: float
    level: float

    def pixels(self, depth: Array) -> Array:
        """Return uint16."""
        bright = np.tanh(np.float32(self.contrast) * (depth - np.float32(self.level)))
        levels: Array = np.rint((bright + 1) * np.float32(WHITE / 2)).astype(np.uint16)
        return levels


def _exposed(grid: Grid, field: Sequence[float]) -> Array:
    """Return (H, W): 1 inside the exposed field, 0 where lead covers the film."""
    half_height, half_width = (side / grid.unit_px / 2 for side in grid.size)
    top, left, bottom, right = field
    soft, past = 0.006, 0.02  # an edge that is not cut in lies outside of the film
    rows = rise(grid.film_y + half_height - top + past * (top == 0), soft)
    rows = rows * rise(half_height - bottom - grid.film_y + past * (bottom == 0), soft)
    columns = rise(grid.film_x + half_width - left + past * (left == 0), soft)
    columns = columns * rise(half_width - right - grid.film_x + past * (right == 0), soft)
    return np.asarray(rows * columns, np.float32)


def _add_(depth: Array, group: Sequence[Lesion], within: Window | None = None) -> None:
    """Add lesions to `depth`, in place; with `within`, `depth` is that window of the film."""
    for lesion in group:
        if within is None:
            depth[lesion.window] += lesion.change
            continue
        inner, outer = [], []
        for mine, whole in zip(lesion.window, within, strict=True):
            start, stop = max(mine.start, whole.start), min(mine.stop, whole.stop)
            if start >= stop:
                break
            outer.append(slice(start - whole.start, stop - whole.start))
            inner.append(slice(start - mine.start, stop - mine.start))
        else:
            depth[tuple(outer)] += lesion.change[tuple(inner)]


def _truth(healthy: Array, groups: Sequence[Sequence[Lesion]], index: int, tone: _Tone) -> Truth:
    """Return where the film would be another without one of its groups of lesions."""
    mask = np.zeros(healthy.shape, bool)
    boxes = []
    for lesion in groups[index]:
        here = lesion.window
        with_it, without_it = healthy[here].copy(), healthy[here].copy()
        for other, group in enumerate(groups):
            _add_(with_it, group, here)
            if other != index:
                _add_(without_it, group, here)
        changed = tone.pixels(with_it) != tone.pixels(without_it)
        mask[here] |= changed
        own = np.nonzero(changed & (lesion.change != 0))
        if len(own[0]):
            top, left = (
                int(places.min()) + part.start for places, part in zip(own, here, strict=True)
            )
            bottom, right = (
                int(places.max()) + part.start + 1 for places, part in zip(own, here, strict=True)
            )
            boxes.append(Box(top, left, bottom, right))
    return Truth(mask=mask, boxes=tuple(boxes))
