"""Segmentation metrics of one case and class, and how they are averaged."""

from .dice import ClassMeanDice
from .hausdorff_distance import HausdorffDistance95, hausdorff_distance_95
from .reduction import mean_over_classes

__all__ = [
    "ClassMeanDice",
    "HausdorffDistance95",
    "hausdorff_distance_95",
    "mean_over_classes",
]
