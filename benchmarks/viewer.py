"""Measure the viewer in Chromium: from a slider's event to the drawn picture, and what is sent.

    python -m benchmarks.viewer
    python -m benchmarks.viewer --json viewer.json

Four panels, 448 px wide, one per kind of basis, of the size that a ResNet-50 gives. A step begins
with the slider's event at the beginning of a frame and ends when the page has run that frame's
style, layout and paint. In turns with it, the same canvases get prepared pixels: drawing alone.
Turns in which other processes were busy are taken again, as long as patience lasts. Then the
mouse drags each slider, and the messages on the socket are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, WebSocket, sync_playwright

from benchmarks.measuring import REPO, Row
from components.map_viewer.packing import pack
from explain_core import METHODS, Geometry
from explain_core.images.reading import image_from_pixels
from explain_core.types import (
    Array,
    Basis,
    Contrast,
    GuidedBasis,
    LayerBasis,
    LinearBasis,
    Provenance,
    SpectralBasis,
)
from tests.conftest import CHROMIUM_ARGS, find_chromium

INPUT_SIZE = (224, 224)
LAYER_SIZE = (7, 7)
NUM_CHANNELS = 2048
NUM_CLASSES = 6
NUM_REFERENCES = 100
PICTURE_SIDE = 448
PANEL_PX = 448
WINDOW = {"width": 2000, "height": 1200}
TURNS = 6
STEPS_PER_TURN = 40
PATIENCE_S = 30  # for each slider
BUSY_SHARE = 0.1  # of one core, by processes that are not ours
MEDIAN_MS, P95_MS, MAX_BYTES = 16, 33, 2_000_000
MB = 1_000_000
PARAMETERS = ("gamma", "lam", "p")

SCRIPT = """
import sys
from pathlib import Path

sys.path.insert(0, {repo!r})
import streamlit as st

from components.map_viewer import _viewer

st.set_page_config(layout="wide")
data = Path({message!r}).read_bytes()
_viewer(key="viewer", data=data, default={{"settings": None}}, on_settings_change=lambda: None)
"""

# Steps alternate between the slider and drawing alone. Each returns when its frame is painted.
STEPS = """async ([name, steps, isShared]) => {
  const { viewer } = window.viewerRoot;
  const range = viewer.root.querySelector(`input[data-parameter=${name}]`);
  viewer.state.look.scale = isShared ? "Shared" : "Own";
  viewer.draw();
  const panels = viewer.panels.filter((panel) => isShared || panel.knows(name));
  const stored = panels.map(({ overlay }) => [0, 1].map((flip) => {
    const image = overlay.getContext("2d").getImageData(0, 0, overlay.width, overlay.height);
    if (flip) image.data.reverse();
    return image;
  }));
  const channel = new MessageChannel();
  const frame = (work) => new Promise((done) => requestAnimationFrame(() => {
    const begin = performance.now();
    work();
    channel.port1.onmessage = () => done(performance.now() - begin);
    channel.port2.postMessage(0);
  }));
  const out = { slider: [], alone: [], draw: [] };
  const places = Number(range.max);
  for (let i = 0; i < steps; i++) {
    const at = Math.round((0.5 + 0.45 * Math.sin(i / 3)) * places);
    range.value = at === Number(range.value) ? at - 1 : at;
    out.slider.push(await frame(() => range.dispatchEvent(new Event("input", { bubbles: true }))));
    out.draw.push(Number(viewer.root.dataset.drawMs));
    out.alone.push(await frame(() => panels.forEach(({ overlay }, j) =>
      overlay.getContext("2d").putImageData(stored[j][i % 2], 0, 0))));
  }
  return out;
}"""

# One step per frame, as in a fast drag: how far apart frames come when the screen keeps up.
DRAG = """async ([name, steps]) => {
  const { viewer } = window.viewerRoot;
  const range = viewer.root.querySelector(`input[data-parameter=${name}]`);
  const due = [];
  for (let i = 0; i < steps; i++) {
    due.push(await new Promise(requestAnimationFrame));
    range.value = Math.round((0.5 + 0.45 * Math.sin(i / 3)) * Number(range.max));
    range.dispatchEvent(new Event("input", { bubbles: true }));
  }
  return due.slice(1).map((at, i) => at - due[i]);
}"""

# The component lives in a shadow root.
FIND = """
  const find = (root) => {
    const found = root.querySelector(".viewer");
    if (found) return found;
    for (const each of root.querySelectorAll("*")) {
      const inside = each.shadowRoot && find(each.shadowRoot);
      if (inside) return inside;
    }
  };
