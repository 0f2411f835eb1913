"""torchxrayvision's networks for chest X-rays: several findings in one gray film.

The package is optional and imported where it is used: it takes seconds. It publishes most weights
as pickled modules, which are never read here; `CONVERSION` makes safetensors of them once.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from explain_core.errors import InputError, ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.model import Model, OutputKind, build_model
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.weights import NOT_PLAIN, class_names, does_not_fit, read_weights
from explain_core.types import read_only

PREFIX = "torchxrayvision/"

# Downloads and unpickles where the operator decides to, outside of WhyNot.
CONVERSION = (
    'python -c "import torchxrayvision as xrv; from safetensors.torch import save_file; '
    "save_file(xrv.models.get_model('{weights}').state_dict(), 'xrv.safetensors')\""
)
MEAN, STD = 0.5, 1 / 2048  # pixels from 0 to 1 become -1024 to 1024


@dataclass(frozen=True)
class _Published:
    """Hold what the package says about weights: trained outputs, in the order of the head's rows.

    Attributes:
        rows: of the head, those that were trained.
        operating_points: per trained output, of its probability.
    """

    num_outputs: int
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    operating_points: tuple[float, ...]
    size_px: int


def load_torchxrayvision(
    name: str,
    entry: Entry | None = None,
    layer: str | None = None,
    device: torch.device | None = None,
) -> Model:
    """Load `torchxrayvision/<weights>`, such as "torchxrayvision/densenet121-res224-all".

    The model gives raw logits, one per finding. The package's own outputs follow from them: it
    takes the sigmoid and bends it so that the operating point becomes 0.5, which changes no order
    within a finding. Outputs that these weights were not trained for are left out: they have no
    name, or no operating point. Preprocessing is the package's: the centre square, scaled.

    Args:
        name: under which the model is shown.
        entry: the operator's weights, safetensors or a plain state_dict of the package's network.
        layer: explained by default.

    Raises:
        ModelError: torchxrayvision is not installed; unknown weights; none given, or some that are
            pickled or do not fit.
    """
    package = _package()
    weights = (entry.architecture if entry else name).removeprefix(PREFIX)
    published = _published(package, weights)
    how = f"convert them once, where you trust them, with {CONVERSION.format(weights=weights)}"
    if entry is None or entry.weights is None:
        raise ModelError(
            f"{PREFIX}{weights} needs its weights as a file, for the published ones are pickled; "
            f'{how}, and name the file in models.toml: ["{PREFIX}{weights}"] '
            'weights = "xrv.safetensors"'
        )
    try:
        state = read_weights(entry.weights)
    except ModelError as error:
        if NOT_PLAIN not in str(error):
            raise
        raise ModelError(f"{error}; {how}") from error
    output: OutputKind = entry.output or "sigmoid"
    network = _network(package, weights, published)
    try:
        network.load_state_dict(_plain(state), assign=True)
    except RuntimeError as error:
        raise does_not_fit(name, f"torchxrayvision's {weights}", error) from error
    _keep_(network, () if output == "none" else published.rows)
    try:
        preprocessing = Preprocessing(
            **{
                "size": (published.size_px, published.size_px),
                "mean": (MEAN,),
                "std": (STD,),
                "halves": "truncate",
                **entry.preprocessing,
            }
        )
    except InputError as error:
        raise ModelError(f"models.toml, '{entry.name}': {error}") from error
    model = build_model(
        network,
        name=name,
        classes=class_names(entry, output, len(published.rows), published.labels),
        preprocessing=preprocessing,
        layer=layer or entry.layer,
        output=output,
        device=device,
    )
    if output == "none":
        return model
    points = np.array(published.operating_points, np.float32)
    return replace(model, operating_points=read_only(points))


def _package() -> Any:
    try:
        with warnings.catch_warnings():  # it silences everybody's
            import torchxrayvision
    except ImportError as error:
        raise ModelError(
            "models from torchxrayvision need the package torchxrayvision, which is not installed; "
            'install it with pip install "torchxrayvision>=1.5"'
        ) from error
    return torchxrayvision


def _published(package: Any, weights: str) -> _Published:
    table = package.models.model_urls
    known = [name for name in table if name.startswith(("densenet121-", "resnet50-"))]
    if weights not in known:
        raise ModelError(
            f"torchxrayvision has no classifier '{weights}'; choose one of {sorted(known)}"
        )
    labels, points = table[weights]["labels"], table[weights]["op_threshs"]
    rows = tuple(
        row
        for row, (label, point) in enumerate(zip(labels, points, strict=True))
        if label and not np.isnan(point)
    )
    return _Published(
        num_outputs=len(labels),
        rows=rows,
        labels=tuple(labels[row].replace("_", " ") for row in rows),
        operating_points=tuple(float(points[row]) for row in rows),
        size_px=table[weights]["input_resolution"],
    )


def _network(package: Any, weights: str, published: _Published) -> nn.Module:
    """Return the network that gives raw logits, without weights."""
    with torch.device("meta"):
        if weights.startswith("densenet121-"):
            dense: nn.Module = package.models.DenseNet(num_classes=published.num_outputs)
            return dense
        network: nn.Module = torchvision.models.resnet50(
            weights=None, num_classes=published.num_outputs
        )
        network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return network


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the network's own part, from the package's wrapper or without it, in float32."""
    return {
        key.removeprefix("model."): tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in state.items()
        if key != "op_threshs"
    }


def _keep_(network: nn.Module, rows: tuple[int, ...]) -> None:
    """Leave only some outputs of the head, in place; without any the head goes."""
    name = "classifier" if hasattr(network, "classifier") else "fc"
    if not rows:
        setattr(network, name, nn.Identity())
        return
    head = network.get_submodule(name)
    assert isinstance(head, nn.Linear), "both of the package's networks end in one"
    kept = nn.Linear(head.in_features, len(rows), device="meta")
    state = {key: tensor[list(rows)].clone() for key, tensor in head.state_dict().items()}
    kept.load_state_dict(state, assign=True)
    setattr(network, name, kept)
