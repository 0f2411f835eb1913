"""Layer-CAM over several stages of the network, fused into one map.

Early stages know where, late ones what. Each stage's map is scaled by its own largest value, and
a position shows the stage that says most of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explain_core.maps import normalise, upsample
from explain_core.methods.cam import layer_cam
from explain_core.methods.evidence import Asked, EvidenceKind, as_array, gradients_on
from explain_core.methods.method import Method, Request, gradient_passes
from explain_core.methods.settings import NUM_STAGES
from explain_core.models.layers import Layer
from explain_core.types import Array, Basis, ParameterValue, StaticBasis, read_only

_GAMMA = 2.0  # the paper's factor for shallow stages


@dataclass(frozen=True, eq=False)
class StageMaps:
    """Hold Layer-CAM's map of the target at several layers, from one pass.

    Attributes:
        layers: in the order in which they run; the layer asked about is the last.
        maps: one for each, (h, w) of its own size.
    """

    layers: tuple[Layer, ...]
    maps: tuple[Array, ...]


def stages(layers: Sequence[Layer], last: str, count: int) -> tuple[Layer, ...]:
    """Return up to `count` layers that stand for the stages up to the layer named `last`.

    A stage is all layers of one resolution, and its last layer stands for it; the latest stages
    count. In a network of one resolution throughout, such as a vision transformer, the layers
    themselves are the stages, evenly spread.

    Args:
        layers: all of the network, in the order in which they run.
        count: at least 1; where there are fewer stages, all are taken.
    """
    below = layers[: [layer.name for layer in layers].index(last) + 1]
    if len({layer.size for layer in layers}) > 1:
        ends = {layer.size: layer for layer in below}.values()
        return tuple(layer for layer in below if layer in ends)[-count:]
    places = np.linspace(len(below), 0, min(count, len(below)), endpoint=False)
    return tuple(below[int(np.ceil(place)) - 1] for place in places[::-1])


def gather_stage_maps(asked: Asked, _kept: StageMaps | None = None) -> StageMaps:
    """Run the network once, and take the target's gradient at every stage of that one pass.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in activations or gradients.
    """
    model = asked.model
    model.require_head()
    by_name = {layer.name: layer for layer in model.layers}
    with gradients_on():
        logits, outputs = model.record(model.preprocess(asked.image), list(by_name))
        # The order in which they ran: a layer that was loaded by its path is listed last.
        ran = [by_name[name] for name in outputs]
        chosen = stages(ran, asked.layer, int(asked.values["num_stages"]))
        gradients = torch.autograd.grad(
            logits[0, asked.target_class],
            [outputs[layer.name] for layer in chosen],
            allow_unused=True,
            materialize_grads=True,
        )
    return StageMaps(
        layers=chosen,
        maps=tuple(
            read_only(
                layer_cam(
                    as_array(layer.as_maps(outputs[layer.name])[0], f"output of '{layer.name}'"),
                    as_array(layer.as_maps(gradient)[0], f"gradient at '{layer.name}'"),
                )
            )
            for layer, gradient in zip(chosen, gradients, strict=True)
        ),
    )


def fuse(maps: Sequence[Array]) -> Array:
    """Return (H, W), in [0, 1]: at each place the largest of the stages' maps.

    The last map is `relu(M) / max M`, the shallower ones `tanh(2 relu(M) / max M)`, because few of
    their values come near the largest (Jiang et al., "fusing"); a map without positive values
    adds nothing. All are stretched to the finest before they are compared.

    Args:
        maps: (h, w) of any sizes, the shallowest first.
    """
    size = max((each.shape for each in maps), key=lambda shape: shape[0] * shape[1])
    scaled = [np.tanh(_GAMMA * normalise(each)) for each in maps[:-1]]
    stretched = [upsample(each, (size[0], size[1])) for each in [*scaled, normalise(maps[-1])]]
    fused: Array = np.maximum.reduce(stretched)
    return fused


def _fused(request: Request, evidence: StageMaps, values: Mapping[str, ParameterValue]) -> Basis:
    return StaticBasis(request.provenance, request.geometry, read_only(fuse(evidence.maps)))


STAGE_MAPS = EvidenceKind(
    name="stage maps",
    gather=gather_stage_maps,
    at="layer",
    parameters=("num_stages",),
)

FUSED_FAMILY = (
    Method(
        name="fused-layer-cam",
        title="Layer-CAM, fused",
        evidence=STAGE_MAPS,
        parameters=(NUM_STAGES,),
        summary="Layer-CAM of several stages in one map: where from early, what from late ones.",
        paper="Jiang et al., IEEE TIP 2021, on fusing",
        build=_fused,
        cost=gradient_passes(1),
        needs_gradient="layer",
    ),
)
