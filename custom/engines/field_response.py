"""How much of the true distance field a network answers inside of each class: the scale of its own field."""

from collections.abc import Sequence
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.utils import CommonKeys

from ..networks.distance_head import JOINT


class FieldResponse:
    """The mean field predicted inside of each class by the mean of the true one, over an epoch's training patches.

    1: the head answers the true values. A head of small weight answers less, of a class with few voxels much less, so
    that one threshold for all classes would find one of them nowhere; `custom.networks.LogitsAndField` divides by this.
    `engine.state.field_response` has name -> response, of a class-agnostic field one under "foreground"; a class that
    no patch had is not in it.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.sums: torch.Tensor | None = None

    def attach(self, engine: Any) -> None:
        """Follow the training; attach before what writes the response."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.finish)

    def start(self, _: Any) -> None:
        """Forget the last epoch."""
        self.sums = None

    def add(self, engine: Any) -> None:
        """Add an iteration's patches, without waiting for the device."""
        output = engine.state.output
        _, field = output[CommonKeys.PRED]
        target = output[CommonKeys.LABEL]
        sums = inside_sums(field.detach(), target["surface_distance"], target["label"])
        self.sums = sums if self.sums is None else self.sums + sums

    def finish(self, engine: Any) -> None:
        """Divide, over all processes."""
        if self.sums is None:
            return
        totals: Any = idist.all_reduce(self.sums)
        names = self.class_names if len(totals) > 1 else [JOINT]
        pairs = zip(names, totals.tolist(), strict=True)
        engine.state.field_response = {name: answered / true for name, (answered, true) in pairs if true > 0}


def inside_sums(field: torch.Tensor, true: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """The sums of a predicted and of the true field over the voxels of each class, (classes, 2).

    Args:
        field, true: (batch, classes with background, *spatial), or with one channel for the union of all classes.
        label: class ids (batch, 1, *spatial).
    """
    channels = field.shape[1]
    masks = [label[:, 0] > 0] if channels == 1 else [label[:, 0] == number for number in range(1, channels)]
    rows = []
    for number, mask in enumerate(masks, start=0 if channels == 1 else 1):
        rows.append(torch.stack([(one[:, number] * mask).sum() for one in (field, true)]))
    return torch.stack(rows)
