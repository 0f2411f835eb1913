"""torchxrayvision's networks: random weights in local files, against the package's own outputs."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models import torchxrayvision_models
from tests.core.models.checkpoints import Hostile, list_model
from tests.core.models.test_layers import black, bright_corner, is_in_corner

xrv = pytest.importorskip(
    "torchxrayvision", reason="torchxrayvision is not installed: pip install torchxrayvision"
)

ALL, PADCHEST = "densenet121-res224-all", "densenet121-res224-pc"
RESNET = "resnet50-res512-all"


def dense(**options: Any) -> Any:
    """Give the package's DenseNet with random weights, as it would be trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return xrv.models.DenseNet(**options).eval()


@pytest.fixture(scope="module")
def trained() -> Any:
    return dense()


def own(folder: Path, state: dict[str, Tensor], weights: str = ALL, **values: object) -> xc.Model:
    save_file(state, folder / "xrv.safetensors")
    list_model(
        folder,
        "own",
        architecture=f"torchxrayvision/{weights}",
        weights="xrv.safetensors",
        **values,
    )
    return xc.load_model("own", device="cpu")


def film(size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Give a smooth gray picture, 8 bits, that looks different everywhere."""
    rows, columns = (np.linspace(0, 1, side) for side in size)
    return (255 * np.sqrt(np.outer(rows, columns[::-1]))).astype(np.uint8)


# ---- outputs ---------------------------------------------------------------------------------


def test_raw_logits_are_the_packages_before_its_operating_points(
    no_network: Path, trained: Any
) -> None:
    model = own(no_network, trained.state_dict())
    x = model.preprocess(image_from_pixels(film((240, 240))))
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), trained(x), rtol=1e-4, atol=1e-4)
    assert (model.output, model.num_classes) == ("sigmoid", 18)
    assert (model.classes[0], model.classes[9]) == ("Atelectasis", "Pleural Thickening")


def test_the_packages_own_outputs_follow_from_probabilities_and_operating_points(
    no_network: Path, trained: Any
) -> None:
    """Above its operating point a finding is above one half in the package's scale."""
    model = own(no_network, trained.state_dict())
    x = model.preprocess(image_from_pixels(film((240, 240))))
    trained_with_points = dense(op_threshs=torch.tensor(xrv.models.model_urls[ALL]["op_threshs"]))
    with torch.no_grad():
        theirs = trained_with_points(x)[0].double().numpy()
    assert model.operating_points is not None
    p, points = model.probabilities(model.logits(x)[0].double().numpy()), model.operating_points
    ours = np.where(p < points, p / (2 * points), 1 - (1 - p) / (2 * (1 - points)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_untrained_outputs_are_left_out(no_network: Path, trained: Any) -> None:
    model = own(no_network, trained.state_dict(), PADCHEST)
    rows = [row for row, label in enumerate(xrv.models.model_urls[PADCHEST]["labels"]) if label]
    assert len(rows) == 15
    assert model.num_classes == len(rows)
    assert model.classes[-1] == "Fracture"
    x = model.preprocess(image_from_pixels(film((240, 240))))
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), trained(x)[:, rows], rtol=1e-4, atol=1e-4)
    assert model.class_weights is not None
    np.testing.assert_array_equal(model.class_weights, trained.classifier.weight[rows].detach())
    assert model.operating_points is not None
    assert model.operating_points.shape == (15,)
    assert np.isfinite(model.operating_points).all()


def test_the_packages_own_state_with_operating_points_fits(no_network: Path) -> None:
    """As `get_model(...).state_dict()` gives it, which the documented command saves."""
    points = torch.tensor(xrv.models.model_urls[PADCHEST]["op_threshs"])
    model = own(no_network, dense(op_threshs=points).state_dict(), PADCHEST)
    assert model.num_classes == 15


@pytest.mark.parametrize("prefix", ["", "model."])
def test_the_resnet_is_the_packages(no_network: Path, prefix: str) -> None:
    """Its published file is a plain state_dict of the inner network."""
    inner = resnet()
    state = {prefix + key: tensor for key, tensor in inner.state_dict().items()}
    model = own(no_network, state, RESNET, size=128)
    labels, points = (xrv.models.model_urls[RESNET][key] for key in ("labels", "op_threshs"))
    rows = [row for row in range(18) if not np.isnan(points[row])]
    assert model.classes == tuple(labels[row].replace("_", " ") for row in rows)
    x = model.preprocess(image_from_pixels(film((240, 240))))
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), inner(x)[:, rows], rtol=1e-4, atol=1e-4)


def resnet() -> nn.Module:
    from torchvision.models import resnet50

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet50(num_classes=18, weights=None)
        network.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return network.eval()


def test_an_encoder_without_its_head(no_network: Path, trained: Any) -> None:
    model = own(no_network, trained.state_dict(), output="none")
    x = model.preprocess(image_from_pixels(film((240, 240))))
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), trained.features2(x), rtol=1e-4, atol=1e-4)
    assert (model.classes, model.operating_points) == ((), None)


