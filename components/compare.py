"""Explain's second view: classes in rows, methods in columns, and γ beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import streamlit as st

from components import caching, state
from components.map_viewer import Cell, Heading, Table, show_table
from components.notices import reading_note, show_cautions
from components.parameter_panel import parameters_of
from components.question_picker import Question, question_about
from components.reference_builder import Place
from components.slow_grids import PreparedGrids, WantedGrid, prepare_grids
from components.slow_methods import Task
from components.wording import class_name, percent, took_effect
from explain_core import METHODS, Image, Model
from explain_core.methods.cautions import Caution, basis_cautions
from explain_core.methods.settings import GAMMA
from explain_core.types import Array, ParameterValue

View = Literal["maps", "classes", "models"]

MAX_CELLS = 36
_MAX_FIRST_ROWS = 4
_MAX_CAUTIONS = 4
_VIEWS: dict[View, str] = {
    "maps": "Maps",
    "classes": "Compare classes",
    "models": "Compare models",
}
_GAMMAS = (0.0, 0.3, 0.6, 1.0, 1.5, 2.0)


@dataclass(frozen=True, eq=False)
class Compared:
    """Hold what is compared.

    Attributes:
        logits: (num_classes,); None for a model without a head.
        methods: those that can answer the question.
        parameters: of the "prepare" phase.
        source: where the maps come from, for exports.
    """

    place: Place
    image: Image
    logits: Array | None
    question: Question
    methods: Sequence[str]
    parameters: Mapping[str, ParameterValue]
    source: str


@dataclass(frozen=True)
class Column:
    """Hold a method, and the γ that stays fixed; None follows the slider."""

    method: str
    gamma: float | None = None

    @property
    def fixed(self) -> dict[str, ParameterValue]:
        """Return the values that sliders do not move."""
        return {} if self.gamma is None else {GAMMA.name: self.gamma}


def view_picker(model: Model) -> View:
    """Show how maps can be laid out and return the choice."""
    views: list[View] = [view for view in _VIEWS if model.has_head or view != "classes"]
    chosen: View = st.segmented_control(
        "Lay out",
        views,
        format_func=_VIEWS.__getitem__,
        default="maps",
        required=True,
        key=f"{state.SHOW_AS}-{len(views)}",
        persist_state="session",
        label_visibility="collapsed",
    )
    return chosen


def compare_classes(compared: Compared, above: Any, below: Any) -> tuple[Sequence[Task], Any]:
    """Show the classes' maps; return the tasks under way and where their progress is shown."""
    with above:
        rows, columns = _rows_and_columns(compared)
        count = len(rows) * len(columns)
        if not 0 < count <= MAX_CELLS:
            _tell_size(count, rows)
            return (), above
        questions = {row: _question_of(compared, row) for row in rows}
        group = _group(compared.question)
        model = compared.place.model
        grid = WantedGrid(
            model=model,
            image=compared.image,
            targets=tuple(rows),
            references=group,
            reference_sets={
                row: question.reference_set
                for row, question in questions.items()
                if question.reference_set is not None
            },
            layer=compared.place.layer,
            parameters=compared.parameters,
        )
        methods = list(dict.fromkeys(each.method for each in columns))
        _tell_unanswered(model, grid, methods)
        prepared = prepare_grids([grid], methods)
    with below:
        if prepared.bases[0]:
            _show_classes(compared, questions, columns, prepared)
    return prepared.started, prepared.place


def _rows_and_columns(compared: Compared) -> tuple[list[int], list[Column]]:
    model, question = compared.place.model, compared.question
    assert compared.logits is not None
    assert question.target is not None
    probabilities = model.probabilities(compared.logits)
    order = [int(index) for index in np.argsort(-probabilities, kind="stable")]
    others = list(question.references) or [each for each in order if each != question.target]
    rows_place, gammas_place = st.columns([3, 2], gap="medium")
    with rows_place:
        rows = st.multiselect(
            "Classes, one row each",
            order,
            default=[question.target, *others][:_MAX_FIRST_ROWS],
            format_func=lambda index: f"{model.classes[index]} ({percent(probabilities[index])})",
            key=state.per_question(
                "rows", model, compared.image, question.kind, question.target, *question.references
            ),
            persist_state="session",
            max_selections=MAX_CELLS,
            select_all=False,
            wrap=True,
            placeholder="Type a class name",
        )
    gammas: list[float] = []
    if any(_knows_gamma(method) for method in compared.methods):
        with gammas_place:
            gammas = st.pills(
                "γ, one column each",
                _GAMMAS,
                selection_mode="multi",
                format_func=lambda gamma: f"{gamma:g}",
                key=state.GAMMAS,
                persist_state="session",
                help="Finer-CAM’s comparison strength. Nothing chosen: one column, which follows "
                "the slider.",
            )
    columns = [
        Column(method, gamma)
        for method in compared.methods
        for gamma in (sorted(gammas) if gammas and _knows_gamma(method) else [None])
    ]
    return rows, columns


