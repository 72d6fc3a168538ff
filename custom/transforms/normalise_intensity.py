"""The normalisation that a plan names: CT by its cohort's foreground, anything else by each volume's own values."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, NormalizeIntensity, ScaleIntensityRange, Transform
from monai.utils import ImageMetaKey, convert_to_tensor

from ..errors import InputError
from ..intensity_range import is_drowned

LOST = "leave nothing of the image when they are normalised; replace such values by real ones"


def normalising(name: str, intensity: Mapping[str, float] | None = None) -> Transform:
    """MONAI's transform for a plan's normalisation.

    Args:
        name: "ct": clipped to the foreground's percentiles and brought to its mean 0 and deviation 1; "zscore": each
            channel of a volume to mean 0 and deviation 1.
        intensity: "lower", "upper", "mean" and "sd" of the foreground, for CT.

    Raises InputError: there is no such normalisation, or CT lacks its statistics.
    """
    if name == "zscore":
        return NormalizeIntensity(channel_wise=True)
    if name != "ct" or intensity is None:
        raise InputError(f"normalisation is {name!r} with intensity {intensity}; use zscore, or ct with statistics")
    lower, upper, mean, sd = (float(intensity[key]) for key in ("lower", "upper", "mean", "sd"))
    return ScaleIntensityRange(lower, upper, (lower - mean) / sd, (upper - mean) / sd, clip=True)


class NormaliseIntensityd(MapTransform):
    """Normalise images as their plan says, see `normalising`; one of which nothing would be left is refused."""

    def __init__(self, keys: KeysCollection, normalisation: str, intensity: Mapping[str, float] | None = None) -> None:
        super().__init__(keys)
        self.transform = normalising(normalisation, intensity)
        self.by_own_values = normalisation == "zscore"

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with normalised images."""
        return {**data, **{key: self._normalised(data[key]) for key in self.keys}}

    def _normalised(self, image: Any) -> Any:
        values = convert_to_tensor(image, track_meta=False)
        if self.by_own_values and any(map(is_drowned, values)):
            raise InputError(f"{image_name(image)}: intensities from {values.min():.6g} to {values.max():.6g} {LOST}")
        result = self.transform(image)
        for channel, source in zip(convert_to_tensor(result, track_meta=False), values, strict=True):
            spread = channel.max() - channel.min()
            if not torch.isfinite(spread):
                raise InputError(f"{image_name(image)}: NaN, infinite or overflowing intensities {LOST}")
            if spread == 0 and source.min() < source.max():
                raise InputError(
                    f"{image_name(image)}: intensities from {source.min():.6g} to {source.max():.6g} {LOST}"
                )
        return result


def image_name(image: Any) -> str:
    """The file an image was read from, where it knows it."""
    return str(getattr(image, "meta", {}).get(ImageMetaKey.FILENAME_OR_OBJ, "an image"))
