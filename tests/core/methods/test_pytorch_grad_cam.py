"""The CAM family and Finer-CAM against pytorch-grad-cam, on torchvision's networks.

Maps are compared at the layer's own size, with their sign and before any scaling.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file

import explain_core as xc
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map, relative_gap
from tests.oracles.nets import TinyNet, picture, wrap

grad_cam = pytest.importorskip(
    "pytorch_grad_cam", reason="grad-cam is not installed; requirements-dev.txt lists it"
)
from pytorch_grad_cam.finer_cam import FinerCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import (  # noqa: E402
    ClassifierOutputTarget,
    FinerWeightedTarget,
)

METHODS = {
    "grad-cam": grad_cam.GradCAM,
    "xgrad-cam": grad_cam.XGradCAM,
    "layer-cam": grad_cam.LayerCAM,
}
FINER = {"finer-grad-cam": grad_cam.GradCAM, "finer-layer-cam": grad_cam.LayerCAM}
REAL = {
    "squeezenet1_0": ("squeezenet1_0_imagenet", ("features.9", "features.12")),
    "mobilenet_v2": ("mobilenet_v2_imagenet", ("features.16", "features.18")),
}
RANDOM = {"resnet18": ("layer3", "layer4")}
CASES = [
    (architecture, layer)
    for architecture, layers in [
        *((name, layers) for name, (_, layers) in REAL.items()),
        *RANDOM.items(),
    ]
    for layer in layers
]
# ReLU'd: where activations have both signs, Grad-CAM++ has poles, and the two differ there.
RECTIFIED = [case for case in CASES if case != ("mobilenet_v2", "features.16")]
UNSURE_PHOTO = "imagenet_samples/images/n02091635_otterhound.jpg"
SURE_PHOTO = "imagenet_samples/images/n02085936_Maltese_dog.jpg"


def their_map(
    kind: type,
    network: torch.nn.Module,
    x: torch.Tensor,
    layer: str,
    target: Callable[[torch.Tensor], torch.Tensor],
) -> np.ndarray:
    """Return their (h, w) map before the ReLU and before it is scaled."""
    with kind(model=network, target_layers=[network.get_submodule(layer)]) as cam:
        cam(input_tensor=x, targets=[target])
        kept = cam.activations_and_grads
        gradients = kept.gradients[0].numpy() if kept.gradients else None
        image = cam.get_cam_image(
            x,
            network.get_submodule(layer),
            [target],
            kept.activations[0].numpy(),
            gradients,
            False,
        )
    return image[0]


def our_map(model: xc.Model, image: xc.Image, method: str, **values: object) -> np.ndarray:
    """Return our (h, w) map before the ReLU and before it is stretched."""
    from explain_core.methods.rendering import RENDERERS

    in_render = {p.name: p.default for p in xc.METHODS[method].parameters_of("render")}
    in_prepare = {name: value for name, value in values.items() if name not in in_render}
    basis = xc.prepare(model, image, method=method, **in_prepare)
    in_render |= {name: value for name, value in values.items() if name in in_render}
    return RENDERERS[type(basis)](basis, in_render)


class Bench:
    """Load each network once: a copy for us, the original for pytorch-grad-cam."""

    def __init__(self) -> None:
        self.loaded: dict[str, tuple[xc.Model, torch.nn.Module, xc.Image, torch.Tensor]] = {}

    def __call__(self, architecture: str, request: pytest.FixtureRequest) -> tuple:
        if architecture not in self.loaded:
            self.loaded[architecture] = self.load(architecture, request)
        return self.loaded[architecture]

    def load(self, architecture: str, request: pytest.FixtureRequest) -> tuple:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = torchvision.models.get_model(architecture, weights=None).eval()
        if architecture in REAL:
            folder: Path = request.getfixturevalue("data_dir")
            weights = folder / "weights" / f"{REAL[architecture][0]}.safetensors"
            network.load_state_dict(load_file(weights))
            image = xc.read_image(folder / UNSURE_PHOTO)
            preprocessing = xc.Preprocessing(size=(224, 224), resize_px=256)
        else:
            pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
            from explain_core.images.reading import image_from_pixels

            image = image_from_pixels(pixels)
            preprocessing = xc.Preprocessing(size=(96, 128))
        model = xc.wrap_model(network, preprocessing=preprocessing, name=architecture)
        return model, network, image, model.preprocess(image)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(("architecture", "layer"), CASES)
@pytest.mark.parametrize("method", METHODS)
def test_single_class_map_is_theirs(bench, request, method, architecture, layer):
    model, network, image, x = bench(architecture, request)
    target = int(np.argmax(model.predict(image)))
    theirs = their_map(METHODS[method], network, x, layer, ClassifierOutputTarget(target))
    ours = our_map(model, image, method, target=target, layer=layer)
    assert_same_map(ours, theirs)


@pytest.mark.parametrize(("architecture", "layer"), RECTIFIED)
def test_grad_cam_plus_plus_is_theirs_for_large_gradients(bench, request, architecture, layer):
    """They add 1e-6 to the denominator: nothing, where gradients are large."""
    _, network, image, x = bench(architecture, request)
    scaled = Scaled(network, 1e7)
    model = xc.wrap_model(
        scaled,
        preprocessing=bench(architecture, request)[0].preprocessing,
        layer=f"network.{layer}",
    )
    target = int(np.argmax(model.predict(image)))
    theirs = their_map(
        grad_cam.GradCAMPlusPlus, scaled, x, f"network.{layer}", ClassifierOutputTarget(target)
    )
    ours = our_map(model, image, "grad-cam++", target=target)
    assert_same_map(ours, theirs)


def test_grad_cam_plus_plus_departs_where_gradients_are_small(bench, request):
    """The Departure of `grad_cam_plus_plus`: ours is the paper's share, theirs is not."""
    model, network, image, x = bench("resnet18", request)
    paper = cams.grad_cam_plus_plus(network, x, "layer4", 7)
    ours = our_map(model, image, "grad-cam++", target=7, layer="layer4")
    theirs = their_map(grad_cam.GradCAMPlusPlus, network, x, "layer4", ClassifierOutputTarget(7))
    assert_same_map(ours, paper)
    assert relative_gap(theirs, paper) > 1e-3


