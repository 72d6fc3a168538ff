"""Arg-max of class scores that come a few planes at a time, on the network's grid or on the native one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..geometry.native_grid import GridAxis, NativeGrid, shifted, span

Box = tuple[slice, slice, slice]
NATIVE_PLANES_AT_ONCE = 8
CERTAIN = 255


class NetworkArgmax:
    """Label map on the grid the scores come on.

    Args:
        size: voxels of that grid (z, y, x).
        confidence: add a channel, the largest probability times 255, rounded.
        field: add a channel, a field times 255, rounded, 0 in background.
        device: where the result is kept.
    """

    def __init__(self, size: tuple[int, ...], confidence: bool, device: torch.device, field: bool = False) -> None:
        self.volume = torch.zeros((1 + confidence + field, *size), dtype=torch.uint8, device=device)
        self.confidence = confidence
        self.next_plane = 0

    def add(self, probability: torch.Tensor, labels: torch.Tensor, field: torch.Tensor | None = None) -> None:
        """Take in the largest probability and its class of the next planes (planes, y, x), and their field."""
        planes = slice(self.next_plane, self.next_plane + len(labels))
        self.volume[0, planes] = labels
        if self.confidence:
            self.volume[1, planes] = as_byte(probability)
        if field is not None:
            self.volume[-1, planes] = as_byte(field * (labels > 0))
        self.next_plane = planes.stop


class NativeArgmax:
    """Label map on the native grid: every class's score interpolated linearly, then arg-max.

    Equal to interpolating all scores at once, of which it never holds more than a few planes: as the planes come, each
    class competes for the native voxels in the box where it can win. The lower class wins a tie. Voxels outside the
    network's grid (see `GridAxis`) are background. Where the axes of the two grids are not parallel (a tilted gantry),
    the native voxels between the planes at hand are looked up one by one, which takes several times as long.

    Args:
        grid: the native grid.
        logits: whether scores are logits, else probabilities.
        confidence: add a channel, the largest interpolated probability times 255, rounded (outside: 255); of
            logits, the largest softmax of those interpolated.
        field: whether the last score is no class's, but a field; then add a channel, the interpolated field times 255,
            rounded, 0 in background.
        device: where the result is kept.
    """

    def __init__(
        self, grid: NativeGrid, logits: bool, confidence: bool, device: torch.device, field: bool = False
    ) -> None:
        self.grid = grid
        self.logits = logits
        self.labels = torch.zeros(grid.size, dtype=torch.uint8, device=device)
        self.bytes = torch.full_like(self.labels, CERTAIN) if confidence else None
        self.field = torch.zeros_like(self.labels) if field else None
        self.next_plane = 0
        self.last: torch.Tensor | None = None

    def add(self, scores: torch.Tensor) -> None:
        """Take in the scores (classes and field, planes, y, x) of the next planes of the network's grid."""
        first, self.next_plane = self.next_plane, self.next_plane + scores.shape[1]
        if self.grid.directions is not None:
            self._label_points(scores, first)
        else:
            planes = self._completed_planes(first)
            if planes.start < planes.stop:
                self._label(scores, planes)
        self.last = scores[:, -1:].clone()

    @property
    def volume(self) -> torch.Tensor:
        """The label map, then confidences and field where asked for: (1 to 3, *native)."""
        volumes = [one for one in (self.labels, self.bytes, self.field) if one is not None]
        return torch.stack([self.grid.in_native_order(volume) for volume in volumes])

    def _label_points(self, scores: torch.Tensor, first: int) -> None:
        """Label the native voxels, of a grid that is not parallel, that read one of `scores` and none still to come."""
        slab = scores if self.last is None else torch.cat([self.last, scores], dim=1)
        start = self.next_plane - slab.shape[1]
        size = np.array(slab.shape[1:])[:, None]
        for index in self.grid.planes_near(first, self.next_plane):
            where, inside = self.grid.plane(index)
            upper = np.ceil(where[0])
            chosen = inside & (upper >= first) & (upper < self.next_plane)
            places = (where[:, chosen] - [[start], [0], [0]]) * 2 / np.maximum(size - 1, 1) - 1
            points = torch.as_tensor(places[::-1].T.copy(), dtype=slab.dtype, device=slab.device)
            sampled = F.grid_sample(slab[None], points[None, None, None], padding_mode="border", align_corners=True)
            values, field = split_field(sampled[0, :, 0, 0], self.field is not None)
            largest, labels = values.max(dim=0)
            voxels = torch.as_tensor(chosen, device=slab.device)
            self.labels[index, voxels] = labels.byte()
            if self.field is not None and field is not None:
                self.field[index, voxels] = as_byte(field * (labels > 0))
            if self.bytes is not None:
                self.bytes[index, voxels] = as_byte(largest_probability(values, largest, self.logits))

    def _completed_planes(self, first: int) -> slice:
        """The native planes that read one of the network planes from `first` on, and none still to come."""
        axis = self.grid.axes[0]
        complete = (axis.upper >= first) & (axis.upper < self.next_plane)
        return span(complete & axis.is_inside)

    def _label(self, scores: torch.Tensor, planes: slice) -> None:
        """Label some native planes, class by class."""
        _, y, x = self.grid.axes
        whole = (planes, y.inside, x.inside)
        largest = torch.full(self.labels[planes].shape, -torch.inf, device=scores.device)
        total = torch.full_like(largest, -torch.inf) if self.logits and self.bytes is not None else None
        background = self._slab(scores, 0)
        first = self.next_plane - len(background)
        for class_id in range(len(scores) - (self.field is not None)):
            slab = self._slab(scores, class_id)
            box = whole if class_id == 0 or total is not None else self._box(slab > background, first, planes)
            for part, candidate in self._interpolated(slab, first, box):
                place = (shifted(part[0], -planes.start), *part[1:])
                won = candidate > largest[place]
                self.labels[part].masked_fill_(won, class_id)
                if total is not None:
                    total[place] = torch.logaddexp(total[place], candidate)
                largest[place] = torch.maximum(largest[place], candidate)
        if self.bytes is not None:
            probability = largest if total is None else (largest - total).exp()
            self.bytes[whole] = as_byte(probability[:, y.inside, x.inside])
        if self.field is not None:
            for part, values in self._interpolated(self._slab(scores, len(scores) - 1), first, whole):
                self.field[part] = as_byte(values * (self.labels[part] > 0))

    def _slab(self, scores: torch.Tensor, class_id: int) -> torch.Tensor:
        """A class's scores on the planes at hand, the last of the previous ones included."""
        return scores[class_id] if self.last is None else torch.cat([self.last[class_id], scores[class_id]])

    def _box(self, ahead: torch.Tensor, first: int, planes: slice) -> Box:
        """The voxels of native `planes` that a class may win; sides may be empty.

        Interpolation is monotonic, also as rounded: a class not ahead of background at any voxel that is read stays
        behind it.

        Args:
            ahead: whether the class's score exceeds that of background, on the network's planes from `first` on.
            first: plane of the network's grid.
            planes: native planes.
        """
        rows = ahead.any(dim=2)
        chosen = [span(some.cpu().numpy()) for some in (rows.any(dim=1), rows.any(dim=0), ahead.any(dim=1).any(dim=0))]
        chosen[0] = shifted(chosen[0], first)
        z, y, x = (axis.touching(side) for axis, side in zip(self.grid.axes, chosen, strict=True))
        return slice(max(z.start, planes.start), min(z.stop, planes.stop)), y, x

    def _interpolated(self, slab: torch.Tensor, first: int, box: Box) -> Iterator[tuple[Box, torch.Tensor]]:
        """A class's scores in parts of a box of native voxels; `slab` begins at the network's plane `first`."""
        if any(side.start >= side.stop for side in box):
            return
        reads = [axis.reads(side) for axis, side in zip(self.grid.axes, box, strict=True)]
        values = slab[shifted(reads[0], -first), reads[1], reads[2]]
        for dim in (2, 1):  # the axis along which voxels are gathered slowest comes first, while there are few
            values = interpolated(values, dim, self.grid.axes[dim], box[dim], reads[dim].start)
        for start in range(box[0].start, box[0].stop, NATIVE_PLANES_AT_ONCE):
            planes = slice(start, min(start + NATIVE_PLANES_AT_ONCE, box[0].stop))
            yield (planes, *box[1:]), interpolated(values, 0, self.grid.axes[0], planes, reads[0].start)


