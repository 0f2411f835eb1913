"""The viewer's message, read back by a second decoder in Python."""

from __future__ import annotations

import io
import json
import math
import struct
from typing import Any

import numpy as np
import PIL.Image
import pytest

from components import colours
from components.map_viewer.message import Message
from components.map_viewer.packing import MAX_SIDE_PX, pack
from explain_core import METHODS, Geometry, Image
from explain_core.images.reading import image_from_pixels
from explain_core.methods.settings import AGGREGATION
from explain_core.types import (
    Array,
    Basis,
    Contrast,
    GuidedBasis,
    LayerBasis,
    LinearBasis,
    Provenance,
    ScoreBasis,
    SpectralBasis,
    StaticBasis,
)

COMMON: dict[str, Any] = {
    "provenance": Provenance("grad-cam", "m", "0" * 8, "layer", "0" * 8, Contrast(0)),
    "geometry": Geometry((60, 100), (40, 40), (2 / 3, 0.66), (0.0, 13.0)),
}
BASIS = StaticBasis(**COMMON, map=np.ones((4, 5), np.float32))


def picture(*size: int, dtype: type = np.uint8, most: int = 256) -> Image:
    pixels = np.random.default_rng(0).integers(0, most, size)
    return image_from_pixels(pixels.astype(dtype))


def packed(
    image: Image | None = None, bases: tuple[Basis, ...] = (BASIS,), seen: Array | None = None
) -> bytes:
    return pack(
        [{"name": str(i), "title": "γ × “µ”"} for i in range(len(bases))],
        bases,
        image=picture(60, 100, 3) if image is None else image,
        seen=np.zeros((40, 40), np.uint8) if seen is None else seen,
        parameters=METHODS["finer-grad-cam"].parameters_of("render"),
        viewer="viewer",
        question="Why 3 rather than 5?",
        source="IMG",
    )


def unpacked(raw: bytes) -> tuple[dict[str, Any], list[Array]]:
    (length,) = struct.unpack("<I", raw[:4])
    header = json.loads(raw[4 : 4 + length].decode("utf-8"), parse_constant=pytest.fail)
    behind = raw[4 + length :]
    arrays: list[Array] = []
    for each in header["arrays"]:
        data = behind[each["offset"] : each["offset"] + each["num_bytes"]]
        stored = np.frombuffer(data, "<" + each["type"])
        if "steps" in each:
            steps, lows = (arrays[each[name]][:, None] for name in ("steps", "lows"))
            slices = np.zeros((1, 1)) if each["is_flat"] else stored.reshape(len(steps), -1)
            values = lows + steps.astype(np.float64) * slices
            num_each = math.prod(each["shape"]) // len(steps)
            stored = np.broadcast_to(values, (len(steps), num_each))
        arrays.append(stored.reshape(each["shape"]))
    return header, arrays


def quantised(array: Array, num_axes: int = 1) -> Array:
    message = Message()
    index = message.add_quantised(array, num_axes)
    _, arrays = unpacked(message.packed({}))
    return arrays[index]


# ---- layout ----------------------------------------------------------------------------------


def test_the_arrays_fill_the_message_without_gaps() -> None:
    raw = packed()
    header, _ = unpacked(raw)
    (length,) = struct.unpack("<I", raw[:4])
    end = 0
    for each in header["arrays"]:
        assert each["offset"] == end
        end += each["num_bytes"]
    assert 4 + length + end == len(raw)


def test_the_header_says_what_the_page_needs() -> None:
    header, arrays = unpacked(packed())
    assert header["question"] == "Why 3 rather than 5?"
    assert header["geometry"]["original_size"] == [60, 100]
    assert header["geometry"]["seen_box"] == list(COMMON["geometry"].seen_box())
    (panel,) = header["panels"]
    assert (panel["title"], panel["kind"], panel["size"]) == ("γ × “µ”", "static", [40, 40])
    np.testing.assert_array_equal(arrays[panel["fields"]["map"]], BASIS.map)
    gamma, reverse, aggregation = header["parameters"]
    assert (gamma["min"], gamma["max"], gamma["step"], gamma["is_log"]) == (0, 2, 0.05, False)
    assert reverse["is_switch"]
    assert aggregation["choices"] == list(AGGREGATION.choices)
    for name in (*colours.SEQUENTIAL, colours.DIVERGING):
        np.testing.assert_array_equal(arrays[header["colours"][name]], colours.lookup_table(name))


def test_arrays_are_little_endian_and_contiguous() -> None:
    message = Message()
    values = np.arange(12, dtype=">f4").reshape(3, 4)
    message.add(values.T)
    _, (found,) = unpacked(message.packed({}))
    np.testing.assert_array_equal(found, values.T)


# ---- sixteen bits per slice ------------------------------------------------------------------


