"""nnU-Net's simulation of low resolution."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_tensor

from .rand_warped_patch import ANISOTROPIC


class RandLowResolutiond(RandomizableTransform, MapTransform):
    """Resample an image to fewer voxels and back, as if it had been acquired so.

    MONAI's `RandSimulateLowResolution` also thins out the few slices of an anisotropic patch, and its default way down
    shifts the image against its label by up to half a voxel.

    Args:
        zoom_range: least and greatest share of the voxels kept along each axis. The thin axis of a patch that is more
            than three times longer than thick keeps all.
    """

    def __init__(self, keys: KeysCollection, prob: float = 0.125, zoom_range: Sequence[float] = (0.5, 1.0)) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.zoom_range = tuple(zoom_range)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The data with its images at lower resolution, or as they were."""
        result = dict(data)
        self.randomize(None)
        zoom = self.R.uniform(self.zoom_range[0], self.zoom_range[1])
        if self._do_transform:
            for key in self.key_iterator(result):
                image = convert_to_tensor(result[key], track_meta=False)
                result[key] = convert_to_dst_type(low_resolution(image, zoom), result[key])[0]
        return result


def low_resolution(image: torch.Tensor, zoom: float) -> torch.Tensor:
    """The image (channels, *spatial) at `zoom` times its voxels (nearest) and back (linear), of its shape and dtype."""
    size = np.asarray(image.shape[1:])
    fewer = np.maximum(np.round(size * zoom), 1).astype(int)
    if size.max() > ANISOTROPIC * size.min():
        fewer[size.argmin()] = size.min()
    small = F.interpolate(image[None].float(), tuple(int(length) for length in fewer), mode="nearest-exact")
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    return F.interpolate(small, image.shape[1:], mode=linear)[0].to(image.dtype)
