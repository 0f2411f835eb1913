"""`METRICS`: every metric by name, with what it measures, what it needs and its paper."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from explain_core.metrics.deletion import NUM_STEPS, SIGMA_PX, plan_deletion, plan_insertion
from explain_core.metrics.localisation import (
    FRACTION,
    TOLERANCE_PX,
    auprc,
    energy_inside,
    iou_at_fraction,
    iou_best_threshold,
    iou_otsu,
    log_cosh_dice,
    mean_absolute_error,
    pointing_game,
)
from explain_core.metrics.metric import Metric
from explain_core.metrics.parts import AREA, part_f1, part_precision, part_recall
from explain_core.metrics.rcap import INTERVAL, LOWER_BOUND, plan_rcap
from explain_core.metrics.relative_drop import SHARE, plan_relative_drop
from explain_core.metrics.road import NOISE, SEED, plan_road

_ROAD = "Rong et al., A Consistent and Efficient Evaluation Strategy, ICML 2022"
_RISE = "Petsiuk et al., RISE, BMVC 2018"
_SCOUT = "Wang & Vasconcelos, SCOUT, CVPR 2020"

_ALL = (
    Metric(
        name="rcap",
        title="RCAP",
        is_higher_better=True,
        summary="How well the most salient pixels alone bring the prediction back, weighted by "
        "their share of the map.",
        paper="Huang & Liu, Guided AbsoluteGrad, 2024",
        needs="score",
        measure=plan_rcap,
        parameters=(LOWER_BOUND, INTERVAL),
        shares="pixels recovered",
        values="share of the map × probability",
    ),
    Metric(
        name="deletion",
        title="Deletion AUC",
        is_higher_better=False,
        summary="How much probability stays while the most salient pixels turn black.",
        paper=_RISE,
        needs="score",
        measure=plan_deletion,
        parameters=(NUM_STEPS,),
        shares="pixels removed",
        values="probability",
    ),
    Metric(
        name="insertion",
        title="Insertion AUC",
        is_higher_better=True,
        summary="How much probability the most salient pixels bring back to the blurred picture.",
        paper=_RISE,
        needs="score",
        measure=plan_insertion,
        parameters=(NUM_STEPS, SIGMA_PX),
        shares="pixels inserted",
        values="probability",
    ),
    Metric(
        name="relative-drop",
        title="Relative drop",
        is_higher_better=True,
        summary="How much more probability the target loses than the reference classes when the "
        "most salient pixels turn black.",
        paper="Zhang et al., Finer-CAM, CVPR 2025",
        needs="references",
        measure=plan_relative_drop,
        parameters=(SHARE,),
    ),
    Metric(
        name="road",
        title="ROAD",
        is_higher_better=True,
        summary="How much more probability is lost with the most salient pixels than with the "
        "least salient ones, their neighbours filling them in.",
        paper=_ROAD,
        needs="score",
        measure=plan_road,
        parameters=(NOISE, SEED),
        shares="pixels removed",
        values="probability lost: most − least salient, halved",
    ),
    Metric(
        name="road-morf",
        title="ROAD, most relevant first",
        is_higher_better=True,
        summary="How much probability is lost with the most salient pixels, their neighbours "
        "filling them in.",
        paper=_ROAD,
        needs="score",
        measure=partial(plan_road, order="most relevant first"),
        parameters=(NOISE, SEED),
        shares="pixels removed",
        values="decrease of the probability",
    ),
    Metric(
        name="road-lerf",
        title="ROAD, least relevant first",
        is_higher_better=False,
        summary="How much probability is lost with the least salient pixels, their neighbours "
        "filling them in.",
        paper=_ROAD,
        needs="score",
        measure=partial(plan_road, order="least relevant first"),
        parameters=(NOISE, SEED),
        shares="pixels removed",
        values="decrease of the probability",
    ),
    Metric(
        name="energy-inside",
        title="Energy inside",
        is_higher_better=True,
        summary="Which share of the map's evidence lies where the truth is.",
        paper="Wang et al., Score-CAM, CVPRW 2020",
        needs="truth",
        measure=energy_inside,
    ),
    Metric(
        name="pointing-game",
        title="Pointing game",
        is_higher_better=True,
        summary="Whether the map's maximum lies where the truth is.",
        paper="Zhang et al., Excitation Backprop, IJCV 2018",
        needs="truth",
        measure=pointing_game,
        parameters=(TOLERANCE_PX,),
    ),
    Metric(
        name="iou-otsu",
        title="IoU, Otsu's threshold",
        is_higher_better=True,
        summary="How well the pixels above Otsu's threshold of the map cover the truth.",
        paper="Otsu, IEEE Trans. SMC 1979",
        needs="truth",
        measure=iou_otsu,
    ),
    Metric(
        name="iou-at-fraction",
        title="IoU, fixed threshold",
        is_higher_better=True,
        summary="How well the pixels above a fixed fraction of the map's maximum cover the truth.",
        paper="Zhou et al., CAM, CVPR 2016",
        needs="truth",
        measure=iou_at_fraction,
        parameters=(FRACTION,),
    ),
    Metric(
        name="iou-best-threshold",
        title="IoU, best threshold",
        is_higher_better=True,
        summary="How well the map could cover the truth if the truth chose the threshold: an upper "
        "bound.",
        paper="Choe et al., Evaluating WSOL Methods Right, CVPR 2020",
        needs="truth",
        measure=iou_best_threshold,
    ),
    Metric(
        name="auprc",
        title="AUPRC",
        is_higher_better=True,
        summary="How well the map's order tells pixels of the truth from the others, over all "
        "thresholds.",
        paper="Li et al., DiffCAM, CVPR 2025",
        needs="truth",
        measure=auprc,
    ),
    Metric(
        name="log-cosh-dice",
        title="Log-Cosh Dice loss",
        is_higher_better=False,
        summary="How far the map is from the truth by their overlap, as a loss.",
        paper="Jadon, A Survey of Loss Functions for Semantic Segmentation, CIBCB 2020",
        needs="truth",
        measure=log_cosh_dice,
    ),
    Metric(
        name="mae",
        title="Mean absolute error",
        is_higher_better=False,
        summary="How far the map, scaled to its maximum, is from the truth on average.",
        paper="Xu et al., Attribution in Scale and Space (Blur IG), CVPR 2020",
        needs="truth",
        measure=mean_absolute_error,
    ),
    Metric(
        name="part-recall",
        title="Part recall",
        is_higher_better=True,
        summary="Which share of the parts that differ between the classes the map meets.",
        paper=_SCOUT,
        needs="parts",
        measure=part_recall,
        parameters=(AREA,),
    ),
    Metric(
        name="part-precision",
        title="Part precision",
        is_higher_better=True,
        summary="Which share of the parts that the map meets differ between the classes.",
        paper=_SCOUT,
        needs="parts",
        measure=part_precision,
        parameters=(AREA,),
    ),
    Metric(
        name="part-f1",
        title="Part F1",
        is_higher_better=True,
        summary="Part recall and precision in one number.",
        paper=_SCOUT,
        needs="parts",
        measure=part_f1,
        parameters=(AREA,),
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