"""
PREPARE = (
    "(side) => {"
    + FIND
    + """
  window.viewerRoot = find(document);
  const { grid, panels } = window.viewerRoot.viewer;
  grid.style.maxWidth = "none";
  grid.style.gridTemplateColumns = `repeat(${panels.length}, ${side}px)`;
  return panels.map((panel) => panel.stage.getBoundingClientRect().width);
}"""
)


# ---- what is shown ---------------------------------------------------------------------------


def make_bases(rng: np.random.Generator) -> dict[str, Basis]:
    def common(method: str) -> dict[str, Any]:
        scale = INPUT_SIZE[0] / PICTURE_SIDE
        return {
            "provenance": Provenance(method, "m", "0" * 8, "layer4", "0" * 8, Contrast(0)),
            "geometry": Geometry((PICTURE_SIDE,) * 2, INPUT_SIZE, (scale, scale), (0.0, 0.0)),
        }

    def normal(*size: int) -> Array:
        return rng.standard_normal(size, np.float32)

    def gradients(*counts: int) -> Array:
        """Return gradients as below a global average: the same everywhere in a channel."""
        return np.broadcast_to(normal(*counts, 1, 1) * 1e-3, (*counts, *LAYER_SIZE))

    rank = NUM_REFERENCES - 1
    activations = np.maximum(normal(NUM_CHANNELS, *LAYER_SIZE), 0)
    return {
        "finer-grad-cam": LinearBasis(
            **common("finer-grad-cam"),
            maps=normal(NUM_CLASSES, *LAYER_SIZE),
            weights=np.full(NUM_CLASSES - 1, 1 / (NUM_CLASSES - 1), np.float32),
        ),
        "finer-layer-cam": LayerBasis(
            **common("finer-layer-cam"),
            activations=activations,
            target_gradient=gradients(NUM_CHANNELS),
            reference_gradients=gradients(NUM_CLASSES - 1, NUM_CHANNELS),
            weights=np.full(NUM_CLASSES - 1, 1 / (NUM_CLASSES - 1), np.float32),
        ),
        "diffcam": SpectralBasis(
            **common("diffcam"),
            eigenvalues=np.logspace(1, -4, rank),
            coefficients=rng.standard_normal(rank),
            projections=rng.standard_normal((rank, *LAYER_SIZE)),
            rest=rng.standard_normal(LAYER_SIZE) * 1e-3,
            lam_unit=1e-2,
            num_references=NUM_REFERENCES,
            num_features=NUM_CHANNELS,
        ),
        "guided-absolute-grad": GuidedBasis(
            **common("guided-absolute-grad"),
            mean_absolute=rng.lognormal(-3, 1, (3, *INPUT_SIZE)).astype(np.float32),
            variance=rng.lognormal(-6, 2, (3, *INPUT_SIZE)).astype(np.float32),
        ),
    }


def photograph(rng: np.random.Generator, side: int) -> Array:
    """Return (side, side, 3) uint8: noise with a photograph's spectrum, which packs like one."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    shape = 1 / np.maximum(frequency, 1 / side) ** 1.2
    planes = []
    for _ in range(3):
        plane = np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) * shape).real
        planes.append(np.clip(128 + 50 * plane / plane.std(), 0, 255))
    return np.stack(planes, axis=2).astype(np.uint8)


def make_message(rng: np.random.Generator) -> bytes:
    bases = make_bases(rng)
    picture = photograph(rng, PICTURE_SIDE)
    meaning = {"unsigned": ("none", "for"), "signed": ("against", "for")}
    known = {p.name: p for name in bases for p in METHODS[name].parameters_of("render")}
    return pack(
        [
            {
                "name": name,
                "title": name,
                "subtitle": "A rather than B",
                "reversed_subtitle": "B rather than A",
                "foot": "",
                "meaning": meaning,
            }
            for name in bases
        ],
        list(bases.values()),
        image=image_from_pixels(picture),
        seen=np.ascontiguousarray(picture[::2, ::2]),
        parameters=list(known.values()),
        viewer="viewer",
        question="Why A rather than B?",
        source="",
    )


# ---- server and socket -----------------------------------------------------------------------


@contextmanager
def serve(message: bytes) -> Iterator[str]:
    """Give the address of a Streamlit page that shows the message."""
    with tempfile.TemporaryDirectory() as folder:
        data, script = Path(folder) / "message.bin", Path(folder) / "page.py"
        data.write_bytes(message)
        script.write_text(SCRIPT.format(repo=str(REPO), message=str(data)), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", str(script)]
        command += ["--server.headless", "true", "--server.fileWatcherType", "none"]
        command += ["--browser.gatherUsageStats", "false"]
        command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
        if process.poll() is not None:
            break
    sys.exit("Streamlit did not start.")


class Traffic:
    """Count what a page sends and receives on its sockets; listen before it opens."""

    def __init__(self, page: Page) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []
        page.on("websocket", self._listen)

    def _listen(self, connection: WebSocket) -> None:
        connection.on("framesent", lambda frame: self.sent.append(len(frame)))
        connection.on("framereceived", lambda frame: self.received.append(len(frame)))


def count_messages(page: Page, traffic: Traffic, parameter: str) -> tuple[int, int]:
    """Drag a slider with the mouse; return the messages sent while dragging and on release."""
    page.wait_for_timeout(500)
    box = page.locator(f"input[data-parameter={parameter}]").first.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    before = len(traffic.sent)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, middle, steps=25)
    page.wait_for_timeout(500)
    dragged = len(traffic.sent) - before
    page.mouse.up()
    page.wait_for_timeout(1000)
    return dragged, len(traffic.sent) - before - dragged


# ---- measuring -------------------------------------------------------------------------------


