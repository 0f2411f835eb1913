"""Uploaded pictures: read, refused with a message, kept, forgotten."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import steps


def file_of(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def seven(height: int = 150, width: int = 100) -> np.ndarray:
    """Return a light 7 on dark."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[height // 5 : height // 5 + 12, width // 4 : 3 * width // 4] = 255
    for row in range(height // 5, 4 * height // 5):
        middle = 3 * width // 4 - round(0.35 * width * (row / height - 0.2) / 0.6)
        pixels[row, middle - 6 : middle + 6] = 255
    return pixels


def photo(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.kron(
        rng.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8),
        np.ones((10, 10, 1), np.uint8),
    )


JPEG = file_of(photo(200, 300), "JPEG")
BROKEN = {
    "truncated.jpg": JPEG[: len(JPEG) // 2],
    "text.png": b"This is a letter, not a picture.",
    "empty.png": b"",
    "head-only.png": file_of(seven())[:40],
    "page.jpg": b"<!doctype html><html><body>404</body></html>",
}


@pytest.fixture
def uploading(at: AppTest) -> AppTest:
    """Give a session in which the upload is open, with the fast methods only."""
    at.multiselect(key="methods-bank").set_value(["grad-cam", "finer-grad-cam"])
    steps.keyed(at.button_group, "source").set_value("Upload")
    return steps.run(at)


def upload(at: AppTest, name: str, content: bytes) -> AppTest:
    at.file_uploader[0].set_value((name, content, "application/octet-stream"))
    return steps.run(at)


def test_an_uploaded_7_is_read_as_one(uploading: AppTest) -> None:
    upload(uploading, "seven.png", file_of(seven()))
    assert steps.prediction(uploading) == "7"
    assert len(steps.shown_panels(uploading)) == 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_each_kind_of_file_is_read(uploading: AppTest, kind: str) -> None:
    upload(uploading, f"photo.{kind.lower()}", file_of(photo(80, 120), kind))
    assert "120 × 80 px" in steps.texts(uploading)
    assert len(steps.shown_panels(uploading)) == 2
    assert not uploading.error


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gives_a_message_and_the_former_picture_stays(
    uploading: AppTest, name: str
) -> None:
    before = steps.shown_panels(upload(uploading, "seven.png", file_of(seven())))
    upload(uploading, name, BROKEN[name])
    (error,) = uploading.error
    assert len(error.value) > 20
    assert steps.shown_panels(uploading) == before


def test_a_first_broken_file_leaves_the_page_waiting(uploading: AppTest) -> None:
    upload(uploading, "text.png", BROKEN["text.png"])
    assert len(uploading.error) == 1
    assert not steps.shown_panels(uploading)


def test_a_good_file_after_a_broken_one_is_shown(uploading: AppTest) -> None:
    upload(uploading, "text.png", BROKEN["text.png"])
    upload(uploading, "seven.png", file_of(seven()))
    assert not uploading.error
    assert steps.prediction(uploading) == "7"


def test_a_film_is_gray_under_any_name(uploading: AppTest) -> None:
    pytest.importorskip("pydicom")
    from tests.core.images.dicom_making import encode, film

    upload(uploading, "film.png", encode(film(seven())))
    assert any("100 × 150 px, gray" in each.value for each in uploading.caption)
    assert steps.prediction(uploading) == "7"


def test_a_removed_picture_is_forgotten(uploading: AppTest) -> None:
    upload(uploading, "seven.png", file_of(seven()))
    for source in ("Sample", "Upload"):
        steps.keyed(uploading.button_group, "source").set_value(source)
        steps.run(uploading)
    steps.press(uploading, "Remove the picture")
    assert not steps.shown_panels(uploading)
    assert any("Give a picture" in each.value for each in uploading.info)


def test_an_upload_is_kept_while_a_sample_is_looked_at(uploading: AppTest) -> None:
    before = steps.shown_panels(upload(uploading, "seven.png", file_of(seven())))
    for source in ("Sample", "Upload"):
        steps.keyed(uploading.button_group, "source").set_value(source)
        steps.run(uploading)
    assert steps.shown_panels(uploading) == before


def test_a_deep_picture_of_3000_by_2500_has_maps(uploading: AppTest) -> None:
    pixels = np.zeros((2500, 3000), np.uint16)
    pixels[::] = np.linspace(0, 65535, 3000).astype(np.uint16)
    upload(uploading, "deep.png", file_of(pixels))
    assert "3000 × 2500 px" in steps.texts(uploading)
    assert len(steps.shown_panels(uploading)) == 2


def test_no_file_makes_a_traceback(uploading: AppTest, data_dir: Path) -> None:
    """Broken, hostile and awkward pictures: each is shown or refused with a message."""
    folder = data_dir / "bad_inputs"
    files = json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    for path in (folder / each["file"] for each in files):
        if path.stat().st_size < 5_000_000:
            upload(uploading, path.name, path.read_bytes())
            assert uploading.error or "In use: " + path.name in steps.texts(uploading)
