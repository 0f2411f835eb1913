"""What is set in the plane, as short texts: so it stands in the link and so the page tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from explain_core.datasets.exam_scores import HIGHEST, LOWEST, NUM_STUDENTS

NAMES = ("x", "lam", "loop")

_NUMBER = r"\d{1,3}(?:\.\d{1,6})?"
_PLACE = re.compile(rf"({_NUMBER}),({_NUMBER})", re.ASCII)
_LAM = re.compile(_NUMBER, re.ASCII)
_LOOP = re.compile(rf"[0-9a-f]{{{NUM_STUDENTS // 4}}}")


@dataclass(frozen=True)
class Setting:
    """Hold where x is, DiffCAM's lambda and the students inside the loop.

    Attributes:
        place: reading and writing, in [0, 100].
        lam: in units of the group's mean eigenvalue, above 0.
        loop: indices of students, rising.
    """

    place: tuple[float, float]
    lam: float
    loop: tuple[int, ...] = ()


def texts_of(setting: Setting) -> dict[str, str]:
    """Return a setting as texts: "28,64", "0.001", and one hexadecimal digit per four students.

    The digit's largest bit is the first of its students.
    """
    bits = "".join("1" if student in setting.loop else "0" for student in range(NUM_STUDENTS))
    return {
        "x": f"{setting.place[0]:.6g},{setting.place[1]:.6g}",
        "lam": f"{setting.lam:.6f}".rstrip("0").rstrip("."),
        "loop": f"{int(bits, 2):0{NUM_STUDENTS // 4}x}" if setting.loop else "",
    }


def setting_from(texts: Mapping[str, object], start: Setting, lams: tuple[float, float]) -> Setting:
    """Return the setting that texts from a browser describe; what is broken is as at the start."""
    return Setting(
        place=_place_from(texts.get("x")) or start.place,
        lam=_lam_from(texts.get("lam"), lams) or start.lam,
        loop=_loop_from(texts.get("loop")),
    )


def _place_from(text: object) -> tuple[float, float] | None:
    found = _PLACE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    reading, writing = float(found[1]), float(found[2])
    is_inside = max(reading, writing) <= HIGHEST and min(reading, writing) >= LOWEST
    return (reading, writing) if is_inside else None


def _lam_from(text: object, lams: tuple[float, float]) -> float | None:
    if not isinstance(text, str) or not _LAM.fullmatch(text):
        return None
    lam = float(text)
    return lam if lams[0] <= lam <= lams[1] else None


def _loop_from(text: object) -> tuple[int, ...]:
    if not isinstance(text, str) or not _LOOP.fullmatch(text):
        return ()
    bits = f"{int(text, 16):0{NUM_STUDENTS}b}"
    return tuple(student for student, bit in enumerate(bits) if bit == "1")
