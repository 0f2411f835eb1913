"""Folders with model.toml: `file:<folder>`, entries that name one, and the operator's own code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.models.model import Model
from tests.core.models.checkpoints import Hostile, assert_same_logits, list_model, random_network

OWN_CODE = """
from torch import nn

SIZE = 7

def make():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 2),
    )

def make_with(width):
    return nn.Linear(width, 2)

def make_number():
    return 3
"""


@pytest.fixture
def folder(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder for a model, beside which a module `whynot_own` can be imported."""
    (no_network / "code").mkdir()
    (no_network / "code" / "whynot_own.py").write_text(OWN_CODE)
    monkeypatch.syspath_prepend(str(no_network / "code"))
    (no_network / "ours").mkdir()
    return no_network / "ours"


def write(folder: Path, **values: object) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    (folder / "model.toml").write_text("\n".join(lines), encoding="utf-8")


def own_network() -> nn.Module:
    import whynot_own  # type: ignore[import-not-found]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = whynot_own.make()
    return network


def load(folder: Path) -> Model:
    return xc.load_model(f"file:{folder}", device="cpu")


# ---- architectures --------------------------------------------------------------------------


def test_a_torchvision_architecture(folder: Path) -> None:
    network = random_network("squeezenet1_1", num_classes=4)
    save_file(network.state_dict(), folder / "w.safetensors")
    write(folder, architecture="torchvision/squeezenet1_1", classes=["a", "b", "c", "d"], size=96)
    model = load(folder)
    assert model.name == f"file:{folder}"
    assert model.classes == ("a", "b", "c", "d")
    assert model.preprocessing.size == (96, 96)
    assert_same_logits(model, network)


def test_a_timm_architecture(folder: Path) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed: pip install timm")
    network = timm.create_model("test_resnet", num_classes=3).eval()
    save_file(network.state_dict(), folder / "w.safetensors")
    write(folder, architecture="timm/test_resnet", output="sigmoid")
    model = load(folder)
    assert model.is_multi_label
    assert_same_logits(model, network)


def test_the_operators_own_code(folder: Path) -> None:
    network = own_network()
    save_file(network.state_dict(), folder / "w.safetensors")
    write(
        folder,
        architecture="whynot_own:make",
        classes=["no", "yes"],
        size=[24, 16],
        mean=[0.5, 0.5, 0.5],
        std=[0.5, 0.5, 0.5],
        layer="0",
    )
    model = load(folder)
    assert (model.classes, model.layer) == (("no", "yes"), "0")
    assert model.preprocessing == xc.Preprocessing(size=(24, 16), mean=(0.5,) * 3, std=(0.5,) * 3)
    assert_same_logits(model, network)


def test_own_code_draws_nothing_from_the_global_generator(folder: Path) -> None:
    save_file(own_network().state_dict(), folder / "w.safetensors")
    write(folder, architecture="whynot_own:make")
    before = torch.random.get_rng_state()
    load(folder)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_own_classes_are_numbered_where_none_are_named(folder: Path) -> None:
    save_file(own_network().state_dict(), folder / "w.safetensors")
    write(folder, architecture="whynot_own:make")
    assert load(folder).classes == ("0", "1")


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("whynot_nowhere:make", "whynot_nowhere:make cannot be imported .* PYTHONPATH"),
        ("whynot_own:absent", "whynot_own:absent cannot be imported"),
        ("whynot_own:make_with", "make_with cannot be called without arguments"),
        ("whynot_own:SIZE", "SIZE cannot be called without arguments"),
        ("whynot_own:make_number", "make_number returns int; it must return a torch.nn.Module"),
        ("whynot_own.make", "torchvision has no classification model 'whynot_own.make'"),
    ],
)
def test_own_code_that_cannot_be_used_is_refused(
    folder: Path, architecture: str, message: str
) -> None:
    save_file(own_network().state_dict(), folder / "w.safetensors")
    write(folder, architecture=architecture)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_weights_that_do_not_fit_own_code_are_refused(folder: Path) -> None:
    save_file({"0.weight": torch.zeros(4, 3, 3, 3)}, folder / "w.safetensors")
    write(folder, architecture="whynot_own:make")
    with pytest.raises(ModelError, match="do not fit whynot_own:make: Missing key"):
        load(folder)


def test_preprocessing_that_cannot_be_is_refused(folder: Path) -> None:
    save_file(own_network().state_dict(), folder / "w.safetensors")
    write(folder, architecture="whynot_own:make", fit="squeeze")
    with pytest.raises(ModelError, match="fit must be crop, letterbox or stretch"):
        load(folder)


