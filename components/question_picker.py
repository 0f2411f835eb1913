"""The question: which class, and in contrast to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st

from components import caching, state
from components.reference_builder import Place
from components.reference_picker import reference_picker
from components.wording import class_name, counted, minus, percent
from explain_core import BankError, Image, Model, ReferenceSet, similar_classes
from explain_core.references.bank import MAX_COMPARED_CLASSES
from explain_core.references.similar import SimilarBy, SimilarClass, weight_cosines
from explain_core.types import Array, picture_id

Kind = Literal["why is", "why not", "what varies", "how unlike"]

_KINDS: dict[Kind, str] = {
    "why is": "Why this",
    "why not": "Why not",
    "what varies": "What varies",
    "how unlike": "How unlike",
}
_KIND_HELP = (
    "**Why this?** What speaks for the class against all that it could be taken for. "
    "**Why not that?** Against the classes you choose. "
    "**What varies?** What sets this picture apart from others of its own class. "
    "**How unlike?** What sets it apart from any set of pictures that you choose."
)
_BY: dict[SimilarBy, str] = {"weights": "similar weights", "logits": "nearest logit"}
_BY_TEXTS: dict[SimilarBy, str] = {"weights": "similar texts", "logits": "nearest logit"}
_BY_HELP = (
    "**Similar weights:** cosine of the classifier's weight vectors, the same for every picture; "
    "with texts, of the texts' vectors. "
    "**Nearest logit:** the classes whose outputs for this picture are highest."
)
_NUM_SUGGESTED: dict[Kind, int] = {"why is": 3, "why not": 1}


@dataclass(frozen=True, eq=False)
class Question:
    """Hold what is asked of one picture.

    Attributes:
        kind: which of the questions.
        target: class index; None for a model without a head.
        references: classes to compare with; empty for "what varies" and "how unlike".
        reference_set: pictures to compare with; None where there are none.
        pictures: what the reference set holds, in words.
        text: the question in words.
    """

    kind: Kind
    target: int | None
    references: tuple[int, ...]
    reference_set: ReferenceSet | None
    pictures: str
    text: str


def question_picker(place: Place, image: Image, logits: Array | None) -> Question:
    """Show the question's widgets and return the question.

    Args:
        logits: (num_classes,); None for a model without a head.
    """
    model = place.model
    kinds = _kinds(place)
    kind: Kind = st.segmented_control(
        "Question",
        kinds,
        format_func=_KINDS.__getitem__,
        default=kinds[0],
        required=True,
        key=f"{state.QUESTION}-{len(kinds)}",
        persist_state="session",
        width="stretch",
        help=_KIND_HELP,
    )
    target = None if logits is None else _target_picker(model, image, logits)
    if kind == "how unlike" or target is None or logits is None:
        chosen = reference_picker(place, with_maker=True)
        if chosen is None:
            return Question(kind, target, (), None, "", "How is this picture unlike others?")
        count = len(chosen.references.features)
        return Question(
            kind=kind,
            target=target,
            references=(),
            reference_set=chosen.references,
            pictures=f"“{chosen.name}” ({counted(count, 'picture')})",
            text=f"How is this picture unlike “{chosen.name}”?",
        )
    references = (
        () if kind == "what varies" else _reference_picker(model, image, logits, kind, target)
    )
    return question_about(place, image, kind, target, references)


def question_about(
    place: Place, image: Image, kind: Kind, target: int, references: tuple[int, ...]
) -> Question:
    """Return the question of a kind about a class, with the pictures that the bank has for it.

    Args:
        kind: any but "how unlike", whose pictures a person chooses.
    """
    pictures = _reference_set(place, image, kind, target, references)
    return Question(
        kind=kind,
        target=target,
        references=references,
        reference_set=pictures,
        pictures=_pictures(place.model, kind, references, pictures),
        text=_in_words(place.model, kind, target, references),
    )


def _kinds(place: Place) -> list[Kind]:
    """Return the questions that can be asked of a model with the bank at hand."""
    if not place.model.has_head:
        return ["how unlike"]
    has_classes = place.bank is not None and place.bank.is_aligned
    return [kind for kind in _KINDS if has_classes or kind != "what varies"]


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
            format_func=(_BY_TEXTS if model.has_texts else _BY).__getitem__,
            default=_suggested_by(model, target, kind),
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


def _suggested_by(model: Model, target: int, kind: Kind) -> SimilarBy:
    """Return how classes are suggested at first; by weights only where any are alike."""
    cosines = weight_cosines(model, target)
    if kind != "why is" or cosines is None or np.delete(cosines, target).max(initial=-1) <= 0:
        return "logits"
    return "weights"


def _reasons(model: Model, suggested: Sequence[SimilarClass], chosen: Sequence[int]) -> str:
    """Return why the suggested ones among the chosen classes were suggested."""
    reasons = [
        f"{class_name(model, similar.index)} ({_score(model, similar)})"
        for similar in suggested
        if similar.index in chosen
    ]
    own = len(chosen) - len(reasons)
    parts = [f"Suggested: {', '.join(reasons)}."] if reasons else []
    if own:
        parts.append(f"{own} {'class' if own == 1 else 'classes'} chosen by you.")
    return " ".join(parts)


def _score(model: Model, similar: SimilarClass) -> str:
    if similar.by == "weights":
        what = "text" if model.has_texts else "weight"
        return f"{what} cosine {minus(f'{similar.score:.2f}')}, rank {similar.rank}"
    return f"logit {minus(f'{similar.score:.1f}')}, rank {similar.rank}"


def _reference_set(
    place: Place, image: Image, kind: Kind, target: int, references: tuple[int, ...]
) -> ReferenceSet | None:
    bank = place.bank
    if bank is None or not bank.is_aligned:
        return None
    try:
        if kind == "what varies":
            return _without(image, caching.bank_set(bank, (target,)))
        if kind == "why not" and not references:
            return None
        if kind == "why not":
            return _without(image, caching.bank_set(bank, tuple(sorted(references))))
        if np.count_nonzero(np.delete(bank.counts(), target)) <= MAX_COMPARED_CLASSES:
            return caching.all_but(bank, target)
        feature = caching.feature_of(place.model, image, bank.layer, bank.pooling)
        return bank.others(target, feature)
    except BankError:
        return None


def _without(image: Image, pictures: ReferenceSet) -> ReferenceSet | None:
    """Return a set, or None where it holds nothing but the picture itself."""
    return pictures if (pictures.ids != picture_id(image)).any() else None


def _pictures(
    model: Model, kind: Kind, references: tuple[int, ...], pictures: ReferenceSet | None
) -> str:
    if pictures is None:
        return ""
    count = len(pictures.features)
    if kind == "what varies":
        return f"its own class ({counted(count, 'picture')})"
    if kind == "why not":
        names = ", ".join(class_name(model, index) for index in references)
        return f"{names} ({counted(count, 'picture')})"
    if len(np.unique(pictures.labels)) == count:
        return f"the means of the {count:,} nearest classes"
    return f"all other classes ({counted(count, 'picture')})"


def _in_words(model: Model, kind: Kind, target: int, references: tuple[int, ...]) -> str:
    name = class_name(model, target)
    if kind == "what varies":
        return f"What sets this picture apart from other pictures of {name}?"
    if kind == "why is" or not references:
        return f"Why {name}?"
    rivals = [class_name(model, index) for index in references]
    listed = " or ".join([", ".join(rivals[:-1]), rivals[-1]] if len(rivals) > 1 else rivals)
    return f"Why {name} and not {listed}?"
