"""What the tests of reference sets share: banks, pictures, steps, and what is on the page."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass

import numpy as np
import PIL.Image
from streamlit.testing.v1 import AppTest

import explain_core as xc
from components.caching import banks as banks_cache
from explain_core.types import picture_id
from tests.ui import steps

ASSETS = steps.APP.parent / "assets"
SAMPLES = ASSETS / "samples" / "digits"
BANKS = ASSETS / "digits" / "banks"
FIRST_SAMPLE = SAMPLES / "three-almost-eight.png"
UNSTABLE = [100, 1700, 4200]  # rows of the bank "digits": a 0, a 3 and an 8


@dataclass(frozen=True)
class Rows:
    """Hold a bank's files as they are, read without the product.

    Attributes:
        features: (n, d) float16.
        labels: (n,).
        ids: (n,).
    """

    features: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    def of(self, *classes: int) -> list[int]:
        """Return the ids of some classes, rising."""
        found: list[int] = np.sort(self.ids[np.isin(self.labels, classes)]).tolist()
        return found


def rows_of(name: str) -> Rows:
    folder = BANKS / name
    dim = json.loads((folder / "manifest.json").read_text("utf-8"))["dim"]
    return Rows(
        np.fromfile(folder / "features.f16", np.float16).reshape(-1, dim),
        np.fromfile(folder / "labels.i32", np.int32),
        np.fromfile(folder / "ids.u64", np.uint64),
    )


DIGITS, DRAWN = rows_of("digits"), rows_of("drawn-digits")


def forget_banks() -> None:
    """Forget which banks there are; all sessions share that."""
    banks_cache._banks.clear()
    banks_cache._refused_banks.clear()


@dataclass
class Counted:
    """Count the pictures that went through the network."""

    num: int = 0


def ids_of(at: AppTest, name: str) -> list[int]:
    """Return the ids of a set's members, rising."""
    found: list[int] = np.sort(steps.kept_sets(at)[name].references.ids).tolist()
    return found


def id_of(content: bytes) -> int:
    return picture_id(xc.read_image(content))


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def stroke(column: int = 14, height: int = 28, width: int = 28) -> np.ndarray:
    """Return a light upright stroke on dark, about as a 1."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[height // 7 : -height // 7, column - 2 : column + 1] = 255
    return pixels


def strokes(num: int) -> dict[str, bytes]:
    """Return this many pictures, no two the same."""
    return {f"stroke-{index}.png": encoded(stroke(4 + index)) for index in range(num)}


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def feature_of(content: bytes, layer: str = "features.5") -> np.ndarray:
    """Return a picture's feature (d,) from a pass of its own."""
    model = xc.load_model("digits")
    pixels = model.to_pixels(xc.read_image(content))
    found: np.ndarray = model.pooled(model.normalise(pixels), layer, "mean").numpy()[0]
    return found


def ask_how_unlike(at: AppTest) -> AppTest:
    steps.keyed(at.button_group, "question-").set_value("how unlike")
    return steps.run(at)


def metrics(at: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in at.metric}


def images(at: AppTest) -> list[str]:
    """Return the texts that stand for the pictures on the page."""
    return [each.alt for shown in at.get("image") for each in shown.proto.imgs]


def tile_texts(at: AppTest) -> list[tuple[str, float]]:
    """Return title and distance of the members shown: the nearest, then the farthest."""
    found = re.findall(r"^(.+) · (\d+\.\d\d)$", steps.texts(at), re.MULTILINE)
    return [(name, float(value)) for name, value in found]


PNG = encoded(stroke(10))
JPEG = encoded(np.stack([stroke(40, 90, 120)] * 3, axis=2), "JPEG")
TEXT = b"This is a letter, not a picture."
TRUNCATED = JPEG[: len(JPEG) // 2]
