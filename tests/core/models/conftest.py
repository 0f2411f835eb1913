"""What tests of loading share: a machine without network, cache or models.toml."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from explain_core.models.catalogue import CATALOGUE_VARIABLE


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cut the network off, and begin with an empty cache and no models.toml; give the folder."""

    def refuse(*_args: object, **_options: object) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(CATALOGUE_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path
