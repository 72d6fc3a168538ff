"""Chains of runs: the stages of a pseudo-label recipe."""

from .pipeline import PseudoLabelPipeline

__all__ = ["PseudoLabelPipeline"]
