"""Segmentation metrics of one case and class, and how they are averaged."""

from .dice import ClassMeanDice, ClassMeanDiceHandler
from .hausdorff_distance import HausdorffDistance95, HausdorffDistance95Handler, hausdorff_distance_95
from .reduction import mean_over_classes

__all__ = [
    "ClassMeanDice",
    "ClassMeanDiceHandler",
    "HausdorffDistance95",
    "HausdorffDistance95Handler",
    "hausdorff_distance_95",
    "mean_over_classes",
]
