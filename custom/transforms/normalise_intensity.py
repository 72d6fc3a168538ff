"""The normalisation that a plan names: CT by its cohort's foreground, anything else by each volume's own values."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, NormalizeIntensity, ScaleIntensityRange, Transform

from ..errors import InputError


def normalising(name: str, intensity: Mapping[str, float] | None = None) -> Transform:
    """MONAI's transform for a plan's normalisation.

    Args:
        name: "ct": clipped to the foreground's percentiles and brought to its mean 0 and deviation 1; "zscore": each
            channel of a volume to mean 0 and deviation 1.
        intensity: "lower", "upper", "mean" and "sd" of the foreground, for CT.

    Raises:
        InputError: there is no such normalisation, or CT lacks its statistics.
    """
    if name == "zscore":
        return NormalizeIntensity(channel_wise=True)
    if name != "ct" or intensity is None:
        raise InputError(f"normalisation is {name!r} with intensity {intensity}; use zscore, or ct with statistics")
    lower, upper, mean, sd = (float(intensity[key]) for key in ("lower", "upper", "mean", "sd"))
    return ScaleIntensityRange(lower, upper, (lower - mean) / sd, (upper - mean) / sd, clip=True)


class NormaliseIntensityd(MapTransform):
    """Normalise images as their plan says, see `normalising`."""

    def __init__(self, keys: KeysCollection, normalisation: str, intensity: Mapping[str, float] | None = None) -> None:
        super().__init__(keys)
        self.transform = normalising(normalisation, intensity)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with normalised images."""
        return {**data, **{key: self.transform(data[key]) for key in self.keys}}
