"""Class probabilities of overlapping windows, added up in a slab that moves along an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from monai.data.utils import compute_importance_map

from ..errors import InputError
from .sliding_window import GAUSSIAN_SIGMA
from .window_plan import Window

PLANES_AT_ONCE = 8


class SlabAccumulator:
    """Mean probabilities of windows that come in order of their first plane, held for one window's planes only.

    Each window's softmax counts with a Gaussian weight about its centre. A plane that no later window reaches is
    handed on and forgotten: a buffer of (classes, *image) never exists. What no window covered is background with
    probability 1.

    Args:
        num_classes: channels of the logits, background first.
        size: voxels of the image (z, y, x), at least the window's.
        window: voxels of a window (z, y, x).
        region: part of the image to hand on, e.g. without what was padded.
        dtype: precision of the sum; probabilities handed on are float32.
        device: where the sum is kept.
    """

    def __init__(
        self,
        num_classes: int,
        size: Sequence[int],
        window: Sequence[int],
        region: tuple[slice, ...],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.depth = window[0]
        self.region = region
        self.weight = compute_importance_map(
            tuple(window), mode="gaussian", sigma_scale=GAUSSIAN_SIGMA, device=device, dtype=torch.float32
        )
        # plane z of the image lies in row z % depth
        self.total = torch.zeros((self.depth, num_classes, *size[1:]), dtype=dtype, device=device)
        self.weights = torch.zeros((self.depth, *size[1:]), device=device)
        self.next_plane: int = region[0].start

    def add(self, window: Window, logits: torch.Tensor) -> None:
        """Add the softmax of logits (classes, *window), which may not begin before the planes handed on."""
        planes, y, x = window
        for i, plane in enumerate(range(planes.start, planes.stop)):  # a whole window's softmax is never held
            row = plane % self.depth
            self.total[row, :, y, x].add_(torch.softmax(logits[:, i].float(), dim=0) * self.weight[i])
            self.weights[row, y, x].add_(self.weight[i])

    def advance(self, start: int) -> Iterator[torch.Tensor]:
        """Mean probabilities (classes, planes, y, x) of all planes before `start`, a few at a time, in order."""
        stop = min(start, self.region[0].stop)
        while self.next_plane < stop:
            following = min(self.next_plane + min(PLANES_AT_ONCE, self.depth), stop)
            rows = [plane % self.depth for plane in range(self.next_plane, following)]
            self.next_plane = following
            yield self._take(rows)

    def finish(self) -> Iterator[torch.Tensor]:
        """The planes that are left."""
        return self.advance(self.region[0].stop)

    def _take(self, rows: list[int]) -> torch.Tensor:
        """Normalised probabilities of some rows of the buffer, which are emptied."""
        _, y, x = self.region
        weights = self.weights[rows, y, x]
        mean = self.total.new_empty((self.total.shape[1], *weights.shape), dtype=torch.float32)
        for i, row in enumerate(rows):
            mean[:, i] = self.total[row, :, y, x]
        self.total[rows], self.weights[rows] = 0, 0
        covered = weights > 0
        mean /= torch.where(covered, weights, 1)
        mean[0] += ~covered
        if not mean[0].isfinite().all():
            raise InputError("the network's output is not finite: use weights of a training that did not diverge")
        return mean
