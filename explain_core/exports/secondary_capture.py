"""A picture of film and map as a DICOM Secondary Capture (PS3.3 A.8.1)."""

from __future__ import annotations

import numpy as np

from explain_core.errors import InputError
from explain_core.exports.provenance import MAKER, derivation, one_line
from explain_core.exports.source import read_source
from explain_core.exports.writing import QUIET, finish, import_highdicom, series_elements
from explain_core.types import Array


def secondary_capture(
    source: bytes,
    pixels: Array,
    *,
    description: str,
    with_patient: bool = False,
    frame: int = 0,
) -> bytes:
    """Return a picture as a Secondary Capture that refers to the film.

    It is said to be free of burned-in annotation, or to have it, only as the film says so of
    itself; where the film says nothing, neither does the picture, and `PatientIdentityRemoved`
    is left out too. Pixel spacing is stated where it holds in the patient and the picture has
    the film's own size.

    Args:
        source: the DICOM file that the picture was made of.
        pixels: (h, w, 3) uint8, RGB.
        description: method, model, fingerprint, parameters, see `map_description`; at most about
            950 characters are kept.
        with_patient: whether name, ID, birth date, sex, accession number and study date are
            copied from the film; without, the patient module is empty.
        frame: of the film, counted from 0.

    Raises:
        ImageError: no DICOM film, a damaged one, or one that nothing can refer to.
        InputError: no such frame, no such picture; highdicom is not installed.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise InputError(
            f"a secondary capture takes (h, w, 3) uint8 pixels (got {pixels.shape} "
            f"{pixels.dtype}); scale the picture to 0..255"
        )
    highdicom = import_highdicom()
    film = read_source(source, frame, with_patient=with_patient)
    is_same_grid = pixels.shape[:2] == film.size
    with QUIET:
        made = highdicom.sc.SCImage(
            pixel_array=np.ascontiguousarray(pixels),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            # highdicom wants one. The film itself says how the patient stood.
            patient_orientation=("L", "F"),
            study_instance_uid=film.study_uid,
            pixel_spacing=film.spacing_mm if is_same_grid else None,
            **series_elements(f"{MAKER} secondary capture"),
        )
        made.PatientOrientation = ""
        # It was made on a workstation, not of a digital film.
        made.ConversionType = "WSD"
        made.ImageComments = one_line("Saliency over a film. Research use.")
        if film.is_annotated is not None:
            made.BurnedInAnnotation = "YES" if film.is_annotated else "NO"
        return finish(
            made,
            film,
            derivation=derivation(description),
            is_without_identity=None if film.is_annotated is None else not film.is_annotated,
        )
