"""The route that streaming inference must equal: every score everywhere, then arg-max."""

from itertools import product

import numpy as np
import torch

from custom.inferers.sliding_window import even_starts, gaussian_weight


def even_windows(size, window):
    """All windows at half-window steps of an image at least as large, in order of their starts."""
    starts = [even_starts(length, width, 0.5) for length, width in zip(size, window, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(start, start + width) for start, width in zip(corner, window, strict=True))


def mean_scores(image, network, windows, softmax=True):
    """Scores of every window added up in a whole volume (classes, *spatial); background where no window lies."""
    windows = list(windows)
    weight = gaussian_weight([side.stop - side.start for side in windows[0]], torch.device("cpu"))
    total, weights = None, torch.zeros(image.shape[2:])
    for window in windows:
        scores = network(image[(slice(None), slice(None), *window)])[0]
        if softmax:  # the last bit of one depends on how its input lies in memory
            scores = torch.stack([plane.softmax(dim=0) for plane in scores.unbind(1)], dim=1)
        total = torch.zeros(len(scores), *image.shape[2:]) if total is None else total
        total[(slice(None), *window)] += scores * weight
        weights[window] += weight
    total[0][weights == 0] = 1
    return total / torch.where(weights > 0, weights, 1)


def argmax_on_native_grid(scores, coordinates, softmax=False):
    """Labels and largest scores from all of them interpolated linearly (along x, then y, then z, in float32).

    `coordinates`: network voxels at which the native voxels lie, one array per axis. More than half a voxel outside
    there is background with probability 1. `softmax`: of the interpolated scores, for the largest.
    """
    values = scores.numpy()
    inside = np.ones([len(where) for where in coordinates], bool)
    for dim in (2, 1, 0):
        shape = [-1 if i == dim else 1 for i in range(3)]
        last = values.shape[dim + 1] - 1
        inside &= (np.abs(coordinates[dim] - last / 2) <= last / 2 + 0.501).reshape(shape)
        where = np.clip(coordinates[dim], 0, last)
        below = np.floor(where).astype(int)
        weight = (where - below).astype(np.float32).reshape(shape)
        above = np.minimum(below + 1, last)
        values = values.take(below, dim + 1) * (1 - weight) + values.take(above, dim + 1) * weight
    labels = values.argmax(axis=0)
    if softmax:
        values = torch.as_tensor(values).softmax(dim=0).numpy()
    return np.where(inside, labels, 0), np.where(inside, values.max(axis=0), 1)
