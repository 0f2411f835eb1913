"""Layers that can be explained: in every family of torchvision, and in small hand-made networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models.layers import Layer, _known_grid, _token_grid, find_layer, find_layers
from explain_core.models.model import Model, build_model
from explain_core.models.preprocessing import Preprocessing

# The smallest of each family: the layer taken by default, its channels and its size (h, w).
# Inputs are 160 x 128, except where the architecture fixes them at 224 x 224.
FAMILIES = {
    "alexnet": ("features.12", 256, (4, 3)),
    "convnext_tiny": ("features.7", 768, (5, 4)),
    "densenet121": ("features.norm5", 1024, (5, 4)),
    "efficientnet_b0": ("features.8", 1280, (5, 4)),
    "efficientnet_v2_s": ("features.7", 1280, (5, 4)),
    "googlenet": ("inception5b", 1024, (5, 4)),
    "inception_v3": ("Mixed_7c", 2048, (3, 2)),
    "maxvit_t": ("blocks.3", 512, (7, 7)),
    "mnasnet0_5": ("layers.16", 1280, (5, 4)),
    "mobilenet_v2": ("features.18", 1280, (5, 4)),
    "mobilenet_v3_small": ("features.12", 576, (5, 4)),
    "regnet_x_400mf": ("trunk_output.block4", 400, (5, 4)),
    "resnet18": ("layer4", 512, (5, 4)),
    "resnext50_32x4d": ("layer4", 2048, (5, 4)),
    "shufflenet_v2_x0_5": ("conv5", 1024, (5, 4)),
    "squeezenet1_1": ("features.12", 512, (9, 7)),
    "swin_t": ("norm", 768, (5, 4)),
    "swin_v2_t": ("norm", 768, (5, 4)),
    "vgg11": ("features.20", 512, (5, 4)),
    "vit_b_32": ("encoder.layers.encoder_layer_10", 768, (7, 7)),
}
FIXED_SIZE = ("maxvit_t", "vit_b_32")
LAYOUTS = {"swin_t": "channels-last", "swin_v2_t": "channels-last", "vit_b_32": "tokens"}
NUM_CLASSES = 10


def random_network(architecture: str) -> nn.Module:
    extra = (
        {"init_weights": False} if architecture in ("googlenet", "inception_v3", "vgg11") else {}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.get_model(
            architecture, weights=None, num_classes=NUM_CLASSES, **extra
        )
        if architecture.startswith("vit_"):  # torchvision's is zero until it is trained
            nn.init.normal_(network.heads.head.weight, std=0.02)
    return network


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Model:
    """Give one architecture after the other, so that one at a time is in memory."""
    size = (224, 224) if request.param in FIXED_SIZE else (160, 128)
    return build_model(
        random_network(request.param),
        name=request.param,
        classes=[str(index) for index in range(NUM_CLASSES)],
        preprocessing=Preprocessing(size=size),
        device=torch.device("cpu"),
    )


def bright_corner(size: tuple[int, int], top: float, left: float) -> xc.Image:
    """Give black with a striped bright corner that covers a third of each side."""
    height, width = size
    pixels = np.zeros((height, width, 3), np.uint8)
    rows = slice(0, height // 3) if top else slice(height - height // 3, height)
    columns = slice(0, width // 3) if left else slice(width - width // 3, width)
    pixels[rows, columns] = 255
    pixels[rows, columns][::5] = 60
    return image_from_pixels(pixels)


def activations(model: Model, image: xc.Image, layers: Sequence[Layer]) -> list[Tensor]:
    _, outputs = model.record(model.preprocess(image), [layer.name for layer in layers])
    return [layer.as_maps(outputs[layer.name].detach())[0] for layer in layers]


def black(size: tuple[int, int]) -> xc.Image:
    return image_from_pixels(np.zeros((*size, 3), np.uint8))


def is_in_corner(energy: Tensor, top: bool, left: bool) -> bool:
    """Return whether the largest of (h, w) lies in that quarter, or on its border."""
    height, width = energy.shape
    row, column = divmod(int(energy.argmax()), width)
    down, right = row + 0.5 - height / 2, column + 0.5 - width / 2
    return (down <= 0 if top else down >= 0) and (right <= 0 if left else right >= 0)


# ---- every family --------------------------------------------------------------------------


def test_default_layer_is_the_last_stage(family: Model) -> None:
    layer = family.layer_named(None)
    assert (layer.name, layer.num_channels, layer.size) == FAMILIES[family.name]


def test_layout_is_recognised(family: Model) -> None:
    assert family.layer_named(None).layout == LAYOUTS.get(family.name, "channels-first")


def test_every_layer_gives_what_it_says(family: Model) -> None:
    x = family.preprocess(bright_corner(family.preprocessing.size, True, True))
    _, outputs = family.record(x, [layer.name for layer in family.layers])
    for layer in family.layers:
        assert layer.as_maps(outputs[layer.name]).shape == (1, layer.num_channels, *layer.size)


def test_grad_cam_is_finite_and_not_zero(family: Model) -> None:
    image = bright_corner(family.preprocessing.size, True, False)
    saliency = xc.explain(family, image, method="grad-cam", target=0, signed=True)
    assert saliency.values.shape == family.preprocessing.size
    assert np.isfinite(saliency.values).all()
    assert np.ptp(saliency.values) > 0


def test_maps_are_the_right_way_up(family: Model) -> None:
    """A bright corner changes the activations most in that corner."""
    size, layers = family.preprocessing.size, (family.layers[0], family.layer_named(None))
    of_black = activations(family, black(size), layers)
    for top, left in ((True, False), (False, True)):
        found = activations(family, bright_corner(size, top, left), layers)
        for layer, bright, dark in zip(layers, found, of_black, strict=True):
            energy = (bright - dark).abs().sum(dim=0)
            assert is_in_corner(energy, top, left), (layer.name, top, left)


# ---- small networks ------------------------------------------------------------------------


class Stage(nn.Module):
    """Convolve and rectify; the convolution lies one level deeper."""

    def __init__(self, num_in: int, num_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(x))


class Small(nn.Module):
    """Two stages, a stage that runs twice, pooling and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Stage(3, 8, stride=2)
        self.middle = nn.Sequential(Stage(8, 12, stride=2), Stage(12, 12))
        self.twice = Stage(12, 12)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.middle(self.first(x))
        return self.head(self.pool(self.twice(self.twice(maps))).flatten(1))


