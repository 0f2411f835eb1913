"""Maps over pictures as pixels, against plain arithmetic."""

from __future__ import annotations

import io
import itertools

import numpy as np
import PIL.Image
import pytest

from components import colours
from components.map_viewer import painting
from components.map_viewer.painting import Scale
from components.wording import number
from explain_core import Geometry, Image, SaliencyMap
from explain_core.images.display import to_display
from explain_core.images.reading import image_from_pixels
from explain_core.types import Contrast, Provenance

PROVENANCE = Provenance("grad-cam", "digits", "0" * 8, "features.5", "0" * 8, Contrast(0))
CROPS = {  # original size, input size, scale, offset
    "crop, wide": Geometry((60, 100), (40, 40), (2 / 3, 0.66), (0.0, 13.0)),
    "crop, tall": Geometry((110, 50), (32, 32), (0.64, 0.64), (19.0, 0.0)),
    "crop of both": Geometry((100, 120), (40, 40), (0.5, 0.5), (5.0, 10.0)),
    "letterbox": Geometry((30, 80), (40, 40), (0.5, 0.5), (-12.0, 0.0)),
    "stretch": Geometry((30, 80), (40, 40), (40 / 30, 0.5), (0.0, 0.0)),
}


def make_map(values: np.ndarray, geometry: Geometry, is_signed: bool = False) -> SaliencyMap:
    return SaliencyMap(values.astype(np.float32), is_signed, PROVENANCE, geometry)


def picture_of(geometry: Geometry) -> Image:
    size = (*geometry.original_size, 3)
    return image_from_pixels(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))


def noise(geometry: Geometry) -> np.ndarray:
    return np.random.default_rng(1).random(geometry.input_size)


def paint(
    image: Image, smap: SaliencyMap, *, opacity: float = 1.0, max_side_px: int | None = None
) -> np.ndarray:
    return painting.overlay(
        image,
        smap,
        scale=painting.scale_of(smap),
        colour_map=colours.DIVERGING if smap.is_signed else "Cividis",
        opacity=opacity,
        max_side_px=max_side_px,
    )


def looked_at(geometry: Geometry) -> np.ndarray:
    """Return (H0, W0) bool: pixels whose centre lies in the box that the model saw."""
    top, left, bottom, right = geometry.seen_box()
    rows, columns = (np.arange(side) + 0.5 for side in geometry.original_size)
    is_row = (rows >= top - 1e-9) & (rows <= bottom + 1e-9)
    return is_row[:, None] & ((columns >= left - 1e-9) & (columns <= right + 1e-9))


@pytest.mark.parametrize("name", CROPS)
def test_the_picture_is_dimmed_exactly_where_the_model_never_looked(name: str) -> None:
    geometry = CROPS[name]
    image = picture_of(geometry)
    painted = paint(image, make_map(noise(geometry), geometry), opacity=0.0)
    is_seen = looked_at(geometry)
    np.testing.assert_array_equal(painted[is_seen], image.pixels[is_seen])
    dimmed = image.pixels[~is_seen].astype(np.float32) * np.float32(0.35)
    np.testing.assert_array_equal(painted[~is_seen], np.rint(dimmed))


@pytest.mark.parametrize("name", ["letterbox", "stretch"])
def test_nothing_is_dimmed_where_the_model_saw_all(name: str) -> None:
    assert looked_at(CROPS[name]).all()


@pytest.mark.parametrize("name", CROPS)
def test_an_empty_map_leaves_what_was_seen_untouched(name: str) -> None:
    geometry = CROPS[name]
    image = picture_of(geometry)
    painted = paint(image, make_map(np.zeros(geometry.input_size), geometry))
    is_seen = looked_at(geometry)
    np.testing.assert_array_equal(painted[is_seen], image.pixels[is_seen])


@pytest.mark.parametrize("opacity", [0.3, 1.0])
def test_each_pixel_is_mixed_with_the_colour_of_its_value(opacity: float) -> None:
    geometry = Geometry((40, 40), (40, 40), (1.0, 1.0), (0.0, 0.0))
    image, values = picture_of(geometry), noise(geometry)
    painted = paint(image, make_map(values, geometry), opacity=opacity)
    table = colours.lookup_table("Cividis").astype(np.float64)
    for row, column in itertools.product(range(0, 40, 7), repeat=2):
        level = np.float32(values[row, column]) / np.float32(values.max())
        colour = table[round(float(level) * 255)]
        expected = (1 - opacity) * image.pixels[row, column] + opacity * colour
        np.testing.assert_allclose(painted[row, column], expected, atol=0.51)


