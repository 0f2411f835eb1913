"""Who the patient is: read only where a person has asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explain_core.images.dicom_files import open_dataset, refusing

_WHAT = "the film"
# What an archive files an object by.
FILED_BY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
)
_LABELS = {
    "PatientName": "Patient",
    "PatientID": "Patient ID",
    "PatientBirthDate": "Birth date",
    "PatientSex": "Sex",
    "StudyDate": "Study date",
    "AccessionNumber": "Accession number",
}
_DATE_DIGITS = 8


def patient_details(source: bytes) -> tuple[tuple[str, str], ...]:
    """Return what a film's header says of the patient, as (label, value), to be read by people.

    Name, ID, birth date, sex, study date and accession number, in this order; only those that
    have a value. Dates are written 1970-01-31, names family name first.

    Args:
        source: a DICOM file.

    Raises:
        ImageError: no DICOM file, or one with a damaged header; pydicom is not installed.
    """
    found = patient_elements(open_dataset(source, _WHAT))
    return tuple(
        (label, _legible(name, found[name])) for name, label in _LABELS.items() if name in found
    )


def patient_elements(film: Any) -> Mapping[str, str]:
    """Return the elements of `FILED_BY` that have one value, as text, by keyword.

    Args:
        film: a pydicom data set.

    Raises:
        ImageError: a damaged header.
    """
    found = {}
    with refusing(_WHAT):
        for keyword in FILED_BY:
            # What holds several values, against the standard, identifies nobody.
            value = film.get(keyword)
            text = "" if _is_list(value) else str(value if value is not None else "").strip()
            if text:
                found[keyword] = text
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or value.__class__.__name__ == "MultiValue"


def _legible(keyword: str, text: str) -> str:
    if keyword == "PatientName":
        # Of the three ways to write a name, the first is in letters.
        family, _, others = text.partition("=")[0].partition("^")
        given = " ".join(others.replace("^", " ").split())
        return ", ".join(part for part in (family.strip(), given) if part)
    if keyword.endswith("Date") and len(text) == _DATE_DIGITS and text.isdecimal():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text
