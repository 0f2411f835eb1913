"""The experiments of Guided AbsoluteGrad (Huang & Liu, 2024)."""

from __future__ import annotations

from explain_core.datasets.protocol import Choice, Protocol, Selection, choices
from explain_core.types import ParameterValue

_NUM_SAMPLES = 20
_CONFIDENT = Selection(min_probability=0.9)
_CURVES = (*choices("rcap", lower_bound=50.0, interval=10.0), *choices("deletion insertion"))
_PATH_METHODS = "integrated-gradients guided-ig blur-ig"
# Set: its part, the network, its input, how many pictures passed, metrics with masks, and a note.
_CASES = {
    "imagenet-s": ("validation", "torchvision/resnet50", 256, 3976, True, ""),
    "isic": (
        "",
        "timm/efficientnet_b0",
        448,
        3000,
        False,
        "The network must be trained on ISIC (models.toml); the paper takes a published one and "
        "does not name its size. The sets of 2018 to 2020 are put together.",
    ),
    "places365": (
        "val",
        "torchvision/densenet161",
        224,
        5432,
        False,
        "The network must have Places365's own weights (models.toml).",
    ),
}


def _case(
    name: str,
    dataset: str,
    table: str,
    summary: str,
    methods: tuple[Choice, ...],
    *,
    sweeps: tuple[tuple[str, tuple[ParameterValue, ...]], ...] = (),
    reversed: tuple[str, ...] = (),
    notes: str = "",
) -> Protocol:
    part, model, input_px, num_scored, has_masks, note = _CASES[dataset]
    return Protocol(
        name=f"guided-absolute-grad-{name}-{dataset}",
        paper="guided-absolute-grad",
        table=table,
        summary=summary,
        dataset=dataset,
        part=part,
        models=(model,),
        methods=methods,
        metrics=(*(choices("log-cosh-dice mae") if has_masks else ()), *_CURVES),
        selection=_CONFIDENT,
        num_scored=num_scored,
        input_px=input_px,
        sweeps=sweeps,
        reversed=reversed,
        notes=" ".join(filter(None, (notes, note))),
    )


_GUIDED = choices("guided-absolute-grad", p=85.0, num_samples=_NUM_SAMPLES)
_CASE_PROTOCOLS = tuple(
    protocol
    for dataset in _CASES
    for protocol in (
        _case(
            "percentile",
            dataset,
            "Table 1",
            "What does the variance guide's threshold p change?",
            choices("guided-absolute-grad", num_samples=_NUM_SAMPLES),
            sweeps=(("p", (0.0, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 75.0, 85.0)),),
        ),
        _case(
            "comparison",
            dataset,
            "Table 2",
            "Is the map clearer than those of other gradient methods, and do reversed maps fall?",
            (
                *choices("grad-cam"),
                *_GUIDED,
                *choices("var-grad smooth-grad", num_samples=_NUM_SAMPLES),
                *choices(_PATH_METHODS, num_steps=_NUM_SAMPLES),
                *choices("guided-backprop vanilla-gradient"),
            ),
            reversed=("smooth-grad", "guided-backprop", *_PATH_METHODS.split()),
            notes="Part 3 scores reversed maps; which l and m it takes is not said.",
        ),
        _case(
            "processing",
            dataset,
            "Table 3",
            "What do the signs, the sizes and the variance guide of gradients change?",
            (
                *choices("smooth-grad guided-backprop", num_samples=_NUM_SAMPLES, p=85.0),
                *choices(_PATH_METHODS, num_steps=_NUM_SAMPLES, p=85.0),
            ),
            sweeps=(("processing", ("plain", "+", "-", "A", "G", "GA")),),
            notes="The paper divides each variant's score by that of 'plain' and averages over the "
            "methods.",
        ),
    )
)
_PROPOSITIONS = Protocol(
    name="guided-absolute-grad-propositions",
    paper="guided-absolute-grad",
    table="Figure 4",
    summary="Does RCAP order four Gaussian maps by place and noise?",
    dataset="",
    part="",
    models=(),
    methods=(),
    metrics=choices("rcap", lower_bound=60.0, interval=20.0) + choices("deletion insertion"),
    notes="Made-up maps against a centred object of 20 % of the picture: a test, not an "
    "evaluation.",
)

GUIDED_ABSOLUTE_GRAD = (*_CASE_PROTOCOLS, _PROPOSITIONS)
