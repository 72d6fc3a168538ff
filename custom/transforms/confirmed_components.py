"""Consensus of a network's two heads: components that the distance field does not confirm are dropped."""

from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_numpy
from scipy import ndimage

from ..errors import InputError
from .surface_distance_field import separate_boxes

THRESHOLD = 0.6  # the true field is 0.5 at the surface and 1 at the deepest point of a class
LEAST_SHARE = 0.1
FULL = 255  # a field of 1


class DropUnconfirmed(Transform):
    """A label map without the components whose voxels the distance field places outside of their class.

    A component is what the label map gives one class and what touches by faces, edges or corners. It is kept where
    the field of any class is at least `threshold` in at least `share` of its voxels; otherwise it becomes background.
    The true field is above 0.5 inside and below 0.5 outside of a class. Of any class, as the field is asked whether
    there is something, not what. A share of voxels, where a maximum would let one voxel decide and a mean would depend
    on how far the segmentation spills over the surface.

    Args:
        threshold: of the field, above 0 up to 1.
        share: of a component's voxels, 0 to 1; 0 keeps a component for a single voxel.
        spared: ids of classes of which nothing is dropped.
    """

    backend = [TransformBackends.NUMPY, TransformBackends.TORCH]

    def __init__(self, threshold: float = THRESHOLD, share: float = LEAST_SHARE, spared: Collection[int] = ()) -> None:
        if not 0 < threshold <= 1 or not 0 <= share <= 1:
            given = f"threshold {threshold} and share {share}"
            raise InputError(f"consensus: {given}; give a threshold above 0 up to 1 and a share from 0 to 1")
        self.threshold = threshold
        self.share = share
        self.spared = set(spared)

    def __call__(self, volume: NdarrayOrTensor) -> NdarrayOrTensor:
        """The label map (1, *spatial) without them, of one with its field as the last of several channels.

        Args:
            volume: class ids and last the field times 255, (2 or more, *spatial), as
                `custom.inferers.StreamingSlidingWindowInferer(field=True)` gives them.
        """
        return self.with_count(volume)[0]

    def with_count(self, volume: NdarrayOrTensor) -> tuple[NdarrayOrTensor, int]:
        """The same, and how many components were dropped."""
        channels = convert_to_numpy(volume)
        limit = self.threshold * FULL
        labels, dropped = confirmed_components(channels[0], channels[-1], limit, self.share, self.spared)
        return convert_to_dst_type(labels[None], volume, dtype=volume.dtype)[0], dropped


class DropUnconfirmedd(MapTransform):
    """Dictionary form of `DropUnconfirmed`; the number of dropped components is written to "dropped_components".

    Of a scan in which nothing is left "type" becomes None, and "type_probabilities" empty, where the scan has got them.
    """

    backend = DropUnconfirmed.backend

    def __init__(
        self,
        keys: KeysCollection,
        threshold: float = THRESHOLD,
        share: float = LEAST_SHARE,
        spared: Collection[int] = (),
    ) -> None:
        super().__init__(keys)
        self.transform = DropUnconfirmed(threshold, share, spared)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with the components dropped."""
        output = dict(data)
        for key in self.key_iterator(output):
            output[key], output["dropped_components"] = self.transform.with_count(output[key])
            if "type" in output and not output[key].any():
                output["type"], output["type_probabilities"] = None, {}
        return output


def confirmed_components(
    labels: np.ndarray,
    field: np.ndarray,
    threshold: float = THRESHOLD,
    share: float = LEAST_SHARE,
    spared: Collection[int] = (),
) -> tuple[np.ndarray, int]:
    """The label map without the components that a field does not confirm, and their number; see `DropUnconfirmed`.

    Args:
        labels: class ids (*spatial).
        field: (*spatial), in any unit that `threshold` has too.
    """
    kept = labels.copy()
    dropped = 0
    for class_id, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None or class_id in spared:
            continue
        mask = labels[box] == class_id
        for part in separate_boxes(mask):  # of the numbers of components there is never a volume
            components, count = ndimage.label(mask[part], np.ones((3,) * labels.ndim))
            sizes = np.bincount(components.ravel(), minlength=count + 1)
            confirming = np.bincount(components[field[box][part] >= threshold], minlength=count + 1)
            confirmed = confirming >= np.maximum(share * sizes, 1)
            confirmed[0] = True  # all that is not of the class
            kept[box][part][~confirmed[components]] = 0
            dropped += int(np.count_nonzero(~confirmed))
    return kept, dropped
