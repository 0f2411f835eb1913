"""The page's renderers against explain_core's, in a real browser: the same bases, the same maps."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Error, Page

from benchmarks.viewer import MAX_BYTES, PARAMETERS, count_messages, make_message, open_viewer
from components import colours
from components.map_viewer.message import Message
from components.map_viewer.packing import _basis
from explain_core import Geometry
from explain_core.maps import upsample
from explain_core.methods.rendering import render_map
from explain_core.methods.settings import AGGREGATION, AVERAGE_AFTER
from explain_core.types import (
    Array,
    Basis,
    GuidedBasis,
    StaticBasis,
)
from tests.browser.bases import (
    FINER,
    MAKERS,
    SIZES,
    Values,
    common,
    guided,
    linear,
    normal,
    positions,
    spectral,
)
from tests.conftest import REPO

TOLERANCE = 1e-4  # of the map's range
IMPORT = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const bytesOf = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const told = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
  window.kit = { ...(await import(url)), bytesOf, told };
}"""
RENDER = """([message, positions, size]) => {
  const { header, arrays } = kit.unpack(kit.bytesOf(message));
  const basis = { ...header.numbers };
  for (const [name, index] of Object.entries(header.fields)) basis[name] = arrays[index];
  return positions.map(({ values, isSigned }) =>
    kit.told(kit.renderMap(header.kind, basis, values, isSigned, size)));
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """Give an empty page that holds render.js as `kit`."""
    page = browser.new_page()
    page.goto("about:blank")
    source = (REPO / "components" / "map_viewer" / "render.js").read_text(encoding="utf-8")
    page.evaluate(IMPORT, source)
    yield page
    page.close()


def told(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def heard(text: str) -> Array:
    return np.frombuffer(base64.b64decode(text), np.float32)


# ---- every kind against explain_core --------------------------------------------------------


def message_of(basis: Basis) -> bytes:
    message = Message()
    return message.packed(_basis(message, basis))


def maps_in_page(page: Page, basis: Basis, at: list[tuple[Values, bool]]) -> list[Array]:
    size = basis.geometry.input_size
    asked = [{"values": values, "isSigned": is_signed} for values, is_signed in at]
    raw = message_of(basis)
    texts = page.evaluate(RENDER, [base64.b64encode(raw).decode(), asked, list(size)])
    return [heard(text).reshape(size) for text in texts]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", MAKERS)
def test_the_page_renders_what_python_renders(page: Page, kind: str, size: str) -> None:
    rng = np.random.default_rng([list(MAKERS).index(kind), list(SIZES).index(size)])
    for _ in range(2):
        basis = MAKERS[kind](rng, *SIZES[size])
        at = positions(kind, basis, rng)
        for (values, is_signed), found in zip(at, maps_in_page(page, basis, at), strict=True):
            expected = render_map(basis, values, is_signed=is_signed, recorded={}).values
            error = np.abs(found - expected).max()
            span = np.ptp(expected)  # 0 without positive evidence: then the page finds none either
            assert error <= TOLERANCE * span, f"{values}, signed {is_signed}: {error} of {span}"


def test_the_page_knows_every_kind_of_basis(page: Page) -> None:
    for basis_type in Basis.__subclasses__():
        kind = basis_type.__name__.removesuffix("Basis").lower()
        assert kind in MAKERS


@pytest.mark.parametrize("p", [0, 4, 50, 72, 88, 100])
def test_a_percentile_on_a_sample_of_a_full_size_picture(page: Page, p: int) -> None:
    """224 x 224 pixels, 4 % of their number less one: whole, so that the percentile is a pixel."""
    rng = np.random.default_rng(p)
    basis = guided(rng, (7, 7), (224, 224))
    (found,) = maps_in_page(page, basis, [({"p": p}, False)])
    expected = render_map(basis, {"p": p}, is_signed=False, recorded={}).values
    np.testing.assert_allclose(found, expected, atol=TOLERANCE * np.ptp(expected))


def test_neighbouring_variances_fall_on_the_same_side_of_the_percentile(page: Page) -> None:
    """Variances one and two rounding steps apart: the percentile is rounded to one of them."""
    steps = np.cumsum(np.random.default_rng(0).integers(1, 3, 40))
    variance = (np.float32(1e-3).view(np.int32) + steps.astype(np.int32)).view(np.float32)
    basis = GuidedBasis(
        **common((5, 8)),
        mean_absolute=np.ones((1, 5, 8), np.float32),
        variance=variance.reshape(1, 5, 8),
    )
    at = [({"p": p / 4}, False) for p in range(0, 401)]
    for (values, _), found in zip(at, maps_in_page(page, basis, at), strict=True):
        expected = render_map(basis, values, is_signed=False, recorded={}).values
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, err_msg=str(values))


def test_a_small_positive_part_of_a_finished_map_keeps_its_digits(page: Page) -> None:
    values = np.array([[-1000.0, 0.0], [0.25, 1.0]], np.float32)
    basis = StaticBasis(**common((2, 2)), map=values)
    (found,) = maps_in_page(page, basis, [({}, False)])
    np.testing.assert_array_equal(found, np.maximum(values, 0))


# ---- parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "target"),
    [
        ((7, 7), (224, 224)),
        ((3, 5), (20, 31)),
        ((1, 1), (4, 6)),
        ((9, 14), (5, 40)),
        ((4, 6), (4, 6)),
    ],
)
def test_upsampling_is_that_of_python(
    page: Page, own: tuple[int, int], target: tuple[int, int]
) -> None:
    values = normal(np.random.default_rng(0), *own)
    code = """([text, own, target]) => kit.told(
      kit.upsample(new Float32Array(kit.bytesOf(text).buffer), own, target))"""
    found = heard(page.evaluate(code, [told(values), own, target])).reshape(target)
    np.testing.assert_allclose(found, upsample(values, target), atol=3e-6)


@pytest.mark.parametrize("scale", [(0.5, 0.5), (1.7, 0.6)])
def test_values_read_out_are_those_of_the_map_on_the_original(
    page: Page, scale: tuple[float, float]
) -> None:
    geometry = Geometry((20, 30), (9, 12), scale, (0.7, 1.3))
    values = normal(np.random.default_rng(1), 9, 12)
    placed = geometry.place_on_original(values)
    code = """([text, size, points]) => {
      const values = new Float32Array(kit.bytesOf(text).buffer);
      return points.map(([y, x]) => kit.valueAt(values, size, y, x));
    }"""
    rows, columns = np.nonzero(np.isfinite(placed))
    points = [
        [(y + 0.5) * scale[0] - 0.7, (x + 0.5) * scale[1] - 1.3]
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    assert len(points) > 20
    found = page.evaluate(code, [told(values), [9, 12], points])
    np.testing.assert_allclose(found, placed[rows, columns], atol=1e-5)


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("q", [1, 5, 37, 50, 99])
def test_the_top_percent_begin_at_the_value_sorting_gives(
    page: Page, q: int, is_signed: bool
) -> None:
    rng = np.random.default_rng(q)
    code = """([text, q, isSigned]) =>
      kit.topBound(new Float32Array(kit.bytesOf(text).buffer), q, isSigned)"""
    for values in (normal(rng, 1000), np.maximum(normal(rng, 999), 0), np.ones(7), normal(rng, 1)):
        values = values.astype(np.float32)
        found = page.evaluate(code, [told(values), q, is_signed])
        ordered = np.sort(np.abs(values) if is_signed else values)
        assert found == ordered[len(ordered) - max(1, int(q / 100 * len(ordered) + 0.5))]


def test_all_of_a_map_is_its_top_hundred_percent(page: Page) -> None:
    assert page.evaluate("kit.topBound(new Float32Array([-3, 2]), 100, false) === -Infinity")


def contour(page: Page, values: Array, level: float) -> Array:
    """Return (n, 2, 2): the line's pieces, each with two points (x, y)."""
    code = """([text, size, level]) =>
      kit.contour(new Float32Array(kit.bytesOf(text).buffer), size, level)"""
    path = page.evaluate(code, [told(values.astype(np.float32)), list(values.shape), level])
    piece = r"M(-?[\d.]+) (-?[\d.]+)L(-?[\d.]+) (-?[\d.]+)"
    assert re.fullmatch(f"(?:{piece})*", path)
    return np.array(re.findall(piece, path), float).reshape(-1, 2, 2)


