"""Every method against the library that people use for it, with the same settings, in turns.

The network is MobileNetV2 with random weights (Guided Backprop: ResNet-18, which has plain ReLUs),
the input 224 x 224. Where no library has the method, it is held against the passes that it cannot
do without. Both begin with a photograph of 224 x 224; ours ends with a map of that size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

import explain_core as xc
from benchmarks.measuring import (
    Row,
    Work,
    measure,
    ms,
    random_network,
    random_photo,
    ratio,
    wrapped,
)
from explain_core.methods.perturbation import draw_masks
from explain_core.models.device import batch_size
from explain_core.types import ParameterValue

SIZE = (224, 224)
TARGET = 0
REFERENCES = (1, 2, 3)
SPREAD = 0.15
NUM_SAMPLES = 20
NUM_STEPS = 50
NUM_MASKS = 100
FEW_STEPS = 10  # of what goes step by step
MAX_SIGMA_PX = 50
LAYER = "features.18"
NARROW_LAYER = "features.17"  # 320 channels rather than 1,280
FUSED = ("features.6", "features.13", "features.18")


@dataclass(frozen=True, eq=False)
class Setting:
    """What both sides work on.

    Attributes:
        network, x: for theirs.
        model, photo: for ours.
    """

    network: torch.nn.Module
    model: xc.Model
    photo: xc.Image
    x: torch.Tensor

    @property
    def batch(self) -> int:
        return batch_size(self.model.device, SIZE)

    @property
    def noise(self) -> float:
        return SPREAD * float(self.x.max() - self.x.min())


@dataclass(frozen=True)
class Peer:
    """One comparison.

    Attributes:
        method: ours.
        by: whose, in words.
        theirs: from the setting to what is timed; raises ImportError where it is not installed.
        layer: of ours; theirs names its own.
        values: of ours.
        architecture: of the network.
        bound: how many times as long theirs is to take at least.
    """

    method: str
    by: str
    theirs: Callable[[Setting], Work]
    layer: str | None = None
    values: Mapping[str, ParameterValue] = field(default_factory=dict)
    architecture: str = "mobilenet_v2"
    # Where both sides make the same passes, it is 1 up to the noise of the clock.
    bound: float = 0.95


def measure_peers(device: torch.device, turns: int) -> Iterator[Row]:
    """One method after the other: theirs / ours."""
    settings: dict[str, Setting] = {}
    for peer in PEERS:
        if peer.architecture not in settings:
            settings[peer.architecture] = _setting(peer.architecture, device)
        setting = settings[peer.architecture]
        what = f"{peer.by} / {peer.method}"
        try:
            works = {"ours": _ours(peer, setting), "theirs": _theirs(peer, setting)}
        except ImportError as error:
            yield Row("peers", what, None, "x", peer.bound, True, f"{error.name} is not installed")
            continue
        seconds = measure(works, device, turns)
        yield Row(
            "peers", what, ratio(seconds["theirs"], seconds["ours"]), "x", peer.bound, True,
            f"{ms(seconds['theirs'])} / {ms(seconds['ours'])}{_in_words(peer.values)}",
        )  # fmt: skip


def _setting(architecture: str, device: torch.device) -> Setting:
    network = random_network(architecture)
    model, photo = wrapped(network, device), random_photo(SIZE)
    return Setting(network, model, photo, model.preprocess(photo))


def _ours(peer: Peer, setting: Setting) -> Work:
    compares_with = xc.METHODS[peer.method].compares_with
    return lambda: xc.explain(
        setting.model,
        setting.photo,
        method=peer.method,
        target=TARGET,
        references=list(REFERENCES) if compares_with == "classes" else None,
        layer=peer.layer,
        **peer.values,
    )


def _theirs(peer: Peer, setting: Setting) -> Work:
    work = peer.theirs(setting)

    def from_photo() -> None:
        setting.model.preprocess(setting.photo)  # as everybody must
        work()

    return from_photo


def _in_words(values: Mapping[str, ParameterValue]) -> str:
    return "".join(f", {name} {value}" for name, value in values.items())


# ---- pytorch-grad-cam ------------------------------------------------------------------------


def _cam(kind: str, *layers: str, finer: bool = False) -> Callable[[Setting], Work]:
    def theirs(setting: Setting) -> Work:
        import pytorch_grad_cam
        import tqdm
        from pytorch_grad_cam.finer_cam import FinerCAM
        from pytorch_grad_cam.utils import model_targets

        tqdm.tqdm = partial(tqdm.std.tqdm, disable=True)  # drawing a bar is no part of the work
        base = getattr(pytorch_grad_cam, kind)
        targets: list[Any] = [model_targets.ClassifierOutputTarget(TARGET)]
        make: Callable[..., Any] = base
        if finer:
            targets = [model_targets.FinerWeightedTarget(TARGET, list(REFERENCES), 0.6)]
            make = partial(FinerCAM, base_method=base)
        modules = [setting.network.get_submodule(name) for name in layers or (LAYER,)]

        def maps() -> None:
            with make(model=setting.network, target_layers=modules) as cam:
                inner = getattr(cam, "base_cam", cam)
                inner.batch_size = setting.batch
                cam(input_tensor=setting.x, targets=targets)

        return maps

    return theirs


# ---- captum ----------------------------------------------------------------------------------


def _saliency(setting: Setting) -> Work:
    from captum.attr import Saliency

    return lambda: Saliency(setting.network).attribute(_leaf(setting), target=TARGET)


def _noise(*kinds: tuple[str, bool]) -> Callable[[Setting], Work]:
    """Return captum's noise tunnel, once for each kind of aggregate, of sizes or of gradients."""

    def theirs(setting: Setting) -> Work:
        from captum.attr import NoiseTunnel, Saliency

        def maps() -> None:
            for kind, is_absolute in kinds:
                NoiseTunnel(Saliency(setting.network)).attribute(
                    _leaf(setting),
                    nt_type=kind,
                    nt_samples=NUM_SAMPLES,
                    nt_samples_batch_size=setting.batch,
                    stdevs=setting.noise,
                    target=TARGET,
                    abs=is_absolute,
                )

        return maps

    return theirs


