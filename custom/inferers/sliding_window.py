"""nnU-Net's sliding window: evenly spread windows, Gaussian weights, mirrored prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations, product
from typing import Any

import torch
import torch.nn.functional as F
from monai.data.utils import compute_importance_map
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type

from ..errors import InputError
from .direct import autocast_on

Predictor = Callable[..., Any]
GAUSSIAN_SIGMA = 1 / 8  # of the window's size
ALL_CHANNELS: tuple[Any, ...] = (slice(None), slice(None))
FIRST_VOLUME: tuple[Any, ...] = (0, slice(None))


class EvenWindowInferer(Inferer):
    """Logits of a whole image from windows spread evenly over it (nnU-Net's inference).

    MONAI's `SlidingWindowInferer` keeps a fixed step and shifts the last window only, and predicts no mirrored images.

    Args:
        roi_size: window size in voxels; it is also the least size the image is padded to (with 0).
        sw_batch_size: windows predicted at once.
        step: largest distance of neighbouring windows, as a fraction of the window.
        mirror_axes: spatial axes to mirror; logits are averaged over all 2^n combinations. None or empty: no mirroring.
        autocast: precision of the network, as in `DirectInferer`; logits are added up in float32.
    """

    def __init__(
        self,
        roi_size: Sequence[int],
        sw_batch_size: int = 1,
        step: float = 0.5,
        mirror_axes: Sequence[int] | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        if not 0 < step <= 1:
            raise InputError(f"EvenWindowInferer: step is {step}; use a fraction in (0, 1]")
        self.roi_size = tuple(roi_size)
        self.sw_batch_size = sw_batch_size
        self.step = step
        self.mirror_axes = tuple(mirror_axes or ())
        self.autocast = autocast

    def __call__(self, inputs: torch.Tensor, network: Predictor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (batch, classes, *spatial) of `inputs` (batch, channels, *spatial); metadata of the input are kept."""

        def predict(windows: torch.Tensor) -> torch.Tensor:
            with autocast_on(windows.device, self.autocast):
                return mirrored_mean(lambda x: main_output(network(x, *args, **kwargs)), windows, self.mirror_axes)

        image = inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs
        volumes = [self.predict_volume(volume[None], predict) for volume in image]
        return convert_to_dst_type(torch.cat(volumes), inputs)[0]

    def predict_volume(self, image: torch.Tensor, predict: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Logits (1, classes, *spatial) of one image (1, channels, *spatial)."""
        if image.dim() - 2 != len(self.roi_size):
            raise InputError(
                f"EvenWindowInferer: image of shape {tuple(image.shape)} has {image.dim() - 2} spatial axes, "
                f"roi_size {self.roi_size} has {len(self.roi_size)}"
            )
        padded, inner = pad_to_window(image, self.roi_size)
        windows = list(even_windows(padded.shape[2:], self.roi_size, self.step))
        weight = compute_importance_map(
            self.roi_size,
            mode="gaussian",
            sigma_scale=GAUSSIAN_SIGMA,
            device=image.device,
            dtype=torch.float32,
        )
        total: torch.Tensor | None = None
        weights = torch.zeros(padded.shape[2:], device=image.device)
        for first in range(0, len(windows), self.sw_batch_size):
            batch = windows[first : first + self.sw_batch_size]
            logits = predict(torch.cat([padded[ALL_CHANNELS + window] for window in batch])).float()
            if total is None:
                total = logits.new_zeros((1, logits.shape[1], *padded.shape[2:]))
            for window, values in zip(batch, logits, strict=True):
                total[FIRST_VOLUME + window] += values * weight
                weights[window] += weight
        assert total is not None  # there is at least one window
        return (total / weights)[ALL_CHANNELS + inner]


def main_output(output: Any) -> torch.Tensor:
    """The finest logits, also of a network in training mode (active learning predicts in that mode)."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    return output


def mirrored_mean(
    predict: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, axes: Sequence[int]
) -> torch.Tensor:
    """Mean of the logits of every mirrored image, mirrored back; `axes` count the spatial axes."""
    if not axes:
        return predict(image)
    flips = [[axis + 2 for axis in chosen] for chosen in chain(*(combinations(axes, n) for n in range(len(axes) + 1)))]
    total = predict(image)
    for flip in flips[1:]:
        total = total + torch.flip(predict(torch.flip(image, flip)), flip)
    return total / len(flips)


def even_starts(size: int, window: int, step: float) -> list[int]:
    """First voxels of the fewest windows at most `step * window` apart that cover `size` evenly.

    >>> even_starts(10, 4, 0.5)
    [0, 2, 4, 6]
    """
    last = size - window
    count = math.ceil(last / (window * step)) + 1
    return [round(last * index / (count - 1)) for index in range(count)] if count > 1 else [0]


def even_windows(size: Sequence[int], window: Sequence[int], step: float) -> Iterator[tuple[slice, ...]]:
    """The windows of an image of `size` voxels, at least as large as the window, in order of their starts."""
    starts = [even_starts(length, width, step) for length, width in zip(size, window, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(start, start + width) for start, width in zip(corner, window, strict=True))


def pad_to_window(image: torch.Tensor, window: Sequence[int]) -> tuple[torch.Tensor, tuple[slice, ...]]:
    """The image (batch, channels, *spatial) padded with 0 to at least `window`, and where it lies inside."""
    missing = [max(width - length, 0) for length, width in zip(image.shape[2:], window, strict=True)]
    inner = tuple(slice(gap // 2, gap // 2 + length) for gap, length in zip(missing, image.shape[2:], strict=True))
    if not any(missing):
        return image, inner
    padding = [side for gap in reversed(missing) for side in (gap // 2, gap - gap // 2)]
    return F.pad(image, padding), inner
