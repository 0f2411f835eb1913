"""One server for the run, one browser, and for each test windows of its own that are watched."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch
import torchvision
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)
from safetensors.torch import save_file

from tests.conftest import CHROMIUM_ARGS, REPO

START_S = 120
WAIT_MS = 20_000
# The server has, beside digits, a model of a thousand classes with random weights.
OWN_MODEL = "thousand"
MODELS = f"""
[{OWN_MODEL}]
architecture = "torchvision/mobilenet_v3_small"
weights = "random.safetensors"
size = 96
resize_px = 110
"""

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

    def _note(self, message: ConsoleMessage) -> None:
        address = message.location["url"]
        is_ours = not address or is_inside(address)  # others are counted where they are asked for
        # Opened at a page's own address, Streamlit first asks for its parts below that address.
        is_asked_below = bool(re.search(r"/models/_stcore/(host-config|health)$", address))
        if message.type == "error" and is_ours and not is_asked_below:
            self.faults.append(f"console: {message.text} ({address})")

    def _watch(self, request: Request) -> None:
        if not is_inside(request.url):
            self.outside.append(request.url)

    def widget(self, key: str) -> Locator:
        """Return the element of a widget or container by its key in `components`."""
        return self.page.locator(f".st-key-{re.sub(r'[^a-zA-Z0-9_-]', '-', key)}")

    def slider(self, key: str) -> Locator:
        """Return what takes the keyboard in a slider."""
        return self.widget(key).get_by_role("slider")

    def picture(self, method: str) -> Locator:
        """Return a map's picture."""
        return self.widget(f"panel-{method}").locator("img")

    def source(self, method: str) -> str:
        """Return the address of a map's picture; equal pictures have equal addresses."""
        source = self.picture(method).get_attribute("src")
        assert source
        return source

    def passes(self) -> int:
        """Return how many pictures went through networks, as the page says."""
        text = self.page.get_by_text("Network passes in this session").inner_text()
        (count,) = re.findall(r"session: ([\d,]+)", text)
        return int(count.replace(",", ""))

    def choose(self, key: str, option: str) -> None:
        """Choose in a select box."""
        self.widget(key).get_by_role("combobox").click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def press(self, name: str) -> None:
        """Press one part of a segmented control."""
        self.page.get_by_role("radio", name=name, exact=True).click()

    def settle(self) -> None:
        """Wait until the server has nothing more to say."""
        app = self.page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-script-state", "notRunning")

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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = os.environ | {
        "TORCH_HOME": str(folder / "torch"),
        "WHYNOT_MODELS": str(folder / "models.toml"),
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
    text = log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in text, f"the server's log has a traceback:\n{text[-5000:]}"


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


@pytest.fixture
def open_window(server: str, browser: Browser) -> Iterator[Callable[..., Dashboard]]:
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
    assert [fault for window in windows for fault in window.faults] == []
    assert {address for window in windows for address in window.outside} == set()


@pytest.fixture
def window(open_window: Callable[..., Dashboard]) -> Dashboard:
    """Give one window with the first four maps."""
    window = open_window()
    expect(window.page.locator("[class*=st-key-panel-] img")).to_have_count(4)
    expect(window.page.get_by_text("Network passes in this session")).to_be_visible()
    window.settle()
    return window
