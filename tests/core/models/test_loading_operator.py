"""The operator's weights: what counts, what goes wrong, and real ones on real photos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from tests.core.models.checkpoints import assert_same_logits, list_model, random_network

pytestmark = pytest.mark.usefixtures("no_network")


# ---- the operator's weights -----------------------------------------------------------------


def test_own_weights_under_a_published_name(no_network: Path) -> None:
    network = random_network("squeezenet1_1")
    torch.save(network.state_dict(), no_network / "w.pth")
    list_model(no_network, "torchvision/squeezenet1_1", weights="w.pth")
    model = xc.load_model("torchvision/squeezenet1_1", device="cpu")
    assert model.classes[1] == "goldfish"
    assert_same_logits(model, network)


def test_everything_that_the_operator_says_counts(no_network: Path) -> None:
    network = random_network("mobilenet_v3_small", num_classes=3)
    save_file(network.state_dict(), no_network / "w.safetensors")
    list_model(
        no_network,
        "wrens",
        architecture="torchvision/mobilenet_v3_small",
        weights="w.safetensors",
        classes=["wren", "robin", "owl"],
        size=[96, 64],
        resize_px=100,
        mean=[0.5, 0.5, 0.5],
        std=[0.25, 0.25, 0.25],
        fit="letterbox",
        interpolation="bicubic",
        layer="features.8",
    )
    model = xc.load_model("wrens", device="cpu")
    assert model.classes == ("wren", "robin", "owl")
    assert model.layer == "features.8"
    assert model.preprocessing == xc.Preprocessing(
        size=(96, 64),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        fit="letterbox",
        resize_px=100,
        interpolation="bicubic",
    )
    assert_same_logits(model, network)


def test_what_the_operator_leaves_out_is_as_published(no_network: Path) -> None:
    network = random_network("squeezenet1_1", num_classes=4)
    save_file(network.state_dict(), no_network / "w.safetensors")
    list_model(no_network, "own", architecture="torchvision/squeezenet1_1", weights="w.safetensors")
    model = xc.load_model("own")
    assert model.classes == ("0", "1", "2", "3")
    assert model.preprocessing == xc.Preprocessing(size=(224, 224), resize_px=256)


def test_another_size_keeps_the_published_share_of_the_picture(no_network: Path) -> None:
    save_file(random_network("squeezenet1_1").state_dict(), no_network / "w.safetensors")
    list_model(no_network, "torchvision/squeezenet1_1", weights="w.safetensors", size=448)
    assert xc.load_model("torchvision/squeezenet1_1").preprocessing.resize_px == 512


def test_the_callers_layer_comes_before_the_operators(no_network: Path) -> None:
    save_file(random_network("squeezenet1_1").state_dict(), no_network / "w.safetensors")
    list_model(no_network, "torchvision/squeezenet1_1", weights="w.safetensors", layer="features.9")
    model = xc.load_model("torchvision/squeezenet1_1", layer="features.10.expand3x3")
    assert model.layer == "features.10.expand3x3"


def test_a_transformer_takes_the_size_that_its_weights_have(no_network: Path) -> None:
    network = random_network("vit_b_32", image_size=64, num_classes=5)
    nn.init.normal_(network.heads.head.weight)
    save_file(network.state_dict(), no_network / "w.safetensors")
    list_model(
        no_network, "own", architecture="torchvision/vit_b_32", weights="w.safetensors", size=64
    )
    model = xc.load_model("own", device="cpu")
    assert model.layer_named(None).size == (2, 2)
    assert_same_logits(model, network)


def test_a_size_that_a_transformer_cannot_take(no_network: Path) -> None:
    save_file({"heads.head.weight": torch.zeros(5, 768)}, no_network / "w.safetensors")
    list_model(
        no_network, "own", architecture="torchvision/vit_b_32", weights="w.safetensors", size=65
    )
    with pytest.raises(ModelError, match="vit_b_32 cannot take inputs of 65 x 65"):
        xc.load_model("own")


@pytest.mark.parametrize("has_aux", [True, False])
def test_heads_that_only_training_uses_may_be_missing(no_network: Path, has_aux: bool) -> None:
    network = random_network(
        "googlenet", init_weights=False, aux_logits=has_aux, transform_input=True, num_classes=6
    )
    save_file(network.state_dict(), no_network / "w.safetensors")
    list_model(no_network, "own", architecture="torchvision/googlenet", weights="w.safetensors")
    model = xc.load_model("own", device="cpu")
    assert model.num_classes == 6
    assert_same_logits(model, network)


def test_half_precision_weights_run_in_float32(no_network: Path) -> None:
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in random_network("squeezenet1_1").state_dict().items()
    }
    save_file(state, no_network / "w.safetensors")
    list_model(no_network, "torchvision/squeezenet1_1", weights="w.safetensors")
    assert xc.load_model("torchvision/squeezenet1_1").dtype == torch.float32


def test_loading_draws_no_random_numbers(no_network: Path) -> None:
    save_file(random_network("squeezenet1_1").state_dict(), no_network / "w.safetensors")
    list_model(no_network, "torchvision/squeezenet1_1", weights="w.safetensors")
    before = torch.get_rng_state()
    xc.load_model("torchvision/squeezenet1_1")
    assert torch.equal(torch.get_rng_state(), before)


def refused(folder: Path, state: dict[str, Tensor], message: str, **values: object) -> None:
    """Assert that `state`, as weights of squeezenet1_1, is refused with `message`."""
    save_file(state, folder / "w.safetensors")
    list_model(
        folder,
        "own",
        **({"architecture": "torchvision/squeezenet1_1", "weights": "w.safetensors"} | values),
    )
    with pytest.raises(ModelError, match=message):
        xc.load_model("own")


def test_weights_of_another_family(no_network: Path) -> None:
    state = random_network("shufflenet_v2_x0_5").state_dict()
    refused(no_network, state, "do not fit torchvision's squeezenet1_1: they lack 'classifier.1.w")


def test_weights_of_a_relative(no_network: Path) -> None:
    state = random_network("squeezenet1_0").state_dict()
    refused(
        no_network,
        state,
        r"weights for 'own' do not fit torchvision's squeezenet1_1: .*features\.6.*; "
        "give weights of this architecture",
    )


def test_weights_that_lack_a_tensor(no_network: Path) -> None:
    state = random_network("squeezenet1_1").state_dict()
    del state["features.3.squeeze.weight"]
    refused(no_network, state, r"Missing key.*features\.3\.squeeze\.weight")


def test_a_wrong_number_of_class_names(no_network: Path) -> None:
    state = random_network("squeezenet1_1", num_classes=4).state_dict()
    refused(
        no_network, state, r"'own' gives \(1, 4\) for one picture, but there are 3 class names",
        classes=["a", "b", "c"],
    )  # fmt: skip


def test_a_layer_that_does_not_exist(no_network: Path) -> None:
    state = random_network("squeezenet1_1").state_dict()
    refused(no_network, state, "no layer 'layer4'; its children are", layer="layer4")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": "big"}, "size must be a sequence of numbers"),
        ({"size": [224]}, "size must be two positive whole numbers"),
        ({"size": 0}, "size must be two positive whole numbers"),
        ({"mean": 0.5}, "mean must be a sequence of numbers"),
        ({"std": [0.0, 0.5, 0.5]}, "std must be above zero"),
        ({"fit": "squash"}, "fit must be crop, letterbox or stretch"),
        ({"interpolation": "nearest"}, "interpolation must be bilinear or bicubic"),
        ({"resize_px": -1}, "resize_px must be a positive whole number"),
    ],
    ids=str,
)
def test_bad_preprocessing_is_named(
    no_network: Path, values: dict[str, object], message: str
) -> None:
    state = {"classifier.1.weight": torch.zeros(3, 512, 1, 1)}
    refused(no_network, state, rf"models\.toml, 'own': {message}", **values)


# ---- real weights ---------------------------------------------------------------------------


# name: architecture, its class names, photos, and of 20 photos or so how many must be right.
# Measured: 20 of 21, 14 of 21 and 17 of 20.
REAL = {
    "mobilenet_v2_imagenet": ("mobilenet_v2", "imagenet_samples", 5, 18),
    "squeezenet1_0_imagenet": ("squeezenet1_0", "imagenet_samples", 5, 12),
    "mobilenet_v2_inat_birds": ("mobilenet_v2", "segmented/cub2010_birds", 3, 14),
}


@pytest.mark.parametrize("name", REAL)
def test_real_weights_read_real_photos(no_network: Path, data_dir: Path, name: str) -> None:
    architecture, photos, every, least = REAL[name]
    weights = data_dir / "weights"
    normal = {} if name.startswith("squeeze") else {"mean": [0.5] * 3, "std": [0.5] * 3}
    if "imagenet" in name:
        known = json.loads((weights / "imagenet_classes.json").read_text())
        (no_network / "classes.json").write_text(json.dumps([entry["name"] for entry in known]))
    list_model(
        no_network,
        name,
        architecture=f"torchvision/{architecture}",
        weights=str(weights / f"{name}.safetensors"),
        classes="classes.json" if "imagenet" in name else str(weights / "inat_bird_labels.txt"),
        resize_px=256,
        **normal,
    )
    model = xc.load_model(name)
    labels = json.loads((data_dir / photos / "labels.json").read_text())[::every]
    assert 20 <= len(labels) <= 21
    right = [
        int(np.argmax(model.predict(xc.read_image(data_dir / photos / label["file"]))))
        == label["index"]
        for label in labels
    ]
    assert sum(right) >= least, f"{sum(right)} of {len(right)}"
    name_in_file = labels[0].get("name") or labels[0]["label"]
    assert model.classes[labels[0]["index"]] == name_in_file
