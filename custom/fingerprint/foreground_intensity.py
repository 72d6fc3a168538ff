"""Intensities of the annotated foreground of a whole cohort, in a stream: what CT is clipped and normalised by."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..datalist.layouts import image_files
from ..errors import InputError
from ..ignore_index import IGNORE_INDEX
from ..io.atomic_write import write_json
from ..io.volume import Volume, read_volume
from ..progress import map_with_progress
from .integrity import count_values

logger = logging.getLogger(__name__)

# FLARE22's foreground (methods of the FLARE23 paper); its clip limits are the 0.5 and 99.5 percentiles
FLARE22_INTENSITY = {"lower": -972.0, "upper": 294.0, "mean": 79.4, "sd": 142.0}

FINE_BIN = 2.0**-10  # a power of two: bins are exact
FINE_RANGE = 100.0  # a cohort whose intensities span no more is not CT: whole numbers would be too coarse
WHOLE_LIMIT = 2.0**23  # what lies beyond counts as this: wild values must not cost memory
FINE_LIMIT = 2.0**53  # bin numbers beyond are not exact
NUMBERS = ("lower", "upper", "mean", "sd")


class Histogram(NamedTuple):
    """Distinct bin numbers, sorted, and how many voxels lie in each."""

    bins: np.ndarray
    counts: np.ndarray


class Intensities(NamedTuple):
    """Of the voxels seen so far; `squares`: sum of squared deviations, `fine`: None once the range is that of CT."""

    voxels: int
    mean: float
    squares: float
    least: float
    greatest: float
    whole: Histogram
    fine: Histogram | None


def foreground_intensity(
    cases: Sequence[dict[str, Any]],
    file: str | Path | None = None,
    percentiles: tuple[float, float] = (0.5, 99.5),
    num_workers: int | None = None,
) -> dict[str, Any]:
    """Two percentiles, mean and standard deviation of the intensities where the label is neither 0 nor ignored.

    Every such voxel of every case counts once; cases without a label or without foreground are passed over. Mean and
    (population) standard deviation are exact; percentiles are `numpy.percentile`'s of the intensities rounded to
    whole numbers (Hounsfield units), or to 1/1024 where the whole cohort spans at most 100. The result does not depend
    on the number of threads, and the memory needed not on the number of cases.

    Args:
        cases: ``{"image": file, "label": file}`` of one channel.
        file: JSON file that keeps the result; where it exists, it is read and no scan is opened.
        percentiles: lower and upper.
        num_workers: threads; as many cases are in memory at once.

    Returns:
        "lower", "upper", "mean", "sd", "percentiles", "cases" (those that had foreground) and "voxels".

    Raises:
        InputError: a file is unreadable, image and label do not match, several channels, no foreground at all, or
            `file` was made with other percentiles.
    """
    if file is not None and Path(file).is_file():
        return _read_same(Path(file), percentiles)
    several = next((case for case in cases if len(image_files(case)) > 1), None)
    if several is not None:
        raise InputError(
            f"{image_files(several)[0]}: one of {len(image_files(several))} channels; foreground intensities are "
            "those of CT: pass cases of one channel"
        )
    labelled = [case for case in cases if case.get("label")]
    total, used = None, 0
    for one in map_with_progress(_case_intensities, labelled, "foreground intensities", num_workers=num_workers):
        if one is not None:
            total, used = one if total is None else _merged(total, one), used + 1
    if total is None:
        raise InputError(
            f"none of {len(cases)} cases has an annotated foreground voxel (labels other than 0 and {IGNORE_INDEX}); "
            "check the cohort's labels"
        )
    lower, upper = _percentiles(total, percentiles)
    result: dict[str, Any] = {
        "lower": lower,
        "upper": upper,
        "mean": total.mean,
        "sd": math.sqrt(total.squares / total.voxels),
        "percentiles": [float(value) for value in percentiles],
        "cases": used,
        "voxels": total.voxels,
    }
    _check(result, f"foreground of {used} cases")
    if file is not None:
        write_json(file, result)
    return result


def read_intensity(file: str | Path) -> dict[str, Any]:
    """The statistics a model was trained with, from the file beside it.

    Where neither the file nor a model.pt is in the folder, so that nothing trained depends on them, they are FLARE22's
    published ones, with a warning.

    Raises:
        InputError: the file is missing beside a model, or holds something else.
    """
    path = Path(file)
    if path.is_file():
        return _read(path)
    model = path.parent / "model.pt"
    if model.exists():
        raise InputError(f"{path} is missing: {model} was trained with its intensities; restore it from the training")
    logger.warning("%s does not exist: intensities are normalised by FLARE22's published statistics", path)
    return dict(FLARE22_INTENSITY)


def _read_same(path: Path, percentiles: Sequence[float]) -> dict[str, Any]:
    content = _read(path)
    kept = content.get("percentiles")
    if kept is not None and [float(value) for value in kept] != [float(value) for value in percentiles]:
        raise InputError(
            f"{path}: holds percentiles {kept}, {list(percentiles)} are asked for; remove it to compute them again"
        )
    return content


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not readable JSON ({reason}); restore it or compute it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold an object, not a {type(content).__name__}; compute it again")
    _check(content, str(path))
    return {key: float(value) if key in NUMBERS else value for key, value in content.items()}


def _check(content: dict[str, Any], source: str) -> None:
    for key in NUMBERS:
        value = content.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{source}: {key} is {value!r}, not a finite number; compute the intensities again")
    if content["sd"] <= 0 or content["lower"] >= content["upper"]:
        raise InputError(
            f"{source}: intensities from {content['lower']:g} to {content['upper']:g} with standard deviation "
            f"{content['sd']:g} cannot normalise a scan; check images and labels"
        )


def _case_intensities(case: dict[str, Any]) -> Intensities | None:
    label = read_volume(str(case["label"]))
    values = _scaled(label, label.voxels)
    foreground = (values > 0) & (values != IGNORE_INDEX)
    if not foreground.any():
        return None
    image = read_volume(image_files(case)[0])
    if image.voxels.shape != label.voxels.shape:
        raise InputError(
            f"{label.file}: shape {label.voxels.shape} differs from {image.voxels.shape} of {image.file}; "
            "bring both onto one grid"
        )
    intensities = _scaled(image, image.voxels[foreground]).astype(np.float64)
    if not np.isfinite(intensities).all():
        raise InputError(f"{image.file}: NaN or infinite in the foreground; replace them or leave the case out")
    return _summary(intensities)


def _scaled(volume: Volume, voxels: np.ndarray) -> np.ndarray:
    if (volume.slope, volume.intercept) == (1, 0):
        return voxels
    return voxels * volume.slope + volume.intercept


def _summary(values: np.ndarray) -> Intensities:
    mean, least, greatest = float(values.mean()), float(values.min()), float(values.max())
    return Intensities(
        voxels=values.size,
        mean=mean,
        squares=float(np.square(values - mean).sum()),
        least=least,
        greatest=greatest,
        whole=_histogram(values, WHOLE_LIMIT),
        fine=_histogram(values / FINE_BIN, FINE_LIMIT) if greatest - least <= FINE_RANGE else None,
    )


def _histogram(values: np.ndarray, limit: float) -> Histogram:
    counts = count_values(np.rint(values).clip(-limit, limit).astype(np.int64))
    bins = sorted(counts)
    return Histogram(np.array(bins, np.int64), np.array([counts[value] for value in bins], np.int64))


def _merged(one: Intensities, other: Intensities) -> Intensities:
    """Both together; mean and squares by Chan's formula, which loses no digits."""
    voxels = one.voxels + other.voxels
    apart = other.mean - one.mean
    least, greatest = min(one.least, other.least), max(one.greatest, other.greatest)
    fine = None
    if one.fine is not None and other.fine is not None and greatest - least <= FINE_RANGE:
        fine = _merged_histograms(one.fine, other.fine)
    return Intensities(
        voxels=voxels,
        mean=one.mean + apart * other.voxels / voxels,
        squares=one.squares + other.squares + apart**2 * one.voxels * other.voxels / voxels,
        least=least,
        greatest=greatest,
        whole=_merged_histograms(one.whole, other.whole),
        fine=fine,
    )


def _merged_histograms(one: Histogram, other: Histogram) -> Histogram:
    bins = np.union1d(one.bins, other.bins)
    counts = np.zeros(len(bins), np.int64)
    for part in (one, other):
        counts[np.searchsorted(bins, part.bins)] += part.counts
    return Histogram(bins, counts)


def _percentiles(total: Intensities, percentiles: Sequence[float]) -> list[float]:
    """`numpy.percentile` (linear) of the binned intensities, without unfolding the histogram."""
    histogram, width = (total.whole, 1.0) if total.fine is None else (total.fine, FINE_BIN)
    below = np.cumsum(histogram.counts)
    values = []
    for percentile in percentiles:
        place = (total.voxels - 1) * (percentile / 100)
        first = math.floor(place)
        low, high = (
            int(histogram.bins[np.searchsorted(below, min(rank, total.voxels - 1), side="right")])
            for rank in (first, first + 1)
        )
        part = place - first
        value = low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
        values.append(float(value * width))
    return values
