"""Scores of maps; each is a pure function of model, image and map."""

from explain_core.metrics.agreement import rank_correlation, top_area_iou
from explain_core.metrics.rcap import rcap
from explain_core.metrics.reversed_maps import reversed_map

__all__ = ["rank_correlation", "rcap", "reversed_map", "top_area_iou"]
