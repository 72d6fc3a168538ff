"""Losses."""

from .batch_dice import one_dice_per_batch
from .boundary_aware import BoundaryAwareLoss
from .component_dice import ComponentDiceCELoss
from .deep_supervision import supervision_weights
from .extra_loss import extra_loss
from .ignoring_dice_ce import IgnoringDiceCELoss
from .partial_label import PartialLabelLoss, merge_unannotated
from .segmentation_and_distance import JointLoss
from .type_loss import TypeLoss
