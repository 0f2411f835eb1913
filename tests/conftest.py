"""What every test may use: the optional data folder, and a browser where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Tiny networks lose their time to threads that wait for each other. Before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPO = Path(__file__).resolve().parents[1]
BROWSER_TESTS = REPO / "tests" / "browser"

# Debian's arguments for a Chromium in a container, and none of its calls home.
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_data_dir() -> Path:
    """Name the folder of real material for checks: WHYNOT_DATA, or shared/data beside the repo."""
    named = os.environ.get("WHYNOT_DATA")
    return Path(named).expanduser().resolve() if named else REPO.parent / "shared" / "data"


def find_chromium() -> str | None:
    """Name a Chromium: WHYNOT_CHROMIUM, one on the path, or the one playwright installed."""
    named = os.environ.get("WHYNOT_CHROMIUM")
    for name in (named,) if named else CHROMIUM_NAMES:
        if path := _working(name):
            return path
    return None if named else _working(_playwright_chromium())


def _working(name: str) -> str | None:
    """Return the path of a browser that starts; Ubuntu's chromium may be an empty stub."""
    path = shutil.which(name)
    return path if path is not None and _output(path, "--version") is not None else None


def _playwright_chromium() -> str:
    """Ask in a process of its own: playwright runs only once in a thread."""
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    return _output(sys.executable, "-c", code) or "no-playwright"


def _output(*command: str) -> str | None:
    """Return what a command prints, None where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Give the folder of real material; skip where it is absent."""
    folder = find_data_dir()
    if not folder.is_dir():
        pytest.skip(f"no real material at {folder}; set WHYNOT_DATA to its folder to enable this")
    return folder


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Give a Chromium's path; skip where there is none."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium; `make browser` installs one, or set WHYNOT_CHROMIUM to its path")
    return path


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in tests/browser as `browser`, so that no test can forget it."""
    for item in items:
        if item.path.is_relative_to(BROWSER_TESTS):
            item.add_marker(pytest.mark.browser)
