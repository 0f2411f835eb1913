"""The viewer's film mode in Chromium: window, regions, ruler, and whose film they belong to."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from components.map_viewer import FilmView
from explain_core import METHODS, Geometry, render
from explain_core.images.display import window_film
from explain_core.images.film import presets
from explain_core.metrics.region_share import region_share
from explain_core.regions import Region
from explain_core.types import Array, SaliencyMap
from tests.browser import film_page
from tests.browser.dashboard import READ_CANVAS, Dashboard
from tests.browser.film_page import (
    DOUBT,
    FILMS,
    GEOMETRY,
    INPUT,
    MAP_PANEL,
    MARK,
    MIXED_PANEL,
    SIZE,
)
from tests.browser.serving import wait_for_health
from tests.browser.test_render import IMPORT, heard
from tests.browser.viewing import box_of, point, saved, viewer
from tests.conftest import REPO

BASES = film_page.make_bases()
NUM_PANELS = len(BASES)


@pytest.fixture(scope="module")
def film_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("film") / "server.log"
    command = [sys.executable, "-m", "streamlit", "run", "tests/browser/film_page.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_for_health(process, f"http://127.0.0.1:{port}", Path(log))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert "Traceback" not in log.read_text(errors="replace")


AS_AT_FIRST = """root => {
  const { viewer } = root;
  root.lookAtFirst ??= structuredClone(viewer.state.look);
  Object.assign(viewer.state.look, root.lookAtFirst);
  viewer.state.readings.clear();
  for (const each of viewer.header.parameters) viewer.state.values[each.name] = each.default;
  viewer.resetView();
  viewer.build();
}"""
CORNERS_ON_SCREEN = """path => {
  const { x, y, width, height } = path.getBBox();
  const place = (x, y) => new DOMPoint(x, y).matrixTransform(path.getScreenCTM());
  const [first, last] = [place(x, y), place(x + width, y + height)];
  return [first.x, first.y, last.x, last.y];
}"""
FRESH: dict[str, Any] = {
    "regions": [],
    "rulers": [],
    "window": None,
    "is_inverted": False,
    "gamma": 0.6,
}


@pytest.fixture(scope="module")
def film_window(film_server: str, context: BrowserContext) -> Iterator[Dashboard]:
    window = Dashboard(context.new_page())
    window.page.goto(film_server)
    expect(window.page.locator("figure[data-panel] .bar")).to_have_count(NUM_PANELS)
    yield window
    window.page.close()
    window.expect_no_faults()


@pytest.fixture
def window(film_window: Dashboard) -> Dashboard:
    """Give the module's window with the first film and nothing set on any."""
    film_window.page.mouse.move(1, 1)
    choose_film(film_window, "first")
    viewer(film_window).evaluate(AS_AT_FIRST)
    film_window.until(lambda: python_heard(film_window) == FRESH, "Python hears of nothing set")
    return film_window


# ---- where things are -----------------------------------------------------------------------


def choose_film(window: Dashboard, name: str) -> None:
    """Choose a film and wait until the viewer has it."""
    window.press(name)
    wanted = FilmView(FILMS[name]).name
    shown = "root => root.viewer?.film?.about.name"
    window.until(lambda: viewer(window).evaluate(shown) == wanted, f"{name} is shown")
    window.settle()


def film_stage(window: Dashboard) -> Locator:
    return window.page.locator("figure.film .stage")


def film_pixels(window: Dashboard) -> Array:
    """Return the bare film as it is drawn, (H, W)."""
    width, height, data = window.page.locator("figure.film canvas.picture").evaluate(READ_CANVAS)
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
    assert (pixels[..., 0] == pixels[..., 2]).all()
    return pixels[..., 0].astype(int)


