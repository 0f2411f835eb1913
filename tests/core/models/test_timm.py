"""timm's networks: random weights in local files, a made-up cache, and what is refused."""

from __future__ import annotations

import io
import sys
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.models import hub
from tests.core.models.checkpoints import assert_same_logits, list_model

timm = pytest.importorskip("timm", reason="timm is not installed: pip install timm")
constants = pytest.importorskip("huggingface_hub").constants


@pytest.fixture
def folder(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder, with no network and an empty cache of Hugging Face's."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(no_network / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(no_network / "hub"))
    return no_network


def network(name: str, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(name, **options).eval()


def put_into_hub(folder: Path, name: str, state: dict[str, Tensor]) -> None:
    """Lay weights where Hugging Face's client keeps a download."""
    repository = folder / "hub" / f"models--timm--{name}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(state, repository / "snapshots" / ("0" * 40) / "model.safetensors")


def own(folder: Path, architecture: str, state: dict[str, Tensor], **values: Any) -> xc.Model:
    save_file(
        {key: tensor.contiguous() for key, tensor in state.items()}, folder / "own.safetensors"
    )
    list_model(
        folder, "own", architecture=f"timm/{architecture}", weights="own.safetensors", **values
    )
    return xc.load_model("own", device="cpu")


# ---- published weights ----------------------------------------------------------------------


def test_weights_in_the_cache_need_no_network(folder: Path) -> None:
    published = network("test_vit")
    put_into_hub(folder, "test_vit.r160_in1k", published.state_dict())
    model = xc.load_model("timm/test_vit.r160_in1k", device="cpu")
    assert_same_logits(model, published)
    assert model.name == "timm/test_vit.r160_in1k"


def test_classes_are_imagenets(folder: Path) -> None:
    put_into_hub(folder, "test_vit.r160_in1k", network("test_vit").state_dict())
    classes = xc.load_model("timm/test_vit.r160_in1k", device="cpu").classes
    assert (len(classes), classes[0], classes[1]) == (1000, "tench", "goldfish")


def test_preprocessing_is_what_timm_resolves(folder: Path) -> None:
    put_into_hub(folder, "test_vit.r160_in1k", network("test_vit").state_dict())
    assert xc.load_model("timm/test_vit.r160_in1k").preprocessing == xc.Preprocessing(
        size=(160, 160),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        resize_px=168,  # 160 / 0.95
        interpolation="bicubic",
    )


def test_a_cached_network_is_listed_and_no_other_of_timm(folder: Path) -> None:
    put_into_hub(folder, "test_vit.r160_in1k", network("test_vit").state_dict())
    listed = {name: there for name, there in xc.available_models().items() if "timm/" in name}
    assert listed == {"timm/test_vit.r160_in1k": True}


def test_a_published_encoder_has_no_head(folder: Path) -> None:
    name = "vit_small_patch16_224.dino"
    put_into_hub(folder, name, network("vit_small_patch16_224", num_classes=0).state_dict())
    model = xc.load_model(f"timm/{name}", device="cpu")
    assert (model.output, model.classes) == ("none", ())
    assert model.layer_named(None).num_prefix_tokens == 1


def test_a_published_classifier_loses_its_head_on_demand(folder: Path) -> None:
    published = network("test_vit")
    put_into_hub(folder, "test_vit.r160_in1k", published.state_dict())
    list_model(folder, "encoder", architecture="timm/test_vit.r160_in1k", output="none")
    model = xc.load_model("encoder", device="cpu")
    x = torch.randn(1, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = published.forward_head(published.forward_features(x), pre_logits=True)
        torch.testing.assert_close(model.network(x), expected, rtol=1e-5, atol=1e-5)


def test_without_a_network_the_message_says_what_to_do(folder: Path) -> None:
    message = (
        r"weights of timm/test_vit\.r160_in1k are not on this machine and could not be downloaded "
        r".*Download timm/test_vit\.r160_in1k .*hub.*\[\"timm/test_vit\.r160_in1k\"\] weights"
    )
    with pytest.raises(ModelError, match=message):
        xc.load_model("timm/test_vit.r160_in1k")


@pytest.fixture
def unreachable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a machine without a network that does not know it."""

    def refuse(*_args: object, **_options: object) -> None:
        raise URLError("no route")

    def retry(*_args: object, **_options: object) -> None:
        raise AssertionError("asked Hugging Face, which tries again and again")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "urlopen", refuse)
    monkeypatch.setattr(timm.models._hub, "hf_hub_download", retry)
    return folder


def test_without_a_network_nobody_waits(unreachable: Path) -> None:
    with pytest.raises(ModelError, match=r"could not be downloaded \(no route\)"):
        xc.load_model("timm/test_vit.r160_in1k")


def test_cached_weights_are_loaded_without_asking_for_newer_ones(unreachable: Path) -> None:
    published = network("test_vit")
    put_into_hub(unreachable, "test_vit.r160_in1k", published.state_dict())
    assert_same_logits(xc.load_model("timm/test_vit.r160_in1k", device="cpu"), published)


def test_a_hub_that_answers_with_an_error_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*_args: object, **_options: object) -> None:
        raise HTTPError("https://hub", 405, "not allowed", Message(), io.BytesIO())

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "urlopen", answer)
    hub.require_hub()


def test_an_architecture_without_published_weights_says_so(folder: Path) -> None:
    with pytest.raises(ModelError, match="timm publishes no weights for it"):
        xc.load_model("timm/convnext_atto_rms")


@pytest.mark.parametrize(
    "name", ["no_such_net", "resnet18.no_such_tag", "hf-hub:a/b", "local-dir:/tmp", ""]
)
def test_an_unknown_name_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match=f"timm has no model '{name}'; see the list"):
        xc.load_model(f"timm/{name}")


def test_a_missing_timm_is_named_with_its_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ModelError, match=r'not installed; install it with pip install "timm>=1\.0"'
    ):
        xc.load_model("timm/resnet18")


# ---- the operator's weights -----------------------------------------------------------------

SMALL = ["test_vit", "test_resnet", "test_efficientnet", "test_convnext", "test_mambaout"]


@pytest.mark.parametrize("architecture", SMALL)
def test_own_weights_give_the_same_logits(folder: Path, architecture: str) -> None:
    trained = network(architecture, num_classes=3)
    model = own(folder, architecture, trained.state_dict(), classes=["wren", "robin", "owl"])
    assert model.classes == ("wren", "robin", "owl")
    assert_same_logits(model, trained)


def test_own_classes_are_numbered_where_none_are_named(folder: Path) -> None:
    trained = network("test_resnet", num_classes=3)
    assert own(folder, "test_resnet", trained.state_dict()).classes == ("0", "1", "2")


def test_labels_of_own_weights(folder: Path) -> None:
    trained = network("test_resnet", num_classes=3)
    model = own(folder, "test_resnet", trained.state_dict(), output="sigmoid")
    assert (model.output, model.num_classes) == ("sigmoid", 3)


def test_one_logit_of_own_weights(folder: Path) -> None:
    trained = network("test_resnet", num_classes=1)
    model = own(folder, "test_resnet", trained.state_dict(), output="single-logit")
    assert model.classes == ("negative", "positive")


def test_a_picture_that_is_not_square(folder: Path) -> None:
    trained = network("test_vit", num_classes=3, img_size=(128, 96))
    model = own(folder, "test_vit", trained.state_dict(), size=[128, 96])
    assert model.layer_named(None).size == (8, 6)
    assert_same_logits(model, trained)


def test_gray_pictures(folder: Path) -> None:
    trained = network("test_resnet", num_classes=3, in_chans=1)
    model = own(folder, "test_resnet", trained.state_dict(), mean=[0.5], std=[0.25])
    assert model.preprocessing.num_channels == 1
    assert_same_logits(model, trained)


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.base_encoder."])
def test_an_encoder_inside_a_checkpoint_is_found(folder: Path, prefix: str) -> None:
    """MoCo v3 calls it `module.base_encoder.` and leaves a projector in the head's place."""
    trained = network("test_vit", num_classes=0)
    state = {f"{prefix}{key}": tensor for key, tensor in trained.state_dict().items()}
    state[f"{prefix}head.0.weight"] = torch.zeros(4, 4)
    model = own(folder, "test_vit", state, output="none")
    x = torch.randn(1, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), trained(x), rtol=1e-5, atol=1e-5)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    state = network("test_resnet", num_classes=3).state_dict()
    state["head.weight"] = torch.zeros(3, 64)
    with pytest.raises(ModelError, match=r"weights for 'own' do not fit timm's test_vit"):
        own(folder, "test_vit", state)


def test_weights_without_a_classifier_say_what_to_write(folder: Path) -> None:
    state = network("test_vit", num_classes=0).state_dict()
    with pytest.raises(ModelError, match=r"lack 'head\.weight'; .* or output = \"none\""):
        own(folder, "test_vit", state)


def test_an_encoders_missing_weights_are_refused(folder: Path) -> None:
    state = network("test_vit", num_classes=0).state_dict()
    del state["blocks.1.mlp.fc1.weight"]
    with pytest.raises(ModelError, match="do not fit timm's test_vit"):
        own(folder, "test_vit", state, output="none")


def test_a_size_that_the_network_cannot_take_is_refused(folder: Path) -> None:
    trained = network("nest_tiny", num_classes=2)
    with pytest.raises(ModelError, match=r"timm's nest_tiny cannot be made with .*\(48, 32\)"):
        own(folder, "nest_tiny", trained.state_dict(), size=[48, 32])


def test_loading_draws_nothing_from_the_global_generator(folder: Path) -> None:
    trained = network("test_resnet", num_classes=3)
    before = torch.random.get_rng_state()
    own(folder, "test_resnet", trained.state_dict())
    assert torch.equal(torch.random.get_rng_state(), before)
