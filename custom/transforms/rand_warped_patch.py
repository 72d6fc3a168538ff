"""nnU-Net's training patch: forced foreground, rotation and scale in one interpolation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.utils import convert_to_tensor, ensure_tuple_rep

from ..errors import InputError
from .patch_centre import forced_centre, start_around, uniform_start
from .warped_patch import in_plane, rotation_and_scale, warped_patch

ANISOTROPIC = 3.0  # a patch this many times longer than thick is warped in its planes only (nnU-Net)
FORCED_FOREGROUND = "forced_foreground"


class RandWarpedPatchd(Randomizable, MapTransform):
    """Cut one patch, warped by at most one rotation and one isotropic scale, out of each volume of a case.

    Where the dictionary says so (key `forced_foreground`, absent: False), the patch is centred on a voxel of a class
    drawn uniformly among those present; a case without foreground, and every other patch, is cut anywhere.
    MONAI has no forced foreground by position in the batch and no rotation and scale with probabilities of their own in
    one interpolation, nor the in-plane warp of anisotropic patches.

    Args:
        keys: volumes (channels, *spatial) of one grid; the indices count in the last one, the label.
        patch_size: voxels of the patch; it may be larger than the volume, outside of which lies 0.
        indices_key: key of the flat voxel indices of every class, from `monai.transforms.ClassesToIndicesd`.
        modes: interpolation per key, "bilinear" or "nearest".
        rotate_prob: probability of a rotation.
        rotate_degrees: largest angle about each axis; None: 30, or 180 in the plane of an anisotropic patch.
        scale_prob: probability of a scaling.
        scale_range: least and greatest scale.
    """

    def __init__(
        self,
        keys: KeysCollection,
        patch_size: Sequence[int],
        indices_key: str = "label_cls_indices",
        modes: Sequence[str] | str = "bilinear",
        rotate_prob: float = 0.2,
        rotate_degrees: float | None = None,
        scale_prob: float = 0.2,
        scale_range: Sequence[float] = (0.7, 1.4),
    ) -> None:
        MapTransform.__init__(self, keys)
        self.patch_size = tuple(int(length) for length in patch_size)
        self.indices_key = indices_key
        self.modes = ensure_tuple_rep(modes, len(self.keys))
        self.rotate_prob = rotate_prob
        self.rotate_degrees = rotate_degrees
        self.scale_prob = scale_prob
        self.scale_range = tuple(scale_range)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The case with its patches (channels, *patch_size) in place of the volumes, without the voxel indices."""
        result = dict(data)
        shape = result[self.keys[-1]].shape[1:]
        if len(shape) != len(self.patch_size):
            raise InputError(
                f"RandWarpedPatchd: volume of shape {tuple(shape)} and patch_size {self.patch_size} differ in axes"
            )
        indices = result.pop(self.indices_key, [])
        start = self.random_start(indices, shape, bool(result.pop(FORCED_FOREGROUND, False)))
        matrix = self.random_matrix()
        for key, mode in zip(self.keys, self.modes, strict=True):
            result[key] = cut(result[key], start, self.patch_size, matrix, mode)
        return result

    def random_start(self, indices: Sequence[np.ndarray], shape: Sequence[int], forced: bool) -> np.ndarray:
        """First voxel of the patch."""
        centre = forced_centre(indices, shape, self.R) if forced else None
        if centre is None:
            return uniform_start(shape, self.patch_size, self.R)
        return start_around(centre, shape, self.patch_size)

    def random_matrix(self) -> np.ndarray | None:
        """Linear map of the warp, or None for none."""
        rotates, scales = self.R.rand(2) < (self.rotate_prob, self.scale_prob)
        if not rotates and not scales:
            return None
        flat = len(self.patch_size) == 3 and max(self.patch_size) > ANISOTROPIC * min(self.patch_size)
        planar = flat or len(self.patch_size) == 2
        limit = np.deg2rad(self.rotate_degrees if self.rotate_degrees is not None else 180 if flat else 30)
        angles = self.R.uniform(-limit, limit, 1 if planar else 3) * rotates
        matrix = rotation_and_scale(angles, self.R.uniform(self.scale_range[0], self.scale_range[1]) if scales else 1.0)
        return in_plane(matrix, int(np.argmin(self.patch_size))) if flat else matrix


def cut(volume: Any, start: np.ndarray, size: Sequence[int], matrix: np.ndarray | None, mode: str) -> torch.Tensor:
    """`warped_patch` of a tensor or array; of a `MetaTensor` with its metadata, and the affine of an unwarped patch."""
    patch = warped_patch(convert_to_tensor(volume, track_meta=False), start, size, matrix, mode)
    if not isinstance(volume, MetaTensor):
        return patch
    shift = torch.eye(len(volume.affine), dtype=volume.affine.dtype)
    shift[: len(start), -1] = torch.as_tensor(start, dtype=shift.dtype)
    meta = {key: value for key, value in volume.meta.items() if key != "affine"}
    return MetaTensor(patch, affine=volume.affine @ shift, meta=meta)
