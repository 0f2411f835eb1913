"""Known annotations of a film, from files that nobody vouches for: boxes, masks, DICOM SEG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from explain_core.errors import ImageError, InputError
from explain_core.images.annotation_boxes import boxes_of_csv
from explain_core.images.dicom import film_of_bytes
from explain_core.images.dicom_files import (
    frame_count,
    frame_size,
    is_dicom,
    open_dataset,
    refusing,
)
from explain_core.images.reading import MAX_BYTES, ON_WHITE, read_image
from explain_core.truth import Truth
from explain_core.types import Array

_WHAT = "the annotation"
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_MAX_FRAMES = 256
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"II\x2a\x00", b"MM\x00\x2a", b"II\x2b\x00", b"MM\x00\x2b")


@dataclass(frozen=True, eq=False)
class Annotation:
    """Hold what a file says of where something lies on a film.

    Attributes:
        truth: of the chosen label, or of all of them.
        labels: what can be chosen, each once, in the order of the file; empty where nothing in
            it has a name.
    """

    truth: Truth
    labels: tuple[str, ...]


def read_annotation(data: bytes, size: tuple[int, int], label: str | None = None) -> Annotation:
    """Read boxes (CSV), a mask (PNG or TIFF) or a DICOM Segmentation, whatever the file's name.

    - CSV with a header and one box in a row: `x, y, width, height`, `x_min, y_min, x_max, y_max`
      or `left, top, right, bottom` (also as RSNA's, NIH's and VinDr's tables call them), in pixels
      of the film; optionally a label. Rows without numbers, such as RSNA's of healthy films,
      hold no box. What lies up to one pixel outside of the film is cut off.
    - Mask: of the film's own size; everything that is not zero is marked.
    - DICOM Segmentation, binary or fractional: rows and columns must be the film's; a fractional
      one marks what reaches half of its largest value.

    Args:
        size: (H0, W0) of the film.
        label: one of `Annotation.labels`; None takes all.

    Raises:
        ImageError: nothing of this kind, too large or damaged; pydicom is not installed.
        InputError: of another size than the film, outside of it, empty, for several films; no
            such label.
    """
    if len(data) > MAX_BYTES:
        raise ImageError(f"{_WHAT} takes more than the {MAX_BYTES // 2**20} MB that are read")
    if is_dicom(data):
        return _of_segmentation(data, size, label)
    if data.startswith(_PICTURES):
        return _of_mask(data, size, label)
    boxes, names = boxes_of_csv(data, size)
    labels = tuple(dict.fromkeys(name for name in names if name))
    _require_label(label, labels)
    chosen = [box for box, name in zip(boxes, names, strict=True) if label in (None, name)]
    return Annotation(Truth(boxes=tuple(chosen)), labels)


def _require_label(label: str | None, labels: tuple[str, ...]) -> None:
    if label is not None and label not in labels:
        raise InputError(
            f"{_WHAT} has no such label; choose one of the {len(labels)} that it has, or all"
        )


def _require_size(found: tuple[int, int], size: tuple[int, int]) -> None:
    if found != tuple(size):
        raise InputError(
            f"{_WHAT} is {found[0]} x {found[1]} pixels, but the film {size[0]} x {size[1]}; give "
            "one of the film's own size"
        )


def _truth_of(mask: Array) -> Truth:
    if not mask.any():
        raise InputError(f"{_WHAT} marks nothing; choose another label or file")
    return Truth(mask=mask)


def _of_mask(data: bytes, size: tuple[int, int], label: str | None) -> Annotation:
    _require_label(label, ())
    image = read_image(data)
    _require_size(image.size, size)
    if ON_WHITE in image.notes:
        raise ImageError(
            f"{_WHAT} is a mask with transparent parts, of which nobody knows whether they are "
            "marked; save it without transparency, black where nothing is"
        )
    return Annotation(_truth_of((image.pixels.reshape(*size, -1) > 0).max(axis=2)), ())


def _of_segmentation(data: bytes, size: tuple[int, int], label: str | None) -> Annotation:
    made = open_dataset(data, _WHAT)
    with refusing(_WHAT):
        kind = str(made.get("SOPClassUID"))
    if kind == _LABEL_MAP:
        raise ImageError(
            f"{_WHAT} is a label map, which is not read; export a binary or fractional Segmentation"
        )
    if kind != _SEGMENTATION:
        raise ImageError(
            f"{_WHAT} is a DICOM file but no Segmentation; choose a SEG object, a CSV of boxes or "
            "a mask"
        )
    _require_size(frame_size(made, _WHAT), size)
    num_frames = frame_count(made, _WHAT)
    if num_frames > _MAX_FRAMES:
        raise ImageError(
            f"{_WHAT} has {num_frames} frames; at most {_MAX_FRAMES} are read: export a part of it"
        )
    with refusing(_WHAT):
        names = {int(segment.SegmentNumber): _name_of(segment) for segment in made.SegmentSequence}
        frames = [_segment_of(made, frame) for frame in range(num_frames)]
        is_fractional = str(made.get("SegmentationType")) == "FRACTIONAL"
        threshold = int(made.MaximumFractionalValue) / 2 if is_fractional else 1
    labels = tuple(dict.fromkeys(names.values()))
    _require_label(label, labels)
    if len(set(frames)) < len(frames):
        raise InputError(
            f"{_WHAT} marks a segment on several frames or sections; export it for this film alone"
        )
    mask = np.zeros(size, bool)
    for frame, segment in enumerate(frames):
        if label in (None, names.get(segment)):
            mask |= film_of_bytes(data, _WHAT, frame).codes >= threshold
    return Annotation(_truth_of(mask), labels)


def _name_of(segment: Any) -> str:
    return str(segment.get("SegmentLabel") or "").strip() or f"segment {int(segment.SegmentNumber)}"


def _segment_of(made: Any, frame: int) -> int:
    """Return the number of the segment that a frame shows (PS3.3 C.8.20.3)."""
    own = made.get("PerFrameFunctionalGroupsSequence") or ()
    shared = made.get("SharedFunctionalGroupsSequence") or ()
    for group in (*own[frame : frame + 1], *shared[:1]):
        found = group.get("SegmentIdentificationSequence")
        if found:
            return int(found[0].ReferencedSegmentNumber)
    raise ValueError("a frame without a segment")
