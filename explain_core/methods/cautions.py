"""What a person should know before trusting a map, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explain_core.methods.settings import LAM
from explain_core.methods.table import METHODS
from explain_core.models.model import Model
from explain_core.references.earlier import spread_of_earlier
from explain_core.references.similar import weight_cosines
from explain_core.types import (
    Array,
    Basis,
    Contrast,
    GuidedBasis,
    Image,
    LayerBasis,
    LinearBasis,
    ParameterValue,
    ScoreBasis,
    SpectralBasis,
    StaticBasis,
)

WEAK_PROBABILITY = 0.5
MOSTLY_REST = 0.5
MOSTLY_SEEN = 0.5
MIN_CLASSES_TO_JUDGE = 4


@dataclass(frozen=True)
class Caution:
    """Say what may mislead.

    Attributes:
        code: stable, for tests and links.
        text: one or two sentences for the reader of the map.
    """

    code: str
    text: str


def question_cautions(model: Model, logits: Array, contrast: Contrast) -> tuple[Caution, ...]:
    """Return what is doubtful about the question itself.

    Args:
        logits: (num_classes,) of the picture.
        contrast: target and reference classes.
    """
    if contrast.target is None:
        return ()
    found = []
    probabilities = model.probabilities(logits)
    predicted = int(np.argmax(probabilities))
    if model.is_multi_label:
        if not model.finds(probabilities)[contrast.target]:
            found.append(
                Caution(
                    "target-not-predicted",
                    f"The model does not find “{model.classes[contrast.target]}”: the maps show "
                    "what little speaks for it.",
                )
            )
    elif contrast.target != predicted:
        found.append(
            Caution(
                "target-not-predicted",
                f"The model predicts “{model.classes[predicted]}”, not "
                f"“{model.classes[contrast.target]}”: the maps show what little speaks for a "
                "class that did not win.",
            )
        )
    elif probabilities[predicted] < WEAK_PROBABILITY:
        found.append(
            Caution(
                "weak-prediction",
                f"The model is unsure ({100 * probabilities[predicted]:.1f} %): maps of weak "
                "predictions are weak evidence.",
            )
        )
    unlike = [model.classes[index] for index in _unlike_references(model, contrast)]
    if unlike:
        names = ", ".join(f"“{name}”" for name in unlike)
        found.append(
            Caution(
                "references-not-similar",
                f"{names}: not similar to “{model.classes[contrast.target]}” for this model. "
                "Finer-CAM then falls back to about its base method.",
            )
        )
    return tuple(found)


def picture_cautions(model: Model, image: Image) -> tuple[Caution, ...]:
    """Return what is doubtful about the picture: the network may never see most of it."""
    top, left, bottom, right = model.geometry(image).seen_box()
    height, width = image.size
    share = (bottom - top) * (right - left) / (height * width)
    if share >= MOSTLY_SEEN:
        return ()
    return (
        Caution(
            "mostly-unseen",
            f"The network looks at {100 * share:.0f} % of this picture only, its middle. Cut the "
            "picture to what you ask about.",
        ),
    )


def basis_cautions(
    basis: Basis, parameters: Mapping[str, ParameterValue], instead: str | None = None
) -> tuple[Caution, ...]:
    """Return what is doubtful about one method's basis at these slider values.

    Args:
        parameters: of the render phase, complete.
        instead: a layer that the scores depend on, to name where this one tells nothing.
    """
    layer = basis.provenance.layer
    method = METHODS[basis.provenance.method]
    if _is_silent(basis) and method.is_control:
        return (Caution("empty-control", f"{method.title}: empty, for the picture has no edges."),)
    if _is_silent(basis) and method.name == "mask":
        is_blur = basis.provenance.parameter("perturbation") == "blur"
        here, other = ("blurred", "black") if is_blur else ("black", "blurred")
        return (
            Caution(
                "nothing-deleted",
                f"Mask: deleted parts become {here}, and letting any part become so costs more "
                "than it takes from the target's probability: the map is empty. Let deleted parts "
                f"be {other}, or lower the prices.",
            ),
        )
    if _is_silent(basis) and layer == "input":
        return (
            Caution(
                "dead-gradient",
                "The target's score does not change with this picture's pixels, so the map is "
                "empty. Ask about another class.",
            ),
        )
    if _is_silent(basis):
        other = f"“{instead}”" if instead is not None and instead != layer else "an earlier layer"
        return (
            Caution(
                "dead-gradient",
                f"The target's score does not depend on “{layer}” for this picture, so the map "
                f"tells nothing of it. Choose {other}.",
            ),
        )
    if isinstance(basis, SpectralBasis):
        return _spectral_cautions(basis, float(parameters["lam"]))
    return ()


def _spectral_cautions(basis: SpectralBasis, lam: float) -> tuple[Caution, ...]:
    found = []
    spread = spread_of_earlier(basis.provenance.contrast.reference_set)
    if spread is not None:
        found.append(
            Caution(
                "earlier-film",
                "DiffCAM: what sets this film apart from the earlier one. One film does not tell "
                "what varies from film to film, so the difference is whitened by the variation "
                f"among the {basis.num_references:,} pictures of “{spread}”: what differs among "
                "them, too, counts for less. Another position or exposure can look like a change.",
            )
        )
    share = _share_of_rest(basis, lam) if basis.num_references <= basis.num_features else 0.0
    if share > MOSTLY_REST:
        is_one = basis.num_references == 1
        compared = "their mean" if spread is None else "the earlier film"
        found.append(
            Caution(
                "few-references",
                f"{basis.num_references:,} reference picture{'' if is_one else 's'} for "
                f"{basis.num_features:,} features: {100 * share:.0f} % of DiffCAM's map lies "
                f"where {'it does' if is_one else 'they do'} not tell what varies, and is the "
                f"plain difference from {compared} there. Read its broad shape only; "
                f"{_what_helps(basis)}.",
            )
        )
    return tuple(found)


def _what_helps(basis: SpectralBasis) -> str:
    does_lam = _share_of_rest(basis, LAM.max) <= MOSTLY_REST
    return "more references, or a larger λ, help" if does_lam else "more references help"


def _share_of_rest(basis: SpectralBasis, lam: float) -> float:
    """Return the share in [0, 1] of the map's size that comes from where no reference varies."""
    lam_absolute = lam * basis.lam_unit
    weights = basis.coefficients / (basis.eigenvalues + lam_absolute)
    spanned = np.linalg.norm(np.tensordot(weights, basis.projections, axes=1))
    rest = np.linalg.norm(basis.rest / lam_absolute)
    return float(rest / (rest + spanned)) if rest > 0 else 0.0


def _is_silent(basis: Basis) -> bool:
    """Return whether nothing in the basis speaks of the target at all."""
    if isinstance(basis, LinearBasis):
        return not basis.maps[0].any()
    if isinstance(basis, LayerBasis):
        return not basis.target_gradient.any()
    if isinstance(basis, GuidedBasis):
        return not basis.mean_absolute.any()
    if isinstance(basis, ScoreBasis):
        return bool((basis.scores[0] == basis.baselines[0]).all())
    return isinstance(basis, StaticBasis) and not basis.map.any()


def _unlike_references(model: Model, contrast: Contrast) -> list[int]:
    """Return the references that are less similar than the middle of all other classes.

    By the classifier's weights, and only where these tell: a head of few classes may set all of
    them apart, and then the look-alikes farthest.
    """
    assert contrast.target is not None
    cosines = weight_cosines(model, contrast.target)
    if cosines is None or model.num_classes < MIN_CLASSES_TO_JUDGE:
        return []
    others = np.delete(cosines, contrast.target)
    if others.max() <= 0:
        return []
    middle = np.median(others)
    return [index for index in contrast.references if cosines[index] < middle]
