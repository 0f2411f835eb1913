"""From a name to a model: published weights, the operator's weights, and what goes wrong.

Nothing here is downloaded: what asks the network meets a stand-in.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
from collections import OrderedDict
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import Weights, WeightsEnum
from torchvision.transforms._presets import ImageClassification

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models import torchvision_models
from explain_core.models.catalogue import CATALOGUE_VARIABLE
from explain_core.models.torchvision_models import read_weights, torchvision_names

PHOTO = image_from_pixels(np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8))


@pytest.fixture(autouse=True)
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


def random_network(architecture: str, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.get_model(architecture, weights=None, **options)
        for module in network.modules():  # buffers, too, differ from those of a new network
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
    return network.eval()


def published_file(architecture: str) -> str:
    return Path(torchvision.models.get_model_weights(architecture).DEFAULT.url).name


def put_into_cache(folder: Path, architecture: str, state: dict[str, Tensor]) -> Path:
    path = folder / "torch" / "hub" / "checkpoints" / published_file(architecture)
    path.parent.mkdir(parents=True)
    torch.save(state, path)
    return path


def list_model(folder: Path, name: str, **values: object) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    with (folder / "models.toml").open("a", encoding="utf-8") as file:
        file.write("\n".join([f'["{name}"]', *lines, ""]))


def assert_same_logits(model: xc.Model, network: nn.Module) -> None:
    x = model.preprocess(PHOTO)
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), network(x), rtol=1e-4, atol=1e-4)


# ---- names ---------------------------------------------------------------------------------


def test_every_classification_model_is_named() -> None:
    names = {name.removeprefix("torchvision/") for name in torchvision_names()}
    others = {
        name
        for part in ("segmentation", "detection", "video", "optical_flow", "quantization")
        for name in torchvision.models.list_models(module=getattr(torchvision.models, part))
    }
    assert names == set(torchvision.models.list_models()) - others
    assert {"alexnet", "resnet50", "vit_b_16", "swin_t", "maxvit_t"} <= names


@pytest.mark.parametrize("name", ["resnet50", "digit", "timm/resnet50", "", "../digits"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(ModelError, match=f"no model '{name}'; use 'digits', 'torchvision/resn"):
        xc.load_model(name)


@pytest.mark.parametrize("name", ["resnet51", "fcn_resnet50", "r3d_18", "raft_small"])
def test_an_unknown_architecture(name: str) -> None:
    with pytest.raises(ModelError, match=f"no classification model '{name}'"):
        xc.load_model(f"torchvision/{name}")


def test_an_unknown_architecture_of_the_operator(no_network: Path) -> None:
    list_model(no_network, "birds", architecture="torchvision/resnet51")
    with pytest.raises(ModelError, match="no classification model 'resnet51'"):
        xc.load_model("birds")


def test_digits_need_no_network() -> None:
    assert xc.load_model("digits").classes == tuple("0123456789")


SMALL = [name for name in torchvision_names() if "regnet" not in name]  # those are built in full


@pytest.mark.parametrize("name", SMALL)
def test_network_is_the_published_one(name: str) -> None:
    """Its size, and what depends on the input's, fits the published weights."""
    architecture = name.removeprefix("torchvision/")
    published = torchvision.models.get_model_weights(architecture).DEFAULT
    preprocessing = torchvision_models._preprocessing(published, None)
    network = torchvision_models._network(architecture, 1000, preprocessing.size)
    expected = published.meta["num_params"]
    if architecture == "inception_v3":
        expected -= 3_326_696  # the head that only training uses
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


# ---- without a network ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [URLError("offline"), TimeoutError("slow"), ConnectionResetError("cut"), OSError("x")]
)
def test_no_network_says_what_to_put_where(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "urlopen", fail)
    with pytest.raises(ModelError) as caught:
        xc.load_model("torchvision/resnet18")
    message = str(caught.value)
    assert "weights of torchvision/resnet18 are not on this machine" in message
    assert "resnet18-f37072fd.pth into torch's cache ($TORCH_HOME/hub/checkpoints" in message
    assert 'models.toml: ["torchvision/resnet18"] weights = "FILE"' in message