def interpolated(values: torch.Tensor, dim: int, axis: GridAxis, native: slice, first: int) -> torch.Tensor:
    """Linear interpolation along one axis at some native voxels; `values` begin at the network's voxel `first`."""
    lower, upper, weight = (
        torch.as_tensor(array[native], device=values.device)
        for array in (axis.lower - first, axis.upper - first, axis.weight)
    )
    weight = weight.reshape([-1 if i == dim else 1 for i in range(3)])
    return (_taken(values, dim, lower) * (1 - weight)).add_(_taken(values, dim, upper) * weight)


def largest_probability(scores: torch.Tensor, largest: torch.Tensor, logits: bool) -> torch.Tensor:
    """The largest probability, from scores (classes, ...) and the largest of them."""
    if not logits:
        return largest
    total = torch.zeros_like(largest)
    for values in scores:  # a softmax of all would double the memory
        total += (values - largest).exp()
    return total.reciprocal()


def split_field(scores: torch.Tensor, field: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The scores of the classes (classes, ...), and the field behind them (...) where there is one."""
    return (scores[:-1], scores[-1]) if field else (scores, None)


def as_byte(probability: torch.Tensor) -> torch.Tensor:
    """A probability as 0 to 255."""
    return (probability * CERTAIN).round().clamp(0, CERTAIN).to(torch.uint8)


def _taken(values: torch.Tensor, dim: int, index: torch.Tensor) -> torch.Tensor:
    """`torch.index_select`, which is half as fast."""
    where: list[Any] = [slice(None)] * values.dim()
    where[dim] = index
    return values[tuple(where)]
