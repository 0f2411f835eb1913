"""Every refusal against its words, and the collection of bad inputs."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ImageFile

from explain_core.errors import ImageError
from explain_core.images import reading
from explain_core.images.reading import read_image
from tests.core.images.encoding import (
    BAD_INPUTS,
    MANIFEST,
    ORIENTATION,
    REPOSITORY,
    encode,
    png,
    tiff,
)

# Refusals


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"the file is empty \(0 bytes\); choose a picture"),
        (b"hello, I am no picture", "not a picture of a known format; choose one in PNG"),
        (bytes(128) + b"DICM" + bytes(99), "DICOM file that cannot be read|without a picture"),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", "lacks the beginning of a DICOM file"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "format AVIF, which is not read here; save it as PNG"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", "format HEIC"),
        (b"%PDF-1.7\n", "format PDF"),
        (b"Pf\n2 2\n-1.0\n" + bytes(16), "format PFM"),
        (b"\x89PNG\r\n\x1a\n", "looks like PNG but cannot be read: it is damaged, cut short"),
        (b"BM", "looks like BMP but cannot be read"),
        (b"II*\0\x08\0\0\0", "looks like TIFF but cannot be read"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "looks like WEBP but cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(data)


def test_a_tiff_in_the_preamble_does_not_hide_a_dicom(gray: np.ndarray) -> None:
    data = bytearray(encode(np.zeros((40, 40), np.uint8), "TIFF"))
    data[128:132] = b"DICM"
    with pytest.raises(ImageError, match="a DICOM file"):
        read_image(bytes(data))


def test_the_dicom_suffix_asks_for_a_dicom_file(tmp_path: Path) -> None:
    path = tmp_path / "scan.DCM"
    path.write_bytes(b"anything")
    with pytest.raises(ImageError, match=r"'.*scan\.DCM' lacks the beginning of a DICOM"):
        read_image(path)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_files_are_refused(file_format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    data = encode(noise, file_format)
    with pytest.raises(ImageError, match="cannot be read: it is damaged, cut short"):
        read_image(data[: int(len(data) * share)])


def test_truncated_pictures_stay_refused() -> None:
    """Reading is strict whatever others set; we never set it ourselves."""
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
def test_pictures_without_pixels_are_refused(width: int, height: int) -> None:
    with pytest.raises(ImageError, match="without pixels"):
        read_image(png(width, height, 8, 0, b""))


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (10_000, 10_000), (60_000, 60_000)])
def test_too_many_pixels_are_refused_by_the_header(width: int, height: int) -> None:
    """8001 x 8000 passes Pillow, 10,000 squared makes it warn, 60,000 squared makes it raise."""
    with pytest.raises(ImageError, match="64 megapixels"):
        read_image(png(width, height, 8, 0, b""))


def test_the_pixel_limit_is_not_that_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match=r"60000 x 60000 pixels \(3600 megapixels\)"):
        read_image(png(60_000, 60_000, 8, 0, b""))


def test_the_largest_picture_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 12)
    assert read_image(encode(np.zeros((3, 4), np.uint8), "PNG")).size == (3, 4)
    with pytest.raises(ImageError, match="13 x 1 pixels"):
        read_image(encode(np.zeros((1, 13), np.uint8), "PNG"))


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    path = tmp_path / "film.bmp"
    path.write_bytes(b"BM" + bytes(2**20))
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        with pytest.raises(ImageError, match="at most 1 MB are read"):
            read_image(source)


def test_a_large_file_is_not_read_at_all(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ImageError, match="takes 1048576 MB; at most 64 MB"):
        read_image(path)


def test_an_endless_stream_is_read_to_the_limit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        num_read = 0

        def read(self, size: int = -1) -> bytes:
            self.num_read += size
            return b"\x89" * size

    monkeypatch.setattr(reading, "MAX_BYTES", 5 * 2**20)
    stream: Any = Endless()
    with pytest.raises(ImageError, match="takes more than 5 MB"):
        read_image(stream)
    assert stream.num_read == 5 * 2**20 + 1


def test_text_bombs_are_refused() -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(2**21))
    with pytest.raises(ImageError, match="looks like PNG but cannot be read"):
        read_image(png(1, 1, 8, 0, b"\0\0", (b"zTXt", bomb)))


@pytest.mark.parametrize(
    ("pixels", "sample_format", "words"),
    [
        (np.array([[0.5, 1.0]], np.float32), 3, "has fractional .*8- or 16-bit PNG or TIFF"),
        (np.array([[0, 65536]], np.int32), 2, "has pixels up to 65536; .*8- or 16-bit"),
        (np.array([[-1, 5]], np.int32), 2, "has negative .*8- or 16-bit"),
        (np.array([[-1, 5]], np.int16), 2, "has negative .*8- or 16-bit"),
        (np.array([[-1, 5]], np.int8), 2, "has negative .*8- or 16-bit"),
        (np.array([[2**32 - 1, 5]], np.uint32), 1, "has negative or very large .*8- or 16-bit"),
        (np.array([[0.5, 1.0]], np.float64), 3, "unusual kind; .*8- or 16-bit"),
    ],
)
def test_values_beyond_16_bits_are_refused(
    pixels: np.ndarray, sample_format: int, words: str
) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(tiff(pixels, photometric=1, sample_format=sample_format))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"there is no file '.*nothing\.png'; check the path"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="is a folder; name one picture in it"):
        read_image(str(tmp_path))
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image("a\0b.png")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (7, r"source must be a path, bytes or a stream .*\(got int\)"),
        (io.StringIO("text"), "opened as bytes, not as text; open it with 'rb'"),
    ],
)
def test_other_sources_are_refused(source: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(source)


def test_a_closed_stream_is_refused() -> None:
    stream = io.BytesIO(b"x")
    stream.close()
    with pytest.raises(ImageError, match=r"cannot be read from its stream \(ValueError\)"):
        read_image(stream)


def test_only_a_path_is_named(tmp_path: Path) -> None:
    path = tmp_path / "jane-doe.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match=r"jane-doe\.png' looks like PNG"):
        read_image(path)
    with path.open("rb") as stream, pytest.raises(ImageError, match=r"^the file looks") as caught:
        read_image(stream)
    assert "jane" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_damaged_bytes_raise_nothing_else() -> None:
    """Damage files at random places; a fixed seed makes every run the same."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    seeds = [encode(noise, name, exif=exif) for name in ("JPEG", "PNG", "WEBP", "TIFF")]
    seeds += [encode(noise, name) for name in ("BMP", "GIF", "PPM")]
    seeds += [encode(noise, "TIFF", compression="tiff_lzw"), encode(noise, "TIFF", "LAB")]
    for run in range(600):
        data = bytearray(seeds[run % len(seeds)])
        for _ in range(int(rng.integers(1, 5))):
            data[int(rng.integers(2, min(len(data), 400)))] = int(rng.integers(256))
        try:
            image = read_image(bytes(data))
        except ImageError:
            continue
        assert image.pixels.dtype in (np.uint8, np.uint16)


