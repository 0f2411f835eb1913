"""Explain's comparing views in Chromium: grids that are drawn, read, moved, saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import explain_core as xc
from components.method_picker import PRESETS
from explain_core import METHODS
from tests.browser.viewing import expect_linked, number, point, saved
from tests.conftest import REPO

if TYPE_CHECKING:
    from tests.browser.conftest import LastingWindow, Lender
    from tests.browser.dashboard import Dashboard

FIRST = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
TARGET, REFERENCES = 3, (5, 7, 8)  # of the first sample
NUM_ROWS = 1 + len(REFERENCES)
SAMPLE = REPO / "assets" / "samples" / "digits" / "three-almost-eight.png"


def cell(row: int, method: str) -> str:
    return f"{row}-{FIRST.index(method)}"


def headings(window: Dashboard, role: str) -> list[str]:
    return window.page.get_by_role(role).locator("strong").all_inner_texts()  # type: ignore[arg-type]


def legend(window: Dashboard) -> Locator:
    return window.page.locator(".common [role=img]")


def show_grid(window: Dashboard) -> Dashboard:
    """Show the first grid: the target and its references, the first methods."""
    window.press("Compare classes")
    window.expect_panels(NUM_ROWS * len(FIRST))
    return window


@pytest.fixture(scope="module")
def lasting_grid(lasting: Lender) -> LastingWindow:
    def prepare(window: Dashboard) -> None:
        window.expect_panels(4)
        show_grid(window)

    return lasting(prepare)


@pytest.fixture
def grid(lasting_grid: LastingWindow, request: pytest.FixtureRequest) -> Iterator[Dashboard]:
    """Give the module's window with its grid as at first: for what stays within the viewer."""
    with lasting_grid.lent(request.node) as window:
        window.restore()
        yield window


def test_a_grid_is_drawn_with_headings_and_one_legend(grid: Dashboard) -> None:
    assert headings(grid, "columnheader") == [METHODS[name].title for name in FIRST]
    assert headings(grid, "rowheader") == [str(each) for each in (TARGET, *REFERENCES)]
    expect(legend(grid)).to_have_count(1)
    expect(legend(grid)).to_contain_text("maps of one method up to their common largest value")
    maps = grid.drawn()
    assert len(set(maps.values())) == len(maps)
    for name in maps:
        assert grid.pixels(name)[..., 3].any()
        assert grid.pixels(name, "picture").max() == 255


def test_every_cell_says_its_largest_value(grid: Dashboard) -> None:
    model, image = xc.load_model("digits", device="cpu"), xc.read_image(SAMPLE)
    group = (TARGET, *REFERENCES)
    cells = xc.prepare_grid(model, image, ["grad-cam", "finer-grad-cam"], group, references=group)
    for row, target in enumerate(group):
        for method in ("grad-cam", "finer-grad-cam"):
            shown = grid.panel(cell(row, method)).locator(".peak").inner_text()
            most = xc.render(cells[target, method]).values.max()
            assert number(shown.removeprefix("up to ")) == pytest.approx(most, rel=5e-3)


def test_a_cell_is_read_where_the_mouse_points(grid: Dashboard) -> None:
    model, image = xc.load_model("digits", device="cpu"), xc.read_image(SAMPLE)
    height, width = image.size
    point(grid, cell(0, "grad-cam"), 0.6, 0.5)
    for row, target in enumerate((TARGET, *REFERENCES)):  # the others follow
        text = grid.panel(cell(row, "grad-cam")).locator(".readout").inner_text()
        values = xc.explain(model, image, method="grad-cam", target=target).on_original()
        around = values[
            round(0.5 * height) - 3 : round(0.5 * height) + 4,
            round(0.6 * width) - 3 : round(0.6 * width) + 4,
        ]
        assert around.min() * 0.99 <= number(text) <= around.max() * 1.01


def test_a_slider_moves_every_cell_that_knows_it(grid: Dashboard) -> None:
    before = grid.drawn()
    grid.slider("gamma").focus()
    grid.page.keyboard.press("End")
    after = grid.drawn()
    moved = {name for name in after if after[name] != before[name]}
    assert moved == {cell(row, "finer-grad-cam") for row in range(NUM_ROWS)}


def test_nothing_is_sent_while_a_slider_is_dragged(grid: Dashboard) -> None:
    slider = grid.slider("lam")
    slider.scroll_into_view_if_needed()
    grid.page.wait_for_timeout(500)
    grid.settle()
    box = slider.bounding_box()
    assert box is not None
    sent, before = grid.num_frames_sent, grid.drawn()
    grid.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)
    grid.page.mouse.down()
    grid.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, steps=10)
    assert grid.num_frames_sent == sent
    assert grid.drawn() != before
    grid.page.mouse.up()