def _tell_unanswered(model: Model, grid: WantedGrid, methods: Sequence[str]) -> None:
    """Say which cells stay empty, and why."""
    for method in methods:
        empty = [row for row in grid.targets if row not in grid.answered_by(method)]
        if empty:
            names = ", ".join(
                "this picture" if row is None else class_name(model, row) for row in empty
            )
            st.info(
                f"{METHODS[method].title}: no map of {names}, for there are no pictures to compare "
                "with beside this one.",
                icon=":material/info:",
            )


def _tell_size(count: int, rows: Sequence[int]) -> None:
    if count:
        st.info(
            f"These are {count} maps, and a grid shows {MAX_CELLS} at most. Choose fewer classes, "
            "methods or γ.",
            icon=":material/grid_view:",
        )
    elif not rows:
        st.info("Choose at least one class above.", icon=":material/arrow_upward:")


def _knows_gamma(method: str) -> bool:
    return GAMMA in METHODS[method].parameters


def _group(question: Question) -> tuple[int, ...]:
    """Return the classes that are compared with each other."""
    if not question.references or question.target is None:
        return ()
    return (question.target, *question.references)


def _question_of(compared: Compared, row: int) -> Question:
    """Return the question asked about another class: the same kind, against the same classes."""
    question = compared.question
    if row == question.target or question.kind == "how unlike":
        return question
    others = tuple(each for each in _group(question) if each != row)
    return question_about(compared.place, compared.image, question.kind, row, others)


@st.fragment
def _show_classes(
    compared: Compared,
    questions: Mapping[int, Question],
    columns: Sequence[Column],
    prepared: PreparedGrids,
) -> None:
    """Show the grid; what is set in the viewer runs only this part again, never a network."""
    model = compared.place.model
    assert compared.logits is not None
    probabilities = model.probabilities(compared.logits)
    cautions = st.container()
    (bases,) = prepared.bases
    cells = [
        Cell(
            row=y,
            column=x,
            method=column.method,
            basis=bases[row, column.method],
            subtitle=in_contrast(model, column.method, questions[row], row),
            foot=took_effect(bases[row, column.method]),
            fixed=column.fixed,
        )
        for y, row in enumerate(questions)
        for x, column in enumerate(columns)
        if (row, column.method) in bases
    ]
    compares = any(METHODS[column.method].compares_with == "classes" for column in columns)
    table = Table(
        rows=[
            Heading(
                class_name(model, row),
                " · ".join(
                    filter(
                        None,
                        [
                            percent(probabilities[row]),
                            _against(model, question, set(questions) - {row}) if compares else "",
                        ],
                    )
                ),
            )
            for row, question in questions.items()
        ],
        columns=[_column_heading(column) for column in columns],
        cells=cells,
        scale="Per method",
    )
    settings = show_table(
        model,
        compared.image,
        table,
        parameters_of(dict.fromkeys(column.method for column in columns), "render"),
        viewer=f"{state.COMPARE}-classes",
        question=compared.question.text,
        source=compared.source,
    )
    with cautions:
        show_table_cautions(
            [
                caution
                for cell in cells
                for caution in basis_cautions(
                    cell.basis, settings.of_cell(cell), model.gradient_layer
                )
            ]
        )
    reading_note(caching.session_memory().passes)


def _against(model: Model, question: Question, others: set[int]) -> str:
    if set(question.references) == others:
        return "against the other rows" if len(others) > 1 else "against the other row"
    return "against " + ", ".join(class_name(model, index) for index in question.references)


def _column_heading(column: Column) -> Heading:
    about = METHODS[column.method]
    note = {
        "nothing": "no comparison",
        "classes": "against other classes",
        "pictures": "against reference pictures",
    }[about.compares_with]
    if about.is_control:
        note = "knows nothing of the model"
    return Heading(about.title, note if column.gamma is None else f"γ = {column.gamma:g}")


def in_contrast(model: Model, method: str, question: Question, target: int | None) -> str:
    """Return what a method's map is in contrast to, in words."""
    name = "this picture" if target is None else class_name(model, target)
    names = ", ".join(class_name(model, index) for index in question.references)
    return {
        "nothing": f"for {name}, no comparison",
        "classes": f"{name} against {names}",
        "pictures": f"{name} against {question.pictures}",
    }[METHODS[method].compares_with]


def show_table_cautions(cautions: Sequence[Caution]) -> None:
    """Show what a table's maps call for, each once, the first few."""
    texts = dict.fromkeys(caution.text for caution in cautions)
    shown = [Caution("", text) for text in list(texts)[:_MAX_CAUTIONS]]
    if len(texts) > _MAX_CAUTIONS:
        more = len(texts) - _MAX_CAUTIONS
        shown.append(Caution("", f"And {more} more, which “Maps” says of each class."))
    show_cautions(shown)
