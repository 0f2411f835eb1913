"""DiffCAM in evaluations: which pictures it compares with, and what is made of them once."""

from __future__ import annotations

from dataclasses import replace

import pytest

import explain_core as xc
from explain_core.datasets.dataset import Dataset
from explain_core.errors import BankError, InputError
from explain_core.evaluation import plan as plan_module
from explain_core.evaluation.pictures import Shared, score_picture
from explain_core.evaluation.plan import make_plan, usable_methods
from explain_core.methods import store
from tests.core.evaluation.making import drawn_digits


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return xc.load_model("digits", device="cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return drawn_digits(4)


def rcap_of(model: xc.Model, dataset: Dataset, **options: object) -> float:
    image = dataset.examples[3].read()
    smap = xc.explain(model, image, method="diffcam", target=3, **options)
    return xc.metrics.rcap(model, image, smap, target=3)


def scored(model: xc.Model, dataset: Dataset, **options: object) -> float:
    plan = make_plan(model, dataset, ["diffcam"], ["rcap"], **options)
    return score_picture(plan, model, dataset, 3).scores[0][0]


def test_against_similar_it_compares_with_all_other_classes(model, dataset) -> None:
    assert scored(model, dataset) == pytest.approx(rcap_of(model, dataset), rel=1e-5)


def test_against_the_nearest_it_compares_with_that_class(model, dataset) -> None:
    nearest = xc.similar_classes(model, 3, logits=None, count=1)[0].index
    expected = rcap_of(model, dataset, references=[nearest])
    assert scored(model, dataset, against="nearest") == pytest.approx(expected, rel=1e-5)


def test_a_reference_set_named_is_taken(model, dataset) -> None:
    expected = rcap_of(model, dataset, references=xc.reference_set("digits/8+0"))
    found = scored(model, dataset, reference_set="digits/8+0")
    assert found == pytest.approx(expected, rel=1e-5)
    assert found != pytest.approx(scored(model, dataset), rel=1e-3)


def test_an_unknown_reference_set_is_refused(model, dataset) -> None:
    with pytest.raises(BankError, match="there is no bank 'films'"):
        make_plan(model, dataset, ["diffcam"], ["rcap"], reference_set="films/healthy")


def test_other_reference_pictures_than_the_plans_are_refused(model, dataset) -> None:
    plan = make_plan(model, dataset, ["diffcam"], ["rcap"], reference_set="digits/8")
    with pytest.raises(InputError, match="'digits/8' are not those of the plan"):
        Shared(replace(plan, reference_digest="0" * 64))


def test_the_one_class_of_a_bank_that_is_none_of_the_models_is_taken(
    model, dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    (digits,) = (bank for bank in plan_module.banks_of(model) if bank.name == "digits")
    mixed = replace(digits, name="films", classes=("3", "healthy", "8"), is_aligned=False)
    healthy = xc.reference_set("digits/8")
    monkeypatch.setattr(plan_module, "banks_of", lambda _model: (mixed,))
    monkeypatch.setattr(plan_module, "known_set", {"films/healthy": healthy}.__getitem__)
    assert usable_methods(model)["diffcam"] is None
    plan = make_plan(model, dataset, ["diffcam"], ["rcap"])
    assert plan.reference_set == "films/healthy"
    assert plan.reference_digest == healthy.digest
    assert make_plan(model, dataset, ["grad-cam"], ["rcap"]).reference_set == ""


def test_of_two_classes_that_are_none_of_the_models_neither_is_taken(
    model, monkeypatch: pytest.MonkeyPatch
) -> None:
    (digits,) = (bank for bank in plan_module.banks_of(model) if bank.name == "digits")
    mixed = replace(digits, classes=("healthy", "odd"), is_aligned=False)
    monkeypatch.setattr(plan_module, "banks_of", lambda _model: (mixed,))
    assert "has no bank of" in str(usable_methods(model)["diffcam"])


def test_the_scatter_of_a_set_is_taken_apart_once_for_all_pictures(
    model, dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = store.spectrum_of, []
    monkeypatch.setattr(store, "spectrum_of", lambda each: asked.append(each.key) or real(each))
    plan = make_plan(model, dataset, ["diffcam"], ["rcap"], reference_set="digits/8")
    shared = Shared(plan)
    rows = [score_picture(plan, model, dataset, index, shared=shared) for index in range(4)]
    assert asked == ["digits/8"]
    assert rows[2] == score_picture(plan, model, dataset, 2)
