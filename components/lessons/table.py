"""`LESSONS`: every lesson of the classroom by name, in the order in which they are taught."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from components.lessons import can_it_lie, exam_scores, not_eight, scoring_maps, three_sliders
from components.lessons.lesson import Lesson

_ALL = (
    exam_scores.LESSON,
    not_eight.LESSON,
    three_sliders.LESSON,
    can_it_lie.LESSON,
    scoring_maps.LESSON,
)

LESSONS: Mapping[str, Lesson] = MappingProxyType({lesson.name: lesson for lesson in _ALL})
