"""How long a film takes from its file to the screen, and a new window on it.

    python -m benchmarks.films

A chest film of 3000 x 2500 pixels with 16 bits, drawn by chance over a slope, as the reading room
gets it: read whole, the network's picture made, windowed to 8 bits and scaled to a screen.
"""

from __future__ import annotations

import io
import statistics
import sys
from collections.abc import Iterator

import numpy as np
import pydicom
import torch
from pydicom.dataset import Dataset, FileMetaDataset

from benchmarks.measuring import Row, as_line, machine, measure
from explain_core.images.dicom import read_film
from explain_core.images.display import film_on_screen, window_film
from explain_core.images.film import Window, presets

SIZE = (3000, 2500)
SCREEN_PX = 1024
TURNS = 5
ON_SCREEN_S = 2.0


def film_file(syntax: str) -> bytes:
    """Return a film of 12 of 16 bits, MONOCHROME1 with a window, as detectors write it."""
    rng = np.random.default_rng(0)
    slope = np.linspace(300, 3500, SIZE[0])[:, None]
    pixels = (slope + rng.normal(0, 20, SIZE)).clip(0, 4095).astype(np.uint16)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    made.SOPInstanceUID = "1.2.3"
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME1"
    made.Rows, made.Columns = SIZE
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelRepresentation = 0
    made.WindowCenter, made.WindowWidth = 2000, 3600
    made.add_new("PixelData", "OW", pixels.tobytes())
    if syntax != pydicom.uid.ExplicitVRLittleEndian:
        made.compress(syntax)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def measure_films(device: torch.device, turns: int) -> Iterator[Row]:
    for name, syntax in (
        ("uncompressed", pydicom.uid.ExplicitVRLittleEndian),
        ("RLE", pydicom.uid.RLELossless),
        ("JPEG 2000", pydicom.uid.JPEG2000Lossless),
    ):
        data = film_file(syntax)

        def show(data: bytes = data) -> object:
            film = read_film(data)
            return window_film(film, presets(film)[0].voi, max_side_px=SCREEN_PX)

        seconds = measure({"show": show}, device, turns)["show"]
        yield Row(
            "films",
            f"file to screen, {SIZE[0]} x {SIZE[1]}, {name}",
            statistics.median(seconds),
            "s",
            # A decoder's time is not ours: only the plain film has a bound.
            ON_SCREEN_S if name == "uncompressed" else None,
            note=f"{len(data) / 2**20:.0f} MB",
        )
    film = read_film(film_file(pydicom.uid.ExplicitVRLittleEndian))
    works = {
        "another window, full size": lambda: window_film(film, Window(2100, 900)),
        f"another window, {SCREEN_PX} px": lambda: window_film(
            film, Window(2100, 900), max_side_px=SCREEN_PX
        ),
        f"values for the viewer, {SCREEN_PX} px": lambda: film_on_screen(film, SCREEN_PX),
    }
    for what, seconds in measure(works, device, turns).items():
        yield Row("films", what, statistics.median(seconds), "s")


def main() -> None:
    device = torch.device("cpu")
    print(machine(device))
    rows = []
    for row in measure_films(device, TURNS):
        print(as_line(row), flush=True)
        rows.append(row)
    sys.exit(any(row.verdict == "OVER" for row in rows))


if __name__ == "__main__":
    main()
