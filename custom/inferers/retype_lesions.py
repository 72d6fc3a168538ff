"""Lesions get one type: each that of most of its voxels, or all of a scan that whose logits the scan's look like."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy, convert_to_tensor
from scipy import ndimage

from ..errors import InputError
from .type_distributions import REMEDY, LogitDistribution, joint_moments, read_distributions, type_probabilities

UNCERTAIN = "uncertain"
NONE, MAJORITY, LOGITS = "none", "majority", "logits"  # rules


class RetypeLesionsd(MapTransform):
    """Give all voxels of a lesion in a predicted label map one type.

    By the rule "majority" each lesion, voxels of any type that touch by faces, edges or corners, gets the type that
    most of its voxels have; by "logits" all lesions of a scan get that whose distribution of logits fits the scan's
    best. Where no type is probable enough, by "majority" the share of its voxels, the voxels keep their own. Writes the
    probability of each type in the scan, by "majority" its share in the result, to "type_probabilities", and the most
    probable to "type" ("uncertain" where it is not probable enough, None where the prediction has no lesion).

    Args:
        keys: of label maps (1 or more, *spatial) with the class ids in the first channel.
        inferer: for "logits" holds the logits' moments of the scan in its `report`: a
            `StreamingSlidingWindowInferer(logit_moments=True)`, which has just predicted this scan.
        class_names: the foreground classes, in the order of their ids.
        types: those of them that are types of lesions; None: all.
        rule: "majority" or "logits".
        file: of the fitted distributions, for "logits".
        certainty: the probability that a type needs.

    Raises InputError: at the first scan; see `require_types`, which says so before.
    """

    def __init__(
        self,
        keys: KeysCollection,
        inferer: Any,
        class_names: Sequence[str],
        types: Sequence[str] | None,
        rule: str = LOGITS,
        file: str = "",
        certainty: float = 0.5,
    ) -> None:
        super().__init__(keys)
        self.inferer = inferer
        self.class_names = list(class_names)
        self.types = types
        self.rule = rule
        self.file = file
        self.certainty = certainty

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with the lesions retyped."""
        output = dict(data)
        ids = type_ids(self.class_names, self.types)
        if self.rule == MAJORITY:
            for key in self.key_iterator(output):
                output[key] = retyped_by_majority(output[key], list(ids.values()), self.certainty)
        found = self.by_logits(ids) if self.rule == LOGITS else shares(output[self.first_key(output)], ids)
        best = max(found, key=lambda name: found[name], default=None)
        if best is not None and found[best] < self.certainty:
            best = UNCERTAIN
        output["type"], output["type_probabilities"] = best, found
        if self.rule == LOGITS and best in ids:
            for key in self.key_iterator(output):
                output[key] = retyped(output[key], list(ids.values()), ids[str(best)])
        return output

    def by_logits(self, ids: Mapping[str, int]) -> dict[str, float]:
        """The probability of each type by the scan's logits; none without a lesion."""
        distributions = type_distributions(self.file, self.class_names, self.types)
        moments = joint_moments(self.inferer.report["logit_moments"], list(ids.values()))
        return type_probabilities(moments, distributions) if moments else {}


def require_types(rule: str, file: str, class_names: Sequence[str], types: Sequence[str] | None) -> None:
    """Refuse, before any scan is read, what `RetypeLesionsd` could not use. Raises InputError."""
    if rule == MAJORITY:
        type_ids(class_names, types)
    elif rule == LOGITS:
        type_distributions(file, class_names, types)


def shares(volume: torch.Tensor, ids: Mapping[str, int]) -> dict[str, float]:
    """The share of each type in the voxels of a label map (channels, *spatial) that have any; none without such."""
    labels = convert_to_tensor(volume, track_meta=False)[0]
    counts = {name: int((labels == number).sum()) for name, number in ids.items()}
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()} if total else {}


def type_distributions(
    file: str, class_names: Sequence[str], types: Sequence[str] | None
) -> dict[str, LogitDistribution]:
    """The distributions in a file that are of types of lesions. Raises InputError: there are fewer than two."""
    ids, known = type_ids(class_names, types), read_distributions(file, class_names)
    chosen = {name: known[name] for name in ids if name in known}
    if len(chosen) < 2:
        raise InputError(f"{file}: has distributions of {len(chosen)} of the types {', '.join(ids)}; {REMEDY}")
    return chosen


def type_ids(class_names: Sequence[str], types: Sequence[str] | None) -> dict[str, int]:
    """Name -> class id of the types of lesions. Raises InputError: there are fewer than two."""
    chosen = {name: number for number, name in enumerate(class_names, start=1) if types is None or name in types}
    if len(chosen) < 2:
        raise InputError(
            f"typing needs two or more classes that are types of lesions, and the plan has {len(chosen)} of "
            f"{', '.join(class_names)}; leave --typing out, or name them under 'types' in the plan"
        )
    return chosen


def retyped(volume: torch.Tensor, ids: Sequence[int], chosen: int) -> torch.Tensor:
    """A label map (channels, *spatial), ids in the first channel, with one of some ids in place of all of them."""
    result = volume.clone()
    labels = convert_to_tensor(result, track_meta=False)[0]  # the same memory
    labels[torch.isin(labels, torch.tensor(ids, dtype=labels.dtype, device=labels.device))] = chosen
    return result


def retyped_by_majority(volume: torch.Tensor, ids: Sequence[int], certainty: float) -> torch.Tensor:
    """A label map (channels, *spatial), ids in the first channel, each lesion with that of most of its voxels.

    Args:
        certainty: the share of its voxels, 0 to 1, that must have it; else the lesion stays as it is.
    """
    result = volume.clone()
    labels = convert_to_numpy(result[0])
    lesions, count = ndimage.label(np.isin(labels, ids), np.ones((3,) * labels.ndim))
    votes = np.stack([np.bincount(lesions[labels == one], minlength=count + 1) for one in ids])
    sure = votes.max(axis=0) >= certainty * np.maximum(votes.sum(axis=0), 1)
    winners = np.asarray(ids)[votes.argmax(axis=0)]
    labels = np.where((lesions > 0) & sure[lesions], winners[lesions], labels)
    result[0] = torch.as_tensor(labels.astype(np.uint8), device=result.device)
    return result
