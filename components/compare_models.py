"""Explain's third view: one picture under two models, the same methods side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from components import caching, state
from components.compare import Compared, in_contrast, show_table_cautions
from components.map_viewer import Cell, Heading, Settings, Table, show_table
from components.method_picker import tell_unfit, why_not
from components.notices import reading_note, shown_errors
from components.parameter_panel import parameters_of
from components.question_picker import Question, question_about
from components.reference_builder import Place
from components.slow_grids import PreparedGrids, WantedGrid, prepare_grids
from components.slow_methods import Task
from components.text_classes import with_same_texts
from components.wording import class_name, minus, percent, short, took_effect
from explain_core import METHODS, Model, SaliencyMap, metrics, render, similar_classes
from explain_core.methods.cautions import basis_cautions
from explain_core.types import Array

_MOST_PX = 250_000
_AGREEMENT_HELP = (
    "On the original picture, where both networks looked, as the sliders stand. **Rank "
    "correlation** (Spearman): 1 where both maps order the pixels alike, 0 where their orders have "
    "nothing in common. **Overlap**: the top fifth of each map’s pixels, the area in both as a "
    "share of the area in either."
)


@dataclass(frozen=True, eq=False)
class Side:
    """Hold one model's half of the comparison.

    Attributes:
        logits: (num_classes,); None for a model without a head.
        told: what had to be chosen otherwise than asked, in words.
    """

    place: Place
    logits: Array | None
    question: Question
    told: str = ""

    @property
    def model(self) -> Model:
        """Return the model."""
        return self.place.model

    @property
    def target(self) -> int | None:
        """Return the class that is explained."""
        return self.question.target

    def grid(self, compared: Compared) -> WantedGrid:
        """Return what is asked of the model."""
        question = self.question
        pictures = question.reference_set
        return WantedGrid(
            model=self.model,
            image=compared.image,
            targets=(self.target,),
            references=question.references,
            reference_sets={} if pictures is None else {self.target: pictures},
            layer=self.place.layer,
            parameters=compared.parameters,
        )

    @property
    def heading(self) -> Heading:
        """Return what stands over its column."""
        if self.target is None or self.logits is None:
            return Heading(self.model.name, "without classes")
        probability = self.model.probabilities(self.logits)[self.target]
        return Heading(
            self.model.name,
            f"{class_name(self.model, self.target)}, {percent(probability)} · layer "
            f"{self.place.layer}",
        )


def compare_models(compared: Compared, above: Any, below: Any) -> tuple[Sequence[Task], Any]:
    """Show both models' maps; return the tasks under way and where their progress is shown."""
    with above:
        model = _second_model(compared.place.model)
        if model is None:
            st.caption("Choose a second model to see the same picture through its eyes.")
            return (), above
        first = Side(compared.place, compared.logits, compared.question)
        second = _second_side(compared, model)
        if second.told:
            st.info(second.told, icon=":material/info:")
        unfit = {
            name: f"{reason} ({model.name})"
            for name in compared.methods
            if (reason := why_not(second.place, second.question, name))
        }
        tell_unfit(unfit)
        methods = [name for name in compared.methods if name not in unfit]
        prepared = prepare_grids([side.grid(compared) for side in (first, second)], methods)
    with below:
        if any(prepared.bases):
            _show_models(compared, (first, second), methods, prepared)
    return prepared.started, prepared.place


def _second_model(first: Model) -> Model | None:
    ready: dict[str, bool] = {"digits": True}
    with shown_errors():
        ready = caching.model_names()
    name = st.selectbox(
        "Second model",
        [each for each in ready if each != first.name],
        index=None,
        format_func=lambda each: each if ready[each] else f"{each} ↓",
        key=f"{state.SECOND_MODEL}-{first.name}",
        persist_state="session",
        placeholder="Choose a model",
        help="↓: downloads its weights first. Its own default layer is explained.",
        width=360,
    )
    if name is None or name not in ready:
        return None
    with shown_errors():
        return with_same_texts(caching.model_named(name), first)
    return None


def _second_side(compared: Compared, model: Model) -> Side:
    """Ask the second model what the first was asked, as far as it has the classes."""
    banks = [bank for bank in caching.banks_of(model) if bank.layer == model.layer]
    place = Place(
        model,
        next((bank for bank in banks if bank.is_aligned), None),
        compared.image,
        model.layer,
    )
    asked = compared.question
    if not model.has_head:
        question = replace(asked, target=None, references=(), reference_set=None)
        return Side(place, None, question, f"{model.name} has no classes.")
    logits = caching.logits_of(model, compared.image)
    wanted = None if asked.target is None else compared.place.model.classes[asked.target]
    target = None if wanted is None else same_class(wanted, model.classes)
    told = ""
    if target is None:
        target = int(np.argmax(model.probabilities(logits)))
        sought = (
            "The first model has no classes"
            if wanted is None
            else (f"{model.name} has no class “{short(wanted)}”")
        )
        told = (
            f"{sought}; “{class_name(model, target)}”, which {model.name} predicts, is explained."
        )
    references, told = _references(compared, model, logits, target, told)
    kind = asked.kind if asked.kind != "how unlike" else "why is"
    question = question_about(place, compared.image, kind, target, references)
    if asked.kind == "how unlike":
        question = replace(question, kind=asked.kind, reference_set=None, references=())
    return Side(place, logits, question, told)


