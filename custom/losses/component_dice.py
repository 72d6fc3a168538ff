"""Dice + cross-entropy of every lesion for itself, so that a small one counts as much as a large one (CC-DiceCE).

Written from the description in arXiv 2511.17146: each voxel belongs to the nearest connected component of the truth,
and Dice and cross-entropy are computed within each such region and averaged over them.
"""

import numpy as np
import torch
import torch.nn.functional as F
from monai.utils import convert_to_numpy
from scipy import ndimage
from torch import nn

SMOOTH = 1e-5  # added to numerator and denominator of Dice


class ComponentDiceCELoss(nn.Module):
    """Mean over the connected components of the foreground of the Dice + cross-entropy loss of their regions.

    A region's Dice is that of the component's own class (arXiv 2604.24276 has several classes, too): predictions of
    another class in it are false negatives there, and false positives of their class in the regions of that class's
    components. A patch without component has one region, in which any foreground is false.

    Regions are found on the CPU, in single precision.
    """

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar, of logits (batch, classes, *spatial) and class ids (batch, 1, *spatial)."""
        with torch.autocast(logits.device.type, enabled=False):
            losses = [component_dice_ce(one.float(), ids) for one, ids in zip(logits, label[:, 0].long(), strict=True)]
            return torch.stack(losses).mean()


def component_dice_ce(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """The loss, a scalar, of one patch: logits (classes, *spatial), class ids (*spatial)."""
    numbers, classes = nearest_components(convert_to_numpy(label))
    regions = torch.as_tensor(numbers, device=label.device).flatten()
    own = torch.as_tensor(classes, device=label.device)
    probabilities = logits.softmax(dim=0).flatten(1)
    ids, voxels = label.flatten(), torch.arange(label.numel(), device=label.device)
    # without a component, class 0 is the whole foreground
    wanted = own[regions]
    predicted = torch.where(wanted > 0, probabilities[wanted, voxels], 1 - probabilities[0])
    true = ((ids == wanted) & (ids > 0)).to(predicted.dtype)
    cross_entropy = F.cross_entropy(logits.flatten(1)[None], ids[None], reduction="none")[0]
    count = len(classes)

    def total(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(count).index_add(0, regions, values)

    overlap, sizes = total(predicted * true), total(predicted) + total(true)
    dice = (2 * overlap + SMOOTH) / (sizes + SMOOTH)
    return (1 - dice + total(cross_entropy) / total(torch.ones_like(predicted))).mean()


def nearest_components(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each voxel (*spatial) the number, from 0, of the nearest connected component, and the components' classes.

    A component: one class, connected by faces, edges or corners. Without any, all voxels belong to one of class 0.
    Distances are in voxels.
    """
    numbers, classes = np.zeros(label.shape, np.int64), list[int]()
    for class_id in np.unique(label[label > 0]):
        found, count = ndimage.label(label == class_id, np.ones((3,) * label.ndim))
        numbers[found > 0] = found[found > 0] + len(classes)
        classes += [int(class_id)] * count
    if not classes:
        return numbers, np.zeros(1, np.int64)
    nearest = ndimage.distance_transform_edt(numbers == 0, return_distances=False, return_indices=True)
    return numbers[tuple(nearest)] - 1, np.asarray(classes, np.int64)