def test_full_opacity_shows_both_ends_of_the_colours() -> None:
    geometry = Geometry((2, 2), (2, 2), (1.0, 1.0), (0.0, 0.0))
    painted = paint(picture_of(geometry), make_map(np.array([[0, 1], [1, 0]]), geometry))
    table = colours.lookup_table("Cividis")
    np.testing.assert_array_equal(painted, table[[[0, 255], [255, 0]]])


def test_signed_map_fades_towards_zero() -> None:
    geometry = Geometry((1, 3), (1, 3), (1.0, 1.0), (0.0, 0.0))
    smap = make_map(np.array([[-0.5, 0.0, 2.0]]), geometry, is_signed=True)
    image = picture_of(geometry)
    painted = paint(image, smap)
    table = colours.lookup_table(colours.DIVERGING)
    bare = image.pixels.astype(np.float64)
    np.testing.assert_allclose(painted[0, 1], bare[0, 1], atol=0.51)
    np.testing.assert_array_equal(painted[0, 2], table[255])
    expected = 0.75 * bare[0, 0] + 0.25 * table[round(1.5 / 4 * 255)]
    np.testing.assert_allclose(painted[0, 0], expected, atol=0.51)


def test_a_shown_map_lies_where_the_full_one_does() -> None:
    """A box painted at a quarter of the size covers the same part of the picture."""
    geometry = Geometry((400, 600), (100, 100), (0.25, 0.25), (0.0, 25.0))
    values = np.zeros((100, 100))
    values[30:50, 60:90] = 1
    image = image_from_pixels(np.zeros((400, 600), np.uint8))
    full = paint(image, make_map(values, geometry))[..., 0]
    small = paint(image, make_map(values, geometry), max_side_px=150)[..., 0]
    assert small.shape == (100, 150)
    assert np.ptp(small) == np.ptp(full)
    assert np.abs(small - full.reshape(100, 4, 150, 4).mean(axis=(1, 3))).mean() < 1


def test_a_resized_geometry_sees_the_same_share() -> None:
    geometry = CROPS["crop of both"]
    shown = painting.resized(geometry, (50, 60))
    np.testing.assert_allclose(np.array(shown.seen_box()) * 2, geometry.seen_box())


def test_the_longer_side_is_bounded() -> None:
    geometry = CROPS["crop, wide"]
    shown = paint(picture_of(geometry), make_map(noise(geometry), geometry), max_side_px=50)
    assert shown.shape == (30, 50, 3)


def test_the_picture_itself_stays_as_it_is() -> None:
    geometry = CROPS["crop, wide"]
    image = picture_of(geometry)
    before = image.pixels.copy()
    paint(image, make_map(noise(geometry), geometry))
    np.testing.assert_array_equal(image.pixels, before)


def test_a_gray_16_bit_picture_of_3000_by_2500_is_painted_and_put_on_a_sheet() -> None:
    pixels = np.broadcast_to(np.linspace(0, 65535, 3000).astype(np.uint16), (2500, 3000)).copy()
    image = image_from_pixels(pixels)
    geometry = Geometry((2500, 3000), (28, 28), (28 / 2500, 28 / 2500), (0.0, 3.0))
    painted = paint(image, make_map(noise(geometry), geometry), opacity=0.0)
    assert painted.shape == (2500, 3000, 3)
    is_seen = looked_at(geometry)
    np.testing.assert_array_equal(painted[is_seen], to_display(image)[is_seen])


# ---- scales --------------------------------------------------------------------------------


def flat(value: float, is_signed: bool = False) -> SaliencyMap:
    geometry = Geometry((4, 4), (4, 4), (1.0, 1.0), (0.0, 0.0))
    return make_map(np.full((4, 4), value), geometry, is_signed)


def test_an_unsigned_scale_starts_at_zero() -> None:
    assert painting.scale_of(flat(0.25)) == Scale(0.0, 0.25, is_shared=False)


@pytest.mark.parametrize("value", [-0.75, 0.75])
def test_a_signed_scale_is_symmetric(value: float) -> None:
    assert painting.scale_of(flat(value, is_signed=True)) == Scale(-0.75, 0.75, is_shared=False)


def test_an_empty_map_has_an_empty_scale() -> None:
    assert painting.scale_of(flat(0.0)).is_empty
    assert painting.scale_of(flat(0.0, is_signed=True)).is_empty


def test_a_shared_scale_reaches_to_the_largest_of_all() -> None:
    shared = painting.shared_scale([flat(0.25), flat(-2.0, is_signed=True), flat(1.0)])
    assert shared == {
        False: Scale(0.0, 2.0, is_shared=True),
        True: Scale(-2.0, 2.0, is_shared=True),
    }


