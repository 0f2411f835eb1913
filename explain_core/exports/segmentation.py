"""The strongest part of a map as a binary DICOM Segmentation (PS3.3 A.51)."""

from __future__ import annotations

import numpy as np

from explain_core.errors import InputError
from explain_core.exports.provenance import (
    MAKER,
    derivation,
    map_description,
    method_name,
    one_line,
    parameters_text,
    version,
)
from explain_core.exports.source import read_source, require_same_size
from explain_core.exports.writing import (
    QUIET,
    finish,
    import_highdicom,
    series_elements,
    skeleton,
)
from explain_core.maps import relu
from explain_core.types import SaliencyMap


def segmentation(
    source: bytes,
    smap: SaliencyMap,
    *,
    share: float,
    label: str,
    with_patient: bool = False,
    frame: int = 0,
) -> bytes:
    """Return the pixels of at least a share of a map's maximum as a binary Segmentation.

    The mask is that of `iou_at_fraction`: positive evidence on the original, 0 where the model
    never looked. It has one segment, coded as saliency and not as anatomy or disease. Pixels and
    geometry are as in `parametric_map`.

    Args:
        source: the DICOM file that the map was made of.
        share: of the map's maximum on the film, 0 < share <= 1.
        label: of the segment, such as "Effusion: DiffCAM".
        with_patient: as in `secondary_capture`.
        frame: of the film, counted from 0.

    Raises:
        ImageError: no DICOM film, a damaged one, or one that nothing can refer to.
        InputError: a map of a picture of another size or without positive evidence, such a
            share, no such frame; highdicom is not installed.
    """
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1 (got {share:g}); try 0.5")
    highdicom = import_highdicom()
    film = read_source(source, frame, with_patient=with_patient)
    require_same_size(film, smap.geometry.original_size)
    evidence = relu(np.nan_to_num(smap.on_original(), copy=False))
    most = float(evidence.max())
    if most == 0:
        raise InputError(
            "the map has no positive evidence on the film, so there is nothing to outline; choose "
            "another map"
        )
    mask = evidence >= share * evidence.max()
    threshold = f"Threshold: {share:g} of the maximum, {share * most:g} of {most:g}."
    codes = highdicom.sr.CodedConcept
    saliency = codes("130404", "DCM", "Saliency")
    with QUIET:
        made = highdicom.seg.Segmentation(
            source_images=[skeleton(film)],
            pixel_array=mask,
            segmentation_type="BINARY",
            segment_descriptions=[
                highdicom.seg.SegmentDescription(
                    segment_number=1,
                    segment_label=one_line(label) or "Saliency",
                    segmented_property_category=codes(
                        "309825002", "SCT", "Spatial and Relational Concept"
                    ),
                    segmented_property_type=saliency,
                    algorithm_type="AUTOMATIC",
                    algorithm_identification=highdicom.AlgorithmIdentificationSequence(
                        name=method_name(smap),
                        family=codes("123110", "DCM", "Artificial Intelligence"),
                        version=version(),
                        source=MAKER,
                        parameters={"threshold share": f"{share:g}"},
                    ),
                )
            ],
            device_serial_number=one_line(smap.provenance.fingerprint) or "unknown",
            content_label="SALIENCY",
            content_description=one_line(f"{method_name(smap)}, from {share:g} of the maximum"),
            **series_elements(one_line(f"{method_name(smap)} outline")),
        )
        (segment,) = made.SegmentSequence
        segment.SegmentDescription = threshold
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        algorithm.AlgorithmParameters = one_line(
            ", ".join(filter(None, (parameters_text(smap), threshold))), 1024
        )
        # A mask shows no film; highdicom leaves this unsaid.
        made.BurnedInAnnotation = "NO"
        return finish(
            made,
            film,
            derivation=derivation(map_description(smap), threshold),
            is_without_identity=True,
        )
