"""The small parts of widgets and messages."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image
import pytest

from components import draw_canvas
from components.notices import sentence
from components.parameter_panel import parameters_of
from components.wording import percent
from explain_core import METHODS, ImageError


def test_a_parameter_of_several_methods_is_listed_once() -> None:
    names = [p.name for p in parameters_of(METHODS, "prepare")]
    assert len(names) == len(set(names))
    assert {p.name for p in parameters_of(METHODS, "render")} == {
        "gamma",
        "reverse",
        "aggregation",
        "softmax",
        "lam",
        "p",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the file is broken", "The file is broken."),
        ("Already one.", "Already one."),
        (" is it? ", "Is it?"),
        ("models.toml is not valid TOML", "models.toml is not valid TOML."),
    ],
)
def test_sentence(text: str, expected: str) -> None:
    assert sentence(text) == expected


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "0.0 %"), (1e-9, "< 0.1 %"), (0.001, "0.1 %"), (0.6612, "66.1 %"), (1.0, "100.0 %")],
)
def test_percent(probability: float, text: str) -> None:
    assert percent(probability) == text


# ---- what comes from the canvas ------------------------------------------------------------


def data_url(pixels: np.ndarray, kind: str = "PNG") -> str:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, kind)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def stroke() -> np.ndarray:
    pixels = np.zeros((280, 280, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[60:220, 130:150, :3] = 255
    return pixels


def test_a_drawing_is_centred_on_280_pixels() -> None:
    drawing = draw_canvas._decode(data_url(stroke()))
    assert drawing.image.size == (280, 280)
    assert drawing.image.kind == "gray"
    rows = np.flatnonzero(drawing.image.pixels.max(axis=1) > 128)
    assert len(rows) == pytest.approx(200, abs=2)


TRUNCATED = data_url(stroke())[:-200]
BAD = {
    "not a data URL": "https://example.org/three.png",
    "another type": "data:text/html;base64,PGI+",
    "not base64": "data:image/png;base64,@@@@",
    "cut short": TRUNCATED[: len(TRUNCATED) // 4 * 4],
    "no picture": "data:image/png;base64," + base64.b64encode(b"no picture").decode(),
    "a JPEG": data_url(np.zeros((10, 10, 3), np.uint8), "JPEG"),
    "too long": "data:image/png;base64," + "A" * 2_000_000,
    "empty": data_url(np.zeros((280, 280), np.uint8)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_drawing_is_refused(name: str) -> None:
    with pytest.raises(ImageError, match="draw"):
        draw_canvas._decode(BAD[name])


def test_a_drawing_that_unpacks_to_a_bomb_is_refused() -> None:
    """5,000 × 5,000 black pixels are few bytes; the canvas has 280 × 280."""
    pixels = np.zeros((5000, 5000), np.uint8)
    pixels[10:20, 10:20] = 255
    with pytest.raises(ImageError, match="draw"):
        draw_canvas._decode(data_url(pixels))