def _references(
    compared: Compared, model: Model, logits: Array, target: int, told: str
) -> tuple[tuple[int, ...], str]:
    """Return the classes that the second model compares with, and what to say of them."""
    asked = compared.question.references
    if not asked:
        return (), told
    names = [compared.place.model.classes[index] for index in asked]
    found = {name: same_class(name, model.classes) for name in names}
    matched = tuple(
        dict.fromkeys(index for index in found.values() if index is not None and index != target)
    )
    if len(matched) == len(asked):
        return matched, told
    if matched:
        missing = ", ".join(short(name) for name, index in found.items() if index is None)
        return matched, f"{told} {model.name} compares without {missing}.".strip()
    similar = similar_classes(
        model,
        target,
        logits=logits,
        by="logits" if model.class_weights is None else "weights",
        count=len(asked),
    )
    chosen = tuple(each.index for each in similar)
    listed = ", ".join(class_name(model, index) for index in chosen)
    return chosen, f"{told} {model.name} compares with its own similar classes: {listed}.".strip()


def same_class(name: str, classes: Sequence[str]) -> int | None:
    """Return the class of the same name, else the only one that shares a synonym; None without.

    Case does not count, and synonyms stand between commas: "papillon, toy spaniel".
    """
    known = [_synonyms(each) for each in classes]
    wanted = _synonyms(name)
    same = [index for index, each in enumerate(known) if each == wanted]
    alike = [index for index, each in enumerate(known) if set(each) & set(wanted)]
    for found in (same, alike):
        if len(found) == 1:
            return found[0]
    return None


def _synonyms(name: str) -> tuple[str, ...]:
    return tuple(part.strip().casefold() for part in name.split(",") if part.strip())


@st.fragment
def _show_models(
    compared: Compared, sides: Sequence[Side], methods: Sequence[str], prepared: PreparedGrids
) -> None:
    """Show the maps; what is set in the viewer runs only this part again, never a network."""
    cautions = st.container()
    cells = {
        (method, x): Cell(
            row=y,
            column=x,
            method=method,
            basis=bases[side.target, method],
            subtitle=in_contrast(side.model, method, side.question, side.target),
            foot=took_effect(bases[side.target, method]),
        )
        for y, method in enumerate(methods)
        for x, (side, bases) in enumerate(zip(sides, prepared.bases, strict=True))
        if (side.target, method) in bases
    }
    settings = show_table(
        sides[0].model,
        compared.image,
        Table(
            rows=[Heading(METHODS[method].title) for method in methods],
            columns=[side.heading for side in sides],
            cells=list(cells.values()),
            scale="Own",
        ),
        parameters_of(methods, "render"),
        viewer=f"{state.COMPARE}-models",
        question=compared.question.text,
        source=f"Models {sides[0].model.name} and {sides[1].model.name}",
    )
    with cautions:
        show_table_cautions(
            [
                caution
                for (_, x), cell in cells.items()
                for caution in basis_cautions(
                    cell.basis, settings.of_cell(cell), sides[x].model.gradient_layer
                )
            ]
        )
    _show_agreement(cells, methods, settings)
    names = [side.model.classes[side.target] for side in sides if side.target is not None]
    if len(names) == len(sides) and same_class(names[0], names[1:]) is None:
        st.caption(
            f"The maps explain different classes, “{short(names[0])}” and “{short(names[1])}”: "
            "that they differ is no disagreement."
        )
    reading_note(caching.session_memory().passes)


def _show_agreement(
    cells: Mapping[tuple[str, int], Cell], methods: Sequence[str], settings: Settings
) -> None:
    pairs = {
        METHODS[method].title: [_placed(cells[method, x], settings) for x in (0, 1)]
        for method in methods
        if (method, 0) in cells and (method, 1) in cells
    }
    if not pairs:
        return
    st.markdown("**How far the two models’ maps agree**", help=_AGREEMENT_HELP)
    st.table(
        {
            "Method": list(pairs),
            "Rank correlation": [told(metrics.rank_correlation(*pair)) for pair in pairs.values()],
            "Overlap of the top 20 %": [
                told(metrics.top_area_iou(*pair)) for pair in pairs.values()
            ],
        },
        width="content",
    )


def _placed(cell: Cell, settings: Settings) -> Array:
    """Return a cell's map on the original picture, of large pictures on evenly spread pixels."""
    is_signed = settings.is_signed and METHODS[cell.method].can_be_signed
    smap: SaliencyMap = render(cell.basis, signed=is_signed, **settings.of_cell(cell))
    geometry = smap.geometry
    height, width = geometry.original_size
    factor = math.ceil(math.sqrt(max(1.0, height * width / _MOST_PX)))
    coarse = replace(
        geometry,
        original_size=(math.ceil(height / factor), math.ceil(width / factor)),
        scale=(geometry.scale[0] * factor, geometry.scale[1] * factor),
    )
    return coarse.place_on_original(smap.values)


def told(agreement: float) -> str:
    """Return an agreement in words."""
    return "no evidence" if math.isnan(agreement) else minus(f"{agreement:.2f}")
