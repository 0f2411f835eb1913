"""Reference sets as a person makes them: each way ends in a map."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import FilePayload, expect

from explain_core.datasets.strokes import draw_digit

if TYPE_CHECKING:
    from tests.browser.conftest import LastingWindow, Lender, Opener
    from tests.browser.dashboard import Dashboard


@pytest.fixture(scope="module")
def lasting_page(lasting: Lender) -> LastingWindow:
    return lasting(lambda window: window.settle(), path="/references")


@pytest.fixture
def page(lasting_page: LastingWindow, request: pytest.FixtureRequest) -> Iterator[Dashboard]:
    """Give a window on the References page, where sets are made of classes at first.

    The sets of earlier tests are there, so each test gives its sets names of their own.
    """
    with lasting_page.lent(request.node) as window:
        open_references(window)
        way(window, "Classes")
        window.page.get_by_test_id("stMain").evaluate("each => each.scrollTo(0, 0)")
        yield window


def open_references(window: Dashboard) -> None:
    window.page.get_by_role("link", name="References").click()
    expect(window.page.get_by_role("heading", name="References", level=1)).to_be_visible()
    window.settle()


def digit_png(digit: int, seed: int, size: tuple[int, int] = (40, 36)) -> bytes:
    """Return a drawn digit, H ≠ W."""
    drawn = draw_digit(digit, np.random.default_rng(seed), size_px=280)
    file = io.BytesIO()
    PIL.Image.fromarray(drawn).resize(size).save(file, "PNG")
    return file.getvalue()


def files(count: int = 6) -> list[FilePayload]:
    return [
        {"name": f"zero-{seed}.png", "mimeType": "image/png", "buffer": digit_png(0, seed)}
        for seed in range(count)
    ]


def way(window: Dashboard, name: str) -> None:
    window.press(name)
    window.settle()


def pick_classes(window: Dashboard, *names: str) -> None:
    box = window.page.get_by_role("combobox", name="Classes")
    for name in names:
        window.pick(box, window.page.get_by_role("option", name=name))
        box.press("Tab")  # Escape would empty the box where its list is closed already
        expect(window.page.get_by_role("button", name=f"Remove {name}")).to_be_visible()
        window.settle()


def add(window: Dashboard, name: str, *, is_suggested: bool = False) -> None:
    """Give a name, or wait until it is suggested; press the button and wait for the set."""
    box = window.page.get_by_label("Name", exact=True)
    if is_suggested:
        expect(box).to_have_attribute("placeholder", name)
    else:
        box.fill(name)
        window.page.keyboard.press("Enter")
    window.settle()
    window.page.get_by_role("button", name="Add the set").click()
    expect(window.page.get_by_role("combobox", name="Reference set")).to_have_value(name)
    window.settle()


def expect_map(window: Dashboard, name: str, count: int | None = None) -> None:
    """Go to Explain, ask how the picture is unlike the set, and wait for DiffCAM's map."""
    window.page.get_by_role("link", name="Explain").click()
    expect(window.page.get_by_text("Network passes in this session")).to_be_visible()
    window.settle()
    window.press("How unlike")
    window.settle()
    # until the page is still, the former question's maps may stand beside the new ones
    subject = f"this picture against “{name}”"
    expect(window.panel("diffcam").filter(has_text=subject)).to_be_visible()
    window.settle()
    expect(window.panel("diffcam")).to_have_count(1)
    if count is not None:
        expect(window.panel("diffcam")).to_contain_text(f"({count:,} pictures)")
    window.until(lambda: bool(window.pixels("diffcam")[..., 3].any()), "a map is drawn")


# ---- ways to make a set ----------------------------------------------------------------------


def test_a_set_of_one_class_ends_in_a_map(page: Dashboard) -> None:
    pick_classes(page, "8 (500)")
    add(page, "8", is_suggested=True)
    expect_map(page, "8", 500)


def test_a_set_of_several_classes_ends_in_a_map(page: Dashboard) -> None:
    pick_classes(page, "5 (500)", "8 (500)")
    add(page, "5 and 8", is_suggested=True)
    expect_map(page, "5 and 8", 1000)