@pytest.mark.parametrize("magnitude", [1e-12, 1.0, 1e6])
@pytest.mark.parametrize("offset", [0.0, -0.5])
def test_quantising_errs_by_half_a_step_at_most(magnitude: float, offset: float) -> None:
    rng = np.random.default_rng(0)
    array = (rng.standard_normal((20, 7, 9)) + offset) * magnitude
    array *= np.logspace(-6, 0, 20)[:, None, None]  # small slices keep their digits
    span = np.ptp(array, axis=(1, 2))
    error = np.abs(quantised(array) - array).max(axis=(1, 2))
    rounding = np.abs(array).max(axis=(1, 2)) * 2**-23  # steps and lows are float32
    assert (error <= span / 131070 + rounding).all()


@pytest.mark.parametrize("value", [0.0, -3.25, 1e-20, 0.1])
def test_constant_slices_are_exact(value: float) -> None:
    array = np.full((3, 4, 4), value, np.float32)
    np.testing.assert_array_equal(quantised(array), array)


def test_slices_of_several_axes_have_a_range_each() -> None:
    array = np.random.default_rng(0).standard_normal((3, 4, 5, 6)).astype(np.float32)
    array *= np.logspace(-9, 0, 12).reshape(3, 4, 1, 1).astype(np.float32)
    error = np.abs(quantised(array, num_axes=2) - array).max(axis=(2, 3))
    assert (error <= 1e-4 * np.ptp(array, axis=(2, 3))).all()


def test_an_array_of_constant_slices_is_sent_as_one_number_each() -> None:
    array = np.broadcast_to(np.arange(20, dtype=np.float32).reshape(4, 5, 1, 1), (4, 5, 30, 30))
    message = Message()
    index = message.add_quantised(array, num_axes=2)
    assert message.described[index]["num_bytes"] == 0
    _, arrays = unpacked(message.packed({}))
    np.testing.assert_array_equal(arrays[index], array)


def test_constant_slices_beside_one_that_is_not_are_told_apart() -> None:
    array = np.ones((3, 4, 4), np.float32)
    array[1, 2, 2] = 5
    np.testing.assert_allclose(quantised(array), array, atol=1e-4)


def test_constant_slices_with_one_of_nan_stay_nan() -> None:
    array = np.ones((3, 4, 4), np.float32)
    array[1, 2, 2] = np.nan
    found = quantised(array)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], array[[0, 2]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_slice_with_nan_or_infinity_is_all_nan_and_others_stay(bad: float) -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    array[1, 0, 2] = bad
    found = quantised(array)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[0], array[0], atol=1e-4)


def test_an_empty_array_can_be_sent() -> None:
    assert quantised(np.zeros((0, 3, 4))).shape == (0, 3, 4)


def test_packing_does_not_write_into_its_argument() -> None:
    array = np.full((2, 3), np.nan)
    array[0] = [1, 2, 3]
    before = array.copy()
    quantised(array)
    np.testing.assert_array_equal(array, before)


# ---- bases -----------------------------------------------------------------------------------


def fields_of(basis: Basis) -> tuple[dict[str, Any], dict[str, Array]]:
    header, arrays = unpacked(packed(bases=(basis,)))
    (panel,) = header["panels"]
    return panel, {name: arrays[index] for name, index in panel["fields"].items()}


def test_variances_are_exact_where_they_may_tie() -> None:
    """Neighbouring floats stay different: a percentile may lie between them."""
    variance = np.nextafter(np.float32(0.1), np.float32(1)) * np.ones((3, 5, 4), np.float32)
    variance[:, 0] = 0.1
    _, fields = fields_of(GuidedBasis(**COMMON, mean_absolute=variance, variance=variance))
    assert fields["variance"].dtype == np.float32
    np.testing.assert_array_equal(fields["variance"], variance)


def test_variances_of_a_double_precision_model_stay_double() -> None:
    variance = np.random.default_rng(0).random((1, 5, 4))
    _, fields = fields_of(GuidedBasis(**COMMON, mean_absolute=variance, variance=variance))
    np.testing.assert_array_equal(fields["variance"], variance)


def test_maps_with_nan_are_sent_as_they_are() -> None:
    maps = np.full((2, 3, 3), np.nan, np.float32)
    _, fields = fields_of(LinearBasis(**COMMON, maps=maps, weights=np.ones(1)))
    assert np.isnan(fields["maps"]).all()


