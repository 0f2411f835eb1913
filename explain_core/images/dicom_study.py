"""The films of a study, loose or zipped, in the order in which they were taken."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import BytesIO
from typing import Any

from explain_core.errors import ImageError
from explain_core.images import dicom_header
from explain_core.images.archives import read_zip
from explain_core.images.dicom import film_of_bytes, require_gray
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
_IN_ARCHIVE = "a file in the archive"


@dataclass(frozen=True, eq=False)
class StudyFilm:
    """Hold one file of a study, still encoded, with what helps to choose it.

    Attributes:
        data: the file.
        size: (H, W).
        num_frames: how many `read` may choose from.
        laterality: as in `Film`.
        view: as in `Film`.
        days_before_last: how long before the study's last film it was taken, in whole days; never
            the date itself, which may identify. None where the file does not say.
    """

    data: bytes
    size: tuple[int, int]
    num_frames: int = 1
    laterality: str = ""
    view: str = ""
    days_before_last: int | None = None

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
        refused: why each other file is not among them; never its name, which may be a patient's.
    """

    films: tuple[StudyFilm, ...]
    refused: tuple[str, ...]


def read_study(contents: Sequence[bytes]) -> Study:
    """Read the headers of films that belong together; pixels are decoded by `StudyFilm.read`.

    Args:
        contents: of files; each a film or a zip of films.

    Raises:
        ImageError: none of them is a film that can be read, or there are too many.
    """
    found: list[tuple[tuple[Any, ...], StudyFilm]] = []
    refused: list[str] = []
    num_bytes = 0
    for position, (data, what) in enumerate(_files(contents, refused)):
        try:
            listed = _list(data, position, what)
        except ImageError as error:
            refused.append(str(error))
            continue
        if listed is None:
            continue
        num_bytes += len(data)
        if len(found) == MAX_FILMS or num_bytes > MAX_STUDY_BYTES:
            raise ImageError(
                f"the study holds more than {MAX_FILMS} films, or "
                f"{MAX_STUDY_BYTES // 2**20} MB of them; choose fewer"
            )
        found.append(listed)
    if not found:
        reasons = f": {'; '.join(dict.fromkeys(refused))}" if refused else ""
        raise ImageError(f"there is no film that can be read{reasons}")
    found.sort(key=lambda entry: entry[0])
    return Study(_with_days(found), tuple(refused))


def without_film(study: Study, film: StudyFilm, reason: str) -> Study:
    """Return a study without a film that turned out not to be readable."""
    left = tuple(each for each in study.films if each is not film)
    return Study(left, (*study.refused, reason))


def _with_days(found: list[tuple[tuple[Any, ...], StudyFilm]]) -> tuple[StudyFilm, ...]:
    """Return the films with how long before the last one each was taken."""
    days = [_day(order[1]) for order, _ in found]
    last = max((day for day in days if day is not None), default=None)
    return tuple(
        film if day is None or last is None else replace(film, days_before_last=(last - day).days)
        for (_, film), day in zip(found, days, strict=True)
    )


def _day(taken: str) -> date | None:
    """Return the day of a DICOM date and time, None where there is none."""
    try:
        return datetime.strptime(taken[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _files(contents: Sequence[bytes], refused: list[str]) -> Iterator[tuple[bytes, str]]:
    """Yield each file, unpacked, and what messages call it; note what cannot be unpacked."""
    for content in contents:
        if not zipfile.is_zipfile(BytesIO(content)) or is_dicom(content):
            yield content, "a file"
            continue
        try:
            archive = read_zip(content)
            for _, data in archive.pictures():
                yield data, _IN_ARCHIVE
        except ImageError as error:
            refused.append(str(error))
            continue
        refused += [f"{_IN_ARCHIVE}: {reason}" for _, reason in archive.refused]


def _list(data: bytes, position: int, what: str) -> tuple[tuple[Any, ...], StudyFilm] | None:
    """Return a film behind what it is sorted by; None for a table of contents."""
    if not is_dicom(data):
        image = read_image(data)
        return (True, "", math.inf, math.inf, position), StudyFilm(data, image.size)
    film = open_dataset(data, what)
    if film.file_meta.get("MediaStorageSOPClassUID") == _MEDIA_DIRECTORY:
        return None
    size = frame_size(film, what)
    num_frames = frame_count(film, what)
    with refusing(what):
        require_gray(film, what)
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
