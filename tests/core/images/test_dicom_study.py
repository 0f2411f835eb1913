"""The films of a zipped study."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from explain_core.errors import ImageError
from explain_core.images import dicom_study
from explain_core.images.dicom_study import read_study, without_film
from tests.core.images.dicom_making import PATIENT, encode, film
from tests.core.images.encoding import encode as encode_picture


def one(value: int, **elements: Any) -> bytes:
    return encode(film(np.full((3, 4), value, np.uint16), bits=12, **elements))


def packed(*contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for place, content in enumerate(contents):
            archive.writestr(f"{PATIENT}/IM{place:03}", content)
    return file.getvalue()


def values(content: bytes) -> list[int]:
    return [int(entry.read().image.pixels[0, 0]) for entry in read_study([content]).films]


def test_films_come_by_date_then_series_then_number() -> None:
    later, earlier = {"StudyDate": "20210101"}, {"StudyDate": "20200101"}
    content = packed(
        one(5, **later, SeriesNumber=1, InstanceNumber=1),
        one(4, **earlier, SeriesNumber=2),
        one(3, **earlier, SeriesNumber=2, InstanceNumber=10),
        one(2, **earlier, SeriesNumber=2, InstanceNumber=9),
        one(1, **earlier, SeriesNumber=1, InstanceNumber=99),
    )
    assert values(content) == [1, 2, 3, 4, 5]


def test_headers_tell_the_films_apart() -> None:
    frames = encode(film(np.stack([np.full((3, 4), v, np.uint16) for v in (7, 8)]), bits=12))
    study = read_study(
        [packed(frames, one(1, ViewPosition="PA", Laterality="L", StudyDate="20200101"))]
    )
    first, second = study.films
    assert (first.num_frames, first.size, first.view, first.laterality) == (2, (3, 4), "", "")
    assert (second.view, second.laterality) == ("PA", "L")
    assert first.read(frame=1).image.pixels[0, 0] == 8


def test_pictures_stand_behind_films() -> None:
    picture = encode_picture(np.full((3, 4), 9, np.uint8), "PNG")
    content = packed(picture, one(1))
    assert values(content) == [1, 9]
    assert read_study([content]).films[1].read().windows[0].width == 255


def test_what_is_no_film_is_refused_without_its_name() -> None:
    report = film(np.zeros((3, 4), np.uint16))
    del report.Rows, report.PixelData
    study = read_study([packed(one(1), b"hello", encode(report))])
    assert len(study.films) == 1
    assert [len(study.refused), any("without a picture" in r for r in study.refused)] == [2, True]
    assert PATIENT not in " ".join(study.refused)


def test_a_table_of_contents_is_left_out_silently() -> None:
    listing = film(np.zeros((3, 4), np.uint16))
    listing.SOPClassUID = "1.2.840.10008.1.3.10"
    study = read_study([packed(encode(listing), one(1))])
    assert (len(study.films), study.refused) == (1, ())


def test_an_archive_without_films_says_why() -> None:
    with pytest.raises(ImageError, match="no film that can be read: the file is not a picture"):
        read_study([packed(b"hello", b"hello")])


def test_loose_films_and_archives_make_one_study() -> None:
    later, earlier = {"StudyDate": "20210101"}, {"StudyDate": "20200101"}
    broken = packed(one(9))[:-30]
    study = read_study([one(3, **later), packed(one(2, **earlier)), b"hello", broken])
    assert [int(each.read().image.pixels[0, 0]) for each in study.films] == [2, 3]
    assert len(study.refused) == 2


def test_too_many_films_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_study, "MAX_FILMS", 2)
    assert len(read_study([packed(one(1), one(2))]).films) == 2
    with pytest.raises(ImageError, match="more than 2 films"):
        read_study([packed(one(1), one(2), one(3))])
    monkeypatch.setattr(dicom_study, "MAX_STUDY_BYTES", 100)
    with pytest.raises(ImageError, match="choose fewer"):
        read_study([packed(one(1))])


def test_days_between_films_are_told_and_no_dates() -> None:
    dates = ({"StudyDate": "20200131"}, {}, {"StudyDate": "20200301"}, {"StudyDate": ""})
    study = read_study([one(value, **elements) for value, elements in enumerate(dates)])
    days = {int(each.read().image.pixels[0, 0]): each.days_before_last for each in study.films}
    assert days == {0: 30, 1: None, 2: 0, 3: None}


def test_a_film_that_turns_out_unreadable_is_taken_out_with_its_reason() -> None:
    study = read_study([one(1), one(2)])
    left = without_film(study, study.films[0], "damaged")
    assert (left.films, left.refused) == (study.films[1:], ("damaged",))


@pytest.mark.parametrize(("given", "read"), [("DX", "DX"), ("", "")])
def test_the_modality_is_told_where_the_file_has_one(given: str, read: str) -> None:
    assert read_study([one(1, Modality=given)]).films[0].read().modality == read
