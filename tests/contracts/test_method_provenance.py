"""Every map tells how it came about, lies on its picture, and can be made again."""

import dataclasses

import numpy as np
import pytest

import explain_core as xc
from explain_core.methods.table import METHODS
from tests.contracts.asking import ALL, SEEDED, another, guided, prepare, prepare_all, quick
from tests.oracles.nets import TinyNet, picture, preprocessing, references_for, wrap

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
