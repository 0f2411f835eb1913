"""A session of the dashboard without a network, without an operator's files, and by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from streamlit.runtime.caching.cache_resource_api import clear_session_cache
from streamlit.testing.v1 import AppTest

from components import caching
from tests.ui.steps import open_app

# All sessions of AppTest bear this name, so they share what is kept for one session.
SESSION = "test session id"


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away weights, network and models.toml."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise URLError("no network in this test")

    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("WHYNOT_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    caching.model_names.clear()
    yield
    caching.model_names.clear()


@pytest.fixture
def no_memory() -> None:
    """Forget what sessions of earlier tests computed."""
    clear_session_cache(SESSION)


@pytest.fixture
def at() -> AppTest:
    """Give a session that shows the first page."""
    return open_app()