def test_all_but_a_class_ends_in_a_map(page: Dashboard) -> None:
    pick_classes(page, "3 (500)")
    expect(page.page.get_by_label("Name", exact=True)).to_have_attribute("placeholder", "3")
    page.settle()
    page.page.get_by_text("All but these").click()
    add(page, "all but 3", is_suggested=True)
    expect_map(page, "all but 3", 4500)


def upload(window: Dashboard, content: list[FilePayload] | str) -> None:
    chooser = window.page.get_by_test_id("stMain").get_by_test_id("stFileUploader")
    chooser.locator("input[type=file]").set_input_files(content)
    window.settle()


def give_picture(window: Dashboard) -> None:
    """Upload the picture to explain."""
    chooser = window.page.get_by_test_id("stSidebar").get_by_test_id("stFileUploader")
    chooser.locator("input[type=file]").set_input_files(
        {"name": "two.png", "mimeType": "image/png", "buffer": digit_png(2, 0)}
    )
    expect(window.page.get_by_text("In use: two.png")).to_be_visible()
    window.settle()


def test_uploaded_files_end_in_a_map_and_a_bad_one_is_listed(page: Dashboard) -> None:
    way(page, "Uploads")
    bad: FilePayload = {"name": "letter.png", "mimeType": "image/png", "buffer": b"Dear all, " * 9}
    upload(page, [*files(), bad])
    add(page, "zeros")
    expect(page.page.get_by_text("Left out: 1")).to_be_visible()
    expect_map(page, "zeros", 6)


