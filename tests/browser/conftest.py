"""For each process one server, one browser, and watched windows: a test's own or a module's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.dashboard import WAIT_MS, Dashboard
from tests.browser.serving import START_S, fill_folder, running_server
from tests.conftest import CHROMIUM_ARGS

# Nothing leaves this machine: other addresses are asked for at a port where nobody answers.
OFFLINE_ARGS = ("--proxy-server=http://127.0.0.1:9", "--proxy-bypass-list=127.0.0.1")
SIZE = {"width": 1280, "height": 900}
FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a dashboard that runs as people run it, without weights or network."""
    folder = tmp_path_factory.mktemp("server")
    fill_folder(folder)
    with running_server(folder) as address:
        yield address


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, args=[*CHROMIUM_ARGS, *OFFLINE_ARGS]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give what all windows share: the page's code, fetched once. A session is a window's own.

    It has no routes: with one, Chromium would fetch all anew for every window.
    """
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


# ---- windows of a test's own ----------------------------------------------------------------


Opener = Callable[..., Dashboard]


@contextmanager
def watched_windows(server: str, context: BrowserContext) -> Iterator[Opener]:
    """Give a function that opens the dashboard for another person.

    At the end no window may have seen a traceback, an error on the console, or a request that
    leaves this machine.
    """
    windows = []

    def open_one(
        width: int = SIZE["width"],
        height: int = SIZE["height"],
        scheme: str = "light",
        path: str = "/",
    ) -> Dashboard:
        window = Dashboard(context.new_page())
        windows.append(window)
        window.page.set_viewport_size({"width": width, "height": height})
        window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # or "dark"
        window.page.goto(server + path)
        title = window.page.get_by_role("heading", level=1)
        expect(title).to_be_visible(timeout=START_S * 1000)  # a server's first visitor waits longer
        return window

    yield open_one
    num_tracebacks = [window.page.get_by_test_id("stException").count() for window in windows]
    for window in windows:
        window.page.evaluate("localStorage.clear()")
        window.page.close()
    assert not any(num_tracebacks)
    for window in windows:
        window.expect_no_faults()


@pytest.fixture
def open_window(server: str, context: BrowserContext) -> Iterator[Opener]:
    """Give a function that opens the dashboard for another person, watched to the test's end."""
    with watched_windows(server, context) as open_one:
        yield open_one


@pytest.fixture
def open_fresh_window(tmp_path: Path, context: BrowserContext) -> Iterator[Opener]:
    """Give the same for a server that nobody has visited yet."""
    (tmp_path / "references").mkdir()
    (tmp_path / "models.toml").write_text("", encoding="utf-8")
    with (
        running_server(tmp_path) as address,
        watched_windows(address, context) as open_one,
    ):
        yield open_one


@pytest.fixture
def window(open_window: Opener) -> Dashboard:
    """Give one window with the first four maps."""
    window = open_window()
    window.expect_panels(4)
    return window


# ---- windows that last ----------------------------------------------------------------------


class LastingWindow:
    """Hold one window for many tests; after one that failed, the next has a new window.

    Args:
        prepare: brings a window that was just opened to where the tests begin.
        path: at which it is opened.
    """

    def __init__(
        self,
        server: str,
        context: BrowserContext,
        prepare: Callable[[Dashboard], None],
        path: str = "/",
    ) -> None:
        self._server = server
        self._context = context
        self._prepare = prepare
        self._path = path
        self._window: Dashboard | None = None
        self._closing = ExitStack()

    def _open(self) -> Dashboard:
        with ExitStack() as stack:
            open_one = stack.enter_context(watched_windows(self._server, self._context))
            window = open_one(path=self._path)
            self._prepare(window)
            self._closing = stack.pop_all()
        return window

    @contextmanager
    def lent(self, node: pytest.Item) -> Iterator[Dashboard]:
        """Give the window to one test."""
        node.stash[FAILED] = False
        if self._window is None:
            self._window = self._open()
        is_sound = False
        try:
            yield self._window
            self._window.expect_no_faults()
            is_sound = not node.stash[FAILED]
        finally:
            if not is_sound:
                self.close()

    def close(self) -> None:
        """Close the window, if one is open; what it saw is judged."""
        self._window = None
        self._closing.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests fail, for the windows that were lent to them."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


Lender = Callable[..., LastingWindow]


@pytest.fixture(scope="module")
def lasting(server: str, context: BrowserContext) -> Iterator[Lender]:
    """Give a function that makes a window for the tests of a module."""
    with ExitStack() as stack:

        def make(prepare: Callable[[Dashboard], None], path: str = "/") -> LastingWindow:
            window = LastingWindow(server, context, prepare, path)
            stack.callback(window.close)
            return window

        yield make


@pytest.fixture(scope="module")
def lasting_window(lasting: Lender) -> LastingWindow:
    """Give one window with the first four maps to a whole module."""
    return lasting(lambda window: window.expect_panels(4))


@pytest.fixture
def same_window(
    lasting_window: LastingWindow, request: pytest.FixtureRequest
) -> Iterator[Dashboard]:
    """Give the module's window with its viewer as at first: for what stays within the viewer."""
    with lasting_window.lent(request.node) as window:
        window.restore()
        yield window
