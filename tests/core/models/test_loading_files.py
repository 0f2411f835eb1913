"""Files of weights: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from explain_core.errors import ModelError
from explain_core.models.weights import read_weights
from tests.core.models.checkpoints import Hostile

pytestmark = pytest.mark.usefixtures("no_network")


STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(4)}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin"])
def test_plain_tensors_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path)
    torch.testing.assert_close(read_weights(path), STATE, rtol=0, atol=0)


def test_files_of_old_torch_are_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    torch.testing.assert_close(read_weights(tmp_path / "w.pth"), STATE, rtol=0, atol=0)


def test_a_checkpoints_state_dict_is_found(tmp_path: Path) -> None:
    state = {f"module.{name}": tensor for name, tensor in STATE.items()}
    torch.save({"state_dict": state, "epoch": 3, "loss": 0.5}, tmp_path / "w.pth")
    torch.testing.assert_close(read_weights(tmp_path / "w.pth"), STATE, rtol=0, atol=0)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, is_zip: bool) -> None:
    path, trace = tmp_path / "w.pth", tmp_path / "ran"
    torch.save({"a": Hostile(trace)}, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ModelError, match=r"w\.pth is no file of plain tensors.*could run code"):
        read_weights(path)
    assert not trace.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 3), tmp_path / "w.pth")
    with pytest.raises(ModelError, match="save the weights as safetensors or as a plain state_d"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.6, 0.98])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    state = {"a": torch.rand(100, 10)}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=r"^w\.(pth|safetensors) (cannot be read|is no file)"):
        read_weights(path)


@pytest.mark.parametrize(
    "content",
    [[torch.zeros(2)], {"a": "text"}, {3: torch.zeros(2)}, torch.zeros(2), {"state_dict": 5}],
    ids=["list", "text", "number", "tensor", "nested"],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"not a state_dict; save model\.state_dict\(\)"):
        read_weights(tmp_path / "w.pth")