def test_gamma_columns_stand_beside_each_other(grid: Dashboard) -> None:
    pills = grid.widget("gammas")
    pills.get_by_role("button", name="0", exact=True).click()
    grid.expect_panels(NUM_ROWS * len(FIRST))
    pills.get_by_role("button", name="2", exact=True).click()
    grid.expect_panels(NUM_ROWS * (len(FIRST) + 1))
    expect(grid.slider("gamma")).to_be_disabled()
    for row in range(NUM_ROWS):  # DiffCAM, Finer-CAM at γ = 0 and 2, Grad-CAM
        own = [grid.panel(f"{row}-{x}").locator(".peak").inner_text() for x in (1, 3)]
        assert own[0] == own[1]
        assert (grid.pixels(f"{row}-1") != grid.pixels(f"{row}-2")).any()
    for each in ("2", "0"):
        pills.get_by_role("button", name=each, exact=True).click()
        grid.settle()
    grid.expect_panels(NUM_ROWS * len(FIRST))


def test_own_scales_fill_every_cell_with_the_whole_range(grid: Dashboard) -> None:
    def brightest(row: int) -> int:
        return int(grid.pixels(cell(row, "grad-cam"))[..., :3].sum(axis=2).max())

    shared = [brightest(row) for row in range(NUM_ROWS)]
    assert max(shared) > 1.3 * min(shared)
    grid.page.get_by_role("radio", name="Own", exact=True).check(force=True)
    expect(legend(grid)).to_contain_text("each map by its own largest value")
    own = [brightest(row) for row in range(NUM_ROWS)]
    assert min(own) >= max(shared) - 2


def test_keys_zoom_all_cells_together(grid: Dashboard) -> None:
    stage = grid.panel(cell(2, "grad-cam")).locator(".stage")
    stage.focus()
    grid.page.keyboard.press("+")
    assert expect_linked(grid)[0] == pytest.approx(1.25)
    grid.page.keyboard.press("0")
    assert expect_linked(grid)[0] == 1


def test_the_whole_grid_is_saved_as_one_picture(grid: Dashboard) -> None:
    name, pixels = saved(grid, grid.page.get_by_role("button", name="PNG of all"))
    assert name == "whynot-grid.png"
    height, width, _ = pixels.shape
    assert width > len(FIRST) * 260
    assert height > NUM_ROWS * 260
    is_dark = pixels.sum(axis=2) < 3 * 100
    corner = is_dark[100:260, 14:190]
    assert corner.any(), "no heading beside the first row"
    for row in range(NUM_ROWS):
        for column in range(len(FIRST)):
            top, left = 14 + 95 + row * 293, 14 + 190 + column * 274
            assert is_dark[top : top + 260, left : left + 260].mean() > 0.3


def test_a_preset_changes_the_columns(window: Dashboard) -> None:
    show_grid(window)
    window.widget("presets").get_by_role("button", name="Presets").click()
    window.page.get_by_text("Contrastive three", exact=True).click()
    three = PRESETS["Contrastive three"]
    window.expect_panels(NUM_ROWS * len(three))
    assert headings(window, "columnheader") == [METHODS[name].title for name in three]


def test_a_second_model_stands_beside_the_first(window: Dashboard) -> None:
    window.press("Compare models")
    window.choose("second-model-digits", "thousand")
    window.expect_panels(2 * len(FIRST))
    assert headings(window, "columnheader") == ["digits", "thousand"]
    assert headings(window, "rowheader") == [METHODS[name].title for name in FIRST]
    expect(window.page.get_by_text("thousand has no class “3”")).to_be_visible()
    rows = window.page.get_by_test_id("stTable").locator("tbody tr")
    expect(rows).to_have_count(len(FIRST))
    before = rows.all_inner_texts()
    window.slider("gamma").focus()
    window.page.keyboard.press("End")
    window.until(lambda: rows.all_inner_texts()[1] != before[1], "agreement follows the slider")
    assert rows.all_inner_texts()[2] == before[2]  # Grad-CAM knows no γ
    assert window.page.get_by_role("radio", name="Network's input").count() == 0


def test_a_grid_fits_the_window(grid: Dashboard) -> None:
    for width, scheme in ((1280, "light"), (1920, "dark"), (1280, "light")):
        grid.page.emulate_media(color_scheme=scheme)
        grid.page.set_viewport_size({"width": width, "height": 900})
        grid.settle()
        sides = grid.page.locator(".grid").evaluate("each => [each.scrollWidth, each.clientWidth]")
        assert sides[0] <= sides[1]
        stages = grid.page.locator("figure .stage").evaluate_all(
            "all => all.map(each => each.getBoundingClientRect().width)"
        )
        assert np.ptp(stages) < 1
        assert min(stages) > 120
