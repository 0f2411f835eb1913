"""What the model calls on a film, and which findings are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components import state
from components.wording import class_name, literal, percent
from explain_core import Image, Model
from explain_core.types import Array

MAX_EXPLAINED = 4


@dataclass(frozen=True)
class Finding:
    """Hold what a model says of one finding.

    Attributes:
        index: of the class.
        probability: in [0, 1].
        threshold: from which the model calls it; None where the classes compete.
        is_called: whether it does.
    """

    index: int
    name: str
    probability: float
    threshold: float | None
    is_called: bool


def findings_of(model: Model, logits: Array) -> tuple[Finding, ...]:
    """Return all findings, the called ones first, then by probability."""
    probabilities = model.probabilities(logits)
    called = model.finds(probabilities)
    thresholds = model.thresholds
    return tuple(
        Finding(
            index=int(index),
            name=class_name(model, int(index)),
            probability=float(probabilities[index]),
            threshold=None if thresholds is None else float(thresholds[index]),
            is_called=bool(called[index]),
        )
        for index in np.lexsort((-probabilities, ~called))
    )


def findings_picker(model: Model, image: Image, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Show the findings and return those asked about; at first the ones that the model calls."""
    by_index = {finding.index: finding for finding in findings}
    called = [finding.index for finding in findings if finding.is_called]
    chosen = st.multiselect(
        "Findings to explain",
        list(by_index),
        default=(called or [findings[0].index])[:MAX_EXPLAINED],
        format_func=lambda index: _in_words(by_index[index]),
        key=state.per_question(state.XRAY_FINDINGS, model, image),
        persist_state="session",
        max_selections=MAX_EXPLAINED,
        select_all=False,
        wrap=True,
        placeholder="Choose a finding",
        help="Several at once: each gets its own maps.",
    )
    return tuple(by_index[index] for index in chosen)


def shown_findings(
    model: Model, image: Image, asked: Sequence[Finding]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Say which of the findings asked about are not called; return those shown, and the others.

    A map of what the model does not call is shown only where a person wants it all the same.
    """
    shown: list[Finding] = []
    hidden: list[Finding] = []
    for finding in asked:
        key = state.per_question("uncalled", model, image, finding.index)
        is_wanted = state.is_uncalled_shown(key)
        (shown if finding.is_called or is_wanted else hidden).append(finding)
        if finding.is_called:
            continue
        said = f"The model does not call **{literal(finding.name)}** ({_why_not(finding)})."
        if is_wanted:
            st.warning(
                f"{said} The map shows what little speaks for it, and no finding.",
                icon=":material/warning:",
            )
            continue
        with st.container(horizontal=True, vertical_alignment="center", key=f"box-{key}"):
            st.markdown(f":material/visibility_off: {said} So no map is shown.")
            st.button(
                "Show its map all the same",
                key=f"show-{key}",
                on_click=state.show_uncalled,
                args=(key,),
            )
    return tuple(shown), tuple(hidden)


def _why_not(finding: Finding) -> str:
    if finding.threshold is None:
        return f"{percent(finding.probability)}, another is more probable"
    return f"{percent(finding.probability)}, its operating point is {percent(finding.threshold)}"


def _in_words(finding: Finding) -> str:
    mark = "" if finding.is_called else ", not called"
    return f"{finding.name} ({percent(finding.probability)}{mark})"
