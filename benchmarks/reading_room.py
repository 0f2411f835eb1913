"""A film in the reading room: from the upload to the painted maps, and a step of its window.

    python -m benchmarks.reading_room

Films of 3000 x 2500 pixels with 16 bits, uploaded to the dashboard in headless Chromium, one after
the other. The time runs from the browser having the file to the film and its maps being painted,
the network's answer included. Then the mouse drags the window, and each step is timed as in
`benchmarks.viewer`: from the event to the painted frame.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
import torch
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.films import ON_SCREEN_S, SIZE, film_file
from benchmarks.measuring import Row, as_line, machine
from benchmarks.serving import MB, resident_mb, serve
from benchmarks.viewer import FIND
from tests.conftest import CHROMIUM_ARGS, find_chromium

NUM_FILMS = 6
NUM_STEPS = 60
STEP_MS = 33
WAIT_MS = 90_000
CALM_MS = 1500

# The name of the film, once another one than `before` is painted in all panels.
SHOWN = (
    "(before) => {"
    + FIND
    + """
  const root = find(document);
  const name = root?.viewer?.film?.about.name;
  const canvases = root ? [...root.querySelectorAll("canvas.picture")] : [];
  if (!name || name === before || !canvases.every((each) => each.width > 300)) return null;
  window.viewerRoot = root;
  return name;
}"""
)
STEPS = """async (steps) => {
  const { viewer } = window.viewerRoot;
  const stage = window.viewerRoot.querySelector("figure.film .stage");
  const box = stage.getBoundingClientRect();
  const channel = new MessageChannel();
  const frame = (work) => new Promise((done) => requestAnimationFrame(() => {
    const begin = performance.now();
    work();
    channel.port1.onmessage = () => done(performance.now() - begin);
    channel.port2.postMessage(0);
  }));
  const event = (type, at) => stage.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, bubbles: true, button: 0, buttons: 1, shiftKey: true, isPrimary: true,
    clientX: box.left + (0.3 + 0.4 * at) * box.width, clientY: box.top + 0.5 * box.height,
  }));
  stage.setPointerCapture = () => {};
  event("pointerdown", 0);
  const times = [];
  for (let i = 0; i < steps; i++) times.push(await frame(() => event("pointermove", i / steps)));
  event("pointerup", 1);
  return times;
}"""


def films(folder: Path) -> list[Path]:
    """Write films that differ in a pixel, as none is shown twice."""
    plain = pydicom.dcmread(_stream(film_file(pydicom.uid.ExplicitVRLittleEndian)))
    paths = []
    for number in range(NUM_FILMS):
        pixels = np.frombuffer(plain.PixelData, np.uint16).copy()
        pixels[number] ^= 1
        plain.PixelData = pixels.tobytes()
        paths.append(folder / str(number))
        plain.save_as(paths[-1])
    return paths


def _stream(content: bytes) -> object:
    return pydicom.filebase.DicomBytesIO(content)


def measure(page: Page, address: str, paths: list[Path]) -> Iterator[Row]:
    page.goto(f"http://{address}/xray")
    page.get_by_text("Network passes in this session").wait_for(timeout=WAIT_MS)
    page.get_by_role("radio", name="Upload", exact=True).click()
    page.locator("input[type=file]").first.wait_for(state="attached", timeout=WAIT_MS)
    page.wait_for_timeout(CALM_MS)
    seconds = []
    before = ""
    for path in paths:
        begin = time.perf_counter()
        page.locator("input[type=file]").first.set_input_files(path)
        shown = page.wait_for_function(SHOWN, arg=before, timeout=WAIT_MS)
        seconds.append(time.perf_counter() - begin)
        before = str(shown.json_value())
        app = page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=WAIT_MS)
        page.wait_for_timeout(CALM_MS)
    what = f"upload to painted, {SIZE[0]} x {SIZE[1]}, 16 bits"
    note = f"the first {seconds[0]:.2f} s"
    yield Row("reading room", what, statistics.median(seconds), "s", ON_SCREEN_S, note=note)
    times = page.evaluate(STEPS, NUM_STEPS)
    yield Row("reading room", "a step of the window", statistics.median(times), "ms", STEP_MS)
    p95 = float(np.percentile(times, 95))
    yield Row("reading room", "a step of the window, 95th percentile", p95, "ms")


def rows(browser: Browser) -> Iterator[Row]:
    with TemporaryDirectory() as folder, serve() as (address, process):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        yield from measure(page, address, films(Path(folder)))
        note = f"after {NUM_FILMS} films of {SIZE[0] * SIZE[1] * 2 / MB:.0f} MB"
        yield Row("reading room", "the server's memory", resident_mb(process), "MB", note=note)
        page.close()


def main() -> None:
    chromium = find_chromium()
    if chromium is None:
        sys.exit("There is no Chromium: `make browser` installs one.")
    print(machine(torch.device("cpu")))
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        for row in rows(browser):
            print(as_line(row), flush=True)
            found.append(row)
        browser.close()
    sys.exit(any(row.verdict == "OVER" for row in found))


if __name__ == "__main__":
    main()
