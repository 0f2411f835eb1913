"""What every method of `METHODS` promises."""

import contextlib
import dataclasses
import inspect
import re

import numpy as np
import pytest

import explain_core as xc
from explain_core.methods.cost import passes
from explain_core.methods.store import EvidenceStore
from explain_core.methods.table import METHODS
from explain_core.models.tap import count_passes
from explain_core.types import Basis
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, picture, preprocessing, references_for, wrap

ALL = list(METHODS)
CAMS = [name for name in ALL if METHODS[name].evidence.name == "class gradients"]
NOISY = [name for name in ALL if METHODS[name].evidence.name == "noisy gradients"]
CLEAN = [name for name in ALL if METHODS[name].evidence.name == "clean gradient"]
CONTROLS = [name for name in ALL if METHODS[name].is_control]
SEEDED = [name for name in ALL if "seed" in {p.name for p in METHODS[name].parameters}]
GROWING = [name for name in ALL if METHODS[name].grows_with]
CHOICES = [
    pytest.param(name, {parameter.name: choice}, id=f"{name}-{parameter.name}-{choice}")
    for name in ALL
    for parameter in METHODS[name].parameters_of("prepare")
    for choice in parameter.choices
]
PARAMETERS = [
    pytest.param(parameter, id=f"{name}-{parameter.name}")
    for name, method in METHODS.items()
    for parameter in method.parameters
]
NUMBERS = [each for each in PARAMETERS if not isinstance(each.values[0].default, bool | str)]
QUICK = {"num_samples": 4, "num_steps": 3, "num_masks": 6, "num_updates": 3, "top_channels": 0}


def quick(method):
    """Return prepare parameters that make slow methods quick."""
    return {p.name: QUICK[p.name] for p in METHODS[method].parameters if p.name in QUICK}


def guided(method):
    """Return the choice without which noise and percentile may take no part."""
    known = {parameter.name for parameter in METHODS[method].parameters_of("prepare")}
    return {"processing": "GA"} if "processing" in known else {}


def prepare(model, image, method, **changes):
    values = {"target": 0, "references": references_for(method, model)} | quick(method) | changes
    return xc.prepare(model, image, method=method, **values)


def prepare_all(model, image, methods, **changes):
    from tests.oracles.nets import reference_set

    values = {"target": 0, "references": (1, 2), "reference_set": reference_set(model)}
    known = {name for method in methods for name in quick(method)}
    parameters = {name: value for name, value in QUICK.items() if name in known}
    return xc.prepare_many(model, image, methods, **(values | {"parameters": parameters} | changes))


def another(parameter):
    """Return a value that is not the default."""
    if isinstance(parameter.default, bool):
        return not parameter.default
    if parameter.choices:
        return next(choice for choice in parameter.choices[::-1] if choice != parameter.default)
    return parameter.max


def arrays_of(value):
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if isinstance(getattr(value, field.name), np.ndarray)
    }


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def image():
    return picture()


# ---- the table --------------------------------------------------------------------------------


def test_table_cannot_be_written_to():
    with pytest.raises(TypeError, match="does not support item assignment"):
        METHODS["new"] = METHODS["grad-cam"]


@pytest.mark.parametrize("name", ALL)
def test_method_goes_by_its_key(name):
    assert METHODS[name].name == name


@pytest.mark.parametrize("name", ALL)
def test_names_are_kebab_case(name):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*(\+\+)?", name)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("text", ["title", "summary", "paper"])
def test_method_says_what_it_is(name, text):
    assert getattr(METHODS[name], text).strip()


@pytest.mark.parametrize("name", ALL)
def test_signed_method_has_a_signed_view(name):
    assert METHODS[name].can_be_signed or not METHODS[name].is_signed


@pytest.mark.parametrize("name", ALL)
def test_parameters_have_names_of_their_own(name):
    names = [parameter.name for parameter in METHODS[name].parameters]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ALL)
