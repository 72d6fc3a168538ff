"""Arg-max of class probabilities that come a few planes at a time, on the network's grid or on the native one."""

from __future__ import annotations

from typing import Any

import torch

from ..geometry.native_grid import GridAxis, NativeGrid, shifted, span

Box = tuple[slice, slice, slice]
NATIVE_PLANES_AT_ONCE = 8
# An arg-max among K classes has an interpolated probability of 1/K at least, hence one of the interpolated voxels has.
# Sums of half precision probabilities are not exactly 1.
SAFETY = 0.99
CERTAIN = 255


class NetworkArgmax:
    """Label map on the grid the probabilities come on.

    Args:
        size: voxels of that grid (z, y, x).
        confidence: add a second channel, the largest probability times 255, rounded.
        device: where the result is kept.
    """

    def __init__(self, size: tuple[int, ...], confidence: bool, device: torch.device) -> None:
        self.volume = torch.zeros((2 if confidence else 1, *size), dtype=torch.uint8, device=device)
        self.next_plane = 0

    def add(self, largest: torch.Tensor, labels: torch.Tensor) -> None:
        """Take in the largest probability and its class of the next planes (planes, y, x)."""
        planes = slice(self.next_plane, self.next_plane + len(labels))
        self.volume[0, planes] = labels
        if len(self.volume) > 1:
            self.volume[1, planes] = as_byte(largest)
        self.next_plane = planes.stop


class NativeArgmax:
    """Label map on the native grid: every class's probability interpolated linearly, then arg-max.

    Equal to interpolating all probabilities at once, of which it never holds more than one class of a few planes: as
    the planes come, each class competes for the native voxels in the box where it can win. The lower class wins a tie.
    Voxels outside the network's grid (see `GridAxis`) are background.

    Args:
        grid: the native grid.
        confidence: add a second channel, the largest interpolated probability times 255, rounded (outside: 255).
        device: where the result is kept.
    """

    def __init__(self, grid: NativeGrid, confidence: bool, device: torch.device) -> None:
        self.grid = grid
        self.labels = torch.zeros(grid.size, dtype=torch.uint8, device=device)
        self.bytes = torch.full_like(self.labels, CERTAIN) if confidence else None
        self.next_plane = 0
        self.last: torch.Tensor | None = None

    def add(self, probabilities: torch.Tensor) -> None:
        """Take in the probabilities (classes, planes, y, x) of the next planes of the network's grid."""
        first, self.next_plane = self.next_plane, self.next_plane + probabilities.shape[1]
        planes = self._completed_planes(first)
        if planes.start < planes.stop:
            self._label(probabilities, planes)
        self.last = probabilities[:, -1].clone()

    @property
    def volume(self) -> torch.Tensor:
        """The label map, and the confidences where asked for: (1 or 2, *native)."""
        volumes = [self.labels] if self.bytes is None else [self.labels, self.bytes]
        return torch.stack([self.grid.in_native_order(volume) for volume in volumes])

    def _completed_planes(self, first: int) -> slice:
        """The native planes that read one of the network planes from `first` on, and none still to come."""
        axis = self.grid.axes[0]
        complete = (axis.upper >= first) & (axis.upper < self.next_plane)
        return span(complete & axis.is_inside)

    def _label(self, probabilities: torch.Tensor, planes: slice) -> None:
        """Label some native planes, class by class."""
        _, y, x = self.grid.axes
        whole = (planes, y.inside, x.inside)
        largest = torch.zeros_like(self.labels[planes], dtype=torch.float32)
        for class_id, newest in enumerate(probabilities):
            slab = newest if self.last is None else torch.cat([self.last[class_id : class_id + 1], newest])
            first = self.next_plane - len(slab)
            box = whole if class_id == 0 else self._box(slab, SAFETY / len(probabilities), first, planes)
            if all(side.start < side.stop for side in box):
                self._compete(class_id, slab, first, box, largest[:, box[1], box[2]], planes.start)
        if self.bytes is not None:
            self.bytes[whole] = as_byte(largest[:, y.inside, x.inside])

    def _box(self, slab: torch.Tensor, threshold: float, first: int, planes: slice) -> Box:
        """The voxels of native `planes` that read a voxel where a class reaches `threshold`; sides may be empty.

        `slab` holds the class's probabilities on the network's planes from `first` on.
        """
        chosen = [span((slab.amax(dim=others) >= threshold).cpu().numpy()) for others in ((1, 2), (0, 2), (0, 1))]
        chosen[0] = shifted(chosen[0], first)
        z, y, x = (axis.touching(side) for axis, side in zip(self.grid.axes, chosen, strict=True))
        return slice(max(z.start, planes.start), min(z.stop, planes.stop)), y, x

    def _compete(
        self, class_id: int, slab: torch.Tensor, first: int, box: Box, largest: torch.Tensor, first_native: int
    ) -> None:
        """Give a class the native voxels of `box` where its interpolated probability exceeds `largest`, and raise that.

        `slab` begins at the network's plane `first`, `largest` (planes, *box's sides) at the native one `first_native`.
        """
        reads = [axis.reads(side) for axis, side in zip(self.grid.axes, box, strict=True)]
        values = slab[shifted(reads[0], -first), reads[1], reads[2]]
        for dim in (2, 1):  # the axis along which voxels are gathered slowest comes first, while there are few
            values = interpolated(values, dim, self.grid.axes[dim], box[dim], reads[dim].start)
        for start in range(box[0].start, box[0].stop, NATIVE_PLANES_AT_ONCE):
            planes = slice(start, min(start + NATIVE_PLANES_AT_ONCE, box[0].stop))
            candidate = interpolated(values, 0, self.grid.axes[0], planes, reads[0].start)
            best = largest[shifted(planes, -first_native)]
            self.labels[planes, box[1], box[2]].masked_fill_(candidate > best, class_id)
            best.copy_(torch.maximum(best, candidate))


def interpolated(values: torch.Tensor, dim: int, axis: GridAxis, native: slice, first: int) -> torch.Tensor:
    """Linear interpolation along one axis at some native voxels; `values` begin at the network's voxel `first`."""
    lower, upper, weight = (
        torch.as_tensor(array[native], device=values.device)
        for array in (axis.lower - first, axis.upper - first, axis.weight)
    )
    weight = weight.reshape([-1 if i == dim else 1 for i in range(3)])
    return (_taken(values, dim, lower) * (1 - weight)).add_(_taken(values, dim, upper) * weight)


def as_byte(probability: torch.Tensor) -> torch.Tensor:
    """A probability as 0 to 255."""
    return (probability * CERTAIN).round().clamp(0, CERTAIN).to(torch.uint8)


def _taken(values: torch.Tensor, dim: int, index: torch.Tensor) -> torch.Tensor:
    """`torch.index_select`, which is half as fast."""
    where: list[Any] = [slice(None)] * values.dim()
    where[dim] = index
    return values[tuple(where)]
