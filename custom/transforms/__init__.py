"""Transforms."""

from .rand_low_resolution import RandLowResolutiond
from .rand_warped_patch import RandWarpedPatchd
from .surface_distance_field import SurfaceDistanceField, SurfaceDistanceFieldd

__all__ = ["RandLowResolutiond", "RandWarpedPatchd", "SurfaceDistanceField", "SurfaceDistanceFieldd"]
