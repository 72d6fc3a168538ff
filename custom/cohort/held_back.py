"""Which classes of a pseudo-label are not good enough to be learnt from: they stay unannotated in the case."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monai.config.type_definitions import NdarrayOrTensor
from monai.utils import convert_to_tensor


@dataclass(frozen=True)
class Thresholds:
    """What a class of a pseudo-label must reach; 0 asks for nothing.

    Attributes:
        min_dice: mean Dice of the class on the validation cases, by the model that labels.
        min_class_confidence: mean probability over the voxels that the case's pseudo-label gives the class.
        min_agreement: Dice between the class in two models' pseudo-labels of the case.
    """

    min_dice: float = 0.0
    min_class_confidence: float = 0.0
    min_agreement: float = 0.0


def held_back(
    classes: Sequence[int],
    thresholds: Thresholds,
    dice: Mapping[int, float | None],
    confidence: Mapping[int, float],
    agreement: Mapping[int, float],
    lesions: Collection[int] = (),
) -> dict[int, str]:
    """Class -> why it is held back in one case.

    An organ that the model did not find has no confidence: doubtful, too, since most organs are somewhere in a scan
    and their absence would be learnt. A lesion that was not found may well not be there, and is not doubtful.

    Args:
        classes: ids that the model would fill in the case.
        dice: class -> mean Dice on the validation cases; None or no entry where none of them has the class, which is
            then not judged.
        confidence: class -> mean probability in this case, of the classes that were found.
        agreement: class -> Dice between two models in this case; no entry where neither found it.
        lesions: ids of the classes that lie inside others.

    >>> held_back([1, 2, 3], Thresholds(0.5, 0.7), {1: 0.9, 2: 0.1, 3: 0.8}, {1: 0.6, 2: 0.9, 3: 0.8}, {})
    {1: 'confidence below 0.7', 2: 'validation Dice 0.10 below 0.5'}
    """
    reasons = {}
    for number in classes:
        score, least = dice.get(number), 1.0 if number in lesions else 0.0
        if score is not None and score < thresholds.min_dice:
            reasons[number] = f"validation Dice {score:.2f} below {thresholds.min_dice:g}"
        elif confidence.get(number, least) < thresholds.min_class_confidence:
            found = number in confidence
            reasons[number] = f"confidence below {thresholds.min_class_confidence:g}" if found else "not found"
        elif agreement.get(number, least) < thresholds.min_agreement:
            reasons[number] = f"agreement below {thresholds.min_agreement:g}"
    return reasons


def class_agreement(first: NdarrayOrTensor, second: NdarrayOrTensor, classes: Sequence[int]) -> dict[int, float]:
    """Dice between two label maps of one grid, for each of the classes that either has.

    >>> class_agreement(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 1, 1, 0]), [1, 2, 3])
    {1: 0.8, 2: 0.0}
    """
    one, other = (convert_to_tensor(volume, track_meta=False) for volume in (first, second))
    found: dict[int, Any] = {}
    for number in classes:
        own, theirs = one == number, other == number
        voxels = int(own.sum() + theirs.sum())
        if voxels:
            found[number] = 2 * int((own & theirs).sum()) / voxels
    return found
