"""What every method keeps to: its maps, and rendering them without a network."""

import dataclasses
import inspect

import numpy as np
import pytest

import explain_core as xc
from explain_core.methods.table import METHODS
from explain_core.models.tap import count_passes
from tests.contracts.asking import ALL, CONTROLS, another, arrays_of, guided, prepare
from tests.oracles.nets import TinyNet, picture, references_for, wrap

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