def test_parameters_do_not_hide_arguments(name):
    arguments = {*inspect.signature(xc.explain).parameters, "store", "methods", "basis"}
    assert not arguments & {parameter.name for parameter in METHODS[name].parameters}


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_default_is_accepted(parameter):
    assert parameter.check(parameter.default) == parameter.default


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_parameter_says_what_it_does(parameter):
    assert parameter.label.strip()
    assert parameter.help.strip()


@pytest.mark.parametrize("parameter", NUMBERS)
def test_number_has_a_range_that_a_slider_can_draw(parameter):
    assert -np.inf < parameter.min < parameter.max < np.inf
    assert parameter.step > 0


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_logarithmic_range_is_positive(parameter):
    assert parameter.scale == "linear" or parameter.min > 0


# ---- maps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_map_is_finite_float32_of_the_input_s_size(name, num_channels):
    model = wrap(TinyNet(num_channels))
    smap = xc.render(prepare(model, picture(num_channels), name))
    assert (smap.values.shape, smap.values.dtype) == ((20, 28), np.float32)
    assert np.isfinite(smap.values).all()


@pytest.mark.parametrize("name", ALL)
def test_map_says_something(model, image, name):
    assert xc.render(
        prepare(
            model,
            image,
            name,
            target=1,
            references=None
            if METHODS[name].compares_with == "classes"
            else references_for(name, model),
        )
    ).values.any()


@pytest.mark.parametrize("name", ALL)
def test_map_is_negative_only_where_it_is_signed(model, image, name):
    for signed in {None, False, METHODS[name].can_be_signed}:
        smap = xc.render(prepare(model, image, name), signed=signed)
        assert smap.is_signed or smap.values.min() >= 0


@pytest.mark.parametrize("name", ALL)
def test_method_is_signed_as_the_table_says(model, image, name):
    assert xc.render(prepare(model, image, name)).is_signed is METHODS[name].is_signed


@pytest.mark.parametrize("name", [name for name in ALL if not METHODS[name].can_be_signed])
def test_signed_view_that_is_not_there_is_refused(model, image, name):
    with pytest.raises(xc.InputError, match="has no signed view"):
        xc.render(prepare(model, image, name), signed=True)


@pytest.mark.parametrize("name", [name for name in ALL if METHODS[name].can_be_signed])
def test_signed_view_can_be_had(model, image, name):
    assert xc.render(prepare(model, image, name), signed=True).is_signed


@pytest.mark.parametrize("name", ALL)
def test_every_array_is_read_only(model, image, name):
    basis = prepare(model, image, name)
    arrays = arrays_of(basis) | arrays_of(xc.render(basis))
    assert arrays
    assert not [key for key, array in arrays.items() if array.flags.writeable]


