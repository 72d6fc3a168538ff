"""Which classes of a case are annotated, as the partial-label loss takes it."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from ..errors import InputError


class AnnotatedClassesd(MapTransform):
    """Turn the list of a case's annotated class ids into one boolean per class.

    A case without the key has every class annotated: tools that supply image and label alone mean complete labels.

    Args:
        keys: key of the ids, 1 to num_classes - 1.
        num_classes: number of classes, background included; background is always annotated.
    """

    def __init__(self, keys: KeysCollection, num_classes: int) -> None:
        super().__init__(keys)
        self.num_classes = num_classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with booleans (num_classes,) under the keys."""
        output = dict(data)
        for key in self.keys:
            output[key] = annotated_classes(output.get(key), self.num_classes)
        return output


def annotated_classes(ids: Any, num_classes: int) -> torch.Tensor:
    """Booleans (num_classes,), background first and true, of a sequence of class ids; all true for None.

    Raises InputError: an id is not one of 1 to num_classes - 1.
    """
    if ids is None:
        return torch.ones(num_classes, dtype=torch.bool)
    numbers = [int(one) for one in ids]
    if any(not 0 < one < num_classes for one in numbers):
        raise InputError(
            f"annotated_classes: the annotated classes are {numbers}; give ids from 1 to {num_classes - 1}, "
            f"or raise num_classes={num_classes}"
        )
    annotated = torch.zeros(num_classes, dtype=torch.bool)
    annotated[[0, *numbers]] = True
    return annotated
