"""Contrastive saliency maps: why this class, why not that one, how is this image unlike those.

import explain_core as xc

model = xc.load_model("digits")
image = xc.read_image("three.png")
basis = xc.prepare(model, image, method="finer-grad-cam", target=3, references=[8])
smap = xc.render(basis, gamma=0.6)
smap.on_original()
"""

from explain_core import metrics
from explain_core.errors import (
    BankError,
    ExplainError,
    ImageError,
    InputError,
    ModelError,
    NumericsError,
)
from explain_core.images.reading import read_image
from explain_core.methods.explaining import (
    explain,
    prepare,
    prepare_grid,
    prepare_many,
    render,
)
from explain_core.methods.table import METHODS
from explain_core.metrics.table import METRICS
from explain_core.models.loading import available_models, load_model
from explain_core.models.model import Model, wrap_model
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.probes import LinearProbe, read_probe, save_probe, with_probe
from explain_core.models.text_classes import with_texts
from explain_core.references.bank import open_bank
from explain_core.references.banks import reference_set
from explain_core.references.probing import fit_probe
from explain_core.references.sets import make_reference_set
from explain_core.references.similar import similar_classes
from explain_core.types import Contrast, Geometry, Image, ReferenceSet, SaliencyMap

__version__ = "0.1.0"

__all__ = [
    "METHODS",
    "METRICS",
    "BankError",
    "Contrast",
    "ExplainError",
    "Geometry",
    "Image",
    "ImageError",
    "InputError",
    "LinearProbe",
    "Model",
    "ModelError",
    "NumericsError",
    "Preprocessing",
    "ReferenceSet",
    "SaliencyMap",
    "available_models",
    "explain",
    "fit_probe",
    "load_model",
    "make_reference_set",
    "metrics",
    "open_bank",
    "prepare",
    "prepare_grid",
    "prepare_many",
    "read_image",
    "read_probe",
    "reference_set",
    "render",
    "save_probe",
    "similar_classes",
    "with_probe",
    "with_texts",
    "wrap_model",
]
