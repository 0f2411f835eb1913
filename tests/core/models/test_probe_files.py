"""Probes as files, and as models of the operator's list."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import explain_core as xc
from explain_core.errors import InputError, ModelError
from explain_core.models.probes import LinearProbe, probe_bytes
from tests.core.models.probe_making import CLASSES, made_probe

WEIGHTS = 'architecture = "torchvision/squeezenet1_1"\nweights = "small.safetensors"\nsize = 64\n'
ENCODER = f'[enc]\n{WEIGHTS}output = "none"\n'


@pytest.fixture(scope="module")
def digits() -> xc.Model:
    return xc.load_model("digits")


@pytest.fixture(scope="module")
def probe(digits: xc.Model) -> LinearProbe:
    return made_probe(digits)


@pytest.fixture
def folder(no_network: Path) -> Path:
    """Give the folder in which models.toml is looked for, with an encoder's weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(weights=None)
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    save_file(state, no_network / "small.safetensors")
    return no_network


def write_list(folder: Path, text: str) -> None:
    (folder / "models.toml").write_text(text, encoding="utf-8")


# ---- files ------------------------------------------------------------------------------------


def test_a_probe_comes_back_as_it_was(tmp_path: Path, probe: LinearProbe) -> None:
    xc.save_probe(probe, tmp_path / "p.safetensors")
    found = xc.read_probe(tmp_path / "p.safetensors")
    np.testing.assert_array_equal(found.weight, probe.weight)
    np.testing.assert_array_equal(found.bias, probe.bias)
    assert found.classes == CLASSES
    told = [name for name in LinearProbe.__dataclass_fields__ if name not in ("weight", "bias")]
    assert [getattr(found, name) for name in told] == [getattr(probe, name) for name in told]


def test_the_file_is_plain_safetensors(tmp_path: Path, probe: LinearProbe) -> None:
    path = tmp_path / "p.safetensors"
    path.write_bytes(probe_bytes(probe))
    assert load_file(path)["weight"].shape == (4, 64)
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["whynot-probe"])
    assert (facts["encoder"], facts["accuracy"]) == ("digits", 0.95)


def test_what_is_read_cannot_be_written_to(tmp_path: Path, probe: LinearProbe) -> None:
    xc.save_probe(probe, tmp_path / "p.safetensors")
    with pytest.raises(ValueError, match="read-only"):
        xc.read_probe(tmp_path / "p.safetensors").weight[0, 0] = 1


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, probe: LinearProbe) -> None:
    with pytest.raises(InputError, match=r"cannot be written .*; name another file"):
        xc.save_probe(probe, tmp_path / "gone" / "p.safetensors")


@pytest.mark.parametrize("content", [b"", b"no file of tensors", None])
def test_what_is_no_safetensors_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "p.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"p.safetensors cannot be read as a probe .*'probe fit'"):
        xc.read_probe(tmp_path / "p.safetensors")


def test_other_weights_are_no_probe(folder: Path) -> None:
    with pytest.raises(ModelError, match="is a safetensors file, but no linear probe"):
        xc.read_probe(folder / "small.safetensors")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pooling", "median", "pooling 'median' is unknown"),
        ("classes", ["one"], "do not fit 1 classes"),
        ("preprocessing", {"size": [0, 0]}, "size must be two positive"),
        ("preprocessing", {"sides": 3}, "unexpected keyword"),
        ("accuracy", None, "it should tell"),
    ],
)
def test_damaged_facts_are_refused(
    tmp_path: Path, probe: LinearProbe, key: str, value: object, message: str
) -> None:
    path = tmp_path / "p.safetensors"
    xc.save_probe(probe, path)
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["whynot-probe"]) | {key: value}
    if value is None:
        del facts[key]
    save_file(load_file(path), path, metadata={"whynot-probe": json.dumps(facts)})
    with pytest.raises(ModelError, match=f"damaged probe .*{message}"):
        xc.read_probe(path)


def test_weights_with_nan_are_refused(tmp_path: Path, digits: xc.Model) -> None:
    probe = made_probe(digits, bias=np.array([0, 1, np.nan, 2], np.float32))
    xc.save_probe(probe, tmp_path / "p.safetensors")
    with pytest.raises(ModelError, match="it holds NaN"):
        xc.read_probe(tmp_path / "p.safetensors")


# ---- models.toml ------------------------------------------------------------------------------


def test_a_probe_on_a_bundled_model_is_a_model(folder: Path, probe: LinearProbe) -> None:
    xc.save_probe(probe, folder / "p.safetensors")
    write_list(folder, '[wrens]\nencoder = "digits"\nprobe = "p.safetensors"\n')
    assert xc.available_models()["wrens"]
    model = xc.load_model("wrens")
    assert (model.name, model.classes) == ("wrens", CLASSES)
    np.testing.assert_array_equal(model.class_weights, probe.weight)


