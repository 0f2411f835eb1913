"""From a name to a model: names, published weights, and downloads.

Nothing here is downloaded: what asks the network meets a stand-in.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections import OrderedDict
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from torchvision.models import Weights, WeightsEnum
from torchvision.transforms._presets import ImageClassification

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.models import torchvision_models
from explain_core.models.torchvision_models import torchvision_names
from tests.core.models.checkpoints import (
    Hostile,
    assert_same_logits,
    list_model,
    put_into_cache,
    random_network,
)

pytestmark = pytest.mark.usefixtures("no_network")


# ---- names ----------------------------------------------------------------------------------


def test_every_classification_model_is_named() -> None:
    names = {name.removeprefix("torchvision/") for name in torchvision_names()}
    others = {
        name
        for part in ("segmentation", "detection", "video", "optical_flow", "quantization")
        for name in torchvision.models.list_models(module=getattr(torchvision.models, part))
    }
    assert names == set(torchvision.models.list_models()) - others
    assert {"alexnet", "resnet50", "vit_b_16", "swin_t", "maxvit_t"} <= names


@pytest.mark.parametrize("name", ["resnet50", "digit", "tim/resnet50", "", "../digits"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(ModelError, match=f"no model '{name}'; use 'digits', 'torchvision/resn"):
        xc.load_model(name)


@pytest.mark.parametrize("name", ["resnet51", "fcn_resnet50", "r3d_18", "raft_small"])
def test_an_unknown_architecture(name: str) -> None:
    with pytest.raises(ModelError, match=f"no classification model '{name}'"):
        xc.load_model(f"torchvision/{name}")


def test_an_unknown_architecture_of_the_operator(no_network: Path) -> None:
    list_model(no_network, "wrens", architecture="torchvision/resnet51")
    with pytest.raises(ModelError, match="no classification model 'resnet51'"):
        xc.load_model("wrens")


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


# ---- without a network ----------------------------------------------------------------------


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


def test_nothing_is_available_but_what_is_bundled() -> None:
    there = [name for name, is_there in xc.available_models().items() if is_there]
    assert there == ["digits", "birds", "birds-confounded", "films", "films-confounded"]


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


# ---- a download -----------------------------------------------------------------------------


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
