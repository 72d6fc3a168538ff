"""Losses."""

from .boundary_aware import BoundaryAwareLoss
from .joint import JointLoss
from .supervision_weights import supervision_weights

__all__ = ["BoundaryAwareLoss", "JointLoss", "supervision_weights"]
