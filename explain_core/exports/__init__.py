"""DICOM objects made of maps, for the archive that holds the film. highdicom is optional."""

from explain_core.exports.parametric_map import parametric_map
from explain_core.exports.patient import patient_details
from explain_core.exports.provenance import map_description
from explain_core.exports.secondary_capture import secondary_capture
from explain_core.exports.segmentation import segmentation

__all__ = [
    "map_description",
    "parametric_map",
    "patient_details",
    "secondary_capture",
    "segmentation",
]