def test_a_name_alone_runs_no_code(folder: Path) -> None:
    with pytest.raises(ModelError, match="there is no model 'whynot_own:make'"):
        xc.load_model("whynot_own:make")


# ---- the folder -----------------------------------------------------------------------------


def test_a_folder_without_model_toml_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"ours holds no model\.toml; a model's folder has one"):
        load(folder)


def test_an_architecture_is_needed(folder: Path) -> None:
    write(folder, size=96)
    with pytest.raises(ModelError, match="name the architecture"):
        load(folder)


def test_weights_are_needed(folder: Path) -> None:
    write(folder, architecture="whynot_own:make")
    with pytest.raises(
        ModelError, match=r"must name a safetensors file .*got None; there are \[\]"
    ):
        load(folder)


def test_of_several_weights_one_is_named(folder: Path) -> None:
    for name in ("a", "b"):
        save_file(own_network().state_dict(), folder / f"{name}.safetensors")
    write(folder, architecture="whynot_own:make")
    with pytest.raises(ModelError, match=r"there are \['a\.safetensors', 'b\.safetensors'\]"):
        load(folder)
    write(folder, architecture="whynot_own:make", weights="b.safetensors")
    assert load(folder).num_classes == 2


def test_a_pickle_is_refused_unopened(folder: Path) -> None:
    trace = folder / "trace"
    torch.save(Hostile(trace), folder / "w.pth")
    write(folder, architecture="whynot_own:make", weights="w.pth")
    with pytest.raises(ModelError, match="must name a safetensors file"):
        load(folder)
    assert not trace.exists()


def test_unknown_keys_are_refused(folder: Path) -> None:
    write(folder, architecture="whynot_own:make", colour="red")
    with pytest.raises(ModelError, match=r"unknown keys \['colour'\]"):
        load(folder)


def test_broken_toml_is_refused(folder: Path) -> None:
    (folder / "model.toml").write_text("architecture =")
    with pytest.raises(ModelError, match=r"model\.toml is not valid TOML"):
        load(folder)


@pytest.mark.parametrize("name", ["net.pt2", "net.ep"])
def test_programs_of_torch_export_are_refused_with_the_reason(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"PK")
    with pytest.raises(ModelError, match="falls back on unpickling, which runs code"):
        load(folder / name)


# ---- models.toml ----------------------------------------------------------------------------


def listed(folder: Path, **values: Any) -> None:
    list_model(folder.parent, "wrens", folder="ours", **values)


def test_an_entry_may_name_a_folder(folder: Path) -> None:
    network = own_network()
    save_file(network.state_dict(), folder / "w.safetensors")
    write(folder, architecture="whynot_own:make")
    listed(folder)
    model = xc.load_model("wrens", device="cpu")
    assert model.name == "wrens"
    assert_same_logits(model, network)


def test_a_listed_folder_needs_no_download(folder: Path) -> None:
    save_file(own_network().state_dict(), folder / "w.safetensors")
    write(folder, architecture="whynot_own:make")
    listed(folder)
    assert xc.available_models()["wrens"]


def test_a_folder_stands_alone_in_its_entry(folder: Path) -> None:
    listed(folder, size=96)
    with pytest.raises(ModelError, match="'wrens': folder names a folder and stands alone"):
        xc.available_models()


def test_own_code_may_stand_in_models_toml(folder: Path) -> None:
    network = own_network()
    save_file(network.state_dict(), folder / "w.safetensors")
    list_model(folder.parent, "mine", architecture="whynot_own:make", weights="ours/w.safetensors")
    assert_same_logits(xc.load_model("mine", device="cpu"), network)


# ---- real weights ---------------------------------------------------------------------------


def test_real_weights_in_a_folder_know_a_real_bird(folder: Path, data_dir: Path) -> None:
    weights = data_dir / "weights"
    shutil.copy(weights / "mobilenet_v2_inat_birds.safetensors", folder / "birds.safetensors")
    shutil.copy(weights / "inat_bird_labels.txt", folder / "birds.txt")
    write(
        folder,
        architecture="torchvision/mobilenet_v2",
        classes="birds.txt",
        mean=[0.5] * 3,
        std=[0.5] * 3,
        resize_px=256,
        layer="features.16",
    )
    model = load(folder)
    photos = data_dir / "segmented" / "cub2010_birds"
    labels = json.loads((photos / "labels.json").read_text())[::3]
    right = [
        int(np.argmax(model.predict(xc.read_image(photos / label["file"])))) == label["index"]
        for label in labels
    ]
    assert sum(right) >= 14, f"{sum(right)} of {len(right)}"  # measured: 17 of 20