EXAMPLE = torch.zeros(1, 3, 40, 24)


def test_layers_come_in_the_order_in_which_they_run() -> None:
    names = [layer.name for layer in find_layers(Small().eval(), EXAMPLE)]
    assert names == ["first.conv", "first", "middle.0", "middle"]


def test_sizes_are_height_first() -> None:
    sizes = {layer.name: layer.size for layer in find_layers(Small().eval(), EXAMPLE)}
    assert sizes["first"] == (20, 12)
    assert sizes["middle"] == (10, 6)


def test_finding_layers_leaves_no_hook() -> None:
    network = Small().eval()
    find_layers(network, EXAMPLE)
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("name", ["first.conv", "middle.1.conv", "middle.1.relu"])
def test_a_layer_at_any_depth_can_be_named(name: str) -> None:
    model = xc.wrap_model(Small(), layer=name, preprocessing=Preprocessing(size=(40, 24)))
    assert model.layer == name
    image = bright_corner((40, 24), True, True)
    assert np.ptp(xc.explain(model, image, method="grad-cam", target=0, signed=True).values) > 0


def test_a_resnets_inner_convolution_can_be_named() -> None:
    model = xc.wrap_model(
        random_network("resnet18"),
        layer="layer4.1.conv2",
        preprocessing=Preprocessing(size=(96, 64)),
    )
    assert model.layer_named(None) == Layer("layer4.1.conv2", 512, (3, 2))


