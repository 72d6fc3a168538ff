"""Segmentation metrics of one case and class, and how they are averaged."""

from .class_metric import mean_over_classes
from .dice import ClassMeanDice
from .flare_score import FlareDice, FlareSurfaceDice, axial_axis_of, flare_dice, flare_rules, flare_scores
from .hausdorff_distance import HausdorffDistance95, hausdorff_distance_95, hd95_rules
from .lesion_detection import LesionDetection, lesion_rules, lesion_scores
from .surface_dice import SurfaceDice, normalised_surface_dice, nsd_rule
