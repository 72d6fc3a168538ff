"""What every scan and label file really holds, and whether it can be used, before hours of training begin."""

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes

from ..datalist.folder_layouts import case_name, image_files
from ..datalist.left_out import LeftOut
from ..errors import InputError, listed_faults
from ..geometry.grid_distance import GRID_TOLERANCE_MM, grid_distance
from ..intensity_range import LARGE, is_drowned
from ..io.scan_check import affine_text, shape_text
from ..io.volume import Volume, read_volume
from ..number_text import exact, told_apart
from ..progress import map_with_progress

logger = logging.getLogger(__name__)

CLIPPED = "ct"  # the normalisation that clips intensities
CHUNK_VOXELS = 1 << 20
SMALLEST_MM = 1e-6  # of a voxel; spacings are rounded to it


@dataclasses.dataclass(frozen=True)
class CaseFacts:
    """One case as its files are; shape, spacing (mm) and affine are those of the first readable file.

    `label_voxels` counts the voxels of each label value, empty without a readable label; a case without foreground
    is no problem. Each of `problems` is one line: file, what is wrong with it, remedy. `overflows` are further ones
    where intensities are normalised by their own mean and deviation, but not where they are clipped first.
    """

    name: str
    images: list[str]
    label: str | None
    shape: list[int]
    spacing: list[float]
    affine: list[list[float]]
    label_voxels: dict[int, int]
    problems: list[str]
    overflows: list[str] = dataclasses.field(default_factory=list)

    @property
    def foreground(self) -> tuple[int, ...]:
        """The label values present, background apart, sorted."""
        return tuple(sorted(value for value in self.label_voxels if value != 0))


def inspect_case(case: dict[str, Any], num_classes: int | None = None) -> CaseFacts:
    """Read the files of a case once, wholly, and say what is wrong with them.

    Args:
        case: ``{"image": file or list of channel files, "label": file}``; the label may be absent.
        num_classes: labels must be whole numbers from 0 to `num_classes` - 1; None accepts any whole number.
    """
    return with_class_problem(facts_of(case, read_volumes(case)), num_classes)


def foreground_classes(cases: Sequence[dict[str, Any]]) -> dict[str, tuple[int, ...]]:
    """Case name -> its foreground classes, from the labels alone; none, with a warning, where one is unreadable."""
    found = map_with_progress(_read_foreground, cases, "reading labels")
    return {case_name(case): classes for case, classes in zip(cases, found, strict=True)}


def raise_on_problems(facts: Sequence[CaseFacts]) -> None:
    """Refuse data with problems: the first line says how many and the first of them, more follow line by line.

    Raises InputError: at least one case has a problem.
    """
    bad = [fact for fact in facts if fact.problems]
    if bad:
        problems = [problem for fact in bad for problem in fact.problems]
        raise listed_faults(f"{len(bad)} of {len(facts)} cases cannot be used", problems)


def absent_classes(
    cases: Iterable[CaseFacts | tuple[int, ...]], class_names: Sequence[str], dataset: str | Path
) -> list[str]:
    """The classes that no label holds.

    Args:
        cases: of each its facts, or the classes that its label holds.
        class_names: the classes in the order of their ids from 1.
        dataset: names the data in the message.

    Raises InputError: no label holds any of them.
    """
    present = {value for one in cases for value in (one.foreground if isinstance(one, CaseFacts) else one)}
    absent = [name for number, name in enumerate(class_names, start=1) if number not in present]
    if len(absent) == len(class_names):
        raise InputError(
            f"{dataset}: no label holds a voxel of any class (1 to {len(class_names)}): there is nothing to learn or "
            "score; check that these are the labels"
        )
    return absent


def only_usable(cases: Sequence[dict[str, Any]], facts: Sequence[CaseFacts], left_out: LeftOut) -> list[dict[str, Any]]:
    """The cases without problems; the others are left out."""
    for case, fact in zip(cases, facts, strict=True):
        if fact.problems:
            left_out.add(case, "; also ".join(fact.problems), by_all=True)
    return [case for case, fact in zip(cases, facts, strict=True) if not fact.problems]


def with_overflows(facts: CaseFacts, normalisation: str) -> CaseFacts:
    """The same with the overflows among the problems, where intensities are not clipped."""
    if normalisation == CLIPPED or not facts.overflows:
        return facts
    return dataclasses.replace(facts, problems=[*facts.problems, *facts.overflows])


def with_class_problem(facts: CaseFacts, num_classes: int | None) -> CaseFacts:
    """The same with one more problem where label values lie outside 0 to `num_classes` - 1; None accepts any."""
    outside = [value for value in facts.label_voxels if num_classes is not None and not 0 <= value < num_classes]
    if num_classes is None or not outside:
        return facts
    shown = ", ".join(str(value) for value in outside[:5]) + (", ..." if len(outside) > 5 else "")
    problem = (
        f"{facts.label}: label values {shown} are outside the classes 0 to {num_classes - 1}; "
        "correct the label or class_names"
    )
    return dataclasses.replace(facts, problems=[*facts.problems, problem])


