"""A grid of classes and methods: what can be shared is computed once, and changes nothing."""

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import InputError
from explain_core.methods.evidence import CLASS_GRADIENTS
from explain_core.methods.explaining import grid_passes
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from tests.oracles.nets import TinyNet, picture, reference_set, wrap

TARGETS = (0, 3, 4)
CAMS = tuple(name for name, method in xc.METHODS.items() if method.evidence is CLASS_GRADIENTS)
NOISE = ("smooth-grad", "var-grad", "absolute-grad", "guided-absolute-grad")
NUM_CHANNELS = 8
FEW = {
    "num_samples": 3,
    "num_steps": 4,
    "num_masks": 4,
    "num_updates": 2,
}


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def image():
    return picture()


def parameters_for(methods):
    known = {p.name for name in methods for p in xc.METHODS[name].parameters_of("prepare")}
    return {name: value for name, value in FEW.items() if name in known}


def grid(model, image, methods, targets=TARGETS, **changes):
    sets = dict.fromkeys(targets, reference_set(model))
    values = {"references": TARGETS, "reference_sets": sets} | changes
    values.setdefault("parameters", parameters_for(methods))
    return xc.prepare_grid(model, image, methods, targets, **values)


def passes_of(model, image, methods, targets=TARGETS, **changes):
    with count_passes() as counter:
        grid(model, image, methods, targets, **changes)
    return counter.passes


# ---- passes ------------------------------------------------------------------------------------


def test_one_pass_serves_the_cam_family_of_every_class(model, image):
    assert len(CAMS) >= 7
    assert passes_of(model, image, CAMS, range(5)) == 1


def test_one_pass_serves_it_whichever_method_comes_first(model, image):
    """Grad-CAM needs the targets' gradients only, Finer-CAM the references' too."""
    for methods in (("grad-cam", "finer-grad-cam"), ("finer-grad-cam", "grad-cam")):
        assert passes_of(model, image, methods, targets=(0,)) == 1


def test_one_pass_serves_references_that_are_found_by_weights(model, image):
    assert passes_of(model, image, ("grad-cam", "finer-grad-cam"), references=None) == 1


def test_a_second_class_of_a_kept_question_costs_no_pass(model, image):
    store = EvidenceStore()
    grid(model, image, CAMS, (0,), store=store)
    assert passes_of(model, image, CAMS, (0, 3, 4), store=store) == 0


def test_one_noisy_batch_serves_the_noise_family_of_a_class(model, image):
    assert passes_of(model, image, NOISE, targets=(0,)) == FEW["num_samples"]


def test_each_class_has_a_noisy_batch_of_its_own(model, image):
    assert passes_of(model, image, NOISE) == len(TARGETS) * FEW["num_samples"]


def test_one_run_of_masks_serves_score_cam_and_its_finer_kind_of_every_class(model, image):
    passes = passes_of(model, image, ("score-cam", "finer-score-cam"))
    assert passes == NUM_CHANNELS + 2  # the picture itself and the black one


def test_both_families_together_cost_what_each_costs(model, image):
    methods = (*CAMS, *NOISE)
    assert passes_of(model, image, methods) == 1 + len(TARGETS) * FEW["num_samples"]


@pytest.mark.parametrize(
    "methods",
    [CAMS, NOISE, (*CAMS, *NOISE), ("score-cam", "finer-score-cam", "rise"), ("edges", "random")],
    ids=["cam family", "noise family", "both", "masks", "controls"],
)
def test_the_announced_passes_are_those_that_run(model, image, methods):
    announced = grid_passes(model, methods, len(TARGETS), parameters=parameters_for(methods))
    assert passes_of(model, image, methods) == announced.total


def test_the_prediction_is_asked_for_once(image):
    """Without class weights to compare, similar classes come from the logits."""
    blind = wrap(TinyNet())
    object.__setattr__(blind, "class_weights", None)
    assert passes_of(blind, image, ("finer-grad-cam",), references=None) == 1 + 1


# ---- maps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", list(xc.METHODS))
def test_a_cell_is_the_map_prepared_alone(model, image, method):
    values = parameters_for([method])
    cells = grid(model, image, [method], (3, 0))
    for target, others in ((3, (0, 4)), (0, (3, 4))):
        compares_with = xc.METHODS[method].compares_with
        alone = xc.prepare(
            model,
            image,
            method=method,
            target=target,
            references={"classes": others, "pictures": reference_set(model)}.get(compares_with),
            **values,
        )
        cell = cells[target, method]
        np.testing.assert_array_equal(xc.render(cell).values, xc.render(alone).values)
        assert cell.provenance.contrast.references == alone.provenance.contrast.references


def test_cells_come_target_by_target_in_the_orders_given(model, image):
    methods = ("finer-grad-cam", "grad-cam")
    cells = grid(model, image, methods, (4, 0))
    assert list(cells) == [(target, name) for target in (4, 0) for name in methods]


def test_class_zero_is_a_target_and_a_reference_like_any_other(model, image):
    cells = grid(model, image, ["finer-grad-cam"], (0, 3), references=(0, 3))
    assert cells[0, "finer-grad-cam"].provenance.contrast == xc.Contrast(0, (3,))
    assert cells[3, "finer-grad-cam"].provenance.contrast == xc.Contrast(3, (0,))


def test_the_whole_grids_progress_rises_to_one(model, image):
    told = []
    grid(model, image, NOISE, (0, 3), progress=told.append)
    assert told == sorted(told)
    assert told[0] == 0
    assert told[-1] == 1
    assert 0.5 in told  # the first class is done


# ---- what is refused ---------------------------------------------------------------------------


def test_a_class_named_twice_is_refused(model, image):
    with pytest.raises(InputError, match=r"targets name a class twice: \[3, 3\]"):
        grid(model, image, ["grad-cam"], (3, 3))


def test_a_target_that_leaves_nothing_to_compare_with_is_refused(model, image):
    with pytest.raises(InputError, match="references must name at least one class"):
        grid(model, image, ["finer-grad-cam"], (0,), references=(0,))


def test_references_that_are_no_list_are_refused(model, image):
    with pytest.raises(InputError, match="references must be a list of classes"):
        grid(model, image, ["finer-grad-cam"], (0,), references="12")


def test_an_unknown_parameter_is_refused_before_anything_runs(model, image):
    with count_passes() as counter, pytest.raises(InputError, match="no parameter 'gamma' acts"):
        grid(model, image, ["finer-grad-cam"], parameters={"gamma": 1.0})
    assert counter.passes == 0