def press_tool(window: Dashboard, name: str) -> None:
    button = tools(window).get_by_role("button", name=name, exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def tools(window: Dashboard) -> Locator:
    return window.page.get_by_role("toolbar", name="Film")


def move_to(window: Dashboard, place: tuple[float, float]) -> None:
    """Put the mouse on a (row, column) of the bare film."""
    box = box_of(film_stage(window))
    window.page.mouse.move(
        box["x"] + place[1] / SIZE[1] * box["width"], box["y"] + place[0] / SIZE[0] * box["height"]
    )


def drag(
    window: Dashboard, start: tuple[float, float], end: tuple[float, float], button: Any = "left"
) -> None:
    move_to(window, start)
    window.page.mouse.down(button=button)
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    move_to(window, middle)
    move_to(window, end)
    window.page.mouse.up(button=button)


def click(window: Dashboard, place: tuple[float, float]) -> None:
    move_to(window, place)
    window.page.mouse.down()
    window.page.mouse.up()


def facts(window: Dashboard, panel: str) -> list[str]:
    return window.panel(panel).locator(".facts li").all_inner_texts()


def film_facts(window: Dashboard) -> list[str]:
    return window.page.locator("figure.film .facts li").all_inner_texts()


def share_of(line: str) -> tuple[int, float, float]:
    """Read "2: 61.0 % of the map in 8.1 % of ..." as number, share of the map, of the area."""
    found = re.match(r"(\d+): ([\d.]+) % of the map in ([\d.]+) % of what the network sees$", line)
    assert found is not None, line
    return int(found[1]), float(found[2]) / 100, float(found[3]) / 100


def python_heard(window: Dashboard) -> dict[str, Any]:
    text = window.widget("told").inner_text()
    found: dict[str, Any] = json.loads(text)
    return found


def wait_for_python(window: Dashboard, name: str, value: Any) -> None:
    window.until(lambda: python_heard(window)[name] == value, f"Python hears {name} {value}")


def maps(gamma: float = 0.6) -> dict[str, SaliencyMap]:
    return {
        MAP_PANEL: render(BASES[MAP_PANEL]),
        MIXED_PANEL: render(BASES[MIXED_PANEL], gamma=gamma),
    }


def drawn_region(window: Dashboard) -> Region:
    """Return the last region as Python heard of it."""
    window.until(lambda: bool(python_heard(window)["regions"]), "Python hears of a region")
    kind, points = python_heard(window)["regions"][-1]
    return Region(kind, tuple((row, column) for row, column in points))


# ---- window ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["first", "inverted"])
def test_every_preset_shows_what_python_shows(window: Dashboard, name: str) -> None:
    film = FILMS[name]
    choose_film(window, name)
    menu = tools(window).get_by_label("Preset of the window")
    invert = tools(window).get_by_role("button", name="Invert")
    is_inverted = False
    for index, preset in enumerate(presets(film)):
        menu.select_option(str(index))
        if index in (2, 3):  # there and back
            invert.click()
            is_inverted = not is_inverted
        expected = window_film(film, preset.voi, is_inverted=is_inverted).astype(int)
        assert np.abs(film_pixels(window) - expected).max() <= 1, (preset, is_inverted)


@pytest.mark.parametrize("how", ["tool", "shift", "right button"])
def test_dragging_windows_the_film_and_leaves_the_maps(window: Dashboard, how: str) -> None:
    before, facts_before = window.drawn(), facts(window, MAP_PANEL)
    picture = film_pixels(window)
    if how == "tool":
        press_tool(window, "Window")
    if how == "shift":
        window.page.keyboard.down("Shift")
    drag(window, (30, 50), (20, 70), "right" if how == "right button" else "left")
    if how == "shift":
        window.page.keyboard.up("Shift")
    assert np.abs(film_pixels(window) - picture).max() > 20
    assert window.drawn() == before
    assert facts(window, MAP_PANEL) == facts_before
    window.until(lambda: python_heard(window)["window"] is not None, "Python hears the window")
    text = tools(window).locator("output").inner_text()
    heard_window = re.search(r"center=([\d.]+), width=([\d.]+)", python_heard(window)["window"])
    assert heard_window is not None
    center, width = (round(float(each)) for each in heard_window.groups())
    assert text == f"C {center} W {width} (HU)"
    assert center < 900
    assert width > 700
    tools(window).get_by_role("button", name="Reset window").click()
    np.testing.assert_array_equal(film_pixels(window), picture)
    wait_for_python(window, "window", None)


def test_the_first_window_is_the_files(window: Dashboard) -> None:
    expect(tools(window).locator("output")).to_have_text("C 900 W 700 (HU)")
    expected = window_film(FILMS["first"], film_page.WINDOWS[0]).astype(int)
    assert np.abs(film_pixels(window) - expected).max() <= 1


# ---- regions --------------------------------------------------------------------------------


CORNERS = ((10.0, 20.0), (40.0, 55.0))
VERTICES = ((10.0, 30.0), (25.0, 70.0), (50.0, 40.0), (30.0, 45.0))


def draw(window: Dashboard, kind: str) -> None:
    press_tool(window, kind.capitalize())
    if kind == "polygon":
        for each in VERTICES:
            click(window, each)
        window.page.keyboard.press("Enter")
    else:
        drag(window, *CORNERS)


@pytest.mark.parametrize("kind", ["box", "ellipse", "polygon"])
def test_shares_in_a_region_are_pythons_and_follow_the_sliders(
    window: Dashboard, kind: str
) -> None:
    draw(window, kind)
    region = drawn_region(window)
    assert region.kind == kind
    wanted = VERTICES if kind == "polygon" else CORNERS
    np.testing.assert_allclose(region.points, wanted, atol=0.3)  # of a screen's pixel
    area = region.coverage(GEOMETRY).sum() / np.prod(INPUT)

    def expect_shares(gamma: float) -> None:
        for panel, smap in maps(gamma).items():
            number, share, of_area = share_of(facts(window, panel)[-1])
            assert number == 1
            assert share == pytest.approx(region_share(smap, region), abs=6e-4)
            assert of_area == pytest.approx(area, abs=6e-4)

    expect_shares(0.6)
    window.slider("gamma").focus()
    window.page.keyboard.press("End")
    expect_shares(2.0)


def test_regions_are_numbered_chosen_nudged_and_deleted(window: Dashboard) -> None:
    draw(window, "box")
    press_tool(window, "Ellipse")
    film_stage(window).focus()
    window.page.keyboard.press("Escape")  # leaves the box
    window.page.keyboard.press("Enter")
    window.until(lambda: len(python_heard(window)["regions"]) == 2, "both are told")
    assert [each[:2] for each in facts(window, MAP_PANEL)[-2:]] == ["1:", "2:"]
    before = drawn_region(window)
    film_stage(window).focus()
    window.page.keyboard.press("ArrowDown")
    window.page.keyboard.press("ArrowDown")
    window.until(lambda: drawn_region(window).points[0][0] > before.points[0][0] + 1.5, "it moves")
    moved = drawn_region(window)
    assert moved.points[0] == pytest.approx((before.points[0][0] + 2, before.points[0][1]))
    chip = tools(window).get_by_role("button", name="1 box")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    window.page.keyboard.press("Delete")
    window.until(lambda: len(python_heard(window)["regions"]) == 1, "one is deleted")
    assert drawn_region(window).kind == "ellipse"
    tools(window).get_by_role("button", name="1 ellipse").click()
    tools(window).get_by_role("button", name="Delete").click()
    wait_for_python(window, "regions", [])
    assert not [each for each in facts(window, MAP_PANEL) if each.startswith("1:")]


def test_a_region_is_moved_by_its_inside_and_changed_by_its_corner(window: Dashboard) -> None:
    draw(window, "box")
    drag(window, (25, 40), (35, 50))
    window.until(lambda: drawn_region(window).points[0][0] > 15, "it moved")
    np.testing.assert_allclose(drawn_region(window).points, [(20, 30), (50, 65)], atol=0.5)
    drag(window, (50, 65), (55, 80))
    window.until(lambda: drawn_region(window).points[1][1] > 70, "its corner moved")
    np.testing.assert_allclose(drawn_region(window).points, [(20, 30), (55, 80)], atol=0.5)


def test_escape_drops_a_polygon_that_is_not_closed(window: Dashboard) -> None:
    press_tool(window, "Polygon")
    for each in VERTICES[:3]:
        click(window, each)
    expect(window.page.locator("figure.film .marks path.draft").first).to_be_attached()
    window.page.keyboard.press("Escape")
    expect(window.page.locator("figure.film .marks path.draft")).to_have_count(0)
    assert python_heard(window)["regions"] == []


# ---- lengths, values, marks -----------------------------------------------------------------


def test_the_ruler_tells_millimetres_of_its_plane(window: Dashboard) -> None:
    press_tool(window, "Ruler")
    drag(window, (10, 20), (50, 80))
    label = window.panel(MAP_PANEL).locator(".tag.ruler")
    found = re.fullmatch(r"a ([\d.]+) mm", label.inner_text())
    assert found is not None
    assert float(found[1]) == pytest.approx(length_mm((10, 20), (50, 80)), abs=0.3)
    assert film_facts(window) == [f"{label.inner_text()} in the detector plane"]


def length_mm(start: tuple[float, float], end: tuple[float, float]) -> float:
    return math.hypot((end[0] - start[0]) * 0.5, (end[1] - start[1]) * 0.25)


def test_rulers_are_lettered_told_changed_and_deleted(window: Dashboard) -> None:
    press_tool(window, "Ruler")
    lines = [
        ((10.0, 20.0), (10.0, 80.0)),
        ((30.0, 30.0), (30.0, 60.0)),
        ((50.0, 20.0), (45.0, 70.0)),
    ]
    for line in lines[:2]:
        drag(window, *line)
    window.until(lambda: len(python_heard(window)["rulers"]) == 2, "both are told")
    np.testing.assert_allclose(python_heard(window)["rulers"], lines[:2], atol=0.3)
    assert film_facts(window)[-1] == "a / b = 2.00"
    assert not [each for each in facts(window, MAP_PANEL) if " / " in each]
    drag(window, *lines[2])
    assert len(film_facts(window)) == 1
    chips = tools(window).get_by_role("button", name=re.compile(r"^[abc] [\d.]+ mm$"))
    expect(chips).to_have_count(3)
    expect(chips.nth(2)).to_have_attribute("aria-pressed", "true")
    window.until(lambda: len(python_heard(window)["rulers"]) == 3, "the third is told")
    drag(window, lines[2][1], (45, 40))  # by its end, with the same tool
    window.until(lambda: python_heard(window)["rulers"][2][1][1] < 45, "its end moved")
    chips.nth(1).click()
    tools(window).get_by_role("button", name="Delete").click()
    window.until(lambda: len(python_heard(window)["rulers"]) == 2, "one is deleted")
    np.testing.assert_allclose(
        python_heard(window)["rulers"], [lines[0], ((50, 20), (45, 40))], atol=0.5
    )
    press_tool(window, "Move")
    click(window, (10, 50))  # on the first one's line
    expect(chips.nth(0)).to_have_attribute("aria-pressed", "true")
    film_stage(window).focus()
    window.page.keyboard.press("ArrowLeft")
    window.until(lambda: python_heard(window)["rulers"][0][1][1] < 79.5, "the key moves its end")
    window.page.keyboard.press("Delete")
    window.until(lambda: len(python_heard(window)["rulers"]) == 1, "the key deletes it")
    expect(tools(window).get_by_role("button", name=re.compile(r"^a [\d.]+ mm$"))).to_have_count(1)


def test_the_scale_bar_lies_below_the_picture_and_follows_the_zoom(window: Dashboard) -> None:
    panel = window.panel(MAP_PANEL)
    stage, rule = box_of(panel.locator(".stage")), panel.locator(".rule")
    expect(rule).to_have_text("5 mm in the detector plane")
    assert box_of(rule)["y"] >= stage["y"] + stage["height"]
    assert bar_share(window) == pytest.approx(5 / (90 * 0.25), rel=0.03)
    film_stage(window).focus()
    for _ in range(4):
        window.page.keyboard.press("+")
    zoom = 1.25**4
    expect(rule).to_have_text("2 mm in the detector plane")
    assert bar_share(window) == pytest.approx(2 * zoom / (90 * 0.25), rel=0.03)


def bar_share(window: Dashboard) -> float:
    """Return the scale bar's length as a share of the picture's width."""
    panel = window.panel(MAP_PANEL)
    return box_of(panel.locator(".rule-bar"))["width"] / box_of(panel.locator(".stage"))["width"]


def test_without_spacing_the_ruler_tells_pixels_and_there_is_no_bar(window: Dashboard) -> None:
    choose_film(window, "without spacing")
    press_tool(window, "Ruler")
    drag(window, (10, 20), (50, 50))
    label = window.panel(MAP_PANEL).locator(".tag.ruler").inner_text()
    assert float(label.removeprefix("a ").removesuffix(" px")) == pytest.approx(50, abs=0.7)
    assert film_facts(window) == [label]
    expect(window.panel(MAP_PANEL).locator(".rule")).to_be_hidden()


def test_the_pointer_reads_the_films_own_value_and_the_maps(window: Dashboard) -> None:
    point(window, MAP_PANEL, 50.5 / SIZE[1], 30.5 / SIZE[0])
    film = FILMS["first"]
    value = int(film.values[film.codes[30, 50]])
    readout = window.panel(MAP_PANEL).locator(".readout")
    expect(readout).to_have_text(re.compile(rf"^x 50, y 30: film {value} HU · map "))
    point(window, MAP_PANEL, 3.5 / SIZE[1], 3.5 / SIZE[0])
    expect(readout).to_have_text("x 3, y 3: film no value · map not looked at")


def test_the_peak_is_marked_and_told_and_can_be_switched_off(window: Dashboard) -> None:
    for panel, smap in maps().items():
        row, column = np.unravel_index(smap.values.argmax(), INPUT)
        x, y = (column + 0.5 + 2.5) / 0.5, (row + 0.5) / 0.5
        assert facts(window, panel)[0] == f"Peak at x {int(x)}, y {int(y)}"
        expect(window.panel(panel).locator(".peak-ring")).to_have_count(1)
    window.page.get_by_label("Peaks").uncheck()
    expect(window.page.locator(".peak-ring")).to_have_count(0)
    assert facts(window, MAP_PANEL) == []


def test_known_annotations_are_outlined_by_name_and_can_be_hidden(window: Dashboard) -> None:
    outline = window.panel(MAP_PANEL).locator(".marks path.known")
    names = window.panel(MAP_PANEL).locator(".tag.known")
    expect(outline).to_have_count(4)  # a line over a darker one for each
    expect(names).to_have_text(["nodule", "mass"])
    box = box_of(window.panel(MAP_PANEL).locator(".stage"))
    left, top, right, bottom = outline.first.evaluate(CORNERS_ON_SCREEN)
    found = [(left - box["x"]) / box["width"], (right - box["x"]) / box["width"]]
    found += [(top - box["y"]) / box["height"], (bottom - box["y"]) / box["height"]]
    expected = [30 / SIZE[1], 60 / SIZE[1], 20 / SIZE[0], 40 / SIZE[0]]
    assert found == pytest.approx(expected, abs=0.012)
    tag = box_of(names.first)
    assert tag["y"] + tag["height"] <= top + 1
    assert abs(tag["x"] - left) < box["width"] * 0.3
    window.page.get_by_label("Known annotation: nodule, mass").uncheck()
    expect(outline).to_have_count(0)
    expect(names).to_have_count(0)


def test_the_mark_is_on_every_picture_and_its_export(window: Dashboard) -> None:
    expect(window.page.locator(".mark")).to_have_text([MARK] * (NUM_PANELS + 1))
    name, plain = saved(
        window, window.page.locator("figure.film").get_by_role("button", name="PNG")
    )
    assert name == "whynot-film.png"
    side, left, top = 900, 24, 48  # where the export has the picture
    height = round(side * SIZE[0] / SIZE[1])
    picture = plain[top : top + height, left : left + side]
    film = np.asarray(
        PIL.Image.fromarray(film_pixels(window).astype(np.uint8)).resize((side, height))
    )
    is_other = np.abs(picture.mean(axis=2) - film).max(axis=1) > 60
    assert is_other[:25].any()
    below = plain[top + height + 6 : top + height + 20, left : left + side]
    assert (below.max(axis=(0, 2)) - below.min(axis=(0, 2)) > 100)[: side // 5].all()
    assert not is_other[-40:].any()  # nothing is written over the film's lower edge


def test_a_doubt_is_told_at_the_head_and_to_screen_readers(window: Dashboard) -> None:
    line = window.panel(MAP_PANEL).locator("figcaption .doubt")
    expect(line).to_have_text(DOUBT)
    expect(line.get_by_role("img", name="Caution")).to_be_visible()
    stage = window.panel(MAP_PANEL).locator(".stage")
    expect(stage).to_have_attribute("aria-label", re.compile(f"Caution: {DOUBT}$"))
    expect(window.page.locator(".doubt")).to_have_count(1)
    plain, doubted = (
        saved(window, window.panel(each).get_by_role("button", name="PNG"))[1]
        for each in (MIXED_PANEL, MAP_PANEL)
    )
    assert not has_orange(plain)
    assert has_orange(doubted)


def has_orange(sheet: Array) -> bool:
    """Whether an export has a warning between its title and its picture."""
    red, green, blue = (sheet[44:62, ..., i] for i in range(3))
    return bool(((red - blue > 90) & (green - blue > 30)).any())


# ---- where things stand ---------------------------------------------------------------------


def test_the_film_comes_before_its_sliders_and_stays_where_it_is(window: Dashboard) -> None:
    def top(selector: str) -> float:
        return float(
            window.page.locator(selector).first.evaluate("each => each.getBoundingClientRect().top")
        )

    def place() -> float:
        return top("figure.film .stage") - top(".film-tools")

    order = [".film-tools", "figure.film .stage", ".controls", ".looks"]
    tops = [top(each) for each in order]
    assert tops == sorted(tops)
    before = place()
    press_tool(window, "Window")  # the longest hint
    assert place() == before
    draw(window, "box")
    press_tool(window, "Ruler")
    for row in range(5, 55, 7):
        drag(window, (row, 20), (row, 70))
    expect(window.page.locator(".things button")).to_have_count(10)
    assert place() == before


# ---- whose they are -------------------------------------------------------------------------


def test_another_film_begins_afresh_and_the_first_one_is_as_it_was(window: Dashboard) -> None:
    draw(window, "box")
    press_tool(window, "Window")
    drag(window, (30, 50), (20, 70))
    tools(window).get_by_role("button", name="Invert").click()
    wait_for_python(window, "is_inverted", True)
    text = tools(window).locator("output").inner_text()
    choose_film(window, "inverted")
    window.until(lambda: python_heard(window) == FRESH, "Python hears of nothing set")
    expect(tools(window).locator("output")).to_have_text("C 900 W 700 (HU)")
    expect(window.page.locator("figure.film .marks path")).to_have_count(0)
    choose_film(window, "first")
    expect(tools(window).locator("output")).to_have_text(text)
    wait_for_python(window, "is_inverted", True)
    assert drawn_region(window).kind == "box"


def test_a_film_without_maps_is_shown_with_its_tools(window: Dashboard) -> None:
    choose_film(window, "without maps")
    expect(window.page.locator("figure")).to_have_count(1)
    expected = window_film(FILMS["without maps"], film_page.WINDOWS[0]).astype(int)
    assert np.abs(film_pixels(window) - expected).max() <= 1
    draw(window, "box")
    area = drawn_region(window).coverage(GEOMETRY).sum() / np.prod(INPUT)
    (line,) = window.page.locator("figure.film .facts li").all_inner_texts()
    assert line == f"1: {100 * area:.1f} % of what the network sees"


def test_a_tool_stays_when_other_maps_of_the_film_come(window: Dashboard) -> None:
    draw(window, "box")
    drawn_region(window)
    viewer(window).evaluate("root => root.viewer.build()")
    button = tools(window).get_by_role("button", name="Box", exact=True)
    expect(button).to_have_attribute("aria-pressed", "true")
    chip = tools(window).get_by_role("button", name="1 box")
    expect(chip).to_have_attribute("aria-pressed", "true")


def test_the_film_can_be_swiped_with_a_map(window: Dashboard) -> None:
    window.page.get_by_role("button", name="Swipe two").click()
    left, right = (window.page.get_by_label(f"{side} map") for side in ("Left", "Right"))
    assert left.locator("option:checked").inner_text() == "The film"
    assert right.locator("option:checked").inner_text() == METHODS["grad-cam"].title
    expect(window.page.locator("figure.swipe .rule")).to_have_text("5 mm in the detector plane")
    window.page.get_by_role("button", name="Swipe two").click()


def test_the_divider_is_dragged_on_the_picture_and_draws_nothing(window: Dashboard) -> None:
    press_tool(window, "Box")
    window.page.get_by_role("button", name="Swipe two").click()
    stage = window.page.locator("figure.swipe .stage")
    slider = window.page.get_by_label("Divider between the two maps")
    box = box_of(stage)

    def drag_divider(start: float, end: float) -> None:
        for step, share in enumerate((start, (start + end) / 2, end)):
            window.page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.2 * box["height"])
            if step == 0:
                window.page.mouse.down()
        window.page.mouse.up()

    drag_divider(0.5, 0.2)
    expect(slider).to_have_value("20")
    for _ in range(2):
        stage.press("+")  # zoomed about the middle: 20 % now lies left of the picture
    slider.fill("50")
    drag_divider(0.5, 0.8)
    expect(slider).to_have_value(str(round(50 + 30 / 1.25**2)))
    slider.press("ArrowRight")
    expect(slider).to_have_value(str(round(50 + 30 / 1.25**2) + 1))
    assert python_heard(window)["regions"] == []
    window.page.locator("figure.swipe").get_by_role("button", name="Close").click()
    expect(window.page.locator("figure.swipe")).to_have_count(0)
    button = window.page.get_by_role("button", name="Swipe two")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(button).to_be_focused()


def test_a_finger_drags_the_divider(window: Dashboard) -> None:
    window.page.get_by_role("button", name="Swipe two").click()
    handle = window.page.locator("figure.swipe .handle-line")
    width = box_of(window.page.locator("figure.swipe .stage"))["width"]
    x = box_of(handle)["x"] + box_of(handle)["width"] / 2
    finger = {"pointerId": 7, "pointerType": "touch", "bubbles": True, "button": 0}
    handle.evaluate("each => { each.setPointerCapture = () => {}; }")  # of a finger made here
    handle.dispatch_event("pointerdown", finger | {"clientX": x})
    handle.dispatch_event("pointermove", finger | {"clientX": x - 0.3 * width, "button": -1})
    handle.dispatch_event("pointerup", finger)
    slider = window.page.get_by_label("Divider between the two maps")
    expect(slider).to_have_value("20")
    window.page.locator("figure.swipe").get_by_role("button", name="Close").click()


# ---- the page's formula against Python's ----------------------------------------------------


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """Give an empty page that holds regions.js as `kit`."""
    page = browser.new_page()
    page.goto("about:blank")
    source = (REPO / "components" / "map_viewer" / "regions.js").read_text(encoding="utf-8")
    page.evaluate(IMPORT, source)
    yield page
    page.close()


GEOMETRIES = [
    GEOMETRY,
    Geometry((300, 200), (32, 32), (32 / 300, 32 / 200), (0.0, 0.0)),
    Geometry((100, 200), (48, 48), (0.24, 0.24), (-12.0, 0.0)),  # with a border above and below
]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["crop", "squeezed", "border"])
@pytest.mark.parametrize("kind", ["box", "ellipse", "polygon"])
def test_coverage_is_pythons(page: Page, kind: str, geometry: Geometry) -> None:
    rng = np.random.default_rng(3)
    about = {
        "scale": geometry.scale,
        "offset_px": geometry.offset_px,
        "input_size": geometry.input_size,
    }
    for _ in range(5):
        points = rng.uniform((0, 0), geometry.original_size, (7 if kind == "polygon" else 2, 2))
        asked = {"kind": kind, "points": points.tolist()}
        text = page.evaluate(
            "([region, about]) => kit.told(kit.coverage(region, about))", [asked, about]
        )
        found = heard(text).reshape(geometry.input_size)
        region = Region(kind, tuple(map(tuple, points.tolist())))  # type: ignore[arg-type]
        np.testing.assert_allclose(found, region.coverage(geometry), atol=1e-6)


def test_a_map_without_positive_evidence_has_no_share(page: Page) -> None:
    script = "(map) => kit.regionShare(map, [1, 1])"
    assert page.evaluate(script, [-1.0, 0.0]) is None
    assert page.evaluate(script, [3.0, -1.0]) == 1
