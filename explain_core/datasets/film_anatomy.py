"""The healthy chest of a phantom: what each part of it adds to the film, pixel by pixel.

Everything is a depth of tissue that the rays cross: depths add up, air takes away. The film then
turns the sum into brightness, see `film_drawing`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain_core.datasets.film_space import Grid, bulge, cloud, curve, rise
from explain_core.datasets.film_vessels import HILUM
from explain_core.types import Array

# Half the body's width, from neck to abdomen: (height, half-width).
_OUTLINE = (
    *((-0.75, 0.12), (-0.52, 0.13), (-0.455, 0.17), (-0.41, 0.30), (-0.36, 0.46), (-0.28, 0.55)),
    *((-0.18, 0.545), (-0.08, 0.495), (0.03, 0.458), (0.2, 0.445), (0.42, 0.452), (0.7, 0.46)),
)
# A lung's outer border, from its top (0) to its base (1).
_LUNG_WALL = (
    *((0.0, 0.090), (0.03, 0.140), (0.08, 0.183), (0.16, 0.228), (0.3, 0.280), (0.5, 0.322)),
    *((0.7, 0.346), (0.85, 0.355), (1.0, 0.358), (1.25, 0.35)),
)
_LUNG_INNER = ((0.0, 0.090), (0.04, 0.055), (0.12, 0.03), (0.3, 0.0), (0.6, -0.02), (1.0, -0.02))
# Half the mediastinum's width on the film's left and right: the aortic arch bulges on the right.
_MEDIASTINUM_LEFT = (
    *((-0.5, 0.05), (-0.34, 0.05), (-0.24, 0.054), (-0.12, 0.056), (0.0, 0.06), (0.2, 0.05)),
)
_MEDIASTINUM_RIGHT = (
    *((-0.5, 0.05), (-0.34, 0.048), (-0.265, 0.052), (-0.225, 0.068), (-0.195, 0.082)),
    *((-0.165, 0.078), (-0.135, 0.062), (-0.09, 0.072), (-0.03, 0.076), (0.2, 0.06)),
)
_CLAVICLE = ((0.02, -0.262), (0.07, -0.278), (0.16, -0.292), (0.25, -0.322), (0.34, -0.372))
_NUM_RIBS = 10
_LUNG_AIR = 0.92  # what a full depth of lung takes away
_HEART_DEPTH = 0.60
_MEDIASTINUM_DEPTH = 0.50


@dataclass(frozen=True)
class Body:
    """Hold the measures of one person and one exposure.

    Attributes:
        top, base: height of the lungs' tops and of the right dome of the diaphragm.
        left_dome: how much lower the left dome lies.
        chest: width of the chest, 1 as usual.
        heart: (x, y, half-length, half-width, turn in radians) of the healthy heart.
        growth: by what an enlarged heart is larger.
        ribs: how dense they are.
        build: depth of the soft tissue, 1 as usual.
        breasts: depth of their shadows; 0 for most.
        stomach: size of the bubble of air under the left dome; 0 for none.
        shift, scale, lean: of the body on the film, see `lay_grid`.
        contrast, level: of the exposure.
        noise: deviation of the film's grain.
        field: how far the exposed field is cut in at each side, in units.
        letter: (is right, x, y, size) of the mark of the side, distances from the film's middle.
    """

    top: float
    base: float
    left_dome: float
    chest: float
    heart: tuple[float, float, float, float, float]
    growth: float
    ribs: float
    build: float
    breasts: float
    stomach: float
    shift: tuple[float, float]
    scale: float
    lean: float
    contrast: float
    level: float
    noise: float
    field: tuple[float, float, float, float]
    letter: tuple[bool, float, float, float]


def draw_body(rng: np.random.Generator) -> Body:
    """Return a person and an exposure drawn at random; always the same number of draws."""
    between = rng.uniform
    base = between(0.175, 0.235)
    chest = between(0.93, 1.05)
    length = between(0.170, 0.190) * chest
    width = between(0.114, 0.128)
    has_field, has_breasts, has_bubble = (rng.random(3) < (0.3, 0.35, 0.6)).tolist()
    is_right = bool(rng.random() < 0.5)
    place = between(0.29, 0.35), between(-0.445, -0.41)
    cuts = between(0.0, 0.035, 4).tolist()
    breasts, bubble = between(0.08, 0.2), between(0.03, 0.06)
    return Body(
        top=between(-0.375, -0.335),
        base=base,
        left_dome=between(0.012, 0.035),
        chest=chest,
        heart=(
            between(0.046, 0.058),
            base - between(0.075, 0.09),
            length,
            width,
            between(0.5, 0.68),
        ),
        growth=between(1.40, 1.60),
        ribs=between(0.10, 0.19),
        build=between(0.9, 1.12),
        breasts=breasts * has_breasts,
        stomach=bubble * has_bubble,
        shift=(between(-0.005, 0.04), between(-0.015, 0.015)),
        scale=between(1.05, 1.19),
        lean=between(-0.035, 0.035),
        contrast=between(1.35, 1.75),
        level=between(0.88, 1.06),
        noise=between(0.015, 0.04),
        field=tuple(cut * has_field for cut in cuts),
        # the film's left is the patient's right
        letter=(is_right, -place[0] if is_right else place[0], place[1], between(0.028, 0.038)),
    )


@dataclass(frozen=True, eq=False)
class Lungs:
    """Hold both lungs on the grid.

    Attributes:
        along: (H, 1), 0 at the tops and 1 at the base.
        inner, wall: (H, 1), distances from the middle between which a lung lies.
        side_x: (H, W), distance from the middle.
        is_left: (H, W) bool, the patient's left: the film's right half.
        above: (H, W) in [0, 1], 1 above the diaphragm.
        depth: (H, W) in [0, 1], of the air.
    """

    along: Array
    inner: Array
    wall: Array
    side_x: Array
    is_left: Array
    above: Array
    depth: Array


def place_lungs(body: Body, grid: Grid) -> Lungs:
    """Return the lungs of a body on the grid."""
    along = (grid.y - np.float32(body.top)) / np.float32(body.base + 0.09 - body.top)
    wall = curve(_LUNG_WALL, along) * np.float32(body.chest)
    inner = curve(_LUNG_INNER, along)
    side_x = np.abs(grid.x)
    is_left = grid.x > 0
    above = rise(_diaphragm(body, grid.x) - grid.y, 0.012)
    depth = bulge(wall - side_x, 0.11)
    depth *= bulge(np.sqrt(np.square(grid.x) + np.float32(0.0004)) - inner, 0.08)
    depth *= rise(along, 0.06) * above
    return Lungs(along, inner, wall, side_x, is_left, above, depth)


def _diaphragm(body: Body, x: Array) -> Array:
    """Return (H, W), the height of the diaphragm: a dome on either side, steep at the wall."""
    away = np.abs(x) - np.float32(0.16)
    rest = np.maximum(away, 0) * np.float32(1 / 0.2)
    dome = np.float32(body.base) + np.float32(1.2) * np.square(np.minimum(away, 0))
    dome += np.float32(0.055) * rest * rest + np.float32(0.07) * np.square(rest * rest)
    return dome + rise(x + np.float32(0.08), 0.16) * np.float32(body.left_dome)


def heart(body: Body, grid: Grid, lungs: Lungs, growth: float = 1.0) -> Array:
    """Return (H, W), what heart and great vessels add; one hides the other.

    Args:
        growth: enlarges the heart, mostly to the patient's left, so that it covers its old place.
    """
    x, y, length, width, turn = body.heart
    more = growth - 1
    right, down = grid.x - np.float32(x + 0.05 * more), grid.y - np.float32(y - 0.01 * more)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    along, across = right * cosine + down * sine, down * cosine - right * sine
    radius = np.sqrt(
        np.square(along / np.float32(length * growth))
        + np.square(across / np.float32(width * (1 + 0.75 * more)))
    )
    muscle = np.float32(_HEART_DEPTH) * rise(1 - radius, 0.13)
    edge = np.where(
        lungs.is_left, curve(_MEDIASTINUM_RIGHT, grid.y), curve(_MEDIASTINUM_LEFT, grid.y)
    )
    great_vessels = rise(edge - lungs.side_x, 0.03) * rise(grid.y + 0.4, 0.12)
    great_vessels *= np.float32(_MEDIASTINUM_DEPTH)
    return np.asarray(np.maximum(muscle, great_vessels) * lungs.above, np.float32)


def tissue(body: Body, grid: Grid, lungs: Lungs, rng: np.random.Generator) -> Array:
    """Return (H, W), the chest without heart and lung vessels."""
    total = _soft_tissue(body, grid, lungs, rng)
    total -= np.float32(_LUNG_AIR) * lungs.depth
    total += _spine_and_airways(body, grid, lungs)
    _add_bones_(total, body, grid, lungs, rng)
    return total


def _soft_tissue(body: Body, grid: Grid, lungs: Lungs, rng: np.random.Generator) -> Array:
    outline = curve(_OUTLINE, grid.y) * np.float32(body.chest)
    thickness = curve(
        ((-0.55, 0.95), (-0.42, 0.8), (-0.3, 0.95), (0.0, 1.28), (0.3, 1.42), (0.6, 1.5)), grid.y
    )
    total = bulge(outline - lungs.side_x, 0.10) * (thickness * np.float32(body.build))
    total *= 1 + np.float32(0.035) * cloud(rng, 5, grid.size)
    total += np.float32(0.012) * cloud(rng, 60, grid.size)
    # the shoulder blades' thin plates and the muscles at the armpits
    blade = rise(lungs.side_x - (0.30 - 0.28 * (grid.y + 0.12)), 0.05)
    total += np.float32(0.09) * blade * rise(0.06 - grid.y, 0.16) * rise(grid.y + 0.34, 0.1)
    if body.breasts > 0:
        x, y = lungs.side_x - np.float32(0.215), grid.y - np.float32(0.1)
        radius = np.sqrt(np.square(x / np.float32(0.155)) + np.square(y / np.float32(0.165)))
        total += np.float32(body.breasts) * rise(1 - radius, 0.5) * rise(y + 0.1, 0.2)
    if body.stomach > 0:
        size = body.stomach
        x, y = grid.x - np.float32(0.15), grid.y - np.float32(body.base + body.left_dome + 0.075)
        radius = np.sqrt(np.square(x / np.float32(1.5 * size)) + np.square(y / np.float32(size)))
        total -= np.float32(0.4) * rise(1 - radius, 0.5) * (1 - lungs.above)
    return total


def _spine_and_airways(body: Body, grid: Grid, lungs: Lungs) -> Array:
    """Return (H, W): vertebrae, the hila, and the windpipe with its two branches as air."""
    y = grid.y
    # vertebrae, with a dark disc between each two and a bright process in each
    spine = rise(0.046 - lungs.side_x, 0.03)
    phase = (y - np.float32(body.top)) / np.float32(0.054)
    disc = rise(np.cos(2 * np.pi * phase) - 0.5, 0.5)
    shadow = spine * (np.float32(0.16) - np.float32(0.06) * disc)
    process = np.square(lungs.side_x / 0.007) + np.square((phase - np.floor(phase) - 0.5) / 0.22)
    shadow += np.float32(0.06) * rise(1 - process, 0.9)
    # air: the windpipe, and below its fork the two main bronchi
    fork = -0.155
    pipe = rise(0.0165 - lungs.side_x, 0.009) * rise(fork + 0.01 - y, 0.02)
    down = y - np.float32(fork)
    slope = np.where(lungs.is_left, np.float32(1.15), np.float32(0.8))
    bronchus = rise(0.0125 - np.abs(lungs.side_x - slope * down) * np.float32(0.7), 0.009)
    bronchus *= rise(down + 0.01, 0.02) * rise(0.085 - down, 0.03)
    shadow -= np.float32(0.22) * np.maximum(pipe, bronchus)
    # the hila
    x, y = lungs.side_x - np.float32(HILUM[0] + 0.01), y - np.float32(HILUM[1])
    radius = np.sqrt(np.square(x / np.float32(0.05)) + np.square(y / np.float32(0.075)))
    return np.asarray(shadow + np.float32(0.13) * rise(1 - radius, 0.9), np.float32)


def _add_bones_(
    total: Array, body: Body, grid: Grid, lungs: Lungs, rng: np.random.Generator
) -> None:
    """Add ribs, collar bones and the heads of the upper arms to `total`, in place."""
    tilt = rng.uniform(-0.03, 0.03)
    jitter = rng.normal(0, 0.0025, (_NUM_RIBS, 2))
    spacing = (body.base + 0.15 - body.top) / _NUM_RIBS
    for index in range(_NUM_RIBS):
        drop = (0.062 + 0.0052 * index) * (1 + jitter[index, 0])
        first = body.top - 0.02 + index * spacing + jitter[index, 1]
        _add_rib_(total, body, grid, lungs, first, drop, tilt)
    here = grid.window(-0.45, -0.6, -0.22, 0.6)
    side_x, y = lungs.side_x[here], grid.y[here[0]]
    centre = curve(_CLAVICLE, side_x)
    thickness = np.float32(0.0125) - np.float32(0.012) * np.minimum(
        np.abs(side_x - 0.18) * 1.5, 0.25
    )
    bone = _tube(np.abs(y - centre) * np.float32(0.97) / thickness)
    bone *= rise(side_x - 0.018, 0.012) * rise(0.37 - side_x, 0.03)
    total[here] += np.float32(1.5 * body.ribs) * bone
    here = grid.window(-0.48, -0.75, 0.2, 0.75)
    side_x, y = lungs.side_x[here], grid.y[here[0]]
    head = np.sqrt(np.square(side_x - 0.475) + np.square(y + 0.325)) / np.float32(0.058)
    shaft = np.abs(side_x - 0.488 - 0.1 * (y + 0.3)) / np.float32(0.034)
    bone = np.maximum(rise(1 - head, 0.35), rise(1 - shaft, 0.4) * rise(y + 0.32, 0.05))
    total[here] += np.float32(2.2 * body.ribs) * bone


def _tube(away: Array) -> Array:
    """Return the depth across a hollow bone: `away` is 0 in its middle and 1 at its edge."""
    inside = rise(1 - away, 0.3)
    rim = np.minimum(away, 1)
    return np.asarray(inside * (np.float32(0.62) + np.float32(0.38) * rim * rim), np.float32)


def _add_rib_(
    total: Array, body: Body, grid: Grid, lungs: Lungs, first: float, drop: float, tilt: float
) -> None:
    """Add one pair of ribs: ellipses, dense behind, faint and wide in front, open at the middle.

    Args:
        first: height at the spine.
        drop: half of what a rib falls from the spine to its front end.
    """
    centre = first + drop
    along = (centre - body.top) / (body.base + 0.09 - body.top)
    reach = float(curve(_LUNG_WALL, np.array([along]))[0]) * body.chest + 0.012
    here = grid.window(first - 0.035, -reach - 0.05, centre + drop + 0.04, reach + 0.05)
    side_x = lungs.side_x[here]
    y = grid.y[here[0]] - np.float32(centre) - np.float32(tilt) * grid.x[here]
    across, down = side_x * np.float32(1 / reach), y * np.float32(1 / drop)
    radius = np.sqrt(np.square(across) + np.square(down)) + np.float32(1e-6)
    steepness = np.sqrt(np.square(across / reach) + np.square(down / drop)) / radius
    away = np.abs(radius - 1) / (steepness + np.float32(1e-6))
    behind = _tube(away * np.float32(1 / 0.0125)) * rise(np.float32(0.12) - down, 0.2)
    behind *= rise(side_x - 0.03, 0.02) * (np.float32(0.4) + np.float32(0.6) * lungs.above[here])
    in_front = _tube(away * np.float32(1 / 0.0150)) * rise(down + np.float32(0.08), 0.2)
    in_front *= rise(across - np.float32(0.42), 0.18) * np.float32(0.55)
    in_front *= rise(np.float32(body.base + 0.1) - grid.y[here[0]], 0.12)  # gristle further down
    total[here] += np.float32(body.ribs) * np.maximum(behind, in_front)
