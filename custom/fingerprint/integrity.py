"""What every scan and label file really holds, and whether it can be used, before hours of training begin."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..datalist.layouts import case_name, image_files
from ..errors import InputError
from ..io.atomic_write import write_json
from ..io.volume import Volume, affine_text, read_volume, shape_text, voxel_size
from ..progress import map_with_progress

logger = logging.getLogger(__name__)

CACHE_VERSION = 1
GRID_TOLERANCE_MM = 1e-2  # rounding of a header's quaternion moves a corner by less, a voxel of any scan is larger
LISTED_PROBLEMS = 10
CHUNK_VOXELS = 1 << 20


@dataclasses.dataclass(frozen=True)
class CaseFacts:
    """One case as its files are; shape, spacing (mm) and affine are those of the first readable file.

    `label_voxels` counts the voxels of each label value, empty without a readable label; a case without foreground
    is no problem. Each of `problems` is one line: file, what is wrong with it, remedy.
    """

    name: str
    images: list[str]
    label: str | None
    shape: list[int]
    spacing: list[float]
    affine: list[list[float]]
    label_voxels: dict[int, int]
    problems: list[str]

    @property
    def foreground(self) -> tuple[int, ...]:
        """The label values present, background apart, sorted."""
        return tuple(sorted(value for value in self.label_voxels if value != 0))


class Grid(NamedTuple):
    """Where the voxels of a file lie."""

    file: str
    shape: tuple[int, ...]
    affine: np.ndarray


def inspect_case(case: dict[str, Any], num_classes: int | None = None) -> CaseFacts:
    """Read the files of a case once, wholly, and say what is wrong with them.

    Args:
        case: ``{"image": file or list of channel files, "label": file}``; the label may be absent.
        num_classes: labels must be whole numbers from 0 to `num_classes` - 1; None accepts any whole number.
    """
    return _with_class_problem(_read_case(case), num_classes)


def inspect_cases(
    cases: Sequence[dict[str, Any]],
    num_classes: int | None = None,
    cache_file: str | Path | None = None,
    num_workers: int | None = None,
    description: str = "checking data",
) -> list[CaseFacts]:
    """`inspect_case` for many, in threads (unpacking and numpy leave Python's lock) under a progress bar.

    Sound cases are remembered in `cache_file` (JSON) by path, size and time of change of their files and not read
    again until one of these changes; a cache that cannot be understood is ignored and replaced. Several processes may
    share it.

    Raises:
        InputError: `cache_file` cannot be written.
    """
    states = [_file_states(case) for case in cases]
    known = _read_cache(cache_file)
    todo = [number for number, state in enumerate(states) if state is None or json.dumps(state) not in known]
    read = map_with_progress(_read_case, [cases[number] for number in todo], description, num_workers=num_workers)
    fresh = dict(zip(todo, read, strict=True))
    facts = [fresh[number] if number in fresh else known[json.dumps(states[number])] for number in range(len(cases))]
    sound = [number for number, fact in fresh.items() if not fact.problems and states[number] is not None]
    if cache_file is not None and sound:
        _write_cache(cache_file, known, {json.dumps(states[number]): fresh[number] for number in sound})
    return [_with_class_problem(fact, num_classes) for fact in facts]


def foreground_classes(
    cases: Sequence[dict[str, Any]], num_workers: int | None = None, description: str = "reading labels"
) -> dict[str, tuple[int, ...]]:
    """Case name -> its foreground classes, from the labels alone; none, with a warning, where one is unreadable."""
    found = map_with_progress(_read_foreground, cases, description, num_workers=num_workers)
    return {case_name(case): classes for case, classes in zip(cases, found, strict=True)}


def raise_on_problems(facts: Sequence[CaseFacts]) -> None:
    """Refuse data with problems: the first line says how many and the first of them, more follow line by line.

    Raises:
        InputError: at least one case has a problem.
    """
    bad = [fact for fact in facts if fact.problems]
    if not bad:
        return
    lines = [problem for fact in bad for problem in fact.problems]
    heading = f"{len(bad)} of {len(facts)} cases cannot be used: {lines[0]}"
    hidden = len(lines) - LISTED_PROBLEMS
    rest = lines[1:LISTED_PROBLEMS] + ([f"and {hidden} more problems like these"] if hidden > 0 else [])
    raise InputError("\n  ".join([heading, *rest]))


def only_usable(cases: Sequence[dict[str, Any]], facts: Sequence[CaseFacts]) -> list[dict[str, Any]]:
    """The cases without problems; each of the others is left out with one logged warning line.

    Raises:
        InputError: no case remains.
    """
    usable = []
    for case, fact in zip(cases, facts, strict=True):
        if fact.problems:
            logger.warning("left out: %s", "; also ".join(fact.problems))
        else:
            usable.append(case)
    if not usable:
        first = next((problem for fact in facts for problem in fact.problems), "the list of cases is empty")
        raise InputError(f"none of {len(facts)} cases can be used, the first: {first}")
    return usable


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


def _read_case(case: dict[str, Any]) -> CaseFacts:
    """Everything but the comparison with the number of classes, so that a cache serves any number."""
    problems: list[str] = []
    grids: list[Grid] = []
    label_voxels: dict[int, int] = {}
    label = str(case["label"]) if case.get("label") else None
    for file, is_label in [*((image, False) for image in image_files(case)), *([(label, True)] if label else [])]:
        try:
            volume = read_volume(file)
        except InputError as error:
            problems.append(str(error))
            continue
        if is_label:
            label_voxels, found = _inspect_label(volume)
        else:
            found = _intensity_problem(volume)
        problems += found
        grids.append(Grid(file, volume.voxels.shape, volume.affine))
    problems += [line for grid in grids[1:] for line in _grid_problem(grids[0], grid)]
    return CaseFacts(
        name=case_name(case),
        images=image_files(case),
        label=label,
        shape=[int(size) for size in grids[0].shape] if grids else [],
        spacing=[round(float(size), 6) for size in voxel_size(grids[0].affine)] if grids else [],
        affine=grids[0].affine.tolist() if grids else [],
        label_voxels=label_voxels,
        problems=problems,
    )


def _intensity_problem(volume: Volume) -> list[str]:
    low, high = volume.voxels.min(), volume.voxels.max()  # NaN carries through both
    if not (np.isfinite(low) and np.isfinite(high)):
        count = int((~np.isfinite(volume.voxels)).sum())
        return [f"{volume.file}: {count} voxels are NaN or infinite; replace them or leave the case out"]
    if low == high:
        value = float(low) * volume.slope + volume.intercept
        return [f"{volume.file}: every voxel has the same intensity {value:g}; export the scan again or leave it out"]
    return []


def _inspect_label(volume: Volume) -> tuple[dict[int, int], list[str]]:
    """Label value -> voxels, and what forbids to read the values as classes."""
    values = {value * volume.slope + volume.intercept: number for value, number in count_values(volume.voxels).items()}
    odd = [value for value in values if not float(np.float32(value)).is_integer()]  # float32 is what training reads
    if odd:
        shown = ", ".join(f"{value:g}" for value in odd[:3])
        return {}, [f"{volume.file}: label values are not whole numbers ({shown}); save classes as integers"]
    return {round(value): values[value] for value in sorted(values)}, []


def _grid_problem(image: Grid, other: Grid) -> list[str]:
    if image.shape != other.shape:
        here, there = shape_text(other.shape), shape_text(image.shape)
        return [f"{other.file}: shape {here} differs from {there} of {image.file}; bring both onto one grid"]
    corners = np.array([(*corner, 1) for corner in product(*((0, size - 1) for size in image.shape))])
    apart = np.linalg.norm(corners @ (image.affine - other.affine).T, axis=1).max()
    if apart <= GRID_TOLERANCE_MM:
        return []
    return [
        f"{other.file}: affine {affine_text(other.affine)} lies up to {apart:.3g} mm apart from "
        f"{affine_text(image.affine)} of {image.file}; resample one onto the other, or correct the wrong header"
    ]


def _with_class_problem(facts: CaseFacts, num_classes: int | None) -> CaseFacts:
    if num_classes is None:
        return facts
    outside = [value for value in facts.label_voxels if not 0 <= value < num_classes]
    if not outside:
        return facts
    shown = ", ".join(str(value) for value in outside[:5]) + (", ..." if len(outside) > 5 else "")
    problem = (
        f"{facts.label}: label values {shown} are outside the classes 0 to {num_classes - 1}; "
        "correct the label or class_names"
    )
    return dataclasses.replace(facts, problems=[*facts.problems, problem])


def _read_foreground(case: dict[str, Any]) -> tuple[int, ...]:
    try:
        counts, problems = _inspect_label(read_volume(str(case["label"])))
    except InputError as error:
        counts, problems = {}, [str(error)]
    for problem in problems:
        logger.warning("%s", problem)
    return tuple(value for value in counts if value != 0)


def _file_states(case: dict[str, Any]) -> list[list[Any]] | None:
    """Path, size and time of change of each file: what a cached fact depends on. None where a file is missing."""
    files = image_files(case) + ([str(case["label"])] if case.get("label") else [])
    try:
        states = [Path(file).stat() for file in files]
    except OSError:
        return None
    return [[file, state.st_size, state.st_mtime_ns] for file, state in zip(files, states, strict=True)]


def _read_cache(cache_file: str | Path | None) -> dict[str, CaseFacts]:
    """State of the files, as JSON -> facts; empty where the cache is absent, damaged or something else."""
    if cache_file is None or not Path(cache_file).is_file():
        return {}
    try:
        content = json.loads(Path(cache_file).read_text(encoding="utf-8"))
        if content["version"] != CACHE_VERSION:
            return {}
        return {json.dumps(entry["files"]): _facts_from_json(entry["facts"]) for entry in content["cases"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        logger.info("%s is no cache of case facts and is made anew", cache_file)
        return {}


def _facts_from_json(entry: dict[str, Any]) -> CaseFacts:
    counts = {int(value): int(number) for value, number in entry["label_voxels"].items()}
    return CaseFacts(**{**entry, "label_voxels": counts})


def _write_cache(cache_file: str | Path, known: dict[str, CaseFacts], fresh: dict[str, CaseFacts]) -> None:
    """Both together, a file's older states left out, sorted: processes that do this at once write the same."""
    replaced = {_paths(state) for state in fresh}
    kept = {state: facts for state, facts in known.items() if _paths(state) not in replaced}
    entries = [
        {"files": json.loads(state), "facts": dataclasses.asdict(facts)} for state, facts in (kept | fresh).items()
    ]
    content = {"version": CACHE_VERSION, "cases": sorted(entries, key=lambda entry: entry["files"])}
    try:
        write_json(cache_file, content)
    except OSError as error:
        raise InputError(
            f"{cache_file} cannot be written ({error.strerror}); pass a facts_file in a folder that can be written"
        ) from error


def _paths(state: str) -> tuple[str, ...]:
    return tuple(file for file, *_ in json.loads(state))