def test_an_uploaded_zip_ends_in_a_map(page: Dashboard) -> None:
    way(page, "Uploads")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for each in files(5):
            file.writestr(f"zeros/{each['name']}", each["buffer"])
        file.writestr("../climbs.png", digit_png(0, 9))
    upload(page, [{"name": "z.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}])
    add(page, "zipped")
    expect(page.page.get_by_text("Left out: 1")).to_be_visible()
    expect_map(page, "zipped", 5)


def test_an_uploaded_folder_ends_in_a_map(page: Dashboard, tmp_path: Path) -> None:
    for each in files(4):
        (tmp_path / each["name"]).write_bytes(each["buffer"])
    way(page, "Uploads")
    way(page, "A folder")
    expect(page.page.get_by_text("A folder of pictures")).to_be_visible()
    upload(page, str(tmp_path))
    add(page, "folder")
    expect_map(page, "folder", 4)


def test_the_nearest_pictures_end_in_a_map(page: Dashboard) -> None:
    way(page, "Nearest")
    add(page, "nearest 50", is_suggested=True)
    expect_map(page, "nearest 50", 50)


def test_a_box_in_the_plot_ends_in_a_map(open_window: Opener) -> None:
    page = open_window(path="/references")
    page.settle()
    way(page, "Plot")
    plot = page.page.locator(".js-plotly-plot .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    mouse = page.page.mouse
    corners = [(0.35, 0.35), (0.65, 0.35), (0.65, 0.65), (0.35, 0.65), (0.35, 0.35)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    mouse.move(*points[0])
    mouse.down()
    for point in points[1:]:
        mouse.move(*point, steps=5)
    mouse.up()
    expect(page.page.get_by_text(" chosen.")).to_be_visible()
    page.settle()
    add(page, "loop")
    expect_map(page, "loop")


def test_a_saved_set_ends_in_a_map_in_another_session(page: Dashboard, open_window: Opener) -> None:
    pick_classes(page, "6 (500)")
    add(page, "sixes")
    page.page.get_by_role("button", name="Save", exact=True).click()
    page.page.get_by_role("button", name="Save the set").click()
    expect(page.page.get_by_text("Saved as “sixes”")).to_be_visible()
    other = open_window(path="/references")
    way(other, "Saved")
    add(other, "sixes", is_suggested=True)
    expect_map(other, "sixes", 500)


def pick_set(window: Dashboard, box: str, name: str) -> None:
    window.pick(
        window.page.get_by_role("combobox", name=box, exact=True),
        window.page.get_by_role("option", name=name, exact=True),
    )
    window.settle()


@pytest.mark.parametrize(
    ("operation", "count"), [("joined with", 1000), ("without", 500)], ids=["union", "difference"]
)
def test_two_sets_end_in_a_map(page: Dashboard, operation: str, count: int) -> None:
    fives, others, both = (f"{name} {operation}" for name in ("fives", "others", "both"))
    pick_classes(page, "5 (500)")
    add(page, fives)
    pick_classes(page, "8 (500)") if operation == "joined with" else pick_classes(
        page, "8 (500)", "5 (500)"
    )
    add(page, others)
    way(page, "Two sets")
    pick_set(page, "Set", others)
    pick_set(page, "Other set", fives)
    way(page, operation)
    add(page, both)
    expect_map(page, both, count)


def test_a_removed_member_is_gone_from_set_and_map(page: Dashboard) -> None:
    pick_classes(page, "8 (500)")
    add(page, "eights")
    expect_map(page, "eights", 500)
    before = page.drawn()["diffcam"]
    open_references(page)
    page.widget("gallery-members-farthest").get_by_role("button", name="Remove").first.click()
    expect(page.page.get_by_text("499 pictures, of the bank")).to_be_visible()
    page.settle()
    expect_map(page, "eights", 499)
    page.expect_changed("diffcam", before)


def test_a_set_is_made_on_the_explain_page(page: Dashboard) -> None:
    page.page.get_by_role("link", name="Explain").click()
    expect(page.page.get_by_text("Network passes in this session")).to_be_visible()
    page.settle()
    page.press("How unlike")
    page.page.get_by_role("button", name="Make a set …").click()
    pick_classes(page, "0 (500)")
    page.page.get_by_role("button", name="Add the set").click()
    subject = "this picture against “0” (500 pictures)"
    expect(page.panel("diffcam").filter(has_text=subject)).to_be_visible()


# ---- other models ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lasting_modelled(lasting: Lender) -> LastingWindow:
    return lasting(lambda window: window.settle(), path="/references")


@pytest.fixture
def modelled(
    lasting_modelled: LastingWindow, request: pytest.FixtureRequest
) -> Iterator[Dashboard]:
    """Give a window on the References page in which other models are chosen."""
    with lasting_modelled.lent(request.node) as window:
        open_references(window)
        yield window


def test_a_model_without_classes_compares_with_uploads(modelled: Dashboard) -> None:
    modelled.choose("model", "encoder")
    modelled.settle()
    way(modelled, "Uploads")
    upload(modelled, files(5))
    add(modelled, "zeros")
    give_picture(modelled)
    modelled.page.get_by_role("link", name="Explain").click()
    expect(modelled.page.get_by_text("A model without classes")).to_be_visible()
    subject = "this picture against “zeros” (5 pictures)"
    expect(modelled.panel("diffcam").filter(has_text=subject)).to_be_visible()
    modelled.until(lambda: bool(modelled.pixels("diffcam")[..., 3].any()), "a map is drawn")


def test_with_many_classes_why_this_compares_with_the_nearest_means(modelled: Dashboard) -> None:
    modelled.choose("model", "thousand")
    modelled.settle()
    give_picture(modelled)
    modelled.page.get_by_role("link", name="Explain").click()
    expect(modelled.panel("diffcam")).to_contain_text(
        "against the means of the 100 nearest classes"
    )


# ---- what a set is worth -----------------------------------------------------------------------


def test_stability_is_tested_on_demand_without_a_network(page: Dashboard) -> None:
    pick_classes(page, "8 (500)")
    add(page, "judged")
    page.page.get_by_role("tab", name="Judge it").click()
    page.page.get_by_role("button", name="Test it").click()
    expect(page.page.get_by_text("Agreement of the maps")).to_be_visible()
    expect(page.widget("gallery-set-stability-maps").get_by_role("img")).to_have_count(7)


def test_sets_stay_in_their_session(page: Dashboard, open_window: Opener) -> None:
    way(page, "Uploads")
    upload(page, files(3))
    add(page, "mine")
    other = open_window(path="/references")
    expect(other.page.get_by_text("None yet.")).to_be_visible()
    expect(other.page.get_by_text("mine")).to_have_count(0)
