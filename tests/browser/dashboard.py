"""A window on the dashboard: where things are in it, how they are moved, and what went wrong."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, TimeoutError, expect

from explain_core import METHODS

TRIES = 5
WAIT_MS = 20_000
SEND_MS = 400
ANSWER_MS = 2000
PAGES = "xray|references|evaluate|models|classroom"

# In the page: canvases are under the component's shadow root.
READ_CANVAS = """canvas => {
  const { width, height } = canvas;
  const bytes = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const parts = [];
  for (let i = 0; i < bytes.length; i += 32768)
    parts.push(String.fromCharCode(...bytes.subarray(i, i + 32768)));
  return [width, height, btoa(parts.join(""))];
}"""
IS_PAINTED = """() => {
  const find = (root) => [...root.querySelectorAll("*")].flatMap((each) => [
    ...(each.matches("canvas.picture") ? [each] : []),
    ...(each.shadowRoot ? find(each.shadowRoot) : []),
  ]);
  const all = find(document);
  return all.length > 0 && all.every((each) => each.width !== 300 || each.height !== 150);
}"""
# What was set outlives the viewer's root where a person leaves the page and comes back. What is
# put back is told to Python, whose answer may move the page.
AS_AT_FIRST = """async ([root, patience]) => {
  const viewer = root.viewer;
  root.atFirst ??= { header: viewer.header, arrays: viewer.arrays, signature: viewer.signature };
  const { header, arrays, signature } = root.atFirst;
  window.looksAtFirst ??= {};
  const look = (window.looksAtFirst[header.viewer] ??= structuredClone(viewer.state.look));
  for (const each of header.parameters) viewer.state.values[each.name] = each.default;
  viewer.state.own = {};
  Object.assign(viewer.state.look, look);
  if (viewer.swipe) viewer.swipe.element.remove();
  Object.assign(viewer, { header, arrays, swipe: null, signature });
  viewer.message.hidden = true;
  viewer.hide(false);
  viewer.isWindowing = false;
  viewer.state.window = null;
  viewer.resetView();
  document.querySelector("[data-testid=stMain]").scrollTop = 0;
  const app = document.querySelector("[data-testid=stApp]");
  const name = "data-test-script-state";
  const answer = new Promise((done) => {
    let isRunning = app.getAttribute(name) !== "notRunning";
    new MutationObserver(() => {
      if (app.getAttribute(name) !== "notRunning") isRunning = true;
      else if (isRunning) done();
    }).observe(app, { attributeFilter: [name] });
  });
  const told = viewer.answered;
  viewer.build();
  const pause = (wait) => new Promise((done) => setTimeout(done, wait));
  if (viewer.answered !== told) await Promise.race([answer, pause(patience)]);
  await pause(100);
}"""

expect.set_options(timeout=WAIT_MS)


def is_inside(address: str) -> bool:
    """Return whether a request stays on this machine or in the page."""
    parts = urlsplit(address)
    return parts.scheme in ("data", "blob", "about") or parts.hostname == "127.0.0.1"


class Dashboard:
    """Hold one window on the dashboard, and what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        self.outside: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on("console", self._note)
        page.on("request", self._watch)
        self.num_frames_sent = 0
        page.on("websocket", lambda socket: socket.on("framesent", self._count))

    def _count(self, _frame: object) -> None:
        self.num_frames_sent += 1

    def _note(self, message: ConsoleMessage) -> None:
        address = message.location["url"]
        is_ours = not address or is_inside(address)  # others are counted where they are asked for
        # Opened at a page's own address, Streamlit first asks for its parts below that address.
        is_asked_below = bool(re.search(rf"/({PAGES})/_stcore/(host-config|health)$", address))
        if message.type == "error" and is_ours and not is_asked_below:
            self.faults.append(f"console: {message.text} ({address})")

    def _watch(self, request: Request) -> None:
        if not is_inside(request.url):
            self.outside.append(request.url)

    def expect_no_faults(self) -> None:
        """Fail where the console told of an error or a request left this machine."""
        assert self.faults == []
        assert self.outside == []

    def widget(self, key: str) -> Locator:
        """Return the element of a widget or container by its key in `components`."""
        return self.page.locator(f".st-key-{re.sub(r'[^a-zA-Z0-9_-]', '-', key)}")

    def panel(self, method: str) -> Locator:
        """Return a map's panel in the viewer."""
        return self.page.locator(f'figure[data-panel="{method}"]')

    def slider(self, parameter: str) -> Locator:
        """Return the slider that drives all panels."""
        return self.page.locator(f'.controls input[data-parameter="{parameter}"]')

    def look(self, name: str) -> Locator:
        """Return the slider of a look: opacity, top."""
        return self.page.locator(f'.looks input[data-parameter="{name}"]')

    def pixels(self, method: str, layer: str = "overlay") -> np.ndarray:
        """Return a panel's canvas, (H, W, 4) uint8: the map's `overlay`, or the `picture`."""
        canvas = self.panel(method).locator(f"canvas.{layer}")
        width, height, data = canvas.evaluate(READ_CANVAS)
        flat = np.frombuffer(base64.b64decode(data), np.uint8)
        return flat.reshape(height, width, 4)

    def drawn(self) -> dict[str, bytes]:
        """Return each panel's map as it is drawn; equal maps are equal."""
        names = self.page.locator("figure[data-panel]").evaluate_all(
            "all => all.map(each => each.dataset.panel)"
        )
        return {name: self.pixels(name).tobytes() for name in names}

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        for _ in range(WAIT_MS // 50):
            if is_so():
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"waited in vain: {what}")

    def expect_changed(self, method: str, before: bytes) -> None:
        self.until(lambda: self.drawn().get(method, before) != before, f"{method} is drawn anew")

    def expect_panels(self, count: int) -> None:
        """Wait until so many maps are drawn over the picture."""
        expect(self.page.locator("figure[data-panel]")).to_have_count(count)
        expect(self.page.get_by_text("Network passes in this session")).to_be_visible()
        self.settle()
        self.until(lambda: self.page.evaluate(IS_PAINTED), "the picture is painted")

    def values(self, method: str) -> np.ndarray:
        """Download a map's values, as they are set now."""
        self.page.wait_for_timeout(SEND_MS)  # until what was released has been answered
        self.settle()
        self.choose_map(METHODS[method].title)
        for _ in range(TRIES):  # the button changes its file a moment after the choice
            with self.page.expect_download() as caught:
                self.page.get_by_role("button", name="NPY").click()
            if caught.value.suggested_filename == f"whynot-{method}.npy":
                break
            self.settle()
        assert caught.value.suggested_filename == f"whynot-{method}.npy"
        values: np.ndarray = np.load(Path(caught.value.path()))
        return values

    def choose_map(self, title: str) -> None:
        """Choose the map to download."""
        box = self.widget("values-of").get_by_role("combobox")
        if box.input_value() != title:
            self.pick(box, self.page.get_by_role("option", name=title, exact=True))
        self.settle()
        expect(box).to_have_value(title)

    def pick(self, box: Locator, option: Locator, typed: str = "") -> None:
        """Open a list and click an option; a rerun that is under way may close the list first."""
        for _ in range(TRIES):
            self.settle()
            box.click()
            if typed:
                box.fill(typed)
            try:
                option.first.click(timeout=4000)
            except TimeoutError:
                self.page.keyboard.press("Escape")
            else:
                return
        option.first.click()

    def passes(self) -> int:
        """Return how many pictures went through networks, as the page says."""
        text = self.page.get_by_text("Network passes in this session").inner_text()
        (count,) = re.findall(r"session: ([\d,]+)", text)
        return int(count.replace(",", ""))

    def choose(self, key: str, option: str) -> None:
        """Choose in a select box."""
        box = self.widget(key).get_by_role("combobox")
        self.pick(box, self.page.get_by_role("option", name=option, exact=True))

    def press(self, name: str) -> None:
        """Press one part of a segmented control."""
        self.page.get_by_role("radio", name=name, exact=True).click()

    def settle(self) -> None:
        """Wait until the server has nothing more to say."""
        app = self.page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-script-state", "notRunning")

    def restore(self) -> None:
        """Put the viewer back as it was at first."""
        self.page.mouse.move(1, 1)
        self.settle()
        viewer = self.page.locator(".viewer").element_handle()
        self.page.evaluate(AS_AT_FIRST, [viewer, ANSWER_MS])
        self.settle()

    def expect_prediction(self, name: str) -> None:
        expect(self.page.get_by_text(f"The model says {name}", exact=False)).to_be_visible()
