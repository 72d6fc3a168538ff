"""Losses."""

from .boundary_aware import BoundaryAwareLoss
from .ignoring_dice_ce import IgnoringDiceCELoss
from .joint import JointLoss
from .partial_label import PartialLabelLoss, merge_unannotated
from .supervision_weights import supervision_weights

__all__ = [
    "BoundaryAwareLoss",
    "IgnoringDiceCELoss",
    "JointLoss",
    "PartialLabelLoss",
    "merge_unannotated",
    "supervision_weights",
]
