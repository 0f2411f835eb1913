"""One server for the run, one browser, and for each test windows of its own that are watched."""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import PIL.Image
import pytest
import torch
import torchvision
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    TimeoutError,
    expect,
    sync_playwright,
)
from safetensors.torch import save_file

import explain_core as xc
from explain_core import METHODS
from explain_core.references.building import build_bank
from tests.conftest import CHROMIUM_ARGS, REPO

TRIES = 5

# Streamlit 1.67 itself: a window closes while its socket is being read.
CLOSED_WINDOW = re.compile(
    r"Exception in ASGI application\n.*?starlette_websocket\.py.*?"
    r'WebSocketDisconnected: Cannot call "send" once a close message has been sent\.\n',
    re.DOTALL,
)

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
AS_AT_FIRST = """async root => {
  const viewer = root.viewer;
  root.atFirst ??= {
    header: viewer.header, arrays: viewer.arrays, look: structuredClone(viewer.state.look),
  };
  const { header, arrays, look } = root.atFirst;
  for (const each of header.parameters) viewer.state.values[each.name] = each.default;
  viewer.state.own = {};
  Object.assign(viewer.state.look, structuredClone(look));
  if (viewer.swipe) viewer.swipe.element.remove();
  Object.assign(viewer, { header, arrays, swipe: null, signature: "at first" });
  viewer.message.hidden = true;
  viewer.hide(false);
  viewer.isWindowing = false;
  viewer.state.window = null;
  viewer.resetView();
  viewer.build();
  await new Promise((done) => setTimeout(done, 100));
}"""
START_S = 120
WAIT_MS = 20_000
SEND_MS = 400
# The server has, beside digits, a model of a thousand classes with random weights, with a bank of
# some of them, and the same network without its head.
OWN_MODEL = "thousand"
HEADLESS_MODEL = "encoder"
MODELS = f"""
[{OWN_MODEL}]
architecture = "torchvision/mobilenet_v3_small"
weights = "random.safetensors"
size = 96
resize_px = 110

[{HEADLESS_MODEL}]
architecture = "torchvision/mobilenet_v3_small"
weights = "random.safetensors"
output = "none"
size = 64
resize_px = 64
"""
NUM_BANK_CLASSES = 130

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
        is_asked_below = bool(
            re.search(r"/(models|references)/_stcore/(host-config|health)$", address)
        )
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
        self.page.locator(".viewer").evaluate(AS_AT_FIRST)
        self.settle()

    def expect_prediction(self, name: str) -> None:
        expect(self.page.get_by_text(f"The model says {name}", exact=False)).to_be_visible()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a dashboard that runs as people run it, without weights or network."""
    folder = tmp_path_factory.mktemp("server")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.mobilenet_v3_small()
    save_file(network.state_dict(), folder / "random.safetensors")
    (folder / "models.toml").write_text(MODELS, encoding="utf-8")
    references = folder / "references"
    make_bank(folder, references / "banks" / "few-of-each")
    with running_server(folder) as address:
        yield address


def make_bank(folder: Path, out: Path) -> None:
    """Build a bank of random pictures, one or two of each class, as an operator would."""
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHYNOT_MODELS", str(folder / "models.toml"))
        model = xc.load_model(OWN_MODEL, device="cpu")
    lines = ["path,label"]
    for index in range(NUM_BANK_CLASSES):
        for copy in range(1 + index % 2):
            name = f"{index}-{copy}.png"
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(images / name)
            lines.append(f'{name},"{model.classes[index]}"')
    table = folder / "labels.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    out.parent.mkdir(parents=True)
    build_bank(model, images, out, csv=table)


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Run the dashboard with what lies in a folder: models, references, a log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = os.environ | {
        "TORCH_HOME": str(folder / "torch"),
        "WHYNOT_MODELS": str(folder / "models.toml"),
        "WHYNOT_REFERENCES": str(folder / "references"),
    }
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_for_health(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    text = CLOSED_WINDOW.sub(drop_if_streamlits, log.read_text(encoding="utf-8", errors="replace"))
    assert "Traceback" not in text, f"the server's log has a traceback:\n{text[-5000:]}"


def drop_if_streamlits(found: re.Match[str]) -> str:
    """Drop what Streamlit logs of a closed window; keep it where a page's traceback is inside."""
    return found.group() if "Uncaught" in found.group() else ""


def wait_for_health(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Return when the server answers; fail when it ends or takes too long."""
    for _ in range(START_S * 4):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            pass
        try:
            process.wait(timeout=0.25)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the server ended:\n{log.read_text(errors='replace')[-5000:]}")
    pytest.fail(f"no answer in {START_S} s:\n{log.read_text(errors='replace')[-5000:]}")


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, args=list(CHROMIUM_ARGS)
        )
        yield browser
        browser.close()


Opener = Callable[..., Dashboard]


@contextmanager
def watched_windows(server: str, browser: Browser) -> Iterator[Opener]:
    """Give a function that opens the dashboard for another person.

    At the end no window may have seen a traceback, an error on the console, or a request that
    leaves this machine.
    """
    contexts, windows = [], []

    def open_one(
        width: int = 1280, height: int = 900, scheme: str = "light", path: str = "/"
    ) -> Dashboard:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]  # "light" or "dark"
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        context.route(lambda address: not is_inside(address), lambda route: route.abort())
        contexts.append(context)
        window = Dashboard(context.new_page())
        windows.append(window)
        window.page.goto(server + path)
        expect(window.page.get_by_test_id("stMainBlockContainer")).to_be_visible()
        return window

    yield open_one
    num_tracebacks = [window.page.get_by_test_id("stException").count() for window in windows]
    for context in contexts:
        context.close()
    assert not any(num_tracebacks)
    for window in windows:
        window.expect_no_faults()


@pytest.fixture
def open_window(server: str, browser: Browser) -> Iterator[Opener]:
    """Give a function that opens the dashboard for another person, watched to the test's end."""
    with watched_windows(server, browser) as open_one:
        yield open_one


@pytest.fixture
def open_fresh_window(tmp_path: Path, browser: Browser) -> Iterator[Opener]:
    """Give the same for a server that nobody has visited yet."""
    (tmp_path / "references").mkdir()
    (tmp_path / "models.toml").write_text("", encoding="utf-8")
    with (
        running_server(tmp_path) as address,
        watched_windows(address, browser) as open_one,
    ):
        yield open_one


@pytest.fixture
def window(open_window: Opener) -> Dashboard:
    """Give one window with the first four maps."""
    window = open_window()
    window.expect_panels(4)
    return window


@pytest.fixture(scope="module")
def lasting_window(server: str, browser: Browser) -> Iterator[Dashboard]:
    """Give one window with the first four maps to a whole module."""
    with watched_windows(server, browser) as open_one:
        window = open_one()
        window.expect_panels(4)
        yield window


@pytest.fixture
def same_window(lasting_window: Dashboard) -> Iterator[Dashboard]:
    """Give the module's window with its viewer as at first: for what stays within the viewer."""
    lasting_window.restore()
    yield lasting_window
    lasting_window.expect_no_faults()
