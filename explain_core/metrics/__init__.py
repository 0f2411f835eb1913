"""Scores of maps; each is a pure function of model, image and map."""

from explain_core.metrics.agreement import rank_correlation, structural_similarity, top_area_iou
from explain_core.metrics.deletion import deletion, insertion
from explain_core.metrics.localisation import (
    auprc,
    energy_inside,
    iou_at_fraction,
    iou_best_threshold,
    iou_otsu,
    log_cosh_dice,
    mean_absolute_error,
    pointing_game,
)
from explain_core.metrics.metric import Curve, Metric, Score
from explain_core.metrics.parts import (
    PartScores,
    part_iou,
    part_scores,
    random_class,
    similar_class,
)
from explain_core.metrics.randomisation import (
    Randomisation,
    cascading_randomisation,
    label_randomisation,
)
from explain_core.metrics.rcap import rcap
from explain_core.metrics.region_share import region_share
from explain_core.metrics.relative_drop import relative_drop
from explain_core.metrics.repeatability import (
    Agreement,
    model_agreement,
    noise_agreement,
    seed_agreement,
)
from explain_core.metrics.reversed_maps import reversed_map
from explain_core.metrics.road import road
from explain_core.metrics.scorer import Scorer, scorer_of
from explain_core.metrics.scoring import score_maps
from explain_core.metrics.verdicts import (
    Verdict,
    controls_verdict,
    noise_verdict,
    seed_verdict,
    weights_verdict,
)

__all__ = [
    "Agreement",
    "Curve",
    "Metric",
    "PartScores",
    "Randomisation",
    "Score",
    "Scorer",
    "Verdict",
    "auprc",
    "cascading_randomisation",
    "controls_verdict",
    "deletion",
    "energy_inside",
    "insertion",
    "iou_at_fraction",
    "iou_best_threshold",
    "iou_otsu",
    "label_randomisation",
    "log_cosh_dice",
    "mean_absolute_error",
    "model_agreement",
    "noise_agreement",
    "noise_verdict",
    "part_iou",
    "part_scores",
    "pointing_game",
    "random_class",
    "rank_correlation",
    "rcap",
    "region_share",
    "relative_drop",
    "reversed_map",
    "road",
    "score_maps",
    "scorer_of",
    "seed_agreement",
    "seed_verdict",
    "similar_class",
    "structural_similarity",
    "top_area_iou",
    "weights_verdict",
]
