"""One picture's row against its maps made and scored one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import explain_core as xc
from explain_core.datasets.dataset import Dataset
from explain_core.errors import InputError
from explain_core.evaluation import pictures
from explain_core.evaluation.pictures import calls_of, score_picture
from explain_core.evaluation.plan import Plan, make_plan, variant
from explain_core.evaluation.rows import Row
from explain_core.images.reading import image_from_pixels
from explain_core.metrics.relative_drop import relative_drop
from explain_core.references.similar import similar_classes
from tests.core.evaluation.making import (
    METHODS,
    dataset_of,
    example,
    picture,
    tiny_dataset,
    tiny_model,
    truth_of,
    unreadable,
)
from tests.oracles.nets import SIZE

CONTROLS = ("random", "center-gaussian", "edges")


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return tiny_model()


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return tiny_dataset()


@pytest.fixture(scope="module")
def plan(model: xc.Model, dataset: Dataset) -> Plan:
    methods = [*METHODS, variant("finer-grad-cam", gamma=1.5), variant("smooth-grad", seed=9)]
    metrics = ["rcap", variant("rcap", lower_bound=80.0), "relative-drop"]
    return make_plan(model, dataset, methods, metrics, seed=5)


@pytest.fixture(scope="module")
def row(plan: Plan, model: xc.Model, dataset: Dataset) -> Row:
    return score_picture(plan, model, dataset, 2)


def similar(model: xc.Model, target: int) -> list[int]:
    found = similar_classes(model, target, logits=np.empty(0), count=model.num_classes)
    return [each.index for each in found]


# ---- what is asked and what comes out --------------------------------------------------------


def test_row_says_what_was_asked(row: Row, model: xc.Model) -> None:
    logits = model.predict(picture(2))
    assert (row.index, row.id, row.label, row.group) == (2, "002.png", "2", "patient 1")
    assert row.target == "2"
    assert row.references == (model.classes[similar(model, 2)[0]],)
    assert row.predicted == model.classes[int(np.argmax(logits))]
    assert row.probability == pytest.approx(model.probabilities(logits)[2])
    assert row.failure == ""


@pytest.mark.parametrize("place", range(8))
def test_scores_are_those_of_single_maps(place: int, plan: Plan, row: Row, model: xc.Model) -> None:
    each = plan.methods[place]
    values = dict(each.values)
    if each.name in ("smooth-grad", "random"):
        values.setdefault("seed", plan.seed_of(2))
    references = similar(model, 2)[:1]
    given = {"references": references} if each.name.startswith("finer") else {}
    smap = xc.explain(model, picture(2), method=each.name, target=2, **given, **values)
    if not smap.has_positive_evidence:
        assert row.scores[place] == (None, None, None)
        return
    expected = [
        xc.metrics.rcap(model, picture(2), smap, target=2),
        xc.metrics.rcap(model, picture(2), smap, target=2, lower_bound=80.0),
        relative_drop(model, picture(2), smap, target=2, references=references),
    ]
    assert row.scores[place] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_most_maps_have_scores(row: Row) -> None:
    assert sum(values[0] is not None for values in row.scores) >= 6


def test_controls_come_last(plan: Plan) -> None:
    assert tuple(each.name for each in plan.methods[-3:]) == CONTROLS


def test_truth_is_of_the_class_rather_than_the_nearest(model: xc.Model) -> None:
    data = tiny_dataset()
    plan = make_plan(model, data, ["grad-cam"], ["rcap"])
    asked = pictures.question_of(plan, model, data.examples[0], np.empty(0))
    nearest = str(similar(model, 0)[0])
    np.testing.assert_array_equal(asked.truth.mask, truth_of("0", nearest).mask)
    assert asked.references == (int(nearest),)


def test_nearest_class_is_one_whose_truth_is_known(model: xc.Model) -> None:
    data = tiny_dataset()
    order = [each for each in similar(model, 3) if each != 4]
    plan = make_plan(model, data, ["grad-cam"], ["rcap"])
    asked = pictures.question_of(plan, model, data.examples[3], np.empty(0))
    assert asked.references == (order[0],)


def test_no_known_truth_compares_with_the_most_similar(model: xc.Model) -> None:
    blind = replace(example(1), truth=lambda other: None)
    plan = make_plan(model, dataset_of([blind]), ["grad-cam"], ["rcap"])
    asked = pictures.question_of(plan, model, blind, np.empty(0))
    assert asked.references == (similar(model, 1)[0],)
    assert asked.truth is None


def test_against_similar_takes_three_classes_and_all_truth(model: xc.Model) -> None:
    data = tiny_dataset()
    plan = make_plan(model, data, ["finer-grad-cam"], ["relative-drop"], against="similar")
    asked = pictures.question_of(plan, model, data.examples[1], np.empty(0))
    assert list(asked.references) == similar(model, 1)[:3]
    np.testing.assert_array_equal(asked.truth.mask, truth_of("1", None).mask)
    row = score_picture(plan, model, data, 1)
    smap = xc.explain(model, picture(1), method="finer-grad-cam", target=1)
    expected = relative_drop(model, picture(1), smap, target=1, references=asked.references)
    assert row.scores[0][0] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_every_picture_has_its_own_noise_and_keeps_it(
    plan: Plan, row: Row, model: xc.Model, dataset: Dataset
) -> None:
    again = score_picture(plan, model, dataset, 2)
    assert again == row
    other = score_picture(replace(plan, seed=6), model, dataset, 2)
    random = [each.name for each in plan.methods].index("random")
    assert other.scores[random] != row.scores[random]
    assert other.scores[0] == row.scores[0]


# ---- shared passes ---------------------------------------------------------------------------


def test_a_sweep_over_a_slider_gathers_evidence_once(model: xc.Model) -> None:
    data = tiny_dataset()
    sweep = [variant("finer-grad-cam", gamma=step / 10) for step in range(20)]
    calls = model.network.calls
    counts = []
    for methods in (sweep[:1], sweep):
        plan = make_plan(model, data, methods, ["rcap"])
        maps_before = calls.count
        asked = pictures.question_of(plan, model, data.examples[0], np.empty(0))
        shared = pictures.Shared(plan)
        pictures.maps_of(plan, model, picture(0), asked, 0, shared, pictures._Steps(None))
        counts.append(calls.count - maps_before)
    assert counts[0] == counts[1] > 0


def test_methods_that_agree_share_a_call() -> None:
    methods = [
        variant("grad-cam"),
        variant("smooth-grad"),
        variant("finer-grad-cam", gamma=1.0),
        variant("finer-grad-cam", gamma=2.0),
        variant("var-grad"),
        variant("smooth-grad", num_samples=5),
        variant("rise", num_masks=10),
    ]
    calls = calls_of(methods, seed=4)
    assert [call.places for call in calls] == [[0, 1, 2, 3, 4, 6], [5]]
    assert calls[0].methods == ["grad-cam", "smooth-grad", "finer-grad-cam", "var-grad", "rise"]
    assert calls[0].values["seed"] == calls[1].values["seed"] == 4
    assert calls[1].values["num_samples"] == 5


# ---- what fails ------------------------------------------------------------------------------


def test_an_unreadable_picture_is_a_row_with_the_reason(model: xc.Model) -> None:
    data = dataset_of([example(0), example(1), example(2, read=unreadable)])
    plan = make_plan(model, data, ["grad-cam"], ["rcap"])
    row = score_picture(plan, model, data, 2)
    assert row.failure == "'002.png' is no picture; give a PNG"
    assert (row.id, row.scores) == ("002.png", ())


def test_a_class_that_the_model_does_not_know_is_a_reason(model: xc.Model) -> None:
    data = dataset_of([example(0, label="heron")])
    plan = make_plan(model, data, ["grad-cam"], ["rcap"])
    assert score_picture(plan, model, data, 0).failure == "'module' has no class 'heron'"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"min_probability": 1.0}, "left out: the model gives its class 0."),
        ({"is_right_only": True}, "left out: the model takes it for"),
    ],
)
def test_pictures_can_be_left_out_by_the_prediction(
    model: xc.Model, filters: dict[str, float], message: str
) -> None:
    logits = model.predict(picture(0))
    wrong = str(int(np.argmin(logits)))
    data = dataset_of([example(0, label=wrong)])
    plan = make_plan(model, data, ["grad-cam"], ["rcap"], **filters)
    row = score_picture(plan, model, data, 0)
    assert row.failure.startswith(message)
    assert row.probability < 0.5


def test_a_method_that_fails_on_a_picture_leaves_the_others_alone(
    model: xc.Model, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pictures.prepare_many

    def prepare(model, image, methods, **options):
        if "smooth-grad" in methods:
            raise RuntimeError("not\nconverged")
        return real(model, image, methods, **options)

    monkeypatch.setattr(pictures, "prepare_many", prepare)
    plan = make_plan(model, dataset, METHODS, ["rcap"])
    row = score_picture(plan, model, dataset, 0)
    assert row.scores[2] == (None,)
    assert (2, 0, "RuntimeError: not converged") in row.reasons
    assert sum(values[0] is not None for values in row.scores) >= 4


def test_an_empty_map_has_no_number_but_a_reason(model: xc.Model) -> None:
    flat = image_from_pixels(np.full((*SIZE, 3), 128, np.uint8))
    data = dataset_of([example(0, read=lambda: flat)])
    plan = make_plan(model, data, ["grad-cam"], ["rcap", "deletion"])
    row = score_picture(plan, model, data, 0)
    edges = len(plan.methods) - 1
    assert row.scores[edges] == (None, None)
    assert {(edges, metric, "no positive evidence") for metric in (0, 1)} <= set(row.reasons)


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, InputError, StopIteration])
def test_what_is_raised_to_stop_is_no_failed_picture(
    kind: type[BaseException], model: xc.Model, dataset: Dataset
) -> None:
    def stop(share: float) -> None:
        raise kind("enough")

    plan = make_plan(model, dataset, ["smooth-grad"], ["rcap"])
    with pytest.raises(kind, match="enough"):
        score_picture(plan, model, dataset, 0, progress=stop)


def test_progress_rises_to_one(model: xc.Model, dataset: Dataset) -> None:
    told: list[float] = []
    plan = make_plan(model, dataset, METHODS, ["rcap"])
    score_picture(plan, model, dataset, 0, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len({share for share in told if share < 0.5}) > 1


# ---- plans that cannot be --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "metrics", "options", "message"),
    [
        (["grad"], ["rcap"], {}, "there is no method 'grad'"),
        (["grad-cam"], ["score"], {}, "there is no metric 'score'"),
        ([], ["rcap"], {}, "at least one method"),
        (["grad-cam", "grad-cam"], ["rcap"], {}, "named twice"),
        ([variant("grad-cam", gamma=1.0)], ["rcap"], {}, "has no parameter 'gamma'"),
        (["grad-cam"], [variant("rcap", lower_bound=500.0)], {}, "lower_bound must lie"),
        (["diffcam"], ["rcap"], {}, "has no bank of stage2"),
        (["grad-cam"], ["rcap"], {"limit": 0}, "limit must be at least 1"),
        (["grad-cam"], ["rcap"], {"min_probability": 90.0}, "between 0 and 1"),
        (["grad-cam"], ["rcap"], {"against": "all"}, "against must be one of"),
        (["grad-cam"], ["rcap"], {"seed": -1}, "seed must lie"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    methods, metrics, options, message, model: xc.Model, dataset: Dataset
) -> None:
    with pytest.raises(InputError, match=message):
        make_plan(model, dataset, methods, metrics, **options)


def test_a_data_set_of_other_classes_is_refused(model: xc.Model, dataset: Dataset) -> None:
    other = replace(dataset, classes=("heron", "stork"))
    with pytest.raises(InputError, match="knows none of the classes of 'made-up': it has 0, 1"):
        make_plan(model, other, ["grad-cam"], ["rcap"])


def test_an_empty_data_set_is_refused(model: xc.Model) -> None:
    with pytest.raises(InputError, match="has no pictures"):
        make_plan(model, dataset_of([]), ["grad-cam"], ["rcap"])
