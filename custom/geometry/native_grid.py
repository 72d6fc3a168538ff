"""Where the voxels of a scan's own grid lie on the network's grid, and label maps brought back to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor

from ..errors import InputError

MAX_SHIFT = 0.01  # voxels of the network's grid by which parallel axes may diverge over a whole image: rounding
HALF_VOXEL = 0.5 + 1e-3


@dataclass(frozen=True)
class GridAxis:
    """One axis of the network's grid and the native axis that runs along it, one way or the other.

    Native voxel j lies at `scale * j + offset` in network voxels. It belongs to the image where that is at most half
    a voxel outside the network's grid, whose borders are continued; elsewhere there is nothing but background.
    """

    native_axis: int
    native_size: int
    size: int
    scale: float
    offset: float

    @cached_property
    def is_inside(self) -> np.ndarray:
        """Whether each native voxel belongs to the image."""
        coordinates = self._coordinates()
        return (coordinates >= -HALF_VOXEL) & (coordinates <= self.size - 1 + HALF_VOXEL)

    @cached_property
    def inside(self) -> slice:
        """The native voxels that belong to the image."""
        return span(self.is_inside)

    @cached_property
    def nearest(self) -> np.ndarray:
        """The network voxel nearest to each native voxel."""
        return np.clip(np.floor(self._coordinates() + 0.5), 0, self.size - 1).astype(np.int64)

    @cached_property
    def lower(self) -> np.ndarray:
        """The network voxel at or below each native voxel."""
        return np.floor(self._clamped()).astype(np.int64)

    @cached_property
    def upper(self) -> np.ndarray:
        """The network voxel at or above each native voxel."""
        return np.ceil(self._clamped()).astype(np.int64)

    @cached_property
    def weight(self) -> np.ndarray:
        """Share of the upper voxel in linear interpolation."""
        return (self._clamped() - self.lower).astype(np.float32)

    def touching(self, voxels: slice) -> slice:
        """The native voxels inside whose interpolation reads one of some network voxels."""
        return span((self.lower < voxels.stop) & (self.upper >= voxels.start) & self.is_inside)

    def reads(self, native: slice) -> slice:
        """The network voxels, first to last, that the interpolation of some native voxels reads."""
        return slice(int(self.lower[native].min()), int(self.upper[native].max()) + 1)

    def _coordinates(self) -> np.ndarray:
        return self.scale * np.arange(self.native_size) + self.offset

    def _clamped(self) -> np.ndarray:
        return np.clip(self._coordinates(), 0, self.size - 1)


class NativeGrid:
    """The grid a scan was stored on, seen from the network's grid.

    Args:
        axes: for each axis of the network's grid, the native axis nearest to it.
        directions: steps (3, 3) on the network's grid, columns, of a native voxel along each of those axes, where
            the two grids are sheared or turned against each other; None: their axes are parallel.
    """

    def __init__(self, axes: Sequence[GridAxis], directions: np.ndarray | None = None) -> None:
        self.axes = tuple(axes)
        self.directions = directions

    @property
    def size(self) -> tuple[int, ...]:
        """Native voxels in the order of the network's axes."""
        return tuple(axis.native_size for axis in self.axes)

    def in_native_order(self, volume: torch.Tensor) -> torch.Tensor:
        """A volume of `size`, in the order of the network's axes, with its axes as the scan was stored."""
        native_axes = [axis.native_axis for axis in self.axes]
        return volume.permute([native_axes.index(i) for i in range(len(native_axes))])

    def plane(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """For grids that are not parallel, where the native voxels of a plane of `size` lie on the network's grid.

        Returns:
            Coordinates (3, rows, columns) in network voxels, brought into the network's grid, and whether each voxel
            belongs to the image (rows, columns), in the sense of `GridAxis`.
        """
        where = self._coordinates(index, *(np.arange(size) for size in self.size[1:]))
        last = np.array([axis.size - 1 for axis in self.axes]).reshape(3, 1, 1)
        beyond = np.abs(where - last / 2) > last / 2 + HALF_VOXEL
        return np.clip(where, 0, last), ~np.any(beyond, axis=0)

    def planes_near(self, start: int, stop: int) -> Iterator[int]:
        """For grids that are not parallel, the native planes that may come near the network's planes start to stop."""
        ends = [np.array([0, size - 1]) for size in self.size[1:]]
        for index in range(self.size[0]):
            corners = self._coordinates(index, *ends)[0]
            if corners.max() > start - 1 and corners.min() < stop + 1:
                yield index

    def _coordinates(self, plane: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Network voxels (3, rows, columns) at which some native voxels of a plane lie."""
        assert self.directions is not None
        offsets = np.array([axis.offset for axis in self.axes]) + self.directions[:, 0] * plane
        lateral = self.directions[:, 1, None, None] * rows[:, None] + self.directions[:, 2, None, None] * columns
        return offsets[:, None, None] + lateral


def native_grid(affine: Any, size: Sequence[int], native_affine: Any, native_size: Sequence[int]) -> NativeGrid:
    """The native grid seen from a network's grid.

    Affines (4 x 4) lead from voxels to millimetres; `native` is the scan as it was stored.
    """
    mapping = np.linalg.solve(np.asarray(affine, dtype=float), np.asarray(native_affine, dtype=float))
    order = np.argsort(nib.orientations.io_orientation(mapping)[:, 0])  # of the native axes, as the network's
    directions = mapping[:3, order]
    axes = [
        GridAxis(int(native), int(native_size[native]), int(size[i]), float(directions[i, i]), float(mapping[i, 3]))
        for i, native in enumerate(order)
    ]
    oblique = np.abs(directions - np.diag(np.diag(directions)))
    reach = oblique @ (np.asarray(native_size)[order] - 1)
    return NativeGrid(axes, directions if reach.max() > MAX_SHIFT else None)


def native_grid_of(image: torch.Tensor) -> NativeGrid:
    """The native grid of an image (..., *spatial) as MONAI's `LoadImage` and `Spacing` leave it, batched or not.

    Raises InputError: where the image does not know its affine, its original affine or its original shape.
    """
    meta = getattr(image, "meta", {})
    if "original_affine" not in meta or "spatial_shape" not in meta:
        raise InputError(
            "the image does not know the grid it was stored on (no original_affine and spatial_shape): "
            "read it with LoadImaged, or pass return_grid 'network'"
        )
    assert isinstance(image, MetaTensor)
    affine, native_affine = (unbatched(matrix, 2) for matrix in (image.affine, meta["original_affine"]))
    native_size = unbatched(meta["spatial_shape"], 1).astype(int)
    return native_grid(affine, image.shape[-3:], native_affine, native_size.tolist())


def on_native_grid(volume: torch.Tensor, image: torch.Tensor) -> MetaTensor:
    """A volume (1, channels, *native) with the geometry that `image` (1, channels, *spatial) was stored with."""
    assert isinstance(image, MetaTensor)  # it knows its grid
    meta = {key: value for key, value in image.meta.items() if key != "affine"}
    result = MetaTensor(volume, affine=torch.as_tensor(meta["original_affine"]), meta=meta, applied_operations=[])
    result.is_batch = image.is_batch
    return result


def nearest_on_native_grid(volume: torch.Tensor, grid: NativeGrid, fill: Sequence[int]) -> torch.Tensor:
    """A volume (channels, *network) at the nearest native voxels; `fill`: value of each channel outside of it."""
    result = torch.stack([volume.new_full(grid.size, value) for value in fill])
    if grid.directions is not None:
        for index in range(grid.size[0]):
            where, inside = grid.plane(index)
            z, y, x = torch.as_tensor(np.floor(where[:, inside] + 0.5).astype(np.int64), device=volume.device)
            result[:, index, torch.as_tensor(inside, device=volume.device)] = volume[:, z, y, x]
        return torch.stack([grid.in_native_order(channel) for channel in result])
    z, y, x = (torch.as_tensor(axis.nearest[axis.inside], device=volume.device) for axis in grid.axes)
    box = tuple(axis.inside for axis in grid.axes)
    for channel, values in zip(result, volume, strict=True):
        channel[box] = values[z[:, None, None], y[:, None], x]
    return torch.stack([grid.in_native_order(channel) for channel in result])


def unbatched(value: Any, dimensions: int) -> np.ndarray:
    """An array of metadata without the batch axis that collation puts before it."""
    array = np.asarray(value)
    return array[0] if array.ndim > dimensions else array


def span(chosen: np.ndarray) -> slice:
    """The slice from the first to the last chosen voxel; empty where none is."""
    (voxels,) = chosen.nonzero()
    return slice(int(voxels[0]), int(voxels[-1]) + 1) if len(voxels) else slice(0, 0)


def shifted(voxels: slice, by: int) -> slice:
    """The slice moved along its axis."""
    return slice(voxels.start + by, voxels.stop + by)
