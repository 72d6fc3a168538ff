"""Class scores of overlapping windows, added up in a slab that moves along an image."""

from collections.abc import Iterator, Sequence

import torch

from .efficient_windows import Window
from .sliding_window import finite, gaussian_weight

PLANES_AT_ONCE = 8
CERTAIN_LOGIT = 30.0  # of background: its softmax among 255 classes is 1 in single precision


class SlabAccumulator:
    """Mean scores of windows that come in order of their first plane, held for one window's planes only.

    Each window's logits, or with `softmax` their probabilities, count with a Gaussian weight about its centre. A plane
    that no later window reaches is handed on and forgotten: a buffer of (classes, *image) never exists. What no window
    covered is background with certainty.

    Args:
        num_classes: channels of the logits, background first.
        size, window: voxels (z, y, x) of the image, at least the window's, and of a window.
        region: part of the image to hand on, e.g. without what was padded.
        dtype, device: of the sum; scores handed on are float32.
        softmax: whether probabilities are averaged, else logits.
    """

    def __init__(
        self,
        num_classes: int,
        size: Sequence[int],
        window: Sequence[int],
        region: tuple[slice, ...],
        dtype: torch.dtype,
        device: torch.device,
        softmax: bool,
    ) -> None:
        self.depth = window[0]
        self.planes_at_once = min(PLANES_AT_ONCE, max(self.depth // 4, 1))  # little compared to the slab
        self.region = region
        self.softmax = softmax
        self.weight = gaussian_weight(window, device)
        # plane z of the image lies in row z % depth
        self.total = torch.zeros((self.depth, num_classes, *size[1:]), dtype=dtype, device=device)
        self.weights = torch.zeros((self.depth, *size[1:]), device=device)
        self.next_plane: int = region[0].start

    def add(self, window: Window, logits: torch.Tensor) -> None:
        """Add the scores of logits (classes, *window), which may not begin before the planes handed on."""
        planes, y, x = window
        for i, plane in enumerate(range(planes.start, planes.stop)):  # a whole window's softmax is never held
            row = plane % self.depth
            scores = logits[:, i].float()
            if self.softmax:
                scores = torch.softmax(scores, dim=0)
            self.total[row, :, y, x].add_(scores * self.weight[i])
            self.weights[row, y, x].add_(self.weight[i])

    def advance(self, start: int) -> Iterator[torch.Tensor]:
        """Mean scores (classes, planes, y, x) of all planes before `start`, a few at a time, in order."""
        stop = min(start, self.region[0].stop)
        while self.next_plane < stop:
            following = min(self.next_plane + self.planes_at_once, stop)
            rows = [plane % self.depth for plane in range(self.next_plane, following)]
            self.next_plane = following
            yield self._take(rows)

    def finish(self) -> Iterator[torch.Tensor]:
        """The planes that are left."""
        return self.advance(self.region[0].stop)

    def _take(self, rows: list[int]) -> torch.Tensor:
        """Normalised scores of some rows of the buffer, which are emptied."""
        _, y, x = self.region
        weights = self.weights[rows, y, x]
        mean = self.total.new_empty((self.total.shape[1], *weights.shape), dtype=torch.float32)
        for i, row in enumerate(rows):
            mean[:, i] = self.total[row, :, y, x]
            self.total[row] = 0
        self.weights[rows] = 0
        covered = weights > 0
        mean /= torch.where(covered, weights, 1)
        mean[0] += ~covered * (1.0 if self.softmax else CERTAIN_LOGIT)
        return finite(mean)