@pytest.mark.parametrize("name", ALL)
def test_basis_cannot_be_changed(model, image, name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        prepare(model, image, name).provenance = None


@pytest.mark.parametrize("edge", ["min", "max"])
@pytest.mark.parametrize("name", ALL)
def test_map_is_finite_at_the_ends_of_every_slider(model, image, name, edge):
    basis = prepare(model, image, name)
    ends = {
        p.name: getattr(p, edge)
        for p in METHODS[name].parameters_of("render")
        if not isinstance(p.default, bool | str)
    }
    assert np.isfinite(xc.render(basis, **ends).values).all()


# ---- rendering --------------------------------------------------------------------------------


def test_render_takes_no_model():
    parameters = inspect.signature(xc.render).parameters
    assert list(parameters) == ["basis", "signed", "parameters"]


@pytest.mark.parametrize("name", ALL)
def test_basis_holds_no_network(model, image, name):
    basis = prepare(model, image, name)
    plain = (np.ndarray, float, int, xc.Geometry, type(basis.provenance))
    assert all(isinstance(getattr(basis, f.name), plain) for f in dataclasses.fields(basis))


@pytest.mark.parametrize("name", ALL)
def test_rendering_runs_no_network(image, name):
    network = TinyNet()
    model = wrap(network)
    basis = prepare(model, image, name)
    before = network.calls.count
    with count_passes() as counter:
        xc.render(basis)
        xc.render(basis, signed=METHODS[basis.provenance.method].can_be_signed)
    assert (counter.passes, network.calls.count - before) == (0, 0)


@pytest.mark.parametrize("name", [name for name in ALL if name not in CONTROLS])
def test_preparing_runs_the_network(image, name):
    """That the counting network counts: the proof of the test above."""
    network = TinyNet()
    model = wrap(network)
    before = network.calls.count
    prepare(model, image, name)
    assert network.calls.count > before


@pytest.mark.parametrize("name", ALL)
def test_rendering_again_is_bit_identical(model, image, name):
    basis = prepare(model, image, name)
    np.testing.assert_array_equal(xc.render(basis).values, xc.render(basis).values)


@pytest.mark.parametrize("name", ALL)
def test_rendering_leaves_the_basis_as_it_was(model, image, name):
    basis = prepare(model, image, name)
    before = {key: array.copy() for key, array in arrays_of(basis).items()}
    ends = {p.name: p.max for p in METHODS[name].parameters_of("render") if p.max < np.inf}
    xc.render(basis, **ends)
    for key, array in arrays_of(basis).items():
        np.testing.assert_array_equal(array, before[key])


@pytest.mark.parametrize("name", ALL)
def test_preparing_again_is_bit_identical(model, image, name):
    maps = [xc.render(prepare(model, image, name)).values for _ in range(2)]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("name", ALL)
def test_every_slider_changes_the_map(model, image, name):
    basis = prepare(
        model,
        image,
        name,
        target=1,
        references=None
        if METHODS[name].compares_with == "classes"
        else references_for(name, model),
        **guided(name),
    )
    for parameter in METHODS[name].parameters_of("render"):
        changed = xc.render(basis, **{parameter.name: another(parameter)}).values
        assert not np.array_equal(changed, xc.render(basis).values)


# ---- provenance -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_provenance_names_method_model_layer_and_picture(model, image, name):
    made = xc.render(prepare(model, image, name)).provenance
    layer = "stage2" if METHODS[name].evidence.at == "layer" else "input"
    assert (made.method, made.model, made.fingerprint, made.layer, made.image) == (
        name,
        "module",
        model.fingerprint,
        layer,
        image.digest,
    )


@pytest.mark.parametrize("name", ALL)
def test_provenance_holds_the_question(model, image, name):
    asked = {
        "nothing": xc.Contrast(0),
        "classes": xc.Contrast(0, (1, 2)),
        "pictures": xc.Contrast(0, (), "made-up"),
    }
    made = xc.render(prepare(model, image, name)).provenance
    assert made.contrast == asked[METHODS[name].compares_with]


@pytest.mark.parametrize("name", ALL)
def test_provenance_holds_every_parameter(model, image, name):
    made = xc.render(prepare(model, image, name)).provenance
    recorded = dict(made.parameters)
    expected = {p.name: p.default for p in METHODS[name].parameters} | quick(name)
    assert {key: recorded.get(key) for key in expected} == expected


@pytest.mark.parametrize("name", ALL)
def test_provenance_holds_what_was_chosen(model, image, name):
    basis = prepare(model, image, name)
    for parameter in METHODS[name].parameters_of("render"):
        other = another(parameter)
        made = xc.render(basis, **{parameter.name: other}).provenance
        assert made.parameter(parameter.name) == other


@pytest.mark.parametrize("name", ALL)
def test_provenance_is_enough_to_make_the_map_again(model, image, name):
    first = xc.render(prepare(model, image, name))
    made = first.provenance
    known = {p.name for p in METHODS[name].parameters}
    pictures = references_for(name, model) if made.contrast.reference_set else None
    again = xc.explain(
        model,
        image,
        method=made.method,
        target=made.contrast.target,
        references=pictures or made.contrast.references or None,
        layer=None if made.layer == "input" else made.layer,
        signed=first.is_signed,
        **{key: value for key, value in made.parameters if key in known},
    )
    np.testing.assert_array_equal(again.values, first.values)


# ---- back on the picture ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def large_film():
    return picture(1, (2500, 3000), dtype=np.uint16)


@pytest.fixture(scope="module", params=["crop", "letterbox", "stretch"])
def film_model(request):
    preprocess = dataclasses.replace(preprocessing(1), fit=request.param)
    return xc.wrap_model(TinyNet(1), layer="stage2", preprocessing=preprocess)


@pytest.fixture(scope="module")
def film_maps(film_model, large_film):
    bases = prepare_all(film_model, large_film, ALL)
    return {name: xc.render(basis) for name, basis in bases.items()}


def test_sixteen_bit_film_gives_finite_maps(film_maps):
    assert all(np.isfinite(smap.values).all() for smap in film_maps.values())


def test_map_on_a_large_film_has_its_size(film_maps):
    assert film_maps["diffcam"].on_original().shape == (2500, 3000)


def test_map_is_unknown_exactly_where_the_model_never_looked(film_maps):
    smap = film_maps["grad-cam"]
    top, left, bottom, right = smap.geometry.seen_box()
    rows, columns = np.arange(2500) + 0.5, np.arange(3000) + 0.5
    inside = np.outer((rows >= top) & (rows <= bottom), (columns >= left) & (columns <= right))
    np.testing.assert_array_equal(~np.isnan(smap.on_original()), inside)


@pytest.mark.parametrize("size", [(9, 40), (40, 9), (20, 28), (1, 1), (300, 200)])
@pytest.mark.parametrize("name", ALL)
def test_picture_of_any_shape_gets_a_map_of_its_size(model, name, size):
    smap = xc.render(prepare(model, picture(3, size), name))
    assert smap.on_original().shape == size
    assert smap.on_original().dtype == np.float32


def test_gray_picture_is_explained_by_a_colour_network(model):
    smap = xc.render(prepare(model, picture(1, (30, 40)), "grad-cam"))
    assert smap.on_original().shape == (30, 40)


def test_colour_picture_is_explained_by_a_gray_network():
    smap = xc.render(prepare(wrap(TinyNet(1)), picture(3, (30, 40)), "grad-cam"))
    assert smap.on_original().shape == (30, 40)


# ---- seeds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEEDED)
def test_same_seed_gives_the_same_map(model, image, name):
    values = {"seed": 5, **guided(name)}
    maps = [xc.render(prepare(model, image, name, **values)).values for _ in range(2)]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("name", SEEDED)
def test_another_seed_gives_another_map(model, image, name):
    maps = [
        xc.render(prepare(model, image, name, seed=seed, **guided(name))).values for seed in (5, 6)
    ]
    assert not np.array_equal(*maps)


# ---- several methods at once ------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_preparing_together_is_preparing_each(model, image, name):
    together = prepare_all(model, image, ALL)[name]
    alone = prepare(model, image, name)
    assert type(together) is type(alone)
    for key, array in arrays_of(alone).items():
        np.testing.assert_array_equal(arrays_of(together)[key], array)


@pytest.mark.parametrize("order", [ALL, ALL[::-1]], ids=["as-listed", "reversed"])
def test_bases_come_in_the_order_asked_for(model, image, order):
    assert list(prepare_all(model, image, order)) == order


@pytest.mark.parametrize(
    ("methods", "shared"),
    [(CAMS, 1), (NOISY, 4), (CLEAN, 1), (CONTROLS, 0)],
    ids=["cams", "noisy", "clean", "controls"],
)
def test_methods_of_a_family_share_their_passes(model, image, methods, shared):
    with count_passes() as counter:
        prepare_all(model, image, methods)
    assert counter.passes == shared


def test_each_kind_of_evidence_is_gathered_once(model, image):
    kinds = {METHODS[name].evidence.name: name for name in ALL}
    with count_passes() as counter:
        prepare_all(model, image, ALL)
    assert counter.passes == sum(cost_of(model, name).total for name in kinds.values())


def test_family_runs_the_network_once(image):
    network = TinyNet()
    model = wrap(network)
    before = network.calls.count
    prepare_all(model, image, CAMS)
    assert network.calls.count - before == 1


@pytest.mark.parametrize("name", ALL)
def test_basis_is_one_of_the_kinds_that_can_be_rendered(model, image, name):
    from explain_core.methods.rendering import RENDERERS

    basis = prepare(model, image, name)
    assert isinstance(basis, Basis)
    assert type(basis) in RENDERERS


# ---- cost -------------------------------------------------------------------------------------


def cost_of(model, name, **values):
    return passes(METHODS[name], model, "stage2", quick(name) | values)


@pytest.mark.parametrize("name", ALL)
def test_cost_is_what_runs(model, image, name):
    with count_passes() as counter:
        prepare(model, image, name)
    assert counter.passes == cost_of(model, name).total


@pytest.mark.parametrize(("name", "values"), CHOICES)
def test_cost_is_what_runs_for_every_choice(model, image, name, values):
    with count_passes() as counter:
        prepare(model, image, name, **values)
    assert counter.passes == cost_of(model, name, **values).total


@pytest.mark.parametrize("name", CONTROLS)
def test_control_costs_nothing(model, name):
    assert cost_of(model, name).total == 0


@pytest.mark.parametrize("name", ALL)
def test_method_of_many_passes_tells_its_progress(model, image, name):
    shares = []
    prepare(model, image, name, progress=shares.append)
    assert shares == sorted(shares)
    if cost_of(model, name).total > 2:
        assert (shares[0], shares[-1]) == (0.0, 1.0)


class CancelledError(Exception):
    """What a page raises to end a method."""


@pytest.mark.parametrize("when", [0.0, 1.0], ids=["at once", "at the end"])
@pytest.mark.parametrize("name", [n for n in ALL if METHODS[n].grows_with or n in NOISY])
def test_cancelling_keeps_nothing(model, image, name, when):
    def cancel(share):
        if share >= when:
            raise CancelledError

    store = EvidenceStore()
    with pytest.raises(CancelledError):
        prepare_all(model, image, [name], store=store, progress=cancel)
    assert store.num_bytes == 0


@pytest.mark.parametrize("name", ALL)
def test_cancelling_leaves_nothing_on_the_model(image, name):
    def cancel(share):
        raise CancelledError

    model, other = wrap(TinyNet()), wrap(TinyNet())
    with contextlib.suppress(CancelledError):
        prepare(model, image, name, progress=cancel)
    for left, clean in zip(model.network.modules(), other.network.modules(), strict=True):
        assert type(left) is type(clean)
        assert len(left._forward_hooks) == len(clean._forward_hooks)
        assert not left._forward_pre_hooks
        assert not left._backward_hooks
        assert not left.training
    assert all(each.grad is None for each in model.network.parameters())
    np.testing.assert_array_equal(model.predict(image), other.predict(image))


@pytest.mark.parametrize("name", [n for n in CAMS if METHODS[n].needs_class])
def test_method_on_class_gradients_says_that_it_needs_them(name):
    assert METHODS[name].needs_gradient == "layer"


@pytest.mark.parametrize("name", [n for n in ALL if METHODS[n].counted_by])
def test_steps_are_counted_by_a_prepare_parameter(model, name):
    counted_by = METHODS[name].counted_by
    assert counted_by in {p.name for p in METHODS[name].parameters_of("prepare")}
    costs = [cost_of(model, name, **guided(name), **{counted_by: n}).total for n in (3, 5)]
    assert costs[1] - costs[0] == 2


@pytest.mark.parametrize("name", GROWING)
def test_method_that_grows_counts_its_steps(name):
    assert METHODS[name].grows_with in {p.name for p in METHODS[name].parameters_of("prepare")}


@pytest.mark.parametrize("name", GROWING)
def test_growing_costs_as_much_as_all_at_once(model, image, name):
    store, steps = EvidenceStore(), METHODS[name].grows_with
    with count_passes() as counter:
        for count in (1, QUICK[steps]):
            prepare_all(model, image, [name], store=store, parameters={steps: count})
    assert counter.passes == cost_of(model, name).total


@pytest.mark.parametrize("name", GROWING)
def test_growing_gives_the_map_of_all_at_once(model, image, name):
    store, steps = EvidenceStore(), METHODS[name].grows_with
    for count in (1, QUICK[steps]):
        grown = prepare_all(model, image, [name], store=store, parameters={steps: count})[name]
    assert_same_map(xc.render(grown).values, xc.render(prepare(model, image, name)).values)