@pytest.mark.parametrize("gamma", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize(("architecture", "layer"), CASES)
@pytest.mark.parametrize("method", FINER)
def test_released_weighting_is_theirs(bench, request, method, architecture, layer, gamma):
    model, network, image, x = bench(architecture, request)
    order = np.argsort(-model.predict(image))
    target, references = int(order[0]), [int(index) for index in order[1:4]]
    theirs = their_map(
        FINER[method], network, x, layer, FinerWeightedTarget(target, references, gamma)
    )
    ours = our_map(
        model,
        image,
        method,
        target=target,
        references=references,
        layer=layer,
        weights="released",
        gamma=gamma,
    )
    assert_same_map(ours, theirs)


def test_released_weighting_departs_from_theirs_for_a_sure_prediction(bench, request, data_dir):
    """They add 1e-9 to the references' joint probability, which then weighs in; we do not."""
    model, network, _, _ = bench("squeezenet1_0", request)
    image = xc.read_image(data_dir / SURE_PHOTO)
    x = model.preprocess(image)
    order = np.argsort(-model.predict(image))
    target, references = int(order[0]), [int(index) for index in order[100:103]]
    formula = cams.finer_grad_cam_of_mean(
        network, x, "features.12", target, references, 0.6, "released"
    )
    ours = our_map(
        model,
        image,
        "finer-grad-cam",
        target=target,
        references=references,
        layer="features.12",
        weights="released",
    )
    theirs = their_map(
        grad_cam.GradCAM, network, x, "features.12", FinerWeightedTarget(target, references, 0.6)
    )
    assert_same_map(ours, formula)
    assert relative_gap(theirs, formula) > 1e-2


@pytest.mark.parametrize("architecture", [*REAL, *RANDOM])
def test_normalised_map_is_that_of_their_finer_cam(bench, request, architecture):
    """Their class picks the references by logit; the result is compared as they give it."""
    model, network, image, x = bench(architecture, request)
    layer = CASES[[name for name, _ in CASES].index(architecture)][1]
    logits = model.predict(image)
    target = int(np.argmax(logits))
    references = [int(index) for index in np.argsort(np.abs(logits - logits[target]))[1:4]]
    layers = [network.get_submodule(layer)]
    with FinerCAM(network, layers, base_method=grad_cam.GradCAM) as cam:
        theirs = cam(input_tensor=x, targets=None, target_idx=target, alpha=0.6)[0]
    low = our_map(
        model,
        image,
        "finer-grad-cam",
        target=target,
        references=references,
        layer=layer,
        weights="released",
        gamma=0.6,
    )
    # They scale before and after stretching, with 1e-7 added to the maximum.
    assert_same_map(scaled_their_way(low, theirs.shape), theirs, tolerance=2e-5)


# ---- without gradients -----------------------------------------------------------------------


@pytest.mark.parametrize(("architecture", "layer"), CASES)
def test_eigen_cam_is_theirs_but_for_the_sign(bench, request, architecture, layer):
    """Theirs is that of the singular vector, which is chance."""
    model, network, image, x = bench(architecture, request)
    theirs = their_map(grad_cam.EigenCAM, network, x, layer, ClassifierOutputTarget(0))
    ours = our_map(model, image, "eigen-cam", layer=layer)
    assert_same_map(ours, theirs * np.sign((ours * theirs).sum()))


def test_ablation_cam_is_theirs_for_a_positive_logit(bench, request):
    model, network, image, x = bench("resnet18", request)
    target = int(np.argmax(model.predict(image)))
    theirs = their_map(grad_cam.AblationCAM, network, x, "layer1", ClassifierOutputTarget(target))
    ours = our_map(model, image, "ablation-cam", target=target, layer="layer1")
    # Both subtract logits in single precision, and what one channel changes is little.
    assert_same_map(ours, theirs, tolerance=1e-4)


def test_ablation_cam_has_the_other_sign_for_a_negative_logit(bench, request):
    """The Departure of `ablation_cam`: they divide by the logit, sign and all."""
    model, network, image, x = bench("resnet18", request)
    target = int(np.argmin(model.predict(image)))
    theirs = their_map(grad_cam.AblationCAM, network, x, "layer1", ClassifierOutputTarget(target))
    ours = our_map(model, image, "ablation-cam", target=target, layer="layer1")
    assert_same_map(ours, -theirs, tolerance=1e-4)


def score_maps(strides: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return our Score-CAM and theirs of a small network."""
    network, image = TinyNet(strides=strides), picture()
    model = wrap(network)
    theirs = their_map(
        grad_cam.ScoreCAM, network, model.preprocess(image), "stage2", ClassifierOutputTarget(1)
    )
    return our_map(model, image, "score-cam", target=1), theirs


def test_score_cam_is_theirs_where_nothing_is_stretched():
    assert_same_map(*score_maps((1, 1, 1)))


def test_score_cam_departs_from_theirs_where_channels_are_stretched():
    """They stretch corner to corner, and every map of ours lies by half-pixel centres."""
    ours, theirs = score_maps((1, 2, 2))
    assert 1e-5 < relative_gap(ours, theirs) < 0.5


def scaled_their_way(low: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from pytorch_grad_cam.utils.image import scale_cam_image

    once = scale_cam_image(np.maximum(low, 0)[None].astype(np.float32), size[::-1])
    return scale_cam_image(np.maximum(once, 0))[0]


class Scaled(torch.nn.Module):
    """Multiply a network's logits, and with them every gradient."""

    def __init__(self, network: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.network = network
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.network(x)
