"""Transforms."""

from .annotated_classes import AnnotatedClassesd
from .merge_pseudo_label import MergePseudoLabel, MergePseudoLabeld, merge_pseudo_label
from .nonzero import is_nonzero
from .path_safe_spacing import PathSafeSpacingd
from .rand_low_resolution import RandLowResolutiond
from .rand_warped_patch import RandWarpedPatchd
from .surface_distance_field import SurfaceDistanceField, SurfaceDistanceFieldd

__all__ = [
    "AnnotatedClassesd",
    "MergePseudoLabel",
    "MergePseudoLabeld",
    "PathSafeSpacingd",
    "RandLowResolutiond",
    "RandWarpedPatchd",
    "SurfaceDistanceField",
    "SurfaceDistanceFieldd",
    "is_nonzero",
    "merge_pseudo_label",
]