def test_a_contour_of_a_cone_is_a_circle(page: Page) -> None:
    y, x = np.mgrid[:60, :80] + 0.5
    pieces = contour(page, 100 - np.hypot(y - 30, x - 41), 100 - 20)
    radius = np.hypot(pieces[..., 0] - 41, pieces[..., 1] - 30)
    np.testing.assert_allclose(radius, 20, atol=0.05)
    length = np.hypot(*(pieces[:, 0] - pieces[:, 1]).T).sum()
    assert length == pytest.approx(2 * np.pi * 20, rel=0.02)  # once around, without gaps


@pytest.mark.parametrize("values", [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
def test_a_contour_through_a_saddle_has_two_pieces_that_do_not_cross(
    page: Page, values: list[list[float]]
) -> None:
    pieces = contour(page, np.array(values), 0.6)
    assert len(pieces) == 2
    ends = np.unique(pieces.reshape(-1, 2), axis=0)
    assert len(ends) == 4  # one on each side of the square
    for piece in pieces:  # each cuts off the corner above the level
        high = [(x + 0.5, y + 0.5) for y in (0, 1) for x in (0, 1) if values[y][x] == 1]
        distance = np.abs(piece[:, None] - np.array(high)[None]).sum(axis=2).min(axis=0)
        assert distance.min() == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("level", [-1.0, 0.5, 2.0])
def test_a_flat_map_has_no_contour(page: Page, level: float) -> None:
    assert len(contour(page, np.zeros((5, 6)), level)) == 0


PAINT = """([text, rgb, settings]) => {
  const values = new Float32Array(kit.bytesOf(text).buffer);
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    table[i] = (0xff000000 | (rgb[i][2] << 16) | (rgb[i][1] << 8) | rgb[i][0]) >>> 0;
  }
  const pixels = new Uint32Array(values.length);
  kit.paint(pixels, values, { table, ...settings, bound: settings.bound ?? -Infinity });
  return [...new Uint8Array(pixels.buffer)];
}"""


def painted(page: Page, values: Array, name: str, **settings: object) -> Array:
    asked = [told(values.astype(np.float32)), colours.lookup_table(name).tolist(), settings]
    return np.array(page.evaluate(PAINT, asked), np.uint8).reshape(*values.shape, 4)


def test_paint_takes_each_value_from_the_lookup_table(page: Page) -> None:
    values = np.linspace(0, 2, 1000)
    found = painted(page, values, "Cividis", high=2, isSigned=False)
    levels = np.floor(np.float32(values) * 255 / 2 + 0.5).astype(int)
    np.testing.assert_array_equal(found[:, :3], colours.lookup_table("Cividis")[levels])
    assert (found[:, 3] == 255).all()


def test_paint_fades_signed_values_towards_zero(page: Page) -> None:
    values = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    found = painted(page, values, colours.DIVERGING, high=2, isSigned=True)
    table = colours.lookup_table(colours.DIVERGING)
    np.testing.assert_array_equal(found[:, :3], table[[0, 64, 128, 191, 255]])
    np.testing.assert_array_equal(found[:, 3], [255, 128, 0, 128, 255])


def test_paint_keeps_to_the_ends_of_the_colours(page: Page) -> None:
    found = painted(page, np.array([-5.0, 0.0, 7.0]), "Gray", high=2, isSigned=False)
    np.testing.assert_array_equal(found[:, :3], colours.lookup_table("Gray")[[0, 0, 255]])


def test_paint_leaves_out_what_is_below_the_bound(page: Page) -> None:
    found = painted(page, np.array([0.4, 0.5, 0.6]), "Gray", high=1, isSigned=False, bound=0.5)
    assert found[:, 3].tolist() == [0, 255, 255]


def test_paint_leaves_a_map_without_evidence_transparent(page: Page) -> None:
    assert not painted(page, np.zeros(4), "Cividis", high=0, isSigned=False).any()


# ---- broken data ----------------------------------------------------------------------------


def fail_in_page(page: Page, raw: bytes, values: Values | None = None) -> str:
    """Return the words of the error that the page throws."""
    at = [{"values": values or {}, "isSigned": False}]
    with pytest.raises(Error) as caught:
        page.evaluate(RENDER, [base64.b64encode(raw).decode(), at, [8, 8]])
    (words,) = re.findall(r"^Page\.evaluate: Error: (.*)", str(caught.value))
    return words


def broken(fields: dict[str, Array], kind: str, **numbers: float) -> bytes:
    message = Message()
    named = {name: message.add(array.astype(np.float32)) for name, array in fields.items()}
    return message.packed({"kind": kind, "numbers": numbers, "fields": named})


def test_every_cut_message_is_refused_in_words(page: Page) -> None:
    raw = message_of(linear(np.random.default_rng(0), (3, 4), (8, 8)))
    for kept in [0, 1, 3, 4, 5, 40, *range(100, len(raw), 97), len(raw) - 1]:
        assert fail_in_page(page, raw[:kept]) in (
            "the message is empty",
            "the header is cut short",
            "an array is cut short",
        )


def test_a_header_that_is_not_json_is_refused(page: Page) -> None:
    assert fail_in_page(page, b"\x04\0\0\0oops") == "the header cannot be read"


def test_an_array_that_does_not_fill_its_shape_is_refused(page: Page) -> None:
    message = Message()
    message.add(np.zeros(5, np.float32))
    message.described[0]["shape"] = [2, 3]
    words = "an array has 20 bytes, but its shape is 2 × 3"
    assert fail_in_page(page, message.packed({})) == words


def test_an_array_of_an_unknown_type_is_refused(page: Page) -> None:
    message = Message()
    message.add(np.zeros(5, np.complex64))
    assert fail_in_page(page, message.packed({})) == "an array has the unknown type “c8”"


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("linear", {"maps": (3, 4, 4)}, "the data of a linear map lack “weights”"),
        ("linear", {"maps": (3, 4, 4), "weights": (3,)}, "3 classes do not fit 3 weights"),
        (
            "layer",
            {
                "activations": (2, 4, 4),
                "target_gradient": (2, 4, 4),
                "reference_gradients": (1, 2, 4, 5),
                "weights": (1,),
            },
            "“reference_gradients” of shape 1 × 2 × 4 × 5 does not fit the other data",
        ),
        (
            "layer",
            {
                "activations": (2, 4, 4),
                "target_gradient": (2, 4, 4),
                "reference_gradients": (3, 2, 4, 4),
                "weights": (2,),
            },
            "“weights” of shape 2 does not fit the other data",
        ),
        (
            "score",
            {"activations": (2, 4, 4), "scores": (2, 2), "baselines": (2,), "weights": (2,)},
            "2 classes do not fit 2 weights",
        ),
        (
            "guided",
            {"mean_absolute": (3, 4, 4), "variance": (1, 4, 4)},
            "“variance” of shape 1 × 4 × 4 does not fit the other data",
        ),
        ("static", {"map": (1, 4, 4)}, "“map” of shape 1 × 4 × 4 does not fit the other data"),
        ("static", {"map": (0, 4)}, "the data are empty"),
        ("static", {}, "the data of a static map lack “map”"),
        ("cubic", {"map": (4, 4)}, "maps of the kind “cubic” are unknown"),
    ],
)
def test_data_that_do_not_fit_are_refused_in_words(
    page: Page, kind: str, fields: dict[str, tuple[int, ...]], words: str
) -> None:
    raw = broken({name: np.ones(shape) for name, shape in fields.items()}, kind)
    assert fail_in_page(page, raw, FINER | {"p": 50}) == words