# ---- pictures --------------------------------------------------------------------------------


def test_pixels_become_what_the_package_makes_of_them(no_network: Path, trained: Any) -> None:
    """`normalize` and `XRayCenterCrop`; a film of 224 rows is not scaled."""
    pixels = film((224, 303))
    theirs = xrv.datasets.XRayCenterCrop()(xrv.utils.normalize(pixels, 255)[None])
    x = own(no_network, trained.state_dict()).preprocess(image_from_pixels(pixels))
    np.testing.assert_allclose(x[0].numpy(), theirs, atol=1e-3)
    assert float(x.min()) >= -1024
    assert float(x.max()) <= 1024


def test_scaled_films_agree_with_the_packages_resizer(no_network: Path, trained: Any) -> None:
    pixels = film((500, 448))
    square = xrv.datasets.XRayCenterCrop()(xrv.utils.normalize(pixels, 255)[None])
    theirs = xrv.datasets.XRayResizer(224)(square)
    x = own(no_network, trained.state_dict()).preprocess(image_from_pixels(pixels))
    assert np.abs(x[0].numpy() - theirs).mean() < 2048 * 0.003


def test_the_resnets_films_are_larger(no_network: Path) -> None:
    model = own(no_network, resnet().state_dict(), RESNET)
    assert model.preprocessing == xc.Preprocessing(
        size=(512, 512), mean=(0.5,), std=(1 / 2048,), halves="truncate"
    )


def test_a_bright_corner_changes_that_corner(no_network: Path, trained: Any) -> None:
    model = own(no_network, trained.state_dict())
    layer = model.layer_named(None)
    assert (layer.name, layer.num_channels, layer.size) == ("features.norm5", 1024, (7, 7))
    maps = []
    for image in (bright_corner((224, 224), True, False), black((224, 224))):
        _, outputs = model.record(model.preprocess(image), [layer.name])
        maps.append(layer.as_maps(outputs[layer.name].detach())[0])
    assert is_in_corner((maps[0] - maps[1]).abs().sum(dim=0), True, False)


# ---- what is refused -------------------------------------------------------------------------


def test_without_a_file_the_message_gives_the_command(no_network: Path) -> None:
    message = (
        r"torchxrayvision/densenet121-res224-all needs its weights as a file.*"
        r"python -c .*get_model\('densenet121-res224-all'\).*\"torchxrayvision/densenet121-res224-"
    )
    with pytest.raises(ModelError, match=message):
        xc.load_model("torchxrayvision/densenet121-res224-all")


def test_the_command_makes_a_file_that_loads(
    no_network: Path, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xrv.models, "get_model", lambda _weights: trained)
    command = torchxrayvision_models.CONVERSION.format(weights=ALL)
    exec(command.removeprefix('python -c "').removesuffix('"'), {})
    list_model(no_network, f"torchxrayvision/{ALL}", weights="xrv.safetensors")
    assert xc.load_model(f"torchxrayvision/{ALL}").num_classes == 18
    assert xc.available_models()[f"torchxrayvision/{ALL}"]


def test_a_pickled_module_is_refused_unread(no_network: Path) -> None:
    """As the published DenseNets are."""
    torch.save(Hostile(no_network / "trace"), no_network / "xrv.pt")
    list_model(no_network, "own", architecture=f"torchxrayvision/{ALL}", weights="xrv.pt")
    with pytest.raises(ModelError, match=r"no file of plain tensors.*convert them once.*python -c"):
        xc.load_model("own")
    assert not (no_network / "trace").exists()


def test_weights_of_another_network_are_refused(no_network: Path) -> None:
    with pytest.raises(ModelError, match="do not fit torchxrayvision's densenet121-res224-all"):
        own(no_network, resnet().state_dict())


@pytest.mark.parametrize("weights", ["densenet121-res224-none", "all", ""])
def test_unknown_weights_are_refused(no_network: Path, weights: str) -> None:
    with pytest.raises(ModelError, match=f"no classifier '{weights}'; choose one of .*nih"):
        xc.load_model(f"torchxrayvision/{weights}")


def test_a_missing_package_is_named_with_its_command(
    no_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchxrayvision", None)
    with pytest.raises(ModelError, match=r'install it with pip install "torchxrayvision>=1\.5"'):
        xc.load_model(f"torchxrayvision/{ALL}")


def test_loading_draws_nothing_from_the_global_generator(no_network: Path, trained: Any) -> None:
    before = torch.random.get_rng_state()
    own(no_network, trained.state_dict())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_importing_the_package_silences_nobodys_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchxrayvision"]:
        monkeypatch.delitem(sys.modules, name)
    before = list(warnings.filters)
    torchxrayvision_models._package()
    assert list(warnings.filters) == before
