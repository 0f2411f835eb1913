"""The papers' experiments as plans, and what a plan cannot say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import explain_core as xc
from explain_core.datasets.protocol import Choice, Protocol, Selection
from explain_core.datasets.protocols import PROTOCOLS
from explain_core.errors import InputError
from explain_core.evaluation.pictures import question_of
from explain_core.evaluation.plan import CONTROLS, make_plan, variant
from explain_core.evaluation.protocol_plans import protocol_plan
from tests.core.evaluation.making import CLASSES, dataset_of, example, tiny_dataset, tiny_model

MADE_UP = Protocol(
    name="made-up",
    paper="finer-cam",
    table="Table 0",
    summary="Does it work?",
    dataset="images",
    part="",
    models=("digits",),
    methods=(Choice("grad-cam"), Choice("finer-grad-cam", (("weights", "softmax"),))),
    metrics=(Choice("relative-drop", (("share", 0.1),)), Choice("deletion")),
    against="similar classes",
    num_references=3,
)


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return tiny_model()


def test_a_sweep_varies_the_methods_that_have_the_parameter(model: xc.Model) -> None:
    swept = replace(MADE_UP, sweeps=(("gamma", (0.0, 0.6)),), reversed=("grad-cam",), input_px=224)
    _, plan, departures = protocol_plan(swept, model, tiny_dataset())
    assert plan.methods[:3] == (
        variant("grad-cam"),
        variant("finer-grad-cam", weights="softmax", gamma=0.0),
        variant("finer-grad-cam", weights="softmax", gamma=0.6),
    )
    assert [each.name for each in plan.methods[3:]] == list(CONTROLS)
    assert plan.metrics == (variant("relative-drop", share=0.1), variant("deletion"))
    assert plan.against == "similar"
    assert departures == (
        "without the reversed maps",
        "the model looks at 20 x 28 pixels, the paper's at 224",
    )


def test_the_selection_chooses_pictures_before_and_after_the_model(model: xc.Model) -> None:
    selection = Selection(num_images=3, labels=("1", "2"), min_probability=0.9, is_right=True)
    chosen, plan, _ = protocol_plan(
        replace(MADE_UP, selection=selection), model, tiny_dataset(20), limit=2
    )
    assert len(chosen.examples) == 3
    assert {each.label for each in chosen.examples} <= {"1", "2"}
    assert (plan.num_examples, len(plan.indices)) == (3, 2)
    assert (plan.min_probability, plan.is_right_only) == (0.9, True)


def test_a_method_that_the_model_does_not_allow_is_told(model: xc.Model) -> None:
    asked = replace(MADE_UP, methods=(Choice("grad-cam"), Choice("diffcam")))
    _, plan, departures = protocol_plan(asked, model, tiny_dataset())
    assert plan.methods[0] == variant("grad-cam")
    assert departures[0].startswith("without diffcam: it compares with reference pictures")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ()}, "shows maps and scores none"),
        ({"against": "a text"}, "compares with 'a text', which cannot be evaluated"),
        ({"selection": Selection(is_right=False)}, "that the model gets wrong"),
        ({"against": "healthy films"}, "build a bank of them"),
    ],
)
def test_what_cannot_be_evaluated_says_what_to_do(change, message, model: xc.Model) -> None:
    with pytest.raises(InputError, match=message):
        protocol_plan(replace(MADE_UP, **change), model, tiny_dataset())


# DiffCAM alone needs a bank, which the tiny model has not.
SCORED = [
    name
    for name, each in PROTOCOLS.items()
    if each.metrics
    and each.against != "healthy films"
    and any(choice.name != "diffcam" for choice in each.methods)
]


@pytest.mark.parametrize("name", SCORED)
def test_scored_experiments_of_the_papers_have_a_plan(name: str, model: xc.Model) -> None:
    protocol = PROTOCOLS[name]
    whole = replace(protocol.selection, num_boxes=None, max_box_share=None, labels=())
    data = dataset_of([example(index) for index in range(5)], ("mask", "boxes", "parts"))
    _, plan, _ = protocol_plan(replace(protocol, selection=whole), model, data)
    assert [(each.name, each.values) for each in plan.metrics] == [
        (each.name, each.values) for each in protocol.metrics
    ]
    assert {each.name for each in protocol.methods} - {"diffcam"} <= {
        each.name for each in plan.methods
    }


def test_random_class_is_drawn_anew_for_every_picture_and_has_its_truth(model: xc.Model) -> None:
    data = tiny_dataset()
    plan = make_plan(model, data, ["grad-cam"], ["rcap"], against="random")
    drawn = set()
    for seed in range(30):
        asked = question_of(plan, model, data.examples[0], np.empty(0), seed)
        (other,) = asked.references
        drawn.add(other)
        columns = np.flatnonzero(asked.truth.mask.any(axis=0)) // 4
        assert set(columns) == {0, other}
    assert drawn == set(range(1, len(CLASSES)))