# A ReLU before the average takes minus infinity for zero, in Python as in the page.
BAD = [
    (bad, how)
    for bad in (np.nan, np.inf, -np.inf)
    for how in AGGREGATION.choices
    if (bad, how) != (-np.inf, AVERAGE_AFTER)
]


@pytest.mark.parametrize(("bad", "aggregation"), BAD)
@pytest.mark.parametrize("kind", MAKERS)
def test_a_basis_with_nan_or_infinity_is_refused_by_the_page(
    page: Page, kind: str, bad: float, aggregation: str
) -> None:
    basis = MAKERS[kind](np.random.default_rng(2), (4, 6), (8, 8))
    names = {"static": "map", "linear": "maps", "spectral": "rest", "guided": "mean_absolute"}
    name = names.get(kind, "activations")
    array = np.array(getattr(basis, name))
    array.flat[3] = bad
    object.__setattr__(basis, name, array)
    values = FINER | {"lam": 1e-3, "p": 50.0, "aggregation": aggregation}
    assert fail_in_page(page, message_of(basis), values) == "the map holds NaN or infinity"


def test_a_number_that_is_nan_is_refused(page: Page) -> None:
    basis = spectral(np.random.default_rng(3), (4, 6), (8, 8))
    object.__setattr__(basis, "lam_unit", float("nan"))
    assert fail_in_page(page, message_of(basis), {"lam": 1.0}) == "the map holds NaN or infinity"


# ---- the benchmark's page --------------------------------------------------------------------


def test_nothing_is_sent_while_a_slider_is_dragged_and_one_message_on_release(
    browser: Browser,
) -> None:
    message = make_message(np.random.default_rng(0))
    assert len(message) <= MAX_BYTES
    with open_viewer(browser, message) as (page, traffic):
        assert len(message) <= sum(traffic.received) <= MAX_BYTES
        for parameter in PARAMETERS:
            draws = "Number(viewerRoot.dataset.draws)"
            before = page.evaluate(draws)
            assert count_messages(page, traffic, parameter) == (0, 1)
            assert page.evaluate(draws) >= before + 5  # it did move
