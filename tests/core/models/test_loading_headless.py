"""Encoders without a classifier: which part of a checkpoint is taken, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from tests.core.models.checkpoints import PHOTO, list_model, put_into_cache, random_network

pytestmark = pytest.mark.usefixtures("no_network")

State = dict[str, Tensor]


SMALL = "shufflenet_v2_x0_5"  # its file of 1 MB is written and read for every test


@pytest.fixture(scope="module")
def small() -> nn.Module:
    return random_network(SMALL)


def encoder_of(network: nn.Module) -> State:
    return {name: part for name, part in network.state_dict().items() if name[:3] != "fc."}


def other_numbers(state: State) -> State:
    return {name: part + 1 for name, part in state.items()}


def under(prefix: str, state: State) -> State:
    return {prefix + name: part for name, part in state.items()}


def load(folder: Path, state: State, architecture: str = SMALL, **values: object) -> xc.Model:
    torch.save(state, folder / "w.pth")
    values = {"architecture": f"torchvision/{architecture}", "weights": "w.pth"} | values
    list_model(folder, "encoder", **values, output="none")
    return xc.load_model("encoder", device="cpu")


def assert_is(model: xc.Model, network: nn.Module) -> None:
    """Assert that a model's weights are all those of a network, but for its classifier."""
    expected = encoder_of(network)
    state = model.network.state_dict()
    assert state.keys() == expected.keys()
    for name, part in expected.items():
        assert torch.equal(state[name], part), name


# ---- what is taken ----------------------------------------------------------------------------


def test_an_encoder_alone_is_taken(no_network: Path, small: nn.Module) -> None:
    assert_is(load(no_network, encoder_of(small)), small)


def test_a_classifier_in_the_file_is_left_out(no_network: Path, small: nn.Module) -> None:
    assert_is(load(no_network, small.state_dict()), small)


def test_safetensors_are_taken(no_network: Path, small: nn.Module) -> None:
    save_file(encoder_of(small), no_network / "w.safetensors")
    assert_is(load(no_network, {}, weights="w.safetensors"), small)


PROJECTOR = {"fc.0.weight": torch.zeros(4, 1024), "fc.2.weight": torch.zeros(3, 4)}


@pytest.mark.parametrize(
    "prefix", ["module.", "module.encoder_q.", "backbone.", "module.base_encoder.", "a.b.c."]
)
def test_a_prefix_is_stripped(no_network: Path, small: nn.Module, prefix: str) -> None:
    state = under(prefix, encoder_of(small) | PROJECTOR)
    assert_is(load(no_network, {"state_dict": state, "epoch": 3}), small)


@pytest.mark.parametrize(
    ("own", "copy"),
    [
        ("module.encoder_q.", "module.encoder_k."),
        ("module.base_encoder.", "module.momentum_encoder."),
        ("online_encoder.", "target_encoder."),
        ("net.encoder_q.", "net.encoder_k."),
    ],
)
@pytest.mark.parametrize("copy_is_first", [False, True])
def test_the_encoder_is_taken_and_not_its_slow_copy(
    no_network: Path, small: nn.Module, own: str, copy: str, copy_is_first: bool
) -> None:
    encoder = encoder_of(small)
    parts = [under(own, encoder | PROJECTOR), under(copy, other_numbers(encoder) | PROJECTOR)]
    state = dict(part for each in parts[:: -1 if copy_is_first else 1] for part in each.items())
    state |= {"module.queue": torch.zeros(3, 4), "module.predictor.0.weight": torch.zeros(2, 2)}
    assert_is(load(no_network, state), small)


def test_a_slow_copy_alone_is_taken(no_network: Path, small: nn.Module) -> None:
    assert_is(load(no_network, under("momentum_encoder.", encoder_of(small))), small)


def test_of_equals_the_first_is_taken(no_network: Path, small: nn.Module) -> None:
    encoder = encoder_of(small)
    state = under("left.", encoder) | under("right.", other_numbers(encoder))
    assert_is(load(no_network, state), small)


def test_an_encoder_without_a_prefix_comes_first(no_network: Path, small: nn.Module) -> None:
    encoder = encoder_of(small)
    state = under("teacher.", other_numbers(encoder)) | encoder
    assert_is(load(no_network, state), small)


def test_counts_of_batches_may_be_missing(no_network: Path, small: nn.Module) -> None:
    state = {name: part for name, part in encoder_of(small).items() if "num_batches" not in name}
    assert_is(load(no_network, state), small)


