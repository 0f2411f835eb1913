"""`METHODS`: every method by name, family by family."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explain_core.methods.cam import CAM_FAMILY
from explain_core.methods.controls import CONTROLS
from explain_core.methods.diffcam import DIFFCAM_FAMILY
from explain_core.methods.finer_cam import FINER_FAMILY
from explain_core.methods.fused_cam import FUSED_FAMILY
from explain_core.methods.gradients import GRADIENT_FAMILY
from explain_core.methods.method import Method
from explain_core.methods.perturbation import PERTURBATION_FAMILY

_FAMILIES = (
    CAM_FAMILY,
    FUSED_FAMILY,
    FINER_FAMILY,
    DIFFCAM_FAMILY,
    GRADIENT_FAMILY,
    PERTURBATION_FAMILY,
    CONTROLS,
)

METHODS: Mapping[str, Method] = MappingProxyType(
    {method.name: method for family in _FAMILIES for method in family}
)