def busy_seconds() -> tuple[float, float]:
    """Return the seconds that all cores have worked: for anyone, and for us with our children."""
    file = Path("/proc/stat")
    if not file.is_file():
        return 0.0, 0.0
    user, nice, system, _idle, _wait, *rest = (
        int(ticks) for ticks in file.read_text().split("\n", 1)[0].split()[1:9]
    )
    parents: dict[int, int] = {}
    ticks_of: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended
            continue
        process = int(stat.parent.name)
        parents[process], ticks_of[process] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_ours(process: int) -> bool:
        while process > 1 and process != os.getpid():
            process = parents.get(process, 0)
        return process == os.getpid()

    ours = sum(ticks for process, ticks in ticks_of.items() if is_ours(process))
    second = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + sum(rest)) / second, ours / second


def take_turns(page: Page, parameter: str, is_shared: bool) -> tuple[dict[str, Any], bool]:
    """Return the figures of quiet turns, one list per kind, and whether enough were quiet."""
    page.evaluate(STEPS, [parameter, 15, is_shared])
    quiet: list[dict[str, Any]] = []
    disturbed: list[dict[str, Any]] = []
    latest = time.perf_counter() + PATIENCE_S
    while len(quiet) < TURNS and time.perf_counter() < latest:
        (everyone, ours), start = busy_seconds(), time.perf_counter()
        turn = page.evaluate(STEPS, [parameter, STEPS_PER_TURN, is_shared])
        elapsed = time.perf_counter() - start
        then_everyone, then_ours = busy_seconds()
        others = (then_everyone - everyone) - (then_ours - ours)
        (quiet if others <= 0.03 + BUSY_SHARE * elapsed else disturbed).append(turn)
    kept = quiet if len(quiet) >= 2 else quiet + disturbed
    return {key: [each for turn in kept for each in turn[key]] for key in kept[0]}, len(quiet) >= 2


def p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def speed_rows(page: Page, parameter: str, is_shared: bool) -> Iterator[Row]:
    figures, is_quiet = take_turns(page, parameter, is_shared)
    times, alone = figures["slider"], figures["alone"]
    ratios = [a / b for a, b in zip(times, alone, strict=True)]
    name = f"{parameter}, one scale for all" if is_shared else parameter
    note = f"{len(times)} steps" + ("" if is_quiet else "; the machine was busy")

    def row(what: str, value: float, unit: str, bound: float | None = None, note: str = "") -> Row:
        return Row("speed", f"{name}: {what}", value, unit, bound, note=note)

    yield row("event to picture, median", statistics.median(times), "ms", MEDIAN_MS, note)
    yield row("event to picture, 95th percentile", p95(times), "ms", P95_MS)
    yield row("of it the viewer's script, median", statistics.median(figures["draw"]), "ms")
    alone_note = f"drawing alone {statistics.median(alone):.2f} ms"
    yield row("/ drawing alone, median", statistics.median(ratios), "x", None, alone_note)
    if not is_shared:
        gaps = page.evaluate(DRAG, [parameter, 120])
        gaps_note = f"95th percentile {p95(gaps):.1f} ms"
        yield row("between frames in a drag", statistics.median(gaps), "ms", None, gaps_note)


@contextmanager
def open_viewer(browser: Browser, message: bytes) -> Iterator[tuple[Page, Traffic]]:
    """Give a page on which the message's panels are drawn, 448 px wide."""
    with serve(message) as address:
        page = browser.new_page(viewport=WINDOW)
        traffic = Traffic(page)
        page.goto(address)
        page.locator("figure.panel .bar").nth(3).wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        widths = page.evaluate(PREPARE, PANEL_PX)
        assert widths == [PANEL_PX] * 4, widths
        yield page, traffic
        page.close()


def measure(browser: Browser) -> Iterator[Row]:
    message = make_message(np.random.default_rng(0))
    with open_viewer(browser, message) as (page, traffic):
        received = sum(traffic.received) / MB
        yield Row("size", "four panels' message", len(message) / MB, "MB", MAX_BYTES / MB)
        yield Row("size", "received on the socket by the first paint", received, "MB")
        for parameter in PARAMETERS:
            yield from speed_rows(page, parameter, is_shared=False)
        yield from speed_rows(page, "gamma", is_shared=True)
        for parameter in PARAMETERS:
            dragged, released = count_messages(page, traffic, parameter)
            yield Row("messages", f"{parameter}: sent while dragging", dragged, "", 0)
            yield Row("messages", f"{parameter}: sent on release", released, "", 1, is_least=True)


def show(row: Row) -> None:
    bound = "" if row.bound is None else f"{'>=' if row.is_least else '<='} {row.bound:g}"
    figure = f"{row.measured:9.2f} {row.unit:<3}"
    print(f"{row.what:<56}{figure}{bound:>8} {row.verdict:<6}{row.note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        sys.exit("There is no Chromium: `make browser` installs one.")
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        for row in measure(browser):
            show(row)
            rows.append(row)
        browser.close()
    if arguments.json:
        Path(arguments.json).write_text(
            json.dumps([asdict(row) | {"verdict": row.verdict} for row in rows], indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
