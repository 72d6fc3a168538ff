"""What a network is for: the plan, read wherever its weights are used."""

from .class_ids import class_ids
from .load_plan import (
    folder_tag,
    load_plan,
    plan_of_weights,
    preparation,
    refuse_contradiction,
    refuse_other_training,
    used_plan,
)
from .plan import PLAN_FILE, Plan, checked, read_plan, write_plan
from .released_model import MODEL_FILE, ReleasedModel, read_released_model
