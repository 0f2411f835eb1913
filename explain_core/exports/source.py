"""What an export takes from the film that it refers to, and nothing more."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explain_core.errors import ImageError, InputError
from explain_core.exports.patient import patient_elements
from explain_core.images import dicom_header
from explain_core.images.dicom_files import (
    frame_count,
    frame_size,
    import_pydicom,
    open_dataset,
    refusing,
)
from explain_core.images.dicom_header import Header

_WHAT = "the film"
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_MAX_UID = 64
_LOSSY_METHODS = frozenset(
    {"ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_18181_1"}
)


@dataclass(frozen=True)
class Plane:
    """Tell where a section lies in the patient (PS3.3 C.7.6.2), in millimetres.

    Attributes:
        reference: UID of the frame of reference.
        position: (x, y, z) of the first pixel's centre.
        orientation: direction cosines of a row, then of a column, 6 in all.
    """

    reference: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]


@dataclass(frozen=True)
class Source:
    """Hold what objects derived from one frame of a film refer to.

    Attributes:
        study_uid, series_uid, instance_uid, class_uid: of the film; a film without a study gets
            one, the same each time; `series_uid` is None where the film has none.
        size: (H0, W0).
        frame: counted from 0.
        num_frames: of the film.
        spacing_mm: (rows, columns), only where it holds in the patient.
        plane: of a section; None for projections, which have no place in the patient.
        lossy: how the film was compressed, as (method, ratio), where pixels were lost.
        is_lossy: whether pixels were lost, however little is known of how.
        is_annotated: whether the film says that text is burned in; None where it says nothing.
        patient: what an archive files an object by; empty unless it was asked for.
    """

    study_uid: str
    series_uid: str | None
    instance_uid: str
    class_uid: str
    size: tuple[int, int]
    frame: int
    num_frames: int
    spacing_mm: tuple[float, float] | None
    plane: Plane | None
    is_lossy: bool
    lossy: tuple[str, float] | None
    is_annotated: bool | None
    patient: Mapping[str, str]


def read_source(data: bytes, frame: int, *, with_patient: bool) -> Source:
    """Return what there is to refer to; pixels are not decoded.

    Raises:
        ImageError: no DICOM film, a damaged one, or one without a name of its own.
        InputError: there is no such frame.
    """
    film = open_dataset(data, _WHAT)
    size, num_frames = frame_size(film, _WHAT), frame_count(film, _WHAT)
    if not 0 <= frame < num_frames:
        raise InputError(f"frame must lie between 0 and {num_frames - 1} (got {frame})")
    with refusing(_WHAT):
        meta = film.file_meta
        instance = _uid(film, "SOPInstanceUID") or _uid(meta, "MediaStorageSOPInstanceUID")
        kind = _uid(film, "SOPClassUID") or _uid(meta, "MediaStorageSOPClassUID")
        if instance is None or kind is None:
            raise ImageError(
                "the film has no SOP Instance UID or SOP Class UID, so that nothing can refer to "
                "it; export it from the archive again"
            )
        header = Header(film, frame)
        spacing = dicom_header.spacing(header)
        is_known = spacing is not None and spacing.plane == "patient"
        spacing_mm = (spacing.rows_mm, spacing.columns_mm) if spacing and is_known else None
        return Source(
            study_uid=_uid(film, "StudyInstanceUID") or _made_up(instance),
            series_uid=_uid(film, "SeriesInstanceUID"),
            instance_uid=instance,
            class_uid=kind,
            size=size,
            frame=frame,
            num_frames=num_frames,
            spacing_mm=spacing_mm,
            plane=_plane(header) if spacing_mm else None,
            is_lossy=str(film.get("LossyImageCompression")) == "01",
            lossy=_lossy(film),
            is_annotated=dicom_header.is_annotated(film),
            patient=patient_elements(film) if with_patient else {},
        )


def require_same_size(source: Source, size: tuple[int, int]) -> None:
    """Raise `InputError` unless a map lies on a picture of the film's own size."""
    if tuple(size) != source.size:
        raise InputError(
            f"the map lies on a picture of {size[0]} x {size[1]} pixels, but the film has "
            f"{source.size[0]} x {source.size[1]}; give the film that the map was made of"
        )


def _uid(holder: Any, name: str) -> str | None:
    """Return a UID if it is one: this element, too, can hold any text."""
    text = str(holder.get(name) or "")
    return text if len(text) <= _MAX_UID and _UID.fullmatch(text) else None


def _made_up(instance: str) -> str:
    return str(import_pydicom().uid.generate_uid(entropy_srcs=["study of", instance]))


def _plane(header: Header) -> Plane | None:
    reference = _uid(header.film, "FrameOfReferenceUID")
    position = _floats(header.holder("PlanePositionSequence"), "ImagePositionPatient")
    orientation = _floats(header.holder("PlaneOrientationSequence"), "ImageOrientationPatient")
    if reference is None or len(position) != 3 or len(orientation) != 6:
        return None
    row, column = orientation[:3], orientation[3:]
    is_square = all(abs(math.hypot(*side) - 1) < 1e-2 for side in (row, column))
    is_square &= abs(sum(a * b for a, b in zip(row, column, strict=True))) < 1e-2
    return Plane(reference, position, orientation) if is_square else None


def _floats(holder: Any, name: str) -> tuple[float, ...]:
    values = tuple(float(value) for value in holder.get(name) or ())
    return values if all(map(math.isfinite, values)) else ()


def _lossy(film: Any) -> tuple[str, float] | None:
    method, ratio = film.get("LossyImageCompressionMethod"), film.get("LossyImageCompressionRatio")
    if not isinstance(method, str) or method not in _LOSSY_METHODS:
        return None
    if not isinstance(ratio, (int, float)) or not 1 <= ratio < math.inf:
        return None
    return str(method), float(ratio)
