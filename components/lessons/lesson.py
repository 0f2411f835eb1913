"""What a lesson is: one screen, one thing to do, one to see, one question to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Hold one answer that a student may choose.

    Attributes:
        text: as it is offered.
        is_right: whether it is the answer.
        because: what is said once it is chosen; right or wrong, it explains.
    """

    text: str
    is_right: bool
    because: str


@dataclass(frozen=True, eq=False)
class Lesson:
    """Hold one lesson.

    Attributes:
        name: kebab-case; stands in the link.
        title: as people read it.
        source: the figure or section of the paper that it comes from.
        do: one sentence: what to do.
        see: one sentence: what to look at.
        question: to answer in the end.
        answers: to choose from; exactly one is right.
        show: draws the lesson's screen. What it computes comes from the core, live; what a link
            is to bring back are widgets with `bind="query-params"` and a key from `link_key`.
    """

    name: str
    title: str
    source: str
    do: str
    see: str
    question: str
    answers: tuple[Answer, ...]
    show: Callable[[], None]


def link_key(lesson: str, name: str) -> str:
    """Return the key of a lesson's widget, under which its value stands in the link."""
    return f"{lesson}-{name}"