def test_a_probe_on_a_listed_encoder_is_a_model(folder: Path) -> None:
    write_list(folder, ENCODER)
    xc.save_probe(made_probe(xc.load_model("enc")), folder / "p.safetensors")
    write_list(folder, f'{ENCODER}[wrens]\nencoder = "enc"\nprobe = "p.safetensors"\n')
    assert xc.available_models()["wrens"]
    assert not xc.load_model("enc").has_head
    assert xc.load_model("wrens").fingerprint == xc.load_model("enc").fingerprint


def test_a_probe_beside_an_architecture_is_a_model(folder: Path) -> None:
    write_list(folder, ENCODER)
    xc.save_probe(made_probe(xc.load_model("enc")), folder / "p.safetensors")
    write_list(folder, f'{ENCODER}probe = "p.safetensors"\n')
    assert xc.load_model("enc").classes == CLASSES


def test_a_probe_in_a_model_s_folder(folder: Path) -> None:
    """With two safetensors files there, the probe is not taken for the weights."""
    lines = 'architecture = "torchvision/squeezenet1_1"\nsize = 64\noutput = "none"\n'
    (folder / "model.toml").write_text(lines)
    xc.save_probe(made_probe(xc.load_model(f"file:{folder}")), folder / "p.safetensors")
    (folder / "model.toml").write_text(f'{lines}probe = "p.safetensors"\n')
    assert xc.load_model(f"file:{folder}").classes == CLASSES


def test_the_layer_to_explain_can_be_chosen(folder: Path, digits: xc.Model) -> None:
    xc.save_probe(made_probe(digits), folder / "p.safetensors")
    lines = '[wrens]\nencoder = "digits"\nprobe = "p.safetensors"\n'
    write_list(folder, f'{lines}layer = "features.4"\n')
    assert xc.load_model("wrens").layer == "features.4"
    assert xc.load_model("wrens", layer="features.3").layer == "features.3"


def test_a_layer_that_is_no_stage_is_tapped_for_the_probe(folder: Path) -> None:
    write_list(folder, ENCODER)
    path = "features.12.expand3x3"
    assert path not in [layer.name for layer in xc.load_model("enc").layers]
    probe = made_probe(xc.load_model("enc", layer=path), path)
    xc.save_probe(probe, folder / "p.safetensors")
    write_list(folder, f'{ENCODER}[wrens]\nencoder = "enc"\nprobe = "p.safetensors"\n')
    assert xc.load_model("wrens").layer == path


def test_an_encoder_with_other_weights_is_refused(folder: Path, probe: LinearProbe) -> None:
    xc.save_probe(probe, folder / "p.safetensors")
    write_list(folder, f'{ENCODER}[wrens]\nencoder = "enc"\nprobe = "p.safetensors"\n')
    with pytest.raises(ModelError, match="fitted on features of 'digits'"):
        xc.load_model("wrens")


def test_a_probe_on_a_probed_model_is_refused(folder: Path, probe: LinearProbe) -> None:
    xc.save_probe(probe, folder / "p.safetensors")
    both = 'probe = "p.safetensors"\n'
    write_list(folder, f'[a]\nencoder = "b"\n{both}[b]\nencoder = "a"\n{both}')
    with pytest.raises(ModelError, match="its encoder 'b' has a probe itself"):
        xc.load_model("a")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('encoder = "digits"\n', "goes with probe"),
        ('encoder = "digits"\nprobe = "p"\nsize = 3\n', "goes with probe"),
        ('encoder = "digits"\nprobe = "gone"\n', "the probe's file gone is missing"),
        ('encoder = 3\nprobe = "gone"\n', "encoder must be a text"),
        (f"{WEIGHTS}probe = 3\n", "probe must be a text"),
        (f'{WEIGHTS}probe = "gone"\n', "the probe's file gone is missing"),
    ],
)
def test_an_entry_that_lacks_something_is_told(folder: Path, lines: str, message: str) -> None:
    write_list(folder, f"[wrens]\n{lines}")
    with pytest.raises(ModelError, match=message):
        xc.available_models()


def test_an_encoder_that_would_be_downloaded_is_marked(folder: Path, probe: LinearProbe) -> None:
    xc.save_probe(probe, folder / "p.safetensors")
    write_list(folder, '[wrens]\nencoder = "torchvision/resnet18"\nprobe = "p.safetensors"\n')
    assert not xc.available_models()["wrens"]
