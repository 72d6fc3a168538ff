"""A scan's lesions get one type, that whose logits the scan's look like."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from ..errors import InputError
from .type_distributions import REMEDY, LogitDistribution, joint_moments, read_distributions, type_probabilities

UNCERTAIN = "uncertain"


class RetypeLesionsd(MapTransform):
    """Give all voxels of lesions in a predicted label map the type whose distribution of logits fits the scan's best.

    Writes the type to `type_key` ("uncertain" where no type is probable enough: the label map then stays as it is; None
    where the prediction has no lesion) and the probability of each type to `probabilities_key`.

    Args:
        keys: of label maps (1 or more, *spatial) with the class ids in the first channel.
        inferer: holds the logits' moments of the scan in its `report`: a
            `StreamingSlidingWindowInferer(logit_moments=True)`, which has just predicted this scan.
        class_names: the foreground classes, in the order of their ids.
        types: those of them that are types of lesions; None: all.
        file: of the fitted distributions.
        certainty: the probability that a type needs.

    Raises:
        InputError: at the first scan; see `require_distributions`, which says so before.
    """

    def __init__(
        self,
        keys: KeysCollection,
        inferer: Any,
        class_names: Sequence[str],
        types: Sequence[str] | None,
        file: str,
        certainty: float = 0.5,
        type_key: str = "type",
        probabilities_key: str = "type_probabilities",
    ) -> None:
        super().__init__(keys)
        self.inferer = inferer
        self.class_names = list(class_names)
        self.types = types
        self.file = file
        self.certainty = certainty
        self.type_key = type_key
        self.probabilities_key = probabilities_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with the lesions retyped."""
        output = dict(data)
        ids = type_ids(self.class_names, self.types)
        distributions = type_distributions(self.file, self.class_names, self.types)
        moments = joint_moments(self.inferer.report["logit_moments"], list(ids.values()))
        found = type_probabilities(moments, distributions) if moments else {}
        best = max(found, key=lambda name: found[name], default=None)
        if best is not None and found[best] < self.certainty:
            best = UNCERTAIN
        output[self.type_key], output[self.probabilities_key] = best, found
        if best in ids:
            for key in self.key_iterator(output):
                output[key] = retyped(output[key], list(ids.values()), ids[str(best)])
        return output


def require_distributions(wanted: bool, file: str, class_names: Sequence[str], types: Sequence[str] | None) -> None:
    """Refuse, before any scan is read, what `RetypeLesionsd` could not use. Raises InputError."""
    if wanted:
        type_distributions(file, class_names, types)


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
