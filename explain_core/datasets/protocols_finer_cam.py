"""The experiments of Finer-CAM (Zhang et al., CVPR 2025).

They are read from its supplement, which refers to the tables of the main text.
"""

from __future__ import annotations

from explain_core.datasets.protocol import Against, Choice, Protocol, choices

_CLIP, _DINOV2 = "open_clip/ViT-B-16", "timm/vit_base_patch14_dinov2.lvd142m"
_GAMMA = 0.6
_NUM_SIMILAR = 3
_PROBE = (
    "A linear probe on the frozen encoder, fitted on the train part (python -m explain_core probe)."
)
_CLIP_WEIGHTS = "CLIP is OpenCLIP's ViT-B-16, trained on LAION-400M."
_SUPPLEMENT = "Layer, γ and the number of similar classes are the main text's, read at second hand."
_BASES = choices("grad-cam layer-cam score-cam")
_FINER = choices("finer-grad-cam finer-layer-cam finer-score-cam", gamma=_GAMMA)
_DROPS = (
    *choices("deletion"),
    *choices("relative-drop", share=0.05),
    *choices("relative-drop", share=0.1),
)
# Name of the set, its part, and whether it has boxes to localise by.
_FINE_GRAINED = {
    "birds525": ("valid", False),
    "cub": ("test", True),
    "stanford-cars": ("test", True),
    "fish-vista": ("classification_test", False),
    "fgvc-aircraft": ("test", True),
}
_TABLE_OF = {
    (_CLIP, "birds525"): "Table 1 of the main text",
    (_CLIP, "cub"): "Table 1 of the main text",
    (_CLIP, "stanford-cars"): "Table 1 of the main text",
    (_CLIP, "fish-vista"): "Table 4",
    (_CLIP, "fgvc-aircraft"): "Table 4",
    (_DINOV2, "birds525"): "Table 5",
    (_DINOV2, "cub"): "Table 5",
    (_DINOV2, "stanford-cars"): "Table 5",
    (_DINOV2, "fish-vista"): "Table 6",
    (_DINOV2, "fgvc-aircraft"): "Table 6",
}


def _fine_grained(encoder: str, dataset: str) -> Protocol:
    part, has_boxes = _FINE_GRAINED[dataset]
    short = "clip" if encoder == _CLIP else "dinov2"
    return Protocol(
        name=f"finer-cam-{short}-{dataset}",
        paper="finer-cam",
        table=_TABLE_OF[encoder, dataset],
        summary="Does comparing with similar classes find what only the target relies on?",
        dataset=dataset,
        part=part,
        models=(encoder,),
        methods=(*_BASES, *_FINER),
        metrics=(*_DROPS, *(choices("energy-inside") if has_boxes else ())),
        against="similar classes",
        num_references=_NUM_SIMILAR,
        notes=" ".join(
            (
                _PROBE,
                *((_CLIP_WEIGHTS,) if encoder == _CLIP else ()),
                *(
                    ("The paper takes 414 of the list's species.",)
                    if dataset == "fish-vista"
                    else ()
                ),
                _SUPPLEMENT,
            )
        ),
    )


def _shown(
    name: str, table: str, summary: str, methods: tuple[Choice, ...], against: Against, notes: str
) -> Protocol:
    return Protocol(
        name=f"finer-cam-{name}",
        paper="finer-cam",
        table=table,
        summary=summary,
        dataset="cub",
        part="test",
        models=(_DINOV2 if name in ("comparison", "extrapolation", "reverse") else _CLIP,),
        methods=methods,
        against=against,
        num_references=1,
        notes=f"Maps are shown, not scored. {notes}",
    )


FINER_CAM = (
    *(_fine_grained(encoder, dataset) for encoder, dataset in _TABLE_OF),
    Protocol(
        name="finer-cam-aggregation",
        paper="finer-cam",
        table="Table 7",
        summary="How should the comparisons with several similar classes become one map?",
        dataset="birds525",
        part="valid",
        models=(_CLIP,),
        methods=choices("finer-grad-cam", gamma=_GAMMA),
        metrics=(*choices("deletion"), *choices("relative-drop", share=0.05)),
        against="similar classes",
        num_references=_NUM_SIMILAR,
        sweeps=(
            (
                "aggregation",
                ("maximum before ReLU", "average before ReLU", "average after ReLU"),
            ),
        ),
        notes=f"The paper does not name the set: one of the five is taken here. {_PROBE}",
    ),
    Protocol(
        name="finer-cam-strength",
        paper="finer-cam",
        table="the main text's ablation of γ; C.4",
        summary="How strongly should the similar classes be subtracted?",
        dataset="birds525",
        part="valid",
        models=(_CLIP,),
        methods=choices("finer-grad-cam"),
        metrics=_DROPS,
        against="similar classes",
        num_references=_NUM_SIMILAR,
        sweeps=(("gamma", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0)),),
        notes="γ from 0 to 1 in the main text, whose steps are not at hand; 2 is the supplement's "
        f"extrapolation. The set is chosen here. {_PROBE}",
    ),
    Protocol(
        name="finer-cam-similarity",
        paper="finer-cam",
        table="Figure 1 (A.1), eq. 11 and 12",
        summary="How similar are a classifier's weights of one class and of the others?",
        dataset="cub",
        part="train",
        models=(_CLIP,),
        methods=(),
        against="similar classes",
        notes=f"A curve of the classifier alone: no maps. {_PROBE} {_CLIP_WEIGHTS} Three sets, "
        "named in the main text.",
    ),
    Protocol(
        name="finer-cam-accuracy",
        paper="finer-cam",
        table="Table 3",
        summary="How accurate are the linear probes?",
        dataset="cub",
        part="test",
        models=(_CLIP, _DINOV2),
        methods=(),
        notes=f"Accuracy alone: no maps. {_PROBE} Also on the other four sets.",
    ),
    _shown(
        "faithfulness",
        "A.2",
        "Does the classifier look at the attributes that tell two species apart?",
        choices("grad-cam finer-grad-cam"),
        "similar classes",
        "The classifier's map beside that of the texts of the three attributes in which the class "
        "and the most similar one differ most, against 'bird'.",
    ),
    _shown(
        "failures",
        "Figure 10 (C.1)",
        "What does the map show where the prediction is wrong?",
        choices("grad-cam finer-grad-cam"),
        "similar classes",
        "Pictures that the classifier gets wrong.",
    ),
    _shown(
        "texts",
        "Figure 11 (C.2)",
        "Does a text against a more general one find a part?",
        choices("grad-cam finer-grad-cam"),
        "a text",
        "Texts such as 'red epaulets' against 'bird', or parts of a car against 'car'. GEM, with "
        "which the paper compares, is not built here.",
    ),
    _shown(
        "comparison",
        "Figure 12 (C.3)",
        "How do the maps differ from those of other methods?",
        (*_BASES, *_FINER, *choices("rise mask")),
        "similar classes",
        "On all five sets.",
    ),
    _shown(
        "extrapolation",
        "Figure 13 (C.4)",
        "What does γ = 2 add?",
        (*choices("grad-cam finer-grad-cam"), *choices("finer-grad-cam", gamma=2.0)),
        "similar classes",
        "The encoder is not named.",
    ),
    _shown(
        "reverse",
        "Figure 13 (C.5)",
        "What in the picture speaks for the similar class?",
        (*choices("grad-cam finer-grad-cam"), *choices("finer-grad-cam", reverse=True)),
        "similar classes",
        "The encoder is not named.",
    ),
)
