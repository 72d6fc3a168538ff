"""nnU-Net's sliding window in pieces: evenly spread windows, Gaussian weights, padding, mirrored prediction."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from monai.data.utils import compute_importance_map

from ..errors import InputError

GAUSSIAN_SIGMA = 1 / 8  # of the window's size


def even_starts(size: int, window: int, step: float) -> list[int]:
    """First voxels of the fewest windows at most `step * window` apart that cover `size` evenly.

    MONAI's `SlidingWindowInferer` keeps a fixed step and shifts the last window only.

    >>> even_starts(10, 4, 0.5)
    [0, 2, 4, 6]
    """
    last = size - window
    count = math.ceil(last / (window * step)) + 1
    return [round(last * index / (count - 1)) for index in range(count)] if count > 1 else [0]


def gaussian_weight(window: Sequence[int], device: torch.device) -> torch.Tensor:
    """Weight (*window) of a window's voxels in the mean, float32: a Gaussian about its centre."""
    return compute_importance_map(
        tuple(window), mode="gaussian", sigma_scale=GAUSSIAN_SIGMA, device=device, dtype=torch.float32
    )


def pad_to_window(image: torch.Tensor, window: Sequence[int]) -> tuple[torch.Tensor, tuple[slice, ...]]:
    """The image (batch, channels, *spatial) padded with 0 to at least `window`, and where it lies inside."""
    missing = [max(width - length, 0) for length, width in zip(image.shape[2:], window, strict=True)]
    inner = tuple(slice(gap // 2, gap // 2 + length) for gap, length in zip(missing, image.shape[2:], strict=True))
    if not any(missing):
        return image, inner
    padding = [side for gap in reversed(missing) for side in (gap // 2, gap - gap // 2)]
    return F.pad(image, padding), inner


def main_output(output: Any) -> torch.Tensor:
    """The finest logits, also of a network in training mode (active learning predicts in that mode)."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    return output


def finite(logits: torch.Tensor) -> torch.Tensor:
    """The same. Raises InputError: some are NaN or infinite, of which an arg-max would make a class."""
    if not torch.isfinite(logits.sum(dtype=torch.float32)):
        raise InputError("the network's output is not finite: its intensities may be far from those it was trained on")
    return logits


def mirrored_mean(
    predict: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, axes: Sequence[int]
) -> torch.Tensor:
    """Mean of the logits of every mirrored image, mirrored back; `axes` count the spatial axes."""
    if not axes:
        return predict(image)
    total = predict(image).clone()  # added to in place: a window's logits may be the largest thing in memory
    for count in range(1, len(axes) + 1):
        for chosen in combinations(axes, count):
            flip = [axis + 2 for axis in chosen]
            total += torch.flip(predict(torch.flip(image, flip)), flip)
    return total.div_(2 ** len(axes))
