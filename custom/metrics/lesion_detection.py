"""Lesions as things that are found, missed, invented or mistaken for another type: scores of connected components.

`panoptica` scores components too, but pins numpy below 2.3, brings plotly, pandas and scikit-image with it, and does
not know that a class may be mistaken for another.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.utils import convert_to_numpy
from scipy import ndimage

from ..errors import InputError
from .class_metric import ClassMetric

LEAST_IOU = 0.1  # of a lesion and the component that finds it; small lesions hardly overlap by half
SCORES = ("lesion_f1", "false_components", "wrong_type")


class LesionScores(NamedTuple):
    """Scores of one case, each (classes,), nan where the truth lacks the class; false components also without lesions.

    lesion_f1: 2 TP / (2 TP + FP + FN) over components of the class, matched one to one at an IoU of 0.1 or more.
    false_components: predicted components of any class that do not touch any true lesion, the same number for every
        class that the case has, and for all classes in a case that has none.
    wrong_type: of the true lesions of the class that any prediction touches, the share of which most of the predicted
        voxels are of another class; nan where there is none.
    """

    lesion_f1: np.ndarray
    false_components: np.ndarray
    wrong_type: np.ndarray


class LesionDetection(ClassMetric):
    """One of `LesionScores` of every case and class, kept as (cases, classes).

    Args:
        num_classes: classes with the background, which is not scored.
        score: "lesion_f1", "false_components" or "wrong_type"; InputError for another.
    """

    def __init__(self, num_classes: int, score: str = "lesion_f1") -> None:
        super().__init__()
        if score not in SCORES:
            raise InputError(f"LesionDetection: score is {score!r}; use one of {', '.join(SCORES)}")
        self.num_classes = num_classes
        self.score = score

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
        scores: np.ndarray = getattr(lesion_scores(prediction, truth, self.num_classes), self.score)
        return scores


def lesion_rules() -> list[str]:
    """The rules in words, for the header of a table."""
    return [
        f"lesions: 26-connected components of a class, found by one of it with an IoU of {LEAST_IOU:g}; false: of any "
        "class, touching no lesion; wrong type: of the lesions touched, those mostly given another class"
    ]


def lesion_scores(prediction: NdarrayOrTensor, truth: NdarrayOrTensor, num_classes: int) -> LesionScores:
    """The scores of one case, from class ids (*spatial) of both; `num_classes` counts the background."""
    maps = [convert_to_numpy(one).astype(np.uint8) for one in (prediction, truth)]
    box = ndimage.find_objects(((maps[0] | maps[1]) > 0).view(np.uint8))
    predicted, true = (one[box[0]] if box else one[..., :0] for one in maps)
    components, classes = class_components(predicted, num_classes)
    lesions, lesion_classes = class_components(true, num_classes)
    overlaps = np.zeros((len(lesion_classes), len(classes)), int)
    both = (lesions > 0) & (components > 0)
    np.add.at(overlaps, (lesions[both] - 1, components[both] - 1), 1)
    sizes = np.bincount(components.ravel(), minlength=len(classes) + 1)[1:]
    lesion_sizes = np.bincount(lesions.ravel(), minlength=len(lesion_classes) + 1)[1:]
    iou = overlaps / (sizes + lesion_sizes[:, None] - overlaps)
    false = int(np.count_nonzero(overlaps.sum(axis=0) == 0))
    scores = LesionScores(*np.full((3, num_classes - 1), np.nan))
    scores.false_components[np.unique(lesion_classes) - 1 if len(lesion_classes) else slice(None)] = false
    for class_id in np.unique(lesion_classes):
        own = lesion_classes == class_id
        own_iou = iou[own][:, classes == class_id]
        scores.lesion_f1[class_id - 1] = 2 * matches(own_iou) / sum(own_iou.shape)
        votes = np.stack([overlaps[own][:, classes == one].sum(axis=1) for one in range(1, num_classes)], axis=1)
        touched = votes[votes.any(axis=1)]
        if len(touched):
            scores.wrong_type[class_id - 1] = np.mean(touched.argmax(axis=1) != class_id - 1)
    return scores


def class_components(labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from 1 of the 26-connected components of all classes (*spatial), and the class of each (components,)."""
    numbers, classes = np.zeros(labels.shape, np.int32), list[int]()
    for class_id in range(1, num_classes):
        found, count = ndimage.label(labels == class_id, np.ones((3,) * labels.ndim))
        numbers += np.where(found, found + len(classes), 0).astype(np.int32)
        classes += [class_id] * count
    return numbers, np.asarray(classes, int)


def matches(iou: Sequence[Sequence[float]] | np.ndarray) -> int:
    """How many lesions (rows) and components (columns) find one another, each once, the best first."""
    left = np.array(iou, dtype=float)
    found = 0
    while left.size and left.max() >= LEAST_IOU:
        row, column = np.unravel_index(left.argmax(), left.shape)
        left[row], left[:, column] = 0, 0
        found += 1
    return found
