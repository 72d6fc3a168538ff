"""Intensities of a case's foreground, small enough to be kept, and their statistics over many cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError

MOST_WHOLE_BINS = 1 << 16  # whole numbers (Hounsfield units) spanning no more are kept as they are
FRACTIONAL_BINS = 4096  # bins over the range of anything else
DIGITS = 6
PERCENTILES = {"percentile_00_5": 0.5, "median": 50.0, "percentile_99_5": 99.5}


@dataclass(frozen=True, eq=False)
class CaseIntensity:
    """Foreground intensities of one channel: exact moments, and a histogram of the values that occur.

    `bins` are counted in steps of `width` from `minimum`. Whole numbers have a width of 1 and are exact, other values
    lie within half of `width`, 1/4096 of the case's range. Both arrays are int32: thousands of cases fit memory.
    """

    voxels: int
    mean: float
    sd: float
    minimum: float
    maximum: float
    width: float
    bins: np.ndarray
    counts: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """The intensity of each bin."""
        return self.minimum + self.width * self.bins.astype(np.float64)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return {**vars(self), "bins": self.bins.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> CaseIntensity:
        """What `to_json` gave."""
        return cls(**{**content, **{key: np.array(content[key], dtype=np.int32) for key in ("bins", "counts")}})


def case_intensity(values: np.ndarray) -> CaseIntensity | None:
    """Summarise foreground intensities (any shape, finite); None where there are none."""
    if values.size == 0:
        return None
    numbers = values.astype(np.float64).ravel()
    least, greatest = float(numbers.min()), float(numbers.max())
    span = greatest - least
    whole = span < MOST_WHOLE_BINS and bool((numbers == np.rint(numbers)).all())
    width = 1.0 if whole or span == 0 else span / FRACTIONAL_BINS
    frequency = np.bincount(np.rint((numbers - least) / width).astype(np.int64))
    present = np.flatnonzero(frequency)
    return CaseIntensity(
        voxels=numbers.size,
        mean=float(numbers.mean()),
        sd=float(numbers.std()),
        minimum=least,
        maximum=greatest,
        width=width,
        bins=present.astype(np.int32),
        counts=frequency[present].astype(np.int32),
    )


def intensity_statistics(cases: Sequence[CaseIntensity | None]) -> dict[str, float]:
    """Mean, standard deviation, minimum, maximum, median and the percentiles 0.5 and 99.5 over cases.

    nnU-Net draws the same number of voxels of every case, with replacement (10^8 in all), so that each case weighs the
    same whatever its foreground's size. Here each case's voxels are all used, with that weight: the value its sample
    tends to, without its chance. The cases are of one channel; those without foreground (None) are passed over.

    Returns:
        With the names of nnU-Net's `foreground_intensity_properties_per_channel`; empty where no case has foreground.
    """
    found = [case for case in cases if case is not None]
    if not found:
        return {}
    means = np.array([case.mean for case in found])
    mean = float(means.mean())
    variance = float(np.mean(np.square([case.sd for case in found]) + np.square(means - mean)))
    values = np.concatenate([case.values for case in found])
    shares = [case.counts / case.voxels / len(found) for case in found]
    return {
        "mean": mean,
        "std": math.sqrt(variance),
        "min": min(case.minimum for case in found),
        "max": max(case.maximum for case in found),
        **_percentiles(values, np.concatenate(shares)),
    }


def ct_intensity(statistics: Mapping[str, float], cases: int) -> dict[str, float]:
    """Clip limits, mean and standard deviation of the foreground of CT.

    Raises InputError: no foreground, or all of it of one intensity.
    """
    if not statistics or statistics["std"] <= 0 or statistics["percentile_00_5"] >= statistics["percentile_99_5"]:
        raise InputError(
            f"the classes of {cases} cases hold no range of intensities to normalise CT by; check images and labels"
        )
    keys = {"lower": "percentile_00_5", "upper": "percentile_99_5", "mean": "mean", "sd": "std"}
    return {ours: round(statistics[theirs], DIGITS) for ours, theirs in keys.items()}


def _percentiles(values: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """The least value that the given share of all voxels does not exceed."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(shares[order])
    places = np.searchsorted(below, [share / 100 * below[-1] * (1 - 1e-12) for share in PERCENTILES.values()])
    return dict(zip(PERCENTILES, values[order][places].tolist(), strict=True))
