"""The question: which class, and in contrast to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st

from components import caching, state
from components.wording import minus, percent, short
from explain_core import BankError, Image, Model, ReferenceSet, similar_classes
from explain_core.references.similar import SimilarBy, SimilarClass
from explain_core.types import Array

Kind = Literal["why is", "why not", "what varies"]

_KINDS: dict[Kind, str] = {
    "why is": "Why this",
    "why not": "Why not",
    "what varies": "What varies",
}
_KIND_HELP = (
    "**Why this?** What speaks for the class against all that it could be taken for. "
    "**Why not that?** Against the classes you choose. "
    "**What varies?** What sets this picture apart from others of its own class."
)
_BY: dict[SimilarBy, str] = {"weights": "similar weights", "logits": "nearest logit"}
_BY_HELP = (
    "**Similar weights:** cosine of the classifier's weight vectors, the same for every picture. "
    "**Nearest logit:** the classes whose outputs for this picture are highest."
)
_NUM_SUGGESTED: dict[Kind, int] = {"why is": 3, "why not": 1, "what varies": 0}


@dataclass(frozen=True, eq=False)
class Question:
    """Hold what is asked of one picture.

    Attributes:
        kind: which of the questions.
        target: class index.
        references: classes to compare with; empty for "what varies".
        reference_set: pictures to compare with; None where the model has no bank.
        text: the question in words.
    """

    kind: Kind
    target: int
    references: tuple[int, ...]
    reference_set: ReferenceSet | None
    text: str


def question_picker(model: Model, image: Image, logits: Array) -> Question:
    """Show the question's widgets and return the question."""
    kinds = [kind for kind in _KINDS if caching.bank_of(model) is not None or kind != "what varies"]
    kind: Kind = st.segmented_control(
        "Question",
        kinds,
        format_func=_KINDS.__getitem__,
        default="why is",
        required=True,
        key=f"{state.QUESTION}-{len(kinds)}",
        persist_state="session",
        width="stretch",
        help=_KIND_HELP,
    )
    target = _target_picker(model, image, logits)
    references = (
        () if kind == "what varies" else _reference_picker(model, image, logits, kind, target)
    )
    return Question(
        kind=kind,
        target=target,
        references=references,
        reference_set=_reference_set(model, kind, target, references),
        text=_in_words(model, kind, target, references),
    )


def _target_picker(model: Model, image: Image, logits: Array) -> int:
    probabilities = model.probabilities(logits)
    order = [int(index) for index in np.argsort(-probabilities, kind="stable")]
    target: int = st.selectbox(
        "Class to explain",
        order,
        format_func=lambda index: f"{model.classes[index]} ({percent(probabilities[index])})",
        key=state.per_question("target", model, image),
        persist_state="session",
        help="The most probable class comes first. Type to search by name.",
    )
    return target


def _reference_picker(
    model: Model, image: Image, logits: Array, kind: Kind, target: int
) -> tuple[int, ...]:
    by: SimilarBy = "logits"
    if model.class_weights is not None:
        by = st.segmented_control(
            "Suggest by",
            list(_BY),
            format_func=_BY.__getitem__,
            default="weights" if kind == "why is" else "logits",
            required=True,
            key=f"{state.SUGGEST_BY}-{kind}",
            persist_state="session",
            width="stretch",
            help=_BY_HELP,
        )
    suggested = similar_classes(model, target, logits=logits, by=by, count=_NUM_SUGGESTED[kind])
    probabilities = model.probabilities(logits)
    others = [int(index) for index in np.argsort(-probabilities, kind="stable") if index != target]
    chosen = st.multiselect(
        "Compared with" if kind == "why not" else "Compared with, by Finer-CAM",
        others,
        default=[similar.index for similar in suggested],
        format_func=lambda index: f"{model.classes[index]} ({percent(probabilities[index])})",
        key=state.per_question("references", model, image, kind, target, by),
        persist_state="session",
        placeholder="Type a class name",
        max_selections=10,
        select_all=False,
    )
    if not chosen:
        st.caption("Nothing chosen: choose at least one class to compare with.")
    else:
        st.caption(_reasons(model, suggested, chosen))
    return tuple(chosen)


def _reasons(model: Model, suggested: Sequence[SimilarClass], chosen: Sequence[int]) -> str:
    """Return why the suggested ones among the chosen classes were suggested."""
    reasons = [
        f"{short(model.classes[similar.index])} ({_score(similar)})"
        for similar in suggested
        if similar.index in chosen
    ]
    own = len(chosen) - len(reasons)
    parts = [f"Suggested: {', '.join(reasons)}."] if reasons else []
    if own:
        parts.append(f"Chosen by you: {own}.")
    return " ".join(parts)


def _score(similar: SimilarClass) -> str:
    if similar.by == "weights":
        return f"weight cosine {minus(f'{similar.score:.2f}')}, rank {similar.rank}"
    return f"logit {minus(f'{similar.score:.1f}')}, rank {similar.rank}"


def _reference_set(
    model: Model, kind: Kind, target: int, references: tuple[int, ...]
) -> ReferenceSet | None:
    bank = caching.bank_of(model)
    if bank is None:
        return None
    try:
        if kind == "why is":
            return bank.all_but(target)
        if kind == "what varies":
            return bank.reference_set((target,))
        return bank.reference_set(references) if references else None
    except BankError:
        return None


def _in_words(model: Model, kind: Kind, target: int, references: tuple[int, ...]) -> str:
    name = short(model.classes[target])
    if kind == "what varies":
        return f"What sets this {name} apart from other pictures of {name}?"
    if kind == "why is" or not references:
        return f"Why {name}?"
    rivals = [short(model.classes[index]) for index in references]
    listed = " or ".join([", ".join(rivals[:-1]), rivals[-1]] if len(rivals) > 1 else rivals)
    return f"Why {name} and not {listed}?"