def test_without_maps_a_shared_scale_is_empty() -> None:
    assert painting.shared_scale([])[False].is_empty


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0983, "0.0983"), (-2, "−2"), (4e-10, "4.0 · 10⁻¹⁰")]
)
def test_numbers_in_legends(value: float, text: str) -> None:
    assert number(value) == text


# ---- the sheet for download ----------------------------------------------------------------


def sheet(painted: np.ndarray, scale: Scale, title: str = "Why 3?") -> PIL.Image.Image:
    lines = ["3 against 8", "γ = 0.60 · λ = 1.8 · 10⁻³ · σ = 0.15"]
    made = painting.sheet(painted, title=title, lines=lines, scale=scale, colour_map="Viridis")
    opened = PIL.Image.open(io.BytesIO(made))
    opened.load()
    return opened


@pytest.mark.parametrize("size", [(280, 280), (60, 100), (700, 900), (1, 1)])
def test_a_sheet_opens_and_holds_the_map(size: tuple[int, int]) -> None:
    painted = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    opened = sheet(painted, Scale(0.0, 1.0, is_shared=False))
    assert (opened.format, opened.mode) == ("PNG", "RGB")
    assert opened.height > size[0]
    assert opened.width > size[1]
    left = (opened.width - size[1]) // 2
    held = np.asarray(opened)[16 : 16 + size[0], left : left + size[1]]
    np.testing.assert_array_equal(held, painted)


def test_a_sheets_title_is_never_cut_off() -> None:
    painted = np.zeros((100, 100, 3), np.uint8)
    opened = sheet(painted, Scale(0.0, 1.0, is_shared=False), title="Why this? " * 20)
    margin = np.asarray(opened.convert("L"))[140:, -8:]
    assert (margin == 255).all()


def test_a_sheet_of_an_empty_map_has_no_colours() -> None:
    painted = np.zeros((100, 100, 3), np.uint8)
    below = np.asarray(sheet(painted, Scale(0.0, 0.0, is_shared=False)))[116:].astype(int)
    assert np.ptp(below, axis=2).max() == 0


def test_greek_letters_and_superscripts_have_glyphs_of_their_own() -> None:
    """A font without them would draw the same box for each."""

    def drawn(text: str) -> bytes:
        painted = np.zeros((200, 1, 3), np.uint8)
        scale = Scale(0.0, 0.0, is_shared=False)
        return painting.sheet(painted, title=text, lines=[], scale=scale, colour_map="Viridis")

    letters = ["γ", "λ", "σ", "·", "⁻", "³", "²", "×", "…"]
    pictures = {drawn(f"{letter}   .") for letter in letters}
    assert len(pictures) == len(letters)
    assert drawn("\ue000   .") not in pictures


# ---- colours -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*colours.SEQUENTIAL, colours.DIVERGING])
def test_a_lookup_table_has_256_colours(name: str) -> None:
    table = colours.lookup_table(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert not table.flags.writeable
    assert len(np.unique(table, axis=0)) > 150


def luminance(table: np.ndarray) -> np.ndarray:
    """Return the relative luminance of sRGB (WCAG 2)."""
    shares = table / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("name", ["Cividis", "Viridis", "Inferno", "Gray"])
def test_a_sequential_colour_map_grows_lighter_all_the_way(name: str) -> None:
    assert (np.diff(luminance(colours.lookup_table(name))) > -1e-3).all()


def test_the_default_colours_never_fall_in_luminance() -> None:
    light = luminance(colours.lookup_table(colours.SEQUENTIAL[0]))
    assert (np.diff(light) >= -2e-4).all()
    assert light[-1] - light[0] > 0.7


def test_only_jet_is_called_misleading() -> None:
    falling = [
        name
        for name in colours.SEQUENTIAL
        if (np.diff(luminance(colours.lookup_table(name))) < -1e-3).any()
    ]
    assert falling == list(colours.MISLEADING)
    assert colours.label("Jet") == "Jet (misleading)"
    assert colours.label("Cividis") == "Cividis"


def test_the_signed_colours_are_lightest_in_the_middle() -> None:
    light = luminance(colours.lookup_table(colours.DIVERGING))
    assert np.argmax(light) in (127, 128)
    blue, orange = colours.lookup_table(colours.DIVERGING)[[0, -1]].astype(int)
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


def test_a_css_gradient_runs_from_the_first_colour_to_the_last() -> None:
    gradient = colours.css_gradient("Gray")
    first, last = colours.lookup_table("Gray")[[0, -1]]
    assert gradient.startswith(f"linear-gradient(90deg, rgb({first[0]} {first[1]} {first[2]})")
    assert gradient.endswith(f"rgb({last[0]} {last[1]} {last[2]}))")
