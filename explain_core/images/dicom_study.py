"""The films of a zipped study, in the order in which they were taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, BinaryIO

from explain_core.errors import ImageError
from explain_core.images import dicom_header
from explain_core.images.archives import read_zip
from explain_core.images.dicom import film_of_bytes
from explain_core.images.dicom_files import (
    PARSE_ERRORS,
    frame_count,
    frame_size,
    is_dicom,
    open_dataset,
    refusing,
)
from explain_core.images.film import Film, film_of_image
from explain_core.images.reading import read_image

MAX_FILMS = 200
MAX_STUDY_BYTES = 512 * 2**20

# Where media list their files: no film, and nothing to complain of.
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, eq=False)
class StudyFilm:
    """Hold one file of a study, still encoded, with what helps to choose it.

    Attributes:
        data: the file.
        size: (H, W).
        num_frames: how many `read` may choose from.
        laterality: as in `Film`.
        view: as in `Film`.
    """

    data: bytes
    size: tuple[int, int]
    num_frames: int = 1
    laterality: str = ""
    view: str = ""

    def read(self, frame: int = 0) -> Film:
        """Read one frame, as `read_film` does; a picture that is no DICOM film has only one."""
        if is_dicom(self.data):
            return film_of_bytes(self.data, "the film", frame)
        return film_of_image(read_image(self.data))


@dataclass(frozen=True, eq=False)
class Study:
    """Hold the films of a study.

    Attributes:
        films: by the study's date and time, then series, then number in the series; other
            pictures last.
        refused: why each other file is not among them, without its name, which may be a
            patient's.
    """

    films: tuple[StudyFilm, ...]
    refused: tuple[str, ...]


def read_study(content: bytes | BinaryIO) -> Study:
    """Read the headers of all films in a zip; pixels are decoded by `StudyFilm.read`.

    Raises:
        ImageError: no zip, a broken or hostile one, or one without any film; pydicom is not
            installed, and nothing else is in it.
    """
    archive = read_zip(content)
    found: list[tuple[tuple[Any, ...], StudyFilm]] = []
    refused = []
    num_bytes = 0
    for position, (_, data) in enumerate(archive.pictures()):
        try:
            listed = _list(data, position)
        except ImageError as error:
            refused.append(str(error))
            continue
        if listed is None:
            continue
        num_bytes += len(data)
        if len(found) == MAX_FILMS or num_bytes > MAX_STUDY_BYTES:
            raise ImageError(
                f"the archive holds more than {MAX_FILMS} films, or "
                f"{MAX_STUDY_BYTES // 2**20} MB of them; pack fewer"
            )
        found.append(listed)
    refused += [f"a file in the archive: {reason}" for _, reason in archive.refused]
    if not found:
        reasons = f": {'; '.join(dict.fromkeys(refused))}" if refused else ""
        raise ImageError(f"the archive holds no film that can be read{reasons}")
    found.sort(key=lambda entry: entry[0])
    return Study(tuple(film for _, film in found), tuple(refused))


def _list(data: bytes, position: int) -> tuple[tuple[Any, ...], StudyFilm] | None:
    """Return a film behind what it is sorted by; None for a table of contents."""
    if not is_dicom(data):
        image = read_image(data)
        return (True, "", math.inf, math.inf, position), StudyFilm(data, image.size)
    what = "a file in the archive"
    film = open_dataset(data, what)
    if film.file_meta.get("MediaStorageSOPClassUID") == _MEDIA_DIRECTORY:
        return None
    size = frame_size(film, what)
    num_frames = frame_count(film, what)
    with refusing(what):
        header = dicom_header.Header(film, 0)
        side, view = dicom_header.laterality(header), dicom_header.view(header)
    taken = _text(film, "StudyDate") + _text(film, "StudyTime")
    series, number = _whole(film, "SeriesNumber"), _whole(film, "InstanceNumber")
    listed = StudyFilm(data, size, num_frames, side, view)
    return (False, taken, series, number, position), listed


def _text(film: Any, name: str) -> str:
    try:
        return str(film.get(name) or "")
    except PARSE_ERRORS:
        return ""


def _whole(film: Any, name: str) -> float:
    try:
        value = film.get(name)
        return math.inf if value is None else float(value)
    except PARSE_ERRORS:
        return math.inf