def gradients_of_three_references(is_flat: bool) -> LayerBasis:
    """Make a basis as of a ResNet-50's last layer: 2,048 channels of 7 x 7."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((4, 2048, 7, 7), np.float32)
    if is_flat:
        gradients[:] = gradients[..., :1, :1]
    return LayerBasis(
        **COMMON,
        activations=rng.random((2048, 7, 7), np.float32),
        target_gradient=gradients[0],
        reference_gradients=gradients[1:],
        weights=np.full(3, 1 / 3, np.float32),
    )


@pytest.mark.parametrize(("is_flat", "most"), [(True, 300_000), (False, 1_100_000)])
def test_three_references_of_many_channels_stay_small(is_flat: bool, most: int) -> None:
    plain = len(packed(bases=(BASIS,)))
    assert len(packed(bases=(gradients_of_three_references(is_flat),))) - plain < most


def test_each_reference_keeps_its_gradients() -> None:
    basis = gradients_of_three_references(is_flat=False)
    _, fields = fields_of(basis)
    np.testing.assert_allclose(fields["reference_gradients"], basis.reference_gradients, atol=1e-4)


def test_scores_are_exact() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 6))
    basis = ScoreBasis(
        **COMMON,
        activations=np.ones((6, 4, 5)),
        scores=scores,
        baselines=scores[:, 0],
        weights=np.array([0.3, 0.7]),
    )
    _, fields = fields_of(basis)
    for name in ("scores", "baselines", "weights"):
        np.testing.assert_array_equal(fields[name], getattr(basis, name))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_json_cannot_hold_is_left_out(bad: float) -> None:
    basis = SpectralBasis(
        **COMMON,
        eigenvalues=np.ones(2),
        coefficients=np.ones(2),
        projections=np.ones((2, 3, 3)),
        rest=np.ones((3, 3)),
        lam_unit=bad,
        num_references=3,
        num_features=5,
    )
    panel, _ = fields_of(basis)
    assert panel["numbers"] == {"lam_unit": None}


# ---- pictures --------------------------------------------------------------------------------


def file_of(raw: bytes, what: str = "picture") -> PIL.Image.Image:
    header, arrays = unpacked(raw)
    file = PIL.Image.open(io.BytesIO(arrays[header[what]["file"]].tobytes()))
    file.load()
    return file


def test_a_small_picture_is_sent_without_loss() -> None:
    image = picture(60, 100, 3)
    file = file_of(packed(image))
    assert file.format == "PNG"
    np.testing.assert_array_equal(np.asarray(file), image.pixels)


def test_a_large_photograph_is_sent_as_jpeg() -> None:
    smooth = np.add.outer(np.arange(600), np.arange(800)) / 1400 * 255
    image = image_from_pixels(np.repeat(smooth[:, :, None], 3, axis=2).astype(np.uint8))
    file = file_of(packed(image))
    assert (file.format, file.size) == ("JPEG", (800, 600))
    np.testing.assert_allclose(np.asarray(file, float), image.pixels, atol=4)


def test_a_small_picture_that_packs_badly_is_sent_as_jpeg() -> None:
    noise = picture(448, 448, 3)
    assert file_of(packed(noise)).format == "JPEG"
    plain = image_from_pixels(np.full((448, 448, 3), 90, np.uint8))
    assert file_of(packed(plain)).format == "PNG"


@pytest.mark.parametrize("size", [(2500, 3000, 3), (3000, 2500), (1, 4000, 3)])
def test_a_picture_larger_than_the_screen_is_scaled_down(size: tuple[int, ...]) -> None:
    raw = packed(picture(*size))
    header, _ = unpacked(raw)
    file = file_of(raw)
    assert max(file.size) == MAX_SIDE_PX
    assert header["picture"]["size"] == list(size[:2])
    assert header["picture"]["shown_size"] == list(file.size[::-1])
    assert file.size[1] == max(1, round(size[0] * MAX_SIDE_PX / max(size)))


def test_the_networks_input_comes_in_gray_or_colour() -> None:
    seen = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    np.testing.assert_array_equal(np.asarray(file_of(packed(seen=seen), "input")), seen)
    coloured = np.stack([seen, seen // 2, seen // 3], axis=2)
    np.testing.assert_array_equal(np.asarray(file_of(packed(seen=coloured), "input")), coloured)


def test_a_deep_gray_picture_keeps_its_depth() -> None:
    image = picture(60, 100, dtype=np.uint16, most=4096)
    header, arrays = unpacked(packed(image))
    gray = header["picture"]["gray"]
    assert [gray[name] for name in ("low", "high", "step", "first")] == [0, 4095, 1, 0]
    (preset,) = gray["presets"]
    assert (preset["center"], preset["width"], preset["function"]) == (2047.5, 4095, "LINEAR_EXACT")
    pixels = arrays[gray["codes"]]
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, image.pixels)


def test_a_large_deep_gray_picture_is_scaled_down_by_averaging() -> None:
    image = picture(2 * MAX_SIDE_PX, 512, dtype=np.uint16, most=65536)
    header, arrays = unpacked(packed(image))
    pixels = arrays[header["picture"]["gray"]["codes"]]
    expected = image.pixels.reshape(MAX_SIDE_PX, 2, 256, 2).mean(axis=(1, 3))
    assert pixels.dtype == np.uint16
    np.testing.assert_allclose(pixels, expected, atol=0.51)
    assert header["picture"]["size"] == [2 * MAX_SIDE_PX, 512]
