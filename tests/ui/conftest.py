"""A session of the dashboard without a network, without an operator's files, and by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.caching.cache_resource_api import clear_session_cache
from streamlit.testing.v1 import AppTest
from torch import Tensor

from components import caching
from explain_core.models.digits_net import DigitsNet
from tests.ui.reference_steps import Counted, forget_banks
from tests.ui.steps import open_app, open_references
from tests.ui.test_models import write_list, write_weights

# All sessions of AppTest bear this name, so they share what is kept for one session.
SESSION = "test session id"


@pytest.fixture(scope="session", autouse=True)
def components_found_once() -> Iterator[None]:
    """Search the installed packages for components once: AppTest does so for every session."""
    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: list(found))
        yield


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


@pytest.fixture
def no_folder(bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away the operator's folder."""
    monkeypatch.delenv("WHYNOT_REFERENCES", raising=False)
    forget_banks()
    yield
    forget_banks()


@pytest.fixture
def folder(no_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the operator's folder, empty."""
    made = tmp_path / "operator"
    made.mkdir()
    monkeypatch.setenv("WHYNOT_REFERENCES", str(made))
    return made


@pytest.fixture
def page() -> AppTest:
    """Give a session that shows the References page."""
    return open_references()


@pytest.fixture
def other_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let there be a model with other weights; give its name."""
    write_weights(tmp_path / "other.safetensors", "squeezenet1_1")
    text = '[other]\narchitecture = "torchvision/squeezenet1_1"\nweights = "other.safetensors"\n'
    write_list(tmp_path, text + "size = 64\nresize_px = 64\n", monkeypatch)
    return "other"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count every pass of the digits model, whoever asks for it."""
    counter, forward = Counted(), DigitsNet.forward

    def count(self: DigitsNet, x: Tensor) -> Tensor:
        counter.num += len(x)
        return forward(self, x)

    monkeypatch.setattr(DigitsNet, "forward", count)
    return counter
