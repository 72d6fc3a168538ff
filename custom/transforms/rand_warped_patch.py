"""nnU-Net's training patch: forced foreground; rotation, scale and elastic deformation in one interpolation."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.utils import convert_to_tensor, ensure_tuple_rep

from ..errors import InputError
from .elastic_displacement import NO_FOLD, elastic_displacement, lattice_size
from .patch_centre import forced_centre, start_around, uniform_start
from .warped_patch import in_plane, rotation_and_scale, warped_patch

ANISOTROPIC = 3.0  # a patch this many times longer than thick is warped in its planes only (nnU-Net)
FORCED_FOREGROUND = "forced_foreground"
INDICES = "label_cls_indices"  # where `monai.transforms.ClassesToIndicesd` puts the flat voxel indices of every class
LARGEST_TURN, LARGEST_PLANAR_TURN = 30, 180  # degrees about each axis, and in the plane of an anisotropic patch
SCALES = (0.7, 1.4)  # least and greatest


class RandWarpedPatchd(Randomizable, MapTransform):
    """Cut one patch, warped by at most a rotation, an isotropic scale and an elastic deformation, out of each volume.

    Where the dictionary says so (key `forced_foreground`, absent: False), the patch is centred on a voxel of a class
    drawn uniformly among those present; a case without foreground, and every other patch, is cut anywhere.
    MONAI has no forced foreground by position in the batch and no rotation and scale with probabilities of their own in
    one interpolation, nor the in-plane warp of anisotropic patches. Its `Rand3DElasticd` would interpolate a second
    time, after a wide convolution over as many random numbers as there are voxels; here few control points move a
    B-spline in the same sampling grid, by less than would fold it.

    Args:
        keys: volumes (channels, *spatial) of one grid; the indices count in the last one, the label.
        patch_size: voxels of the patch; it may be larger than the volume, outside of which lies 0.
        modes: interpolation per key, "bilinear" or "nearest".
        elastic_prob: probability of an elastic deformation; 0 draws no random number for it.
        elastic_magnitude: greatest displacement of a control point along each axis, in voxels of the patch, at most 0.4
            of their distance; the typical displacement of a voxel is a fifth of it. An anisotropic patch is deformed in
            its planes only.
        elastic_spacing: distance of the control points in voxels of the patch.

    Raises InputError: a magnitude that would fold the patch.
    """

    def __init__(
        self,
        keys: KeysCollection,
        patch_size: Sequence[int],
        modes: Sequence[str] | str = "bilinear",
        rotate_prob: float = 0.2,
        scale_prob: float = 0.2,
        elastic_prob: float = 0.0,
        elastic_magnitude: float = 12.0,
        elastic_spacing: float = 32.0,
    ) -> None:
        if not 0 <= elastic_magnitude <= NO_FOLD * elastic_spacing:
            raise InputError(
                f"RandWarpedPatchd: elastic_magnitude {elastic_magnitude} with elastic_spacing {elastic_spacing} could "
                f"fold the patch; give a magnitude from 0 to {NO_FOLD * elastic_spacing:g}, or a wider spacing"
            )
        MapTransform.__init__(self, keys)
        self.patch_size = tuple(int(length) for length in patch_size)
        self.modes = ensure_tuple_rep(modes, len(self.keys))
        self.rotate_prob = rotate_prob
        self.scale_prob = scale_prob
        self.elastic_prob = elastic_prob
        self.elastic_magnitude = elastic_magnitude
        self.elastic_spacing = elastic_spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The case with its patches (channels, *patch_size) in place of the volumes, without the voxel indices."""
        result = dict(data)
        shape = result[self.keys[-1]].shape[1:]
        if len(shape) != len(self.patch_size):
            raise InputError(
                f"RandWarpedPatchd: volume of shape {tuple(shape)} and patch_size {self.patch_size} differ in axes"
            )
        indices = result.pop(INDICES, [])
        start = self.random_start(indices, shape, bool(result.pop(FORCED_FOREGROUND, False)))
        matrix = self.random_matrix()
        displacement = self.random_displacement()
        for key, mode in zip(self.keys, self.modes, strict=True):
            result[key] = cut(result[key], start, self.patch_size, matrix, mode, displacement)
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
        thin = self.thin_axis()
        planar = thin is not None or len(self.patch_size) == 2
        limit = np.deg2rad(LARGEST_TURN if thin is None else LARGEST_PLANAR_TURN)
        angles = self.R.uniform(-limit, limit, 1 if planar else 3) * rotates
        matrix = rotation_and_scale(angles, self.R.uniform(*SCALES) if scales else 1.0)
        return matrix if thin is None else in_plane(matrix, thin)

    def random_displacement(self) -> torch.Tensor | None:
        """Elastic displacement (*patch_size, spatial_dims) in voxels, or None for none."""
        if self.elastic_prob <= 0 or self.R.rand() >= self.elastic_prob:
            return None
        lattice = lattice_size(self.patch_size, self.elastic_spacing)
        control = self.R.uniform(-self.elastic_magnitude, self.elastic_magnitude, (len(lattice), *lattice))
        thin = self.thin_axis()
        if thin is not None:
            control[thin] = 0
        return elastic_displacement(
            torch.as_tensor(control, dtype=torch.float32), self.patch_size, self.elastic_spacing
        )

    def thin_axis(self) -> int | None:
        """The axis across the planes of an anisotropic 3D patch, None where the patch is none."""
        if len(self.patch_size) == 3 and max(self.patch_size) > ANISOTROPIC * min(self.patch_size):
            return int(np.argmin(self.patch_size))
        return None


def cut(
    volume: Any,
    start: np.ndarray,
    size: Sequence[int],
    matrix: np.ndarray | None,
    mode: str,
    displacement: torch.Tensor | None,
) -> torch.Tensor:
    """`warped_patch` of a tensor or array; of a `MetaTensor` with its metadata, and the affine of an unwarped patch."""
    patch = warped_patch(convert_to_tensor(volume, track_meta=False), start, size, matrix, mode, displacement)
    if not isinstance(volume, MetaTensor):
        return patch
    shift = torch.eye(len(volume.affine), dtype=volume.affine.dtype)
    shift[: len(start), -1] = torch.as_tensor(start, dtype=shift.dtype)
    meta = {key: value for key, value in volume.meta.items() if key != "affine"}
    return MetaTensor(patch, affine=volume.affine @ shift, meta=meta)
