"""Image processors of transformers against our preprocessing, on a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models.huggingface_pictures import published_preprocessing
from explain_core.models.preprocessing import Preprocessing, normalise, to_pixels
from tests.core.models.checkpoints import list_model
from tests.core.models.huggingface_making import random_classifier

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install transformers"
)
data = pytest.importorskip("skimage.data", reason="scikit-image brings the photograph")

SQUARE = {"height": 96, "width": 96}

# Image processor, its settings, and how a picture lands on the input.
PROCESSORS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "vit": ("ViTImageProcessor", {"size": SQUARE}, {"fit": "stretch"}),
    "by PIL": ("ViTImageProcessorPil", {"size": SQUARE}, {"fit": "stretch"}),
    "not square": (
        "ViTImageProcessor",
        {"size": {"height": 64, "width": 112}},
        {"fit": "stretch", "size": (64, 112)},
    ),
    "deit": (
        "DeiTImageProcessor",
        {"size": {"height": 110, "width": 110}, "crop_size": SQUARE},
        {"fit": "stretch", "resize_px": 110},
    ),
    "clip": (
        "CLIPImageProcessor",
        {"size": {"shortest_edge": 96}, "crop_size": SQUARE},
        {"fit": "crop", "resize_px": 96},
    ),
    "dinov2": (
        "BitImageProcessor",
        {"size": {"shortest_edge": 110}, "crop_size": SQUARE},
        {"fit": "crop", "resize_px": 110},
    ),
    "a border around": (
        "BitImageProcessor",
        {"size": {"shortest_edge": 80}, "crop_size": {"height": 120, "width": 96}},
        {"fit": "crop", "resize_px": 80, "border": 0.0, "size": (120, 96)},
    ),
    "convnext": (
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 96}, "crop_pct": 0.875},
        {"fit": "crop", "resize_px": 109},
    ),
    "convnext, large": (
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 384}},
        {"fit": "stretch", "size": (384, 384)},
    ),
    "levit": (
        "LevitImageProcessor",
        {"size": {"shortest_edge": 96}, "crop_size": SQUARE},
        {"fit": "crop", "resize_px": 109},
    ),
    "poolformer": (
        "PoolFormerImageProcessor",
        {"size": {"shortest_edge": 96}, "crop_size": SQUARE},
        {"fit": "crop", "resize_px": 106},
    ),
    "not rescaled": (
        "ViTImageProcessor",
        {"size": SQUARE, "do_rescale": False, "image_mean": [120.0] * 3, "image_std": [60.0] * 3},
        {"fit": "stretch", "mean": (0.470588,) * 3, "std": (0.235294,) * 3},
    ),
    "not normalised": (
        "ViTImageProcessor",
        {"size": SQUARE, "do_normalize": False},
        {"fit": "stretch", "mean": (0.0,) * 3, "std": (1.0,) * 3},
    ),
    "efficientnet, normalised twice": (
        "EfficientNetImageProcessor",
        {"size": SQUARE, "resample": 3, "image_mean": [0.4] * 3, "image_std": [0.5] * 3},
        {"fit": "stretch", "mean": (0.4,) * 3, "std": (0.25,) * 3},
    ),
    "efficientnet, with an offset": (
        "EfficientNetImageProcessor",
        {
            "size": SQUARE,
            "resample": 2,
            "rescale_factor": 1 / 127.5,
            "rescale_offset": True,
            "do_normalize": False,
            "include_top": False,
        },
        {"fit": "stretch", "mean": (0.5,) * 3, "std": (0.5,) * 3},
    ),
}


def measured(folder: Path, processor: Any, num_channels: int = 3) -> Preprocessing:
    processor.save_pretrained(folder)
    return Preprocessing(
        **published_preprocessing(transformers, folder, num_channels, "hf/birds/net")
    )


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_network_sees_what_the_processor_gives(tmp_path: Path, name: str) -> None:
    kind, settings, said = PROCESSORS[name]
    processor = getattr(transformers, kind)(**settings)
    ours = measured(tmp_path, processor)
    assert {key: getattr(ours, key) for key in said} == said
    photo = np.ascontiguousarray(data.astronaut()[:384, :487])
    x = normalise(ours, to_pixels(ours, image_from_pixels(photo)))
    expected = torch.as_tensor(np.asarray(processor(photo)["pixel_values"]))
    gap = ((x - expected) * torch.tensor(ours.std)[:, None, None]).abs()
    assert float(gap.mean()) < 1e-4
    assert float(gap.max()) < 0.005


@pytest.mark.parametrize("width", [112, 113, 114, 115])
def test_half_a_pixel_goes_where_transformers_puts_it(tmp_path: Path, width: int) -> None:
    """Of 19 columns to cut off it takes 9 on the left, where torchvision takes 10."""
    processor = transformers.BitImageProcessor(size={"shortest_edge": 110}, crop_size=SQUARE)
    ours = measured(tmp_path, processor)
    photo = np.ascontiguousarray(data.astronaut()[:110, :width])
    x = normalise(ours, to_pixels(ours, image_from_pixels(photo)))
    theirs = torch.as_tensor(np.asarray(processor(photo)["pixel_values"]))
    torch.testing.assert_close(x, theirs, rtol=0, atol=1e-5)


def test_imagenets_numbers_are_kept_exactly(tmp_path: Path) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    processor = transformers.ViTImageProcessor(size=SQUARE, image_mean=mean, image_std=std)
    ours = measured(tmp_path, processor)
    assert (ours.mean, ours.std) == (mean, std)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("MobileViTImageProcessor", {}, "does more than resize, crop and normalise"),  # BGR
        ("ViTImageProcessor", {"resample": 0}, "resamples by PIL's method 0"),
        ("ViTImageProcessor", {"do_resize": False}, "a size that depends on the picture"),
        ("BitImageProcessor", {"do_center_crop": False}, "a size that depends on the picture"),
        ("BitImageProcessor", {"do_resize": False}, "does more than resize"),
        ("ViTImageProcessor", {"image_mean": [0.5, 0.5]}, "fails on a picture"),
        ("VideoMAEImageProcessor", {}, r"gives \(1, .*\) for one picture|fails on a picture"),
    ],
)
def test_what_cannot_be_expressed_is_refused(
    tmp_path: Path, kind: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=f"hf/birds/net cannot be expressed.* its {kind} .*write"):
        measured(tmp_path, getattr(transformers, kind)(**settings))
    with pytest.raises(ModelError, match=message):
        measured(tmp_path, getattr(transformers, kind)(**settings))


def test_networks_of_other_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="prepares pictures of 4 channels"):
        measured(tmp_path, transformers.ViTImageProcessor(), num_channels=4)


def test_the_operator_may_say_it_all(no_network: Path) -> None:
    random_classifier("vit").save_pretrained(no_network / "net")
    said = {"size": [96, 64], "mean": [0.5] * 3, "std": [0.25] * 3, "fit": "letterbox"}
    list_model(no_network, "own", architecture="hf/net", **said)
    assert xc.load_model("own").preprocessing == Preprocessing(
        size=(96, 64), mean=(0.5,) * 3, std=(0.25,) * 3, fit="letterbox"
    )


def test_without_an_image_processor_the_message_says_what_to_write(no_network: Path) -> None:
    random_classifier("vit").save_pretrained(no_network / "net")
    list_model(no_network, "own", architecture="hf/net")
    with pytest.raises(ModelError, match=r"hf/net comes without an image processor.*or write size"):
        xc.load_model("own")


def test_another_size_keeps_the_published_share_of_the_picture(no_network: Path) -> None:
    """DINOv2's networks take any size."""
    network = random_classifier("dinov2")
    network.save_pretrained(no_network / "net")
    processor = transformers.BitImageProcessor(
        size={"shortest_edge": 128}, crop_size={"height": 112, "width": 112}
    )
    processor.save_pretrained(no_network / "net")
    list_model(no_network, "own", architecture="hf/net", size=56)
    preprocessing = xc.load_model("own").preprocessing
    assert (preprocessing.size, preprocessing.resize_px) == ((56, 56), 64)