def test_named_layer_is_added_to_those_found() -> None:
    preprocessing = Preprocessing(size=(40, 24))
    found = xc.wrap_model(Small(), preprocessing=preprocessing).layers
    named = xc.wrap_model(Small(), layer="middle.1.conv", preprocessing=preprocessing).layers
    assert {layer.name for layer in named} == {layer.name for layer in found} | {"middle.1.conv"}


@pytest.mark.parametrize("name", ["pool", "head", "twice", "twice.conv"])
def test_a_layer_without_maps_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"layer '{name}' gives no maps.*choose a convolution"):
        find_layer(Small().eval(), EXAMPLE, name)


@pytest.mark.parametrize("name", ["last", "middle.7", "first.conv.weight"])
def test_a_layer_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"no layer '{name}'; its children are .*'middle'"):
        find_layer(Small().eval(), EXAMPLE, name)


def test_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"cannot take an input of shape \(1, 1, 40, 24\)"):
        find_layers(Small().eval(), EXAMPLE[:, :1])


def test_a_network_without_maps_has_no_layers() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 40 * 24, 5))
    assert find_layers(network.eval(), EXAMPLE) == ()


# ---- layouts -------------------------------------------------------------------------------


@pytest.mark.parametrize("num_channels", [1, 2, 3, 7, 24, 48])
@pytest.mark.parametrize("size", [(33, 20), (20, 33), (24, 24)], ids=str)
def test_channels_first_whatever_their_number(num_channels: int, size: tuple[int, int]) -> None:
    """Without padding, a layer's shape is not exactly the input's."""
    network = nn.Sequential(nn.Conv2d(3, num_channels, 5, stride=2), nn.Conv2d(num_channels, 9, 3))
    first = find_layers(network.eval(), torch.zeros(1, 3, *size))[0]
    rows, columns = ((side - 5) // 2 + 1 for side in size)
    assert first == Layer("0", num_channels, (rows, columns))


class ChannelsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


@pytest.mark.parametrize("num_channels", [32, 96])
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (56, 56)], ids=str)
def test_channels_last_is_recognised(num_channels: int, size: tuple[int, int]) -> None:
    network = nn.Sequential(nn.Conv2d(3, num_channels, 4, stride=4), ChannelsLast())
    last = find_layers(network.eval(), torch.zeros(1, 3, *size))[-1]
    assert last == Layer("1", num_channels, (size[0] // 4, size[1] // 4), "channels-last")


def test_as_maps_turns_channels_last_round() -> None:
    output = torch.arange(24.0).reshape(1, 2, 3, 4)
    maps = Layer("any", 4, (2, 3), "channels-last").as_maps(output)
    assert maps.shape == (1, 4, 2, 3)
    assert maps[0, 3, 1, 2] == output[0, 1, 2, 3]


def test_as_maps_drops_prefix_tokens() -> None:
    output = torch.arange(2.0 * 11 * 5).reshape(2, 11, 5)
    maps = Layer("any", 5, (3, 3), "tokens", num_prefix_tokens=2).as_maps(output)
    assert maps.shape == (2, 5, 3, 3)
    assert maps[1, 4, 2, 0] == output[1, 2 + 3 * 2 + 0, 4]


class Tokens(nn.Module):
    """Cut into patches, put tokens before them, mix, and read the first one."""

    def __init__(self, num_prefix: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 8, stride=8)
        self.prefix = nn.Parameter(torch.ones(1, num_prefix, 6))
        self.blocks = nn.Sequential(
            OrderedDict(
                (f"block{index}", nn.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True))
                for index in range(2)
            )
        )
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), tokens], dim=1)
        return self.head(self.blocks(tokens)[:, 0])


@pytest.mark.parametrize("num_prefix", [1, 2, 5])
def test_prefix_tokens_are_counted(num_prefix: int) -> None:
    layers = find_layers(Tokens(num_prefix).eval(), torch.zeros(1, 3, 40, 40))
    assert layers[-1] == Layer("blocks", 6, (5, 5), "tokens", num_prefix)