# The collection of bad inputs


def bad_inputs() -> list[Any]:
    if not MANIFEST.exists():
        reason = f"no collection of bad inputs at {MANIFEST}; set WHYNOT_DATA"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    files = json.loads(MANIFEST.read_text())["files"]
    return [pytest.param(entry, id=Path(entry["file"]).name[:40]) for entry in files]


@pytest.mark.parametrize("entry", bad_inputs())
def test_bad_input_opens_or_is_refused(entry: dict[str, Any]) -> None:
    path = BAD_INPUTS / entry["file"]
    if path.suffix == ".dcm":
        # What each DICOM file gives is told in test_dicom_reference.
        for source in (path, path.read_bytes()):
            with contextlib.suppress(ImageError):
                assert read_image(source).kind == "dicom"
    elif entry["should"] == "open":
        width, height = entry["pil"]["size"]
        assert read_image(path).size == (height, width)
        assert read_image(path.read_bytes()).digest == read_image(path).digest
    elif entry["should"] == "refuse":
        with pytest.raises(ImageError, match=r"; (save|choose|fetch|scale)|: scale"):
            read_image(path.read_bytes())
    else:
        with contextlib.suppress(ImageError):
            assert read_image(path).pixels.size > 0


@pytest.mark.skipif(not MANIFEST.exists(), reason=f"no collection of bad inputs at {MANIFEST}")
def test_bad_inputs_need_little_memory() -> None:
    code = (
        "import resource, sys, warnings\nfrom pathlib import Path\n"
        "from explain_core.errors import ImageError\n"
        "from explain_core.images.reading import read_image\n"
        "warnings.simplefilter('error')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        read_image(path)\n    except ImageError:\n        pass\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    command = [sys.executable, "-c", code, str(BAD_INPUTS / "files")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300
