"""The route that streamed inference must equal: every probability everywhere, then arg-max."""

import numpy as np
import torch


def mean_probabilities(image, network, windows, weight):
    """Softmax of every window added up in a whole volume (classes, *spatial); background where no window lies."""
    total, weights = None, torch.zeros(image.shape[2:])
    for window in windows:
        logits = network(image[(slice(None), slice(None), *window)])[0]
        # the last bit of a softmax depends on how its input lies in memory
        probabilities = torch.stack([plane.softmax(dim=0) for plane in logits.unbind(1)], dim=1)
        total = torch.zeros(len(logits), *image.shape[2:]) if total is None else total
        total[(slice(None), *window)] += probabilities * weight
        weights[window] += weight
    total[0][weights == 0] = 1
    return total / torch.where(weights > 0, weights, 1)


def argmax_on_native_grid(probabilities, coordinates):
    """Labels and largest probabilities from all of them interpolated linearly (along x, then y, then z, in float32).

    `coordinates`: network voxels at which the native voxels lie, one array per axis. More than half a voxel outside
    there is background with probability 1.
    """
    values = probabilities.numpy()
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
    return np.where(inside, values.argmax(axis=0), 0), np.where(inside, values.max(axis=0), 1)
