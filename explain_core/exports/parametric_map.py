"""A map's values as a DICOM Parametric Map (PS3.3 A.75), on the film's own pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from explain_core.exports.provenance import derivation, map_description, method_name, one_line
from explain_core.exports.source import Plane, read_source, require_same_size
from explain_core.exports.writing import (
    QUIET,
    finish,
    import_highdicom,
    series_elements,
    skeleton,
)
from explain_core.types import SaliencyMap

# FrameLabel and FrameContentSequence.
_LABEL_TAG, _CONTENT_TAG = 0x00209453, 0x00209111
_UNSEEN = "0 where the model did not look."


def parametric_map(
    source: bytes,
    smap: SaliencyMap,
    *,
    description: str,
    with_patient: bool = False,
    frame: int = 0,
) -> bytes:
    """Return a map as a Parametric Map of float32 values: relative influence, without a unit.

    Values are those of `SaliencyMap.on_original`, neither cut off nor normalised; where the model
    never looked they are 0, and the description says so. A section (CT, MR) keeps its place in
    the patient; a projection has none, and the map lies on it pixel by pixel because it refers
    to it. Pixel measures are given only where spacing holds in the patient.

    Departure: PS3.3 wants pixel measures and a plane's position in every parametric map. What a
    radiograph lacks is left out, as highdicom does, rather than made up.

    Args:
        source: the DICOM file that the map was made of.
        description: what was asked, in words; method, model, fingerprint and parameters are
            added.
        with_patient: as in `secondary_capture`.
        frame: of the film, counted from 0.

    Raises:
        ImageError: no DICOM film, a damaged one, or one that nothing can refer to.
        InputError: a map of a picture of another size, no such frame; highdicom is not installed.
    """
    highdicom = import_highdicom()
    film = read_source(source, frame, with_patient=with_patient)
    require_same_size(film, smap.geometry.original_size)
    values = np.nan_to_num(smap.on_original(), copy=False)
    low, high = float(values.min()), float(values.max())
    bound = max(abs(low), abs(high)) or 1.0
    codes = highdicom.sr.CodedConcept
    grid = film
    if film.plane is None:
        # highdicom 0.28 cannot finish a parametric map without a place in the patient; this one
        # is taken out again.
        somewhere = Plane("2.25.1", (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
        grid = replace(film, plane=somewhere, spacing_mm=film.spacing_mm or (1.0, 1.0))
    with QUIET:
        made = highdicom.pm.ParametricMap(
            source_images=[skeleton(grid)],
            pixel_array=values,
            device_serial_number=one_line(smap.provenance.fingerprint) or "unknown",
            contains_recognizable_visual_features=False,
            content_label="SALIENCY",
            content_description=one_line(f"{method_name(smap)}, relative influence"),
            real_world_value_mappings=[
                highdicom.pm.RealWorldValueMapping(
                    lut_label="INFLUENCE",
                    lut_explanation="relative influence, no units",
                    unit=codes("1", "UCUM", "no units"),
                    value_range=(low, high),
                    slope=1.0,
                    intercept=0.0,
                    quantity_definition=codes("130404", "DCM", "Saliency"),
                )
            ],
            voi_lut_transformations=[
                highdicom.VOILUTTransformation(
                    window_center=0.0 if smap.is_signed else bound / 2,
                    window_width=2 * bound if smap.is_signed else bound,
                    voi_lut_function="LINEAR_EXACT",
                )
            ],
            **series_elements(one_line(f"{method_name(smap)} map")),
        )
        if film.plane is None:
            _take_out_of_the_patient(made, keeps_measures=film.spacing_mm is not None)
        return finish(
            made,
            film,
            derivation=derivation(map_description(smap), _UNSEEN, description),
            is_without_identity=True,
        )


def _take_out_of_the_patient(made: Any, *, keeps_measures: bool) -> None:
    """Take what places a map in the patient away; its one frame is told apart by a label."""
    del made.FrameOfReferenceUID, made.PositionReferenceIndicator
    (shared,), (own,) = made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence
    for group in (shared, own):
        group.pop("PlaneOrientationSequence", None)
        group.pop("PlanePositionSequence", None)
    if not keeps_measures:
        del shared.PixelMeasuresSequence
    (content,) = own.FrameContentSequence
    content.FrameLabel, content.DimensionIndexValues = "Map", [1]
    (index,) = made.DimensionIndexSequence
    index.DimensionIndexPointer, index.FunctionalGroupPointer = _LABEL_TAG, _CONTENT_TAG
    index.DimensionDescriptionLabel = "Frame label"
