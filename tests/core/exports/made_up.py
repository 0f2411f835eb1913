"""A film with a planted name in every text element, and a map that lies on it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from explain_core.types import Contrast, Geometry, Provenance, SaliencyMap
from tests.core.images.dicom_making import encode, film

PLANTED = "ZZPLANTEDZZ"
SIZE = (12, 18)
# What it is made of has to stay as it is.
_KEPT = frozenset({0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00080060})
_TEXT = frozenset({"PN", "LO", "SH", "ST", "LT", "UT", "UC", "AE"})
_WRITABLE = range(0x0008, 0x4009)


def source_film(num_frames: int = 1, **elements: Any) -> Dataset:
    """A radiograph with series and study, its name in every text element of the dictionary."""
    pixels = np.arange(num_frames * 12 * 18, dtype=np.uint16).reshape(num_frames, *SIZE)
    made = film(pixels if num_frames > 1 else pixels[0], bits=12, Modality="DX")
    for name in ("StudyInstanceUID", "SeriesInstanceUID"):
        setattr(made, name, generate_uid(entropy_srcs=[name]))
    for tag, (kind, *_) in DicomDictionary.items():
        if kind in _TEXT and tag >> 16 in _WRITABLE and tag not in _KEPT:
            made.add_new(tag, kind, PLANTED)
    inner = Dataset()
    inner.CodeMeaning = PLANTED
    made.RequestAttributesSequence = [inner]
    made.ProcedureCodeSequence = [inner]
    made.add_new(0x00091001, "LO", PLANTED)
    made.PatientName = f"{PLANTED}^Anna"
    made.PatientID = f"{PLANTED}-7"
    made.PatientBirthDate, made.PatientSex = "19611231", "F"
    made.StudyDate, made.StudyTime = "20240102", "030405"
    made.AccessionNumber = f"{PLANTED}-A"
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def file_of(made: Dataset) -> bytes:
    return encode(made)


def map_on(values: np.ndarray, geometry: Geometry | None = None, **changes: Any) -> SaliencyMap:
    """A map whose input is the film itself, unless a geometry says otherwise."""
    geometry = geometry or Geometry(SIZE, SIZE, (1.0, 1.0), (0.0, 0.0))
    made = {
        "method": "grad-cam",
        "model": "films",
        "fingerprint": "f" * 64,
        "layer": "layer4",
        "image": "digest",
        "contrast": Contrast(3, (1,)),
        "parameters": (("gamma", 0.6), ("is_signed", True)),
    } | changes
    return SaliencyMap(np.asarray(values, np.float32), True, Provenance(**made), geometry)


def reread(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))
