"""Where the places of a bird's own frame lie on the picture."""

from __future__ import annotations

import numpy as np

from explain_core.datasets import bird_outlines as outlines
from explain_core.datasets.bird_hands import Hand
from explain_core.datasets.bird_outlines import outline, turned
from explain_core.types import Array


class Pose:
    """Put places of the body's frame onto the picture."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self.is_facing_right = hand.facing == 1
        hips = self._turn(np.array([[0.0, 0.235 * hand.plumpness]]))[0]
        below = float(hand.legs[:, 1].mean())
        standing = np.array([0.0, below])
        self.origin = np.array(hand.perch) - hand.scale * (hips + standing)
        # As drawn: a turned head shortens the bird, and lines are as fine as it is short.
        back, front = self.place(np.array([[0.0, -0.1], [1.0, -0.1]]))
        self.length = float(np.hypot(*(front - back)))

    def _turn(self, points: Array) -> Array:
        return turned(points, -self._hand.tilt, (0.0, 0.0)) * (self._hand.facing, 1)

    def _put(self, points: Array) -> Array:
        return np.asarray(self.origin + self._hand.scale * self._turn(points))

    def place(self, points: Array) -> Array:
        """Return (n, 2) on the picture of places (n, 2) on the body, its head turned."""
        x, y = points[:, 0], points[:, 1]
        share = np.clip((0.55 * x - y) / 0.35 - 0.55, 0, 1)[:, None]
        moved = points + share * (
            turned(points, self._hand.head_turn, outlines.NECK_PIVOT) - points
        )
        moved[:, 1] *= np.where(y > 0, self._hand.plumpness, 1.0)
        return self._put(moved)

    def place_tail(self, points: Array) -> Array:
        """Return (n, 2) on the picture of places (n, 2) along the tail and across."""
        backwards = outlines.TAIL_ROOT + points * (-1, 1)
        return self._put(turned(backwards, self._hand.tail_turn + 0.16, outlines.TAIL_ROOT))

    def legs(self) -> list[tuple[Array, Array]]:
        """Return hip and foot, (x, y) on the picture, of the near leg and of the far one."""
        hand = self._hand
        legs = []
        for hip_x, (before, _) in zip((-0.07, 0.07), hand.legs, strict=True):
            hip = self.place(np.array([[hip_x, 0.235]]))[0]
            x = hip[0] + hand.facing * hand.scale * (before + 0.02)
            legs.append((hip, np.array([x, branch_y(hand, x) - 0.6 * hand.branch[2]])))
        return legs


def branch_y(hand: Hand, x: float | Array) -> float | Array:
    """Return how far down the middle of the branch lies at `x`, in sides of the picture."""
    slope, bend, _ = hand.branch
    from_perch = np.asarray(x) - hand.perch[0]
    return hand.perch[1] + slope * from_perch + bend * (2 * from_perch) ** 2


def keypoints(hand: Hand) -> dict[str, tuple[float, float]]:
    """Return (x, y) of the parts, then of other places, in sides of the picture."""
    pose = Pose(hand)
    (_, near_foot), (_, far_foot) = pose.legs()
    places: dict[str, Array] = {
        "bill": pose.place(np.array([[0.70, -0.270]]))[0],
        "crown": pose.place(np.array([[0.47, -0.400]]))[0],
        "wing bar": pose.place(outline((outlines.BACK_BAR,)))[9],
        "breast": pose.place(np.array([[0.42, 0.120]]))[0],
        "tail": pose.place_tail(np.array([[0.20, 0.04]]))[0],
        "feet": near_foot,
        "far foot": far_foot,
        "eye": pose.place(np.array([outlines.EYE]))[0],
        "forehead": pose.place(np.array([[0.63, -0.325]]))[0],
        "throat": pose.place(np.array([[0.585, -0.160]]))[0],
        "nape": pose.place(np.array([[0.27, -0.255]]))[0],
        "back": pose.place(np.array([[-0.05, -0.190]]))[0],
        "belly": pose.place(np.array([[-0.08, 0.210]]))[0],
    }
    return {name: (float(place[0]), float(place[1])) for name, place in places.items()}
