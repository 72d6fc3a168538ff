"""Label maps in which every class is in one piece."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_numpy
from scipy import ndimage


class KeepLargestComponentsd(MapTransform):
    """Each class's largest component alone, of label maps (1, *spatial): for organs, which are in one piece.

    MONAI's `KeepLargestConnectedComponentd` needs scikit-image, which nothing else here does.
    """

    backend = [TransformBackends.NUMPY, TransformBackends.TORCH]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` whose label maps have become background elsewhere."""
        output = dict(data)
        for key in self.key_iterator(output):
            kept = largest_components(convert_to_numpy(output[key])[0])
            output[key] = convert_to_dst_type(kept[None], output[key], dtype=output[key].dtype)[0]
        return output


def largest_components(labels: np.ndarray) -> np.ndarray:
    """The label map (*spatial) with the largest component of each class; of equal ones the first.

    A component is what touches by faces, edges or corners.
    """
    kept = labels.copy()
    for class_id, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            mask = labels[box] == class_id
            components, count = ndimage.label(mask, np.ones((3,) * labels.ndim))
            if count > 1:
                largest = 1 + np.bincount(components.ravel())[1:].argmax()
                kept[box][mask & (components != largest)] = 0
    return kept
