"""Resampling of images that come with the path they were read from."""

from collections.abc import Hashable, Mapping, MutableMapping
from typing import Any

from monai.transforms import Spacingd


class PathSafeSpacingd(Spacingd):
    """MONAI's `Spacingd` for data that hold more than images and dictionaries.

    `Spacingd` of MONAI 1.6.0 and 1.6.1 updates every entry whose key begins with `image_` as if it were the metadata of
    `image`. MONAI Label keeps the scan's path under `image_path`, so that every NIfTI scan ended in "'str' object has
    no attribute 'update'". Here MONAI sees the images and dictionaries only.

    Args, inverse and the operation recorded for it: those of `monai.transforms.Spacingd`.
    """

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        """A copy of `data` with the images under the keys resampled; what is neither image nor dictionary stays."""
        seen = {key: value for key, value in data.items() if key in self.keys or isinstance(value, MutableMapping)}
        return {**data, **super().__call__(seen, lazy)}
