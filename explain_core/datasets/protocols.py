"""`PROTOCOLS`: every experiment of the three papers that this package was built on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explain_core.datasets.protocol import Protocol
from explain_core.datasets.protocols_diffcam import DIFFCAM
from explain_core.datasets.protocols_finer_cam import FINER_CAM
from explain_core.datasets.protocols_guided_absolute_grad import GUIDED_ABSOLUTE_GRAD
from explain_core.errors import InputError

PAPERS: Mapping[str, str] = MappingProxyType(
    {
        "diffcam": "Li et al., DiffCAM, CVPR 2025",
        "finer-cam": "Zhang et al., Finer-CAM, CVPR 2025",
        "guided-absolute-grad": "Huang & Liu, Guided AbsoluteGrad, 2024",
    }
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {protocol.name: protocol for protocol in (*DIFFCAM, *FINER_CAM, *GUIDED_ABSOLUTE_GRAD)}
)


def protocol_named(name: str) -> Protocol:
    """Return a protocol of `PROTOCOLS`.

    Raises:
        InputError: there is none of this name.
    """
    if name not in PROTOCOLS:
        raise InputError(f"there is no protocol '{name}'; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
