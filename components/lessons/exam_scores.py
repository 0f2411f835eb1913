"""Lesson "Two exam scores": what Grad-CAM, a counterfactual and DiffCAM say of one student."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from components import state
from components.exam_plane import Setting, exam_plane
from components.exam_plane.setting import NAMES, setting_from, texts_of
from components.lessons import link
from components.lessons.lesson import Answer, Lesson, link_key
from explain_core.datasets.exam_scores import ExamScores, exam_scores, fit_boundary, weak_reader
from explain_core.references.spectrum import spectrum_of_features
from explain_core.types import Array

NAME = "exam-scores"
ALL_PASS = "All Pass students"
ALL_FAIL = "All Fail students"
PASS_READING = "Pass students strong in reading"
PASS_WRITING = "Pass students strong in writing"
LOOP = "A loop that you draw"
GROUPS = (ALL_PASS, ALL_FAIL, PASS_READING, PASS_WRITING, LOOP)
LAMS = (1e-3, 1e2)
NUM_CLASSES = 99
PLANE = link_key(NAME, "plane")


def members_of(group: str, students: ExamScores, loop: tuple[int, ...]) -> Array:
    """Return the indices of a group's students, rising.

    Strong means above the median of those who passed.
    """
    reading, writing = students.scores.T
    if group == LOOP:
        return np.array(loop, dtype=np.int64)
    chosen = students.has_passed
    if group == ALL_FAIL:
        chosen = ~chosen
    elif group == PASS_READING:
        chosen = chosen & (reading > np.median(reading[chosen]))
    elif group == PASS_WRITING:
        chosen = chosen & (writing > np.median(writing[chosen]))
    return np.flatnonzero(chosen)


def _show() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = st.selectbox(
            "DiffCAM compares x with",
            GROUPS,
            key=link_key(NAME, "group"),
            bind="query-params",
            help="The reference group. A loop: drag on the empty plane around some students.",
            width=320,
        )
        number = st.number_input(
            "Class of students",
            min_value=1,
            max_value=NUM_CLASSES,
            value=1,
            step=1,
            key=link_key(NAME, "class"),
            bind="query-params",
            help="Another number draws other students and fits the boundary anew.",
            width=170,
        )
    students = exam_scores(int(number))
    boundary = fit_boundary(students)
    reading, writing = weak_reader(students, boundary)
    start = Setting((float(reading), float(writing)), LAMS[0])
    setting = setting_from(_texts(int(number)), start, LAMS)
    members = members_of(group, students, setting.loop)
    exam_plane(
        students,
        boundary,
        spectrum_of_features(students.scores[members]) if len(members) else None,
        members,
        setting,
        start,
        number=int(number),
        lams=LAMS,
        is_looping=group == LOOP,
        key=PLANE,
    )
    _keep_in_link(setting, start)


def _texts(number: int) -> Mapping[str, object]:
    """Return what the page told, else what the link says; a loop of another class is dropped."""
    shown = state.values_of([PLANE])[PLANE]
    told = shown.get("told") if isinstance(shown, Mapping) else None
    if isinstance(told, Mapping):
        return told if told.get("class") == number else {**told, "loop": ""}
    return {name: st.query_params.get(link_key(NAME, name)) for name in NAMES}


def _keep_in_link(setting: Setting, start: Setting) -> None:
    """Let the link say what differs from the start, and no more."""
    begun = texts_of(start)
    for name, text in texts_of(setting).items():
        link.put(NAME, name, None if text == begun[name] else text)


LESSON = Lesson(
    name=NAME,
    title="Two exam scores",
    source="DiffCAM, Figure 1",
    do="Drag the student x. Change λ and the group that x is compared with.",
    see="Three arrows say three things about x. Which of them turn?",
    question="When do Grad-CAM and DiffCAM agree?",
    answers=(
        Answer(
            "When x falls short of the group in just what tells Pass from Fail.",
            is_right=True,
            because="Yes. Such places lie on one line that begins at the middle of the group. "
            "Compared with all Pass students, and with λ at its smallest, it passes close to the "
            "middle of the Fail students. Move λ or take another group, and the line turns.",
        ),
        Answer(
            "When x is close to the boundary.",
            is_right=False,
            because="No. Move x along the boundary: the counterfactual stays short, but DiffCAM "
            "turns all the time. DiffCAM never looks at the boundary, only at the group.",
        ),
        Answer(
            "When λ is very large, wherever x is.",
            is_right=False,
            because="No. With a very large λ, DiffCAM points straight at the middle of the group. "
            "That is the way across the boundary from one line of places only.",
        ),
    ),
    show=_show,
)
