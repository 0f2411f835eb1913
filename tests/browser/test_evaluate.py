"""The Evaluate page as a person uses it: choose, start, cancel, go on, read, open a picture."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

# As many as are still under way when Cancel is pressed, on a quick machine too.
NUM_PICTURES = 200
LEFT_OUT = ("Deletion AUC", "Insertion AUC", "Relative drop", "AUPRC")
RUN_MS = 60_000
POINTS = ".scatterlayer .trace:last-child path.point"


def leave_out(window: Dashboard, *names: str) -> None:
    """Take methods or metrics out of the lists of those chosen."""
    for name in names:
        button = window.page.get_by_role("button", name=f"Remove {name}", exact=True)
        button.click()
        expect(button).to_have_count(0)
        window.settle()


def cancelled_after(window: Dashboard, num: int) -> int:
    """Wait until so many pictures are under way, cancel, and return how many are scored."""
    page = window.page
    at_work = page.get_by_text(re.compile(rf"^Picture \d+ of {NUM_PICTURES}"))

    def is_so_far() -> bool:
        texts = at_work.all_inner_texts()
        return bool(texts) and int(texts[0].split()[1]) >= num

    expect(page.get_by_role("progressbar")).to_be_visible(timeout=RUN_MS)
    window.until(is_so_far, f"picture {num} is under way")
    page.get_by_role("button", name="Cancel").click()
    kept = page.get_by_text("are scored, and kept")
    expect(kept).to_be_visible()
    return int(kept.inner_text().split()[0])


def test_from_the_choice_to_the_picture_behind_a_point(
    open_window: Callable[..., Dashboard],
) -> None:
    window = open_window(path="/models")
    page = window.page
    page.get_by_role("link", name="Evaluate").click()
    expect(page.get_by_text("on this machine")).to_be_visible()
    window.settle()
    count = page.get_by_label("Pictures", exact=True)
    count.fill(str(NUM_PICTURES))
    count.press("Enter")
    expect(page.get_by_text(f"{NUM_PICTURES} pictures,")).to_be_visible()
    leave_out(window, "Guided AbsoluteGrad", *LEFT_OUT)
    expect(page.get_by_text("5 maps of each, 2 metrics")).to_be_visible()

    page.get_by_role("button", name=re.compile("^(Start|Go on)$")).click()
    num_first = cancelled_after(window, 2)
    page.get_by_role("button", name="Go on").click()
    num_scored = cancelled_after(window, num_first + 2)
    assert num_first < num_scored < NUM_PICTURES
    window.settle()

    rows = page.get_by_role("region", name="Means").get_by_role("row")
    expect(rows).to_have_count(1 + 2 + 3)
    expect(rows.nth(0)).to_contain_text("Energy inside")
    expect(rows.nth(1)).to_contain_text("DiffCAM")

    points = page.locator(POINTS)
    expect(points).to_have_count(num_scored)
    points.first.scroll_into_view_if_needed()
    box = points.first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    maps = page.locator("figure[data-panel]")
    expect(maps).to_have_count(2)
    expect(page.get_by_text("Outlined in white: the evidence for")).to_be_visible()
    window.settle()
    window.until(lambda: bool(window.pixels("0-0")[..., 3].any()), "a map is drawn")

    with page.expect_download() as caught:
        page.get_by_role("button", name="Scores, CSV").click()
    with Path(caught.value.path()).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == num_scored * 5
    assert {"rcap", "energy-inside"} <= lines[0].keys()