def test_published_weights_are_taken_where_none_are_named(
    no_network: Path, small: nn.Module
) -> None:
    put_into_cache(no_network, SMALL, small.state_dict())
    list_model(no_network, "encoder", architecture=f"torchvision/{SMALL}", output="none")
    assert_is(xc.load_model("encoder", device="cpu"), small)


# ---- the model --------------------------------------------------------------------------------


def test_an_encoder_has_no_classes(no_network: Path, small: nn.Module) -> None:
    model = load(no_network, small.state_dict())
    assert (model.has_head, model.classes, model.class_weights) == (False, (), None)


def test_preprocessing_is_the_architectures(no_network: Path, small: nn.Module) -> None:
    model = load(no_network, small.state_dict(), size=96)
    assert (model.preprocessing.size, model.preprocessing.resize_px) == ((96, 96), 110)


def test_pooled_features_are_what_the_classifier_would_see(
    no_network: Path, small: nn.Module
) -> None:
    model = load(no_network, under("module.encoder_q.", encoder_of(small)))
    x = model.preprocess(PHOTO)
    seen: list[Tensor] = []
    handle = small.fc.register_forward_hook(lambda _module, args, _output: seen.append(args[0]))
    with torch.no_grad():
        small(x)
    handle.remove()
    torch.testing.assert_close(model.pooled(x, model.layer), seen[0], rtol=1e-5, atol=1e-6)


FAMILIES = {
    "alexnet": "features.12",
    "convnext_tiny": "features.7",
    "densenet121": "features.norm5",
    "efficientnet_b0": "features.8",
    "googlenet": "inception5b",
    "mnasnet0_5": "layers.16",
    "mobilenet_v3_small": "features.12",
    "regnet_x_400mf": "trunk_output.block4",
    "shufflenet_v2_x0_5": "conv5",
    "squeezenet1_1": "features.12",
    "swin_t": "norm",
    "vgg11": "features.20",
    "vit_b_32": "encoder",
}


def thin_state(architecture: str) -> State:
    """Return a state that takes no room in a file: one number for each part of a network."""
    # A RegNet counts its widths in tensors, which on the device "meta" have no numbers.
    with torch.device("cpu" if architecture.startswith("regnet") else "meta"):
        options = {"init_weights": False} if architecture in ("googlenet", "vgg11") else {}
        network = torchvision.models.get_model(architecture, weights=None, **options)
    return {
        name: torch.full([1] * part.dim(), 0.5).to(part.dtype).expand(part.shape)
        for name, part in network.state_dict().items()
    }


@pytest.mark.parametrize("architecture", FAMILIES)
def test_every_family_loses_its_classifier(no_network: Path, architecture: str) -> None:
    model = load(no_network, thin_state(architecture), architecture)
    assert model.layer == FAMILIES[architecture]
    assert not any(name.startswith(("fc.", "classifier.")) for name in model.network.state_dict())


# ---- what does not fit ------------------------------------------------------------------------


def test_what_is_missing_is_named(no_network: Path) -> None:
    state = under("backbone.", thin_state("resnet18"))
    del state["backbone.layer4.1.conv2.weight"]
    message = (
        r"weights for 'encoder' do not fit torchvision's resnet18: they lack "
        r"'backbone\.layer4\.1\.conv2\.weight', and hold 'backbone\.conv1\.weight'.* and \d+ more; "
        r"give an encoder of this architecture under its library's names"
    )
    with pytest.raises(ModelError, match=message):
        load(no_network, state, "resnet18")


def test_many_missing_names_are_counted(no_network: Path) -> None:
    state = {"blocks.0.norm1.weight": torch.zeros(3)}
    message = r"lack 'conv1\.weight', 'bn1\.weight', 'bn1\.bias' and 97 more, and hold 'blocks\.0"
    with pytest.raises(ModelError, match=message):
        load(no_network, state, "resnet18")


def test_a_larger_relative_is_not_cut_down(no_network: Path) -> None:
    """All that a ResNet-18 needs is in a ResNet-34, but the network is another."""
    state = thin_state("resnet34")
    message = r"torchvision's resnet18, which has no 'layer1\.2\.conv1\.weight'.* and \d+ more"
    with pytest.raises(ModelError, match=message):
        load(no_network, state, "resnet18")


def test_other_widths_are_refused(no_network: Path) -> None:
    state = thin_state("resnext50_32x4d")
    with pytest.raises(ModelError, match=r"do not fit torchvision's resnet50: .*size mismatch"):
        load(no_network, state, "resnet50")


def test_an_empty_file_is_refused(no_network: Path) -> None:
    with pytest.raises(ModelError, match="do not fit torchvision's resnet18: they lack 'conv1"):
        load(no_network, {}, "resnet18")
