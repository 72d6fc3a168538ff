"""Label maps in 8 bits, in which no class becomes another."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from ..errors import InputError


def label_bytes(label: torch.Tensor) -> torch.Tensor:
    """The same values as uint8. Raises InputError: not all are whole numbers from 0 to 255."""
    small = label.to(torch.uint8)
    if not torch.equal(small.to(label.dtype), label):
        raise InputError("label values are not whole numbers from 0 to 255; correct the label")
    return small


class LabelBytesd(MapTransform):
    """`label_bytes` of a case's label maps; MONAI's `CastToTyped` makes 1 of 257 without a word."""

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, NdarrayOrTensor]:
        """The case with label maps in 8 bits."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = label_bytes(convert_to_tensor(result[key], track_meta=True))
        return result
