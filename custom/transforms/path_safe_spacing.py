"""Resampling of images that come with the path they were read from."""

from collections.abc import Hashable, Mapping, MutableMapping
from typing import Any

from monai.data import MetaTensor
from monai.transforms import Spacingd
from monai.utils import ImageMetaKey

from ..geometry.resampled_size import refuse_absurd_size


class PathSafeSpacingd(Spacingd):
    """MONAI's `Spacingd` for data that hold more than images and dictionaries.

    `Spacingd` of MONAI 1.6.0 and 1.6.1 updates every entry whose key begins with `image_` as if it were the metadata of
    `image`. MONAI Label keeps the scan's path under `image_path`, so that every NIfTI scan ended in "'str' object has
    no attribute 'update'". Here MONAI sees the images and dictionaries only.

    A scan whose voxel sizes cannot be true is refused before it fills the memory, see `refuse_absurd_size`.

    Args, inverse and the operation recorded for it: those of `monai.transforms.Spacingd`.
    """

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        """A copy of `data` with the images under the keys resampled; what is neither image nor dictionary stays."""
        for key in self.key_iterator(data):
            image = data[key]
            if isinstance(image, MetaTensor):
                name = str(image.meta.get(ImageMetaKey.FILENAME_OR_OBJ, key))
                own, wanted = image.pixdim.tolist(), self.spacing_transform.pixdim.tolist()
                target = [*wanted, *own[len(wanted) :]][
                    : len(own)
                ]  # MONAI keeps the size along axes that are not named
                refuse_absurd_size(name, image.shape[1:], own, target, len(image))
        seen = {key: value for key, value in data.items() if key in self.keys or isinstance(value, MutableMapping)}
        return {**data, **super().__call__(seen, lazy)}