def test_nothing_is_available_but_digits() -> None:
    assert [name for name, is_there in xc.available_models().items() if is_there] == ["digits"]


@pytest.mark.parametrize(
    "architecture", ["squeezenet1_1", "mobilenet_v2", "mnasnet0_5", "googlenet", "regnet_x_400mf"]
)
def test_weights_in_torchs_cache_are_enough(no_network: Path, architecture: str) -> None:
    options: dict[str, Any] = (
        {"init_weights": False, "transform_input": True} if architecture == "googlenet" else {}
    )
    network = random_network(architecture, **options)
    put_into_cache(no_network, architecture, network.state_dict())
    name = f"torchvision/{architecture}"
    assert xc.available_models()[name]
    model = xc.load_model(name, device="cpu")
    assert model.name == name
    assert model.classes[1] == "goldfish"
    assert_same_logits(model, network)


def test_published_densenets_have_old_names(no_network: Path) -> None:
    network = random_network("densenet121")
    old = OrderedDict()
    for name, tensor in network.state_dict().items():
        for part in ("norm", "conv"):
            for number in "12":
                name = name.replace(f".{part}{number}.", f".{part}.{number}.")
        if "num_batches_tracked" not in name:
            old[name] = tensor
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    put_into_cache(no_network, "densenet121", old)
    assert_same_logits(xc.load_model("torchvision/densenet121", device="cpu"), network)


def test_a_broken_file_in_the_cache_is_named(no_network: Path) -> None:
    path = put_into_cache(no_network, "squeezenet1_1", {})
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ModelError, match=f"{path.name} .*delete it from torch's cache"):
        xc.load_model("torchvision/squeezenet1_1")


# ---- a download ----------------------------------------------------------------------------


class Response(io.BytesIO):
    """Stand in for what `urlopen` gives."""

    def info(self) -> Message:
        return Message()


def publish(monkeypatch: pytest.MonkeyPatch, content: bytes, digest: str) -> list[str]:
    """Publish `content` as SqueezeNet's weights; give the list of what is asked for."""

    class Published(WeightsEnum):
        DEFAULT = Weights(
            url=f"https://weights.invalid/tiny-{digest}.pth",
            transforms=partial(ImageClassification, crop_size=224),
            meta={"categories": [f"class {index}" for index in range(1000)]},
        )

    asked: list[str] = []

    def urlopen(request: Any, **_options: object) -> Response:
        asked.append(request.full_url)
        return Response(content)

    monkeypatch.setattr(torchvision_models, "_published", lambda _architecture: Published.DEFAULT)
    monkeypatch.setattr(torch.hub, "urlopen", urlopen)
    return asked


def test_a_download_is_checked_kept_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network("squeezenet1_1")
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    asked = publish(monkeypatch, buffer.getvalue(), digest)
    for _ in range(2):
        model = xc.load_model("torchvision/squeezenet1_1", device="cpu")
    assert asked == [f"https://weights.invalid/tiny-{digest}.pth"]
    assert model.classes[7] == "class 7"
    assert_same_logits(model, network)


def test_a_download_with_another_digest_is_refused(
    no_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, b"something else", "0123abcd")
    with pytest.raises(ModelError, match=r"could not be downloaded \(invalid hash value"):
        xc.load_model("torchvision/squeezenet1_1")
    assert not list((no_network / "torch").rglob("*.pth"))


def test_a_download_runs_no_code(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pickle.dumps({"a": Hostile(no_network / "ran")}, protocol=2)
    publish(monkeypatch, content, hashlib.sha256(content).hexdigest()[:8])
    with pytest.raises(ModelError, match="refused because it could run code"):
        xc.load_model("torchvision/squeezenet1_1")
    assert not (no_network / "ran").exists()


# ---- reading weights -----------------------------------------------------------------------


class Hostile:
    """Leave a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


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


# ---- the operator's weights ----------------------------------------------------------------


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
        "birds",
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
    model = xc.load_model("birds", device="cpu")
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


# ---- real weights --------------------------------------------------------------------------

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