@pytest.mark.parametrize("size", [(40, 24), (24, 40), (64, 32), (16, 80)], ids=str)
@pytest.mark.parametrize("num_prefix", [0, 1, 5])
def test_tokens_of_pictures_that_are_not_square(num_prefix: int, size: tuple[int, int]) -> None:
    layers = find_layers(Tokens(num_prefix).eval(), torch.zeros(1, 3, *size))
    assert layers[-1] == Layer("blocks", 6, (size[0] // 8, size[1] // 8), "tokens", num_prefix)


@pytest.mark.parametrize(
    ("num_tokens", "size", "grid"),
    [
        (197, (224, 224), (14, 14)),  # ViT-B/16
        (50, (224, 224), (7, 7)),  # ViT-B/32
        (198, (224, 224), (14, 14)),  # DeiT with a distillation token
        (201, (224, 224), (14, 14)),  # with four registers
        (257, (224, 224), (16, 16)),  # DINOv2
        (1374, (518, 518), (37, 37)),  # DINOv2 with registers
        (577, (384, 384), (24, 24)),
        (2049, (512, 1024), (32, 64)),
        (36, (20, 28), (5, 7)),  # also 6 x 6
        (100, (95, 111), (9, 11)),  # patches of 10 x 10; also 10 x 10 of them
        (1000, (224, 224), None),
        (3, (224, 224), None),
    ],
)
def test_the_grid_of_tokens_has_the_pictures_aspect(
    num_tokens: int, size: tuple[int, int], grid: tuple[int, int] | None
) -> None:
    assert _token_grid(num_tokens, size) == grid


def test_the_patch_embeddings_own_grid_comes_before_the_aspect() -> None:
    """Patches need not be square: by the aspect alone these would be 6 x 5, after 7 tokens."""
    tokens = Tokens(1)
    tokens.patches = nn.Conv2d(3, 6, (8, 16), stride=(8, 16))
    layers = find_layers(tokens.eval(), torch.zeros(1, 3, 72, 64))
    assert layers[-1] == Layer("blocks", 6, (9, 4), "tokens", 1)
    assert _token_grid(37, (72, 64)) == (6, 5)


@pytest.mark.parametrize(
    ("num_tokens", "grid"),
    [(48, (8, 6)), (53, (8, 6)), (12, (4, 3)), (13, (4, 3)), (7, None), (57, None), (3, None)],
)
def test_the_fewest_prefix_tokens_count(num_tokens: int, grid: tuple[int, int] | None) -> None:
    assert _known_grid(num_tokens, [(1, 3), (8, 6), (4, 3)]) == grid


class NormLast(nn.Module):
    """A stage of as many channels as it has rows and columns, channels last."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, num_channels, 4, stride=4)
        self.norm = nn.LayerNorm(num_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.patches(x).permute(0, 2, 3, 1))


def test_a_cube_with_a_layer_norm_is_channels_last() -> None:
    """Swin's first stage for 384 px: 96 x 96 places of 96 channels."""
    layers = find_layers(nn.Sequential(NormLast(24)).eval(), torch.zeros(1, 3, 96, 96))
    assert layers[-1] == Layer("0", 24, (24, 24), "channels-last")


def test_a_cube_with_a_convolution_is_channels_first() -> None:
    network = nn.Sequential(nn.Conv2d(3, 24, 4, stride=4), nn.BatchNorm2d(24))
    assert {layer.layout for layer in find_layers(network.eval(), torch.zeros(1, 3, 96, 96))} == {
        "channels-first"
    }


def test_a_transformers_dead_last_block_is_not_the_default() -> None:
    """Only the class token is read, so the last block's patches have no gradient."""
    model = xc.wrap_model(Tokens(1), preprocessing=Preprocessing(size=(40, 40)))
    assert model.layer == "blocks.block0"


def test_a_chosen_dead_layer_has_another_to_take_instead() -> None:
    preprocessing = Preprocessing(size=(40, 40))
    model = xc.wrap_model(Tokens(1), layer="blocks.block1", preprocessing=preprocessing)
    assert (model.layer, model.gradient_layer) == ("blocks.block1", "blocks.block0")
