"""A plane of students with two exam scores, in which x is dragged and three arrows turn at once.

Python sends the boundary and the group's eigenpairs; the page works out the arrows itself
(`arrows.js`) and tells where x was dropped, so that the link can bring it back.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from components.exam_plane.setting import Setting, texts_of
from components.inline_js import joined
from explain_core.datasets.exam_scores import ExamScores, PassBoundary
from explain_core.references.spectrum import Spectrum
from explain_core.types import Array

__all__ = ["Setting", "exam_plane"]

_HERE = Path(__file__).parent

_plane = st.components.v2.component(
    "whynot_exam_plane",
    html=(_HERE / "plane.html").read_text(encoding="utf-8"),
    css=(_HERE / "plane.css").read_text(encoding="utf-8"),
    js=joined(_HERE, ("arrows.js", "words.js", "drawing.js", "plane.js")),
)


def exam_plane(
    students: ExamScores,
    boundary: PassBoundary,
    spectrum: Spectrum | None,
    members: Array,
    setting: Setting,
    start: Setting,
    *,
    number: int,
    lams: tuple[float, float],
    is_looping: bool,
    key: str,
) -> None:
    """Show the plane; what is set in it stands under `key` as `{"told": texts}` on the next run.

    Args:
        spectrum: of the group that DiffCAM compares with; None while it has no members.
        members: (m,) indices of the group's students, marked in the plane.
        setting, start: what to show until x is moved, and what "Back to start" brings.
        number: of the class, sent back with what is told: a loop holds students of one class.
        lams: least and largest lambda, in units of the spectrum's `lam_unit`.
        is_looping: whether dragging on the empty plane draws a loop around students.
    """
    _plane(
        key=key,
        data={
            "scores": students.scores.tolist(),
            "hasPassed": students.has_passed.tolist(),
            "means": {"pass": students.pass_mean.tolist(), "fail": students.fail_mean.tolist()},
            "boundary": {"weight": boundary.weight.tolist(), "bias": boundary.bias},
            "spectrum": None if spectrum is None else _sent(spectrum),
            "members": members.tolist(),
            "setting": texts_of(setting),
            "start": texts_of(start),
            "class": number,
            "lams": list(lams),
            "isLooping": is_looping,
        },
        default={"told": None},
        on_told_change=lambda: None,
    )


def _sent(spectrum: Spectrum) -> dict[str, object]:
    one_each = np.eye(len(spectrum.eigenvalues))
    return {
        "mean": spectrum.mean.tolist(),
        "eigenvalues": spectrum.eigenvalues.tolist(),
        "vectors": [spectrum.expand(one).tolist() for one in one_each],
        "lamUnit": spectrum.lam_unit,
    }
