"""What all exported objects share: references, the patient, how they are written."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from typing import Any

from explain_core.errors import InputError
from explain_core.exports.patient import FILED_BY
from explain_core.exports.provenance import MAKER, version
from explain_core.exports.source import Source
from explain_core.images.dicom_files import import_pydicom
from explain_core.images.silence import Silence

COMMAND = "pip install highdicom"
# Any text of ours and of the film's.
CHARACTERS = "ISO_IR 192"
SERIES_NUMBER = 9001

# Pretended to highdicom, see `skeleton`.
_PLAIN_CLASS = "1.2.840.10008.5.1.4.1.1.1"
# Their warnings may quote the header.
QUIET = Silence(r"pydicom\.|highdicom\.")


def import_highdicom() -> Any:
    """Return highdicom, or raise an `InputError` with the command that installs it."""
    import_pydicom()
    try:
        return importlib.import_module("highdicom")
    except ImportError as error:
        raise InputError(
            f"DICOM objects are written through highdicom, which is not installed; run: {COMMAND}"
        ) from error


def skeleton(source: Source) -> Any:
    """Return a data set with which highdicom lays an object on the film's grid.

    It says that it is a plain projection of one frame, whatever the film is: highdicom would
    otherwise demand a frame of reference of kinds of film that should have one and may not, and
    all frames of a film with several. `finish` sets the references right.
    """
    pydicom = import_pydicom()
    made = pydicom.Dataset()
    made.SOPClassUID = _PLAIN_CLASS
    made.SOPInstanceUID = source.instance_uid
    made.StudyInstanceUID = source.study_uid
    made.SeriesInstanceUID = source.series_uid or source.study_uid
    made.Rows, made.Columns = source.size
    made.Modality = "OT"
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(made, keyword, "")
    for keyword in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        setattr(made, keyword, "")
    if source.spacing_mm is not None:
        made.PixelSpacing = list(source.spacing_mm)
    if source.plane is not None:
        made.FrameOfReferenceUID = source.plane.reference
        made.ImagePositionPatient = list(source.plane.position)
        made.ImageOrientationPatient = list(source.plane.orientation)
        made.SliceThickness = None
    return made


def series_elements(series_description: str) -> dict[str, Any]:
    """Return the keyword arguments of highdicom's classes that concern series and equipment."""
    new_uid = import_pydicom().uid.generate_uid
    return {
        "series_instance_uid": new_uid(),
        "series_number": SERIES_NUMBER,
        "series_description": series_description,
        "sop_instance_uid": new_uid(),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": version(),
        "specific_character_set": CHARACTERS,
    }


def finish(
    made: Any, source: Source, *, derivation: str, is_without_identity: bool | None
) -> bytes:
    """Set references, patient and derivation of an object, and return it as a file.

    Args:
        made: a highdicom object.
        is_without_identity: whether neither elements nor pixels tell who the patient is, if the
            patient was not asked for; None where nobody can know.
    """
    pydicom = import_pydicom()
    made.SourceImageSequence = [_reference(source, with_frame=True)]
    if source.series_uid is None:
        made.pop("ReferencedSeriesSequence", None)
    else:
        series = pydicom.Dataset()
        series.SeriesInstanceUID = source.series_uid
        series.ReferencedInstanceSequence = [_reference(source, with_frame=False)]
        made.ReferencedSeriesSequence = [series]
    for item in _derivation_sources(made):
        for element in _reference(source, with_frame=True):
            item[element.tag] = element
    made.DerivationDescription = derivation
    if source.is_lossy:
        made.LossyImageCompression = "01"
        if source.lossy is not None:
            made.LossyImageCompressionMethod, ratio = source.lossy
            made.LossyImageCompressionRatio = f"{ratio:.6g}"
    _identify(made, source, is_without_identity)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def _reference(source: Source, *, with_frame: bool) -> Any:
    made = import_pydicom().Dataset()
    made.ReferencedSOPClassUID = source.class_uid
    made.ReferencedSOPInstanceUID = source.instance_uid
    if with_frame and source.num_frames > 1:
        made.ReferencedFrameNumber = source.frame + 1
    return made


def _derivation_sources(made: Any) -> Iterator[Any]:
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in made.get(groups) or ():
            for derived in group.get("DerivationImageSequence") or ():
                yield from derived.get("SourceImageSequence") or ()


def _identify(made: Any, source: Source, is_without_identity: bool | None) -> None:
    pydicom = import_pydicom()
    for keyword in FILED_BY:
        if keyword in source.patient:
            tag = pydicom.datadict.tag_for_keyword(keyword)
            # As the film has it, even where that breaks a rule: it is how the archive files it.
            made[tag] = pydicom.DataElement(
                tag,
                pydicom.datadict.dictionary_VR(tag),
                source.patient[keyword],
                validation_mode=pydicom.config.IGNORE,
            )
    if source.patient or is_without_identity is False:
        made.PatientIdentityRemoved = "NO"
    elif is_without_identity:
        made.PatientIdentityRemoved = "YES"
        made.DeidentificationMethod = "No patient data taken over; references keep UIDs"
