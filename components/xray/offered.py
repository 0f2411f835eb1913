"""Which models read films: the bundled ones for phantoms, and what the operator listed."""

from __future__ import annotations

FIRST_MODEL = "films"
PHANTOM_MODELS = ("films", "films-confounded")

# Modalities (PS3.3 C.7.3.1.1.1) of projection radiographs, and of what is made of them.
RADIOGRAPHS = frozenset({"CR", "DX", "RG", "RF", "XA", "PX", "IO", "MG", "SC", "OT"})

_OTHERS = ("digits", "birds", "birds-confounded")
# Published for photographs; a hospital's own model has a name of its own in models.toml.
_PUBLISHED = ("torchvision/", "timm/", "hf/", "open_clip/")


def is_offered(name: str) -> bool:
    """Return whether a model may have learnt films."""
    return name in PHANTOM_MODELS or not (name in _OTHERS or name.startswith(_PUBLISHED))
