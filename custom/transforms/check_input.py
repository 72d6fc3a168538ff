"""A scan that is unlike those that a network was trained on is named before it is labelled."""

import logging
from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy

from ..fingerprint.input_check import UNUSUAL, unusual
from ..fingerprint.scan_figures import evenly_spread, scan_figures
from ..io.nifti_header import says_no_orientation
from ..io.scan_reader import MODALITY
from .normalise_intensity import image_name

logger = logging.getLogger(__name__)

NO_ORIENTATION = "its header says no orientation, LAS is assumed: left and right may be swapped"


class CheckInputd(MapTransform):
    """Compare a scan, as loaded, with the training scans of a plan; one warning line where it is unlike them.

    The line stays in the image's metadata as `unusual_input`, "" where there is none. The image is left as it is. As a
    transform, it also works in MONAI Label, which takes of a config what prepares and infers.

    Args:
        plan: with its `fingerprint`, see `custom.fingerprint.input_check`.
    """

    def __init__(self, keys: KeysCollection, plan: Mapping[str, Any]) -> None:
        super().__init__(keys)
        self.plan = plan

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The same case; its images are `MetaTensor`s (channels, x, y, z) with their affine."""
        for key in self.key_iterator(data):
            image = data[key]
            channels = [evenly_spread(convert_to_numpy(channel)) for channel in image]
            figures = scan_figures(image.shape[1:], convert_to_numpy(image.affine), channels)
            found = unusual(figures, self.plan, str(image.meta.get(MODALITY, "")))
            if says_no_orientation(image.meta):
                found = "; ".join(filter(None, (NO_ORIENTATION, found)))
            if found:
                logger.warning(
                    "%s: unlike the scans of the training: %s; check its label map", image_name(image), found
                )
            image.meta[UNUSUAL] = found
        return dict(data)
