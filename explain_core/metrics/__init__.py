"""Scores of maps; each is a pure function of model, image and map."""

from explain_core.metrics.rcap import rcap

__all__ = ["rcap"]
