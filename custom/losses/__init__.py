"""Losses."""

from .boundary_aware import BoundaryAwareLoss
from .deep_supervision import supervision_weights
from .ignoring_dice_ce import IgnoringDiceCELoss
from .partial_label import PartialLabelLoss, merge_unannotated
from .segmentation_and_distance import JointLoss
from .type_loss import TypeLoss
