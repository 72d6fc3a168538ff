"""Transforms."""

from .rand_warped_patch import RandWarpedPatchd
from .surface_distance_field import SurfaceDistanceField, SurfaceDistanceFieldd

__all__ = ["RandWarpedPatchd", "SurfaceDistanceField", "SurfaceDistanceFieldd"]
