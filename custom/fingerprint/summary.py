"""What a data set is like, summed up from its cases' records: the fingerprint that a plan is made of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from .case_intensity import intensity_statistics
from .dataset_fingerprint import CaseRecord
from .scan_figures import POSITIVE


@dataclass(frozen=True)
class Fingerprint:
    """A data set in the order `axes` of anatomical axes, whatever the order in each file.

    Args:
        axes: three letters of R, A, S; the order of most files' axes, slowest first, as nnU-Net reads them.
        names: of the cases.
        spacings: (cases, 3), mm.
        shapes: (cases, 3), voxels after cropping to non-zero.
        orientations: code of each case, as its file has it.
        intensities: per channel nnU-Net's statistics of the foreground.
        lowest: per channel the median over cases of the scan's lowest intensity.
        present: per class the number of cases that have it.
        annotated: per class the number of cases in which it is annotated, present or not.
        relative_size: median share of a scan that cropping to non-zero leaves.
        foreground_share: median share of a scan that belongs to classes.
    """

    axes: str
    names: tuple[str, ...]
    spacings: np.ndarray
    shapes: np.ndarray
    orientations: tuple[str, ...]
    intensities: tuple[dict[str, float], ...]
    lowest: tuple[float, ...]
    present: tuple[int, ...]
    annotated: tuple[int, ...]
    relative_size: float
    foreground_share: float

    @property
    def orientation_counts(self) -> dict[str, int]:
        """Orientation -> number of cases, the most frequent first."""
        return dict(Counter(self.orientations).most_common())


def summarise(records: Sequence[CaseRecord], num_foreground: int) -> Fingerprint:
    """Pure arithmetic on records without problems.

    `num_foreground` is the number of classes without the background. Raises InputError: no cases, or cases with
    different numbers of channels.
    """
    if not records:
        raise InputError("no labelled case was found; add labels, or pass another data set")
    channels = {len(record.facts.images): record.facts.name for record in records}
    if len(channels) > 1:
        few, many = sorted(channels)[:2]
        raise InputError(
            f"case {channels[few]} has {few} channels, case {channels[many]} has {many}; give every case the same"
        )
    axes = common_axes([record.orientation for record in records])
    ids = range(1, num_foreground + 1)
    return Fingerprint(
        axes=axes,
        names=tuple(record.facts.name for record in records),
        spacings=np.array([_in_order(record.facts.spacing, record.orientation, axes) for record in records]),
        shapes=np.array([_in_order(record.shape_after_crop, record.orientation, axes) for record in records]),
        orientations=tuple(record.orientation for record in records),
        intensities=tuple(
            intensity_statistics([record.intensities[channel] for record in records])
            for channel in range(next(iter(channels)))
        ),
        lowest=tuple(np.median([record.lowest for record in records], axis=0).tolist()),
        present=tuple(sum(value in record.facts.label_voxels for record in records) for value in ids),
        annotated=tuple(sum(record.is_annotated(value) for record in records) for value in ids),
        relative_size=float(np.median([record.relative_size for record in records])),
        foreground_share=float(np.median([record.foreground_share for record in records])),
    )


def common_axes(orientations: Sequence[str]) -> str:
    """The order of axes, slowest first, that most files have; of several as frequent ones the first by alphabet.

    >>> common_axes(["LPI", "RAS", "PIR"])
    'SAR'
    """
    counts = Counter("".join(POSITIVE[code] for code in reversed(one)) for one in orientations)
    return min(counts, key=lambda axes: (-counts[axes], axes))


def _in_order(values: Sequence[Any], orientation: str, axes: str) -> list[Any]:
    """Values of a file's axes in the order of anatomical `axes`."""
    places = [POSITIVE[code] for code in orientation]
    return [values[places.index(axis)] for axis in axes]