def count_values(voxels: np.ndarray) -> dict[float, int]:
    """Value -> number of voxels, in chunks: the memory needed does not grow with the volume.

    Exact for any type; the speed is that of counting (not sorting) for integers within a range of 65536.
    """
    flat = voxels.reshape(-1, order="F")
    counts: dict[float, int] = {}
    for start in range(0, flat.size, CHUNK_VOXELS):
        chunk = flat[start : start + CHUNK_VOXELS]
        low, high = chunk.min(), chunk.max()
        if chunk.dtype.kind in "biu" and int(high) - int(low) < 1 << 16:
            frequency = np.bincount(chunk.astype(np.int64) - int(low))
            present = np.flatnonzero(frequency)
            values, numbers = present + int(low), frequency[present]
        else:
            values, numbers = np.unique(chunk, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
    return counts


def read_volumes(case: dict[str, Any]) -> list[Volume | InputError]:
    """The files of a case in order, the label last; in place of a file that cannot be used what is wrong with it."""
    return [_volume_or_error(file) for file in image_files(case) + label_files(case)]


def facts_of(case: dict[str, Any], volumes: Sequence[Volume | InputError]) -> CaseFacts:
    """What a case's files hold, from `read_volumes`; all but the comparison with a number of classes."""
    images, labels = image_files(case), label_files(case)
    problems: list[str] = []
    overflows: list[str] = []
    label_voxels: dict[int, int] = {}
    for number, volume in enumerate(volumes):
        if isinstance(volume, InputError):
            problems.append(str(volume))
        elif number < len(images):
            problems += _intensity_problem(volume)
            overflows += _overflow(volume)
        else:
            label_voxels, found = _inspect_label(volume)
            problems += found
    sound = [one for one in volumes if isinstance(one, Volume)]
    problems += [_tiny(one) for one in sound if min(voxel_sizes(one.affine)) < SMALLEST_MM]
    problems += [line for other in sound[1:] for line in _grid_problem(sound[0], other)]
    return CaseFacts(
        name=case_name(case),
        images=images,
        label=labels[0] if labels else None,
        shape=[int(size) for size in sound[0].voxels.shape] if sound else [],
        spacing=[round(float(size), 6) for size in voxel_sizes(sound[0].affine)] if sound else [],
        affine=sound[0].affine.tolist() if sound else [],
        label_voxels=label_voxels,
        problems=problems,
        overflows=overflows,
    )


def facts_from_json(entry: dict[str, Any]) -> CaseFacts:
    """What `dataclasses.asdict` gave, after JSON made text of the label values."""
    counts = {int(value): int(number) for value, number in entry["label_voxels"].items()}
    return CaseFacts(**{**entry, "label_voxels": counts})


def label_files(case: dict[str, Any]) -> list[str]:
    """The file of the label, where the case has one."""
    return [str(case["label"])] if case.get("label") else []


def _tiny(volume: Volume) -> str:
    sizes = " x ".join(f"{size:.3g}" for size in voxel_sizes(volume.affine))
    return f"{volume.file}: voxels of {sizes} mm are none of a scan; correct the units in its header, or leave it out"


def _volume_or_error(file: str) -> Volume | InputError:
    try:
        return read_volume(file)
    except InputError as error:
        return error


def _intensity_problem(volume: Volume) -> list[str]:
    low, high = volume.voxels.min(), volume.voxels.max()  # NaN carries through both
    if not (np.isfinite(low) and np.isfinite(high)):
        count = int((~np.isfinite(volume.voxels)).sum())
        return [f"{volume.file}: {count} voxels are NaN or infinite; replace them or leave the case out"]
    if low == high:
        value = float(low) * volume.slope + volume.intercept
        return [f"{volume.file}: every voxel has the same intensity {value:g}; export the scan again or leave it out"]
    return []


def _overflow(volume: Volume) -> list[str]:
    ends = np.array([volume.voxels.min(), volume.voxels.max()], dtype=float) * volume.slope + volume.intercept
    if (
        not np.isfinite(ends).all()
        or np.abs(ends).max() <= LARGE
        or not is_drowned(volume.voxels * volume.slope + volume.intercept)
    ):
        return []
    return [
        f"{volume.file}: intensities of {ends[np.abs(ends).argmax()]:.6g} leave nothing of all others when they are "
        "normalised; replace them by real ones, such as padding by the value of air"
    ]


def _inspect_label(volume: Volume) -> tuple[dict[int, int], list[str]]:
    """Label value -> voxels, and what forbids to read the values as classes."""
    values = {value * volume.slope + volume.intercept: number for value, number in count_values(volume.voxels).items()}
    odd = [value for value in values if not float(np.float32(value)).is_integer()]  # float32 is what training reads
    if odd:
        shown = ", ".join(map(exact, odd[:3]))
        return {}, [f"{volume.file}: label values are not whole numbers ({shown}); save classes as integers"]
    return {round(value): values[value] for value in sorted(values)}, []


def _grid_problem(image: Volume, other: Volume) -> list[str]:
    if image.voxels.shape != other.voxels.shape:
        here, there = shape_text(other.voxels.shape), shape_text(image.voxels.shape)
        return [f"{other.file}: shape {here} differs from {there} of {image.file}; bring both onto one grid"]
    apart = grid_distance(image.affine, other.affine, image.voxels.shape)
    if apart <= GRID_TOLERANCE_MM:
        return []
    here, there = told_apart(other.affine, image.affine, affine_text)
    return [
        f"{other.file}: affine {here} lies up to {apart:.3g} mm apart from {there} of {image.file}; resample one onto "
        "the other, or correct the wrong header"
    ]


def _read_foreground(case: dict[str, Any]) -> tuple[int, ...]:
    try:
        counts, problems = _inspect_label(read_volume(str(case["label"])))
    except InputError as error:
        counts, problems = {}, [str(error)]
    for problem in problems:
        logger.warning("%s", problem)
    return tuple(value for value in counts if value != 0)