def _integrated(setting: Setting) -> Work:
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(setting.network)
    black = setting.model.normalise(torch.zeros_like(setting.x))
    return lambda: method.attribute(
        _leaf(setting),
        baselines=black,
        target=TARGET,
        n_steps=NUM_STEPS,
        method="riemann_middle",
        internal_batch_size=setting.batch,
    )


def _guided_backprop(setting: Setting) -> Work:
    import warnings

    from captum.attr import GuidedBackprop

    def maps() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it sets hooks
            GuidedBackprop(setting.network).attribute(_leaf(setting), target=TARGET)

    return maps


def _leaf(setting: Setting) -> torch.Tensor:
    return setting.x.clone().requires_grad_()


# ---- PAIR's saliency -------------------------------------------------------------------------


def _guided_ig(setting: Setting) -> Work:
    from saliency.core import guided_ig

    # Its 0.2.1 names an argument that numpy 2.4 no longer knows.
    quantile = np.quantile

    class Numpy:
        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        @staticmethod
        def quantile(values: Any, share: Any, interpolation: str) -> Any:
            return quantile(values, share, method=interpolation)

    guided_ig.np = Numpy()
    picture = setting.x[0].cpu().numpy()
    black = setting.model.normalise(torch.zeros_like(setting.x))[0].cpu().numpy()
    return lambda: guided_ig.GuidedIG().GetMask(
        picture,
        partial(_gradients_for_pair, setting, is_single=True),
        x_baseline=black,
        x_steps=FEW_STEPS,
        fraction=0.25,
        max_dist=0.02,
    )


def _blur_ig(setting: Setting) -> Work:
    from saliency.core import BlurIG

    picture = setting.x[0].permute(1, 2, 0).cpu().numpy()
    return lambda: BlurIG().GetMask(
        picture,
        partial(_gradients_for_pair, setting, is_single=False),
        max_sigma=MAX_SIGMA_PX,
        steps=NUM_STEPS,
        batch_size=setting.batch,
    )


def _gradients_for_pair(
    setting: Setting,
    points: Any,
    call_model_args: object = None,
    expected_keys: object = None,
    *,
    is_single: bool,
) -> dict[str, Any]:
    """Return gradients as PAIR asks for them: one picture (C, H, W), or several channels last."""
    values = np.asarray(points, np.float32)
    leaf = torch.from_numpy(values).to(setting.x)
    leaf = leaf.reshape(setting.x.shape) if is_single else leaf.permute(0, 3, 1, 2)
    leaf = leaf.contiguous().requires_grad_()
    (gradient,) = torch.autograd.grad(setting.network(leaf)[:, TARGET].sum(), leaf)
    found = gradient if is_single else gradient.permute(0, 2, 3, 1)
    return {"INPUT_OUTPUT_GRADIENTS": found.cpu().numpy()}


