"""DICOM films made by hand."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

PATIENT = "Planted^Name"


def film(pixels: np.ndarray, *, bits: int | None = None, **elements: Any) -> Dataset:
    """Return a gray film of stored values (H, W) or (frames, H, W)."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    made.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID
    made.PatientName = PATIENT
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = pixels.shape[-2:]
    made.BitsAllocated = 8 * pixels.dtype.itemsize
    made.BitsStored = bits or made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    if pixels.ndim == 3:
        made.NumberOfFrames = len(pixels)
    made.add_new("PixelData", "OW" if made.BitsAllocated > 8 else "OB", pixels.tobytes())
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def lookup(first: int, bits: int, values: list[int], **elements: Any) -> Sequence:
    """Return a sequence with one lookup table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first, bits])
    item.add_new("LUTData", "US", values)
    for name, value in elements.items():
        setattr(item, name, value)
    return Sequence([item])


def encode(made: Dataset) -> bytes:
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()