# ---- passes that a method cannot do without --------------------------------------------------


def _masked_passes(setting: Setting) -> Work:
    """Return the passes of RISE, their masks drawn beforehand."""
    rng = torch.Generator().manual_seed(0)
    masks = draw_masks(rng, NUM_MASKS, grid=7, keep=0.5, size=SIZE, device=setting.x.device)

    def passes() -> None:
        with torch.no_grad():
            for part in masks.split(setting.batch):
                setting.network(setting.x * part[:, None])

    return passes


def _single_gradients(setting: Setting) -> Work:
    def passes() -> None:
        for _ in range(FEW_STEPS):
            leaf = _leaf(setting)
            torch.autograd.grad(setting.network(leaf)[0].softmax(0)[TARGET], leaf)

    return passes


def _noisy_passes(setting: Setting) -> Work:
    """Return forward passes of noisy copies with a gradient as far as the layer."""
    layer = setting.network.get_submodule(LAYER)

    def passes() -> None:
        kept: list[torch.Tensor] = []

        def cut(_module: object, _args: object, output: torch.Tensor) -> torch.Tensor:
            kept.append(output.detach().requires_grad_())
            return kept[-1]

        handle = layer.register_forward_hook(cut)
        for start in range(0, NUM_SAMPLES, setting.batch):
            count = min(setting.batch, NUM_SAMPLES - start)
            logits = setting.network(setting.x.expand(count, -1, -1, -1))
            torch.autograd.grad(logits[:, TARGET].sum(), kept.pop())
        handle.remove()

    return passes


_SAMPLES = {"num_samples": NUM_SAMPLES}
_STEPS = {"num_steps": NUM_STEPS}
# What is held against bare passes may take a little more than they do.
_OF_PASSES = 0.8
PEERS = (
    Peer("grad-cam", "pytorch-grad-cam", _cam("GradCAM")),
    Peer("grad-cam++", "pytorch-grad-cam", _cam("GradCAMPlusPlus")),
    Peer("xgrad-cam", "pytorch-grad-cam", _cam("XGradCAM")),
    Peer("layer-cam", "pytorch-grad-cam", _cam("LayerCAM")),
    Peer("fused-layer-cam", "pytorch-grad-cam, three layers", _cam("LayerCAM", *FUSED)),
    Peer("eigen-cam", "pytorch-grad-cam", _cam("EigenCAM")),
    Peer("score-cam", "pytorch-grad-cam", _cam("ScoreCAM", NARROW_LAYER), NARROW_LAYER),
    Peer("ablation-cam", "pytorch-grad-cam", _cam("AblationCAM", NARROW_LAYER), NARROW_LAYER),
    Peer("finer-grad-cam", "pytorch-grad-cam", _cam("GradCAM", finer=True)),
    Peer("finer-layer-cam", "pytorch-grad-cam", _cam("LayerCAM", finer=True)),
    Peer(
        "finer-score-cam",
        "pytorch-grad-cam",
        _cam("ScoreCAM", NARROW_LAYER, finer=True),
        NARROW_LAYER,
    ),
    Peer("vanilla-gradient", "captum", _saliency),
    Peer("smooth-grad", "captum", _noise(("smoothgrad", False)), values=_SAMPLES),
    Peer("var-grad", "captum", _noise(("vargrad", False)), values=_SAMPLES),
    Peer("absolute-grad", "captum", _noise(("smoothgrad", True)), values=_SAMPLES),
    Peer(
        "guided-absolute-grad",
        "captum, mean and variance",
        _noise(("smoothgrad", True), ("vargrad", False)),
        values=_SAMPLES,
    ),
    Peer("integrated-gradients", "captum", _integrated, values=_STEPS),
    Peer("guided-backprop", "captum", _guided_backprop, architecture="resnet18"),
    Peer("guided-ig", "PAIR's saliency", _guided_ig, values={"num_steps": FEW_STEPS}),
    Peer("blur-ig", "PAIR's saliency", _blur_ig, values=_STEPS),
    Peer("smooth-grad-cam++", "its passes alone", _noisy_passes, values=_SAMPLES, bound=_OF_PASSES),
    Peer(
        "rise",
        "its passes alone",
        _masked_passes,
        values={"num_masks": NUM_MASKS},
        bound=_OF_PASSES,
    ),
    Peer(
        "mask",
        "its passes alone",
        _single_gradients,
        values={"num_updates": FEW_STEPS},
        bound=_OF_PASSES,
    ),
)
