"""One pass over all files of a data set: a record of each case, from which everything else is computed."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..atomic_write import write_text
from ..data import inspection
from ..data.inspection import CaseFacts, Volume, read_volume
from ..data.layouts import case_name, image_files
from ..errors import InputError
from ..ignore_value import IGNORE_VALUE
from .case_intensity import CaseIntensity, case_intensity

logger = logging.getLogger(__name__)

CACHE_VERSION = 1


@dataclasses.dataclass(frozen=True)
class CaseRecord:
    """All that training, checking and planning ask of one case's files, each read once.

    Shapes and axes are in the files' order (x, y, z). Crops and intensities are nnU-Net's: the box of the voxels that
    are not 0 in some channel, and inside it the voxels with a label that is neither 0 nor ignored, channel by channel.

    Args:
        facts: shape, spacing, affine, voxels of each label value, problems.
        orientation: where the axes point, such as LPI; empty where no file could be read.
        shape_after_crop: voxels of the box.
        lowest: lowest intensity of each channel in the whole scan.
        intensities: of each channel's foreground, None without foreground.
        annotated: ids of the classes annotated in the case, None for all of them; not a property of the files.
    """

    facts: CaseFacts
    orientation: str
    shape_after_crop: list[int]
    lowest: list[float]
    intensities: list[CaseIntensity | None]
    annotated: tuple[int, ...] | None = None

    @property
    def relative_size(self) -> float:
        """Share of the scan's voxels that cropping leaves."""
        return float(np.prod(self.shape_after_crop, dtype=np.float64) / np.prod(self.facts.shape, dtype=np.float64))

    @property
    def foreground_share(self) -> float:
        """Share of the scan's voxels that belong to a class."""
        ids = [value for value in self.facts.foreground if value != IGNORE_VALUE]
        return sum(self.facts.label_voxels[value] for value in ids) / max(1, sum(self.facts.label_voxels.values()))

    def is_annotated(self, class_id: int) -> bool:
        """Whether the class was looked for in this case, present or not."""
        return self.annotated is None or class_id in self.annotated


def read_records(
    cases: Sequence[dict[str, Any]],
    num_classes: int | None = None,
    cache_file: str | Path | None = None,
    num_workers: int | None = None,
) -> list[CaseRecord]:
    """A record of each case, in order, read in threads under a progress bar; each thread holds one case.

    Sound cases are remembered in `cache_file` (JSON) by path, size and time of change of their files, and not read
    again until one of these changes. Problems stay in the records; `raise_on_problems` of their facts ends a run.

    Args:
        cases: ``{"image": file or channel files, "label": file, "annotated": class ids}``, the last two if there.
        num_classes: labels must be whole numbers from 0 to `num_classes` - 1; None accepts any whole number.
        cache_file: see above.
        num_workers: threads.

    Raises:
        InputError: `cache_file` cannot be written.
    """
    states = [inspection._file_states(case) for case in cases]
    keys = [None if state is None else json.dumps(state) for state in states]
    known = _read_cache(cache_file)
    todo = [number for number, key in enumerate(keys) if key is None or key not in known]
    read = inspection._map_with_progress(read_record, [cases[number] for number in todo], num_workers, "reading scans")
    fresh = dict(zip(todo, read, strict=True))
    records = [fresh[number] if number in fresh else known[str(key)] for number, key in enumerate(keys)]
    sound = {str(keys[number]): record for number, record in fresh.items() if not record.facts.problems}
    if cache_file is not None and sound:
        _write_cache(cache_file, known, sound)
    return [_of_case(record, case, num_classes) for record, case in zip(records, cases, strict=True)]


def read_record(case: dict[str, Any]) -> CaseRecord:
    """Read the files of a case once, wholly."""
    files = image_files(case)
    label_file = str(case["label"]) if case.get("label") else None
    problems: list[str] = []
    images = [_read(file, problems) for file in files]
    label = _read(label_file, problems) if label_file else None
    label_voxels: dict[int, int] = {}
    for image in images:
        problems += inspection._intensity_problem(image) if image else []
    if label:
        label_voxels, found = inspection._inspect_label(label)
        problems += found
    volumes = [volume for volume in [*images, label] if volume is not None]
    grids = [inspection.Grid(volume.file, volume.voxels.shape, volume.affine) for volume in volumes]
    problems += [line for grid in grids[1:] for line in inspection._grid_problem(grids[0], grid)]
    facts = CaseFacts(
        name=case_name(case),
        images=files,
        label=label_file,
        shape=[int(size) for size in grids[0].shape] if grids else [],
        spacing=[round(float(size), 6) for size in inspection._spacing(grids[0].affine)] if grids else [],
        affine=grids[0].affine.tolist() if grids else [],
        label_voxels=label_voxels,
        problems=problems,
    )
    orientation = "".join(nib.aff2axcodes(grids[0].affine)) if grids else ""
    sound = [image for image in images if image is not None]
    if problems or not sound:
        return CaseRecord(facts, orientation, facts.shape, [], [])
    box = nonzero_box(sound)
    return CaseRecord(
        facts=facts,
        orientation=orientation,
        shape_after_crop=[side.stop - side.start for side in box],
        lowest=[min(_scaled(image, np.array([image.voxels.min(), image.voxels.max()]))).item() for image in sound],
        intensities=_foreground(sound, label, box) if label else [None] * len(sound),
    )


def nonzero_box(images: Sequence[Volume]) -> tuple[slice, ...]:
    """The smallest box around the voxels that are not 0 in some channel; the whole scan where all are 0."""
    shape = images[0].voxels.shape
    filled = [np.zeros(size, dtype=bool) for size in shape]
    for image in images:
        for index in range(shape[-1]):  # slice by slice: scaled values need eight bytes a voxel
            occupied = _scaled(image, image.voxels[..., index]) != 0
            filled[0] |= occupied.any(axis=1)
            filled[1] |= occupied.any(axis=0)
            filled[2][index] |= occupied.any()
    ends = [np.flatnonzero(axis) for axis in filled]
    if not all(len(axis) for axis in ends):
        return tuple(slice(0, size) for size in shape)
    return tuple(slice(int(axis[0]), int(axis[-1]) + 1) for axis in ends)


def _foreground(images: Sequence[Volume], label: Volume, box: tuple[slice, ...]) -> list[CaseIntensity | None]:
    inside = label.voxels[box]
    mask = np.empty(inside.shape, dtype=bool, order="F")
    for index in range(inside.shape[-1]):
        values = np.rint(_scaled(label, inside[..., index]))
        mask[..., index] = (values > 0) & (values != IGNORE_VALUE)
    return [case_intensity(_scaled(image, image.voxels[box][mask])) for image in images]


def _scaled(volume: Volume, voxels: np.ndarray) -> np.ndarray:
    if (volume.slope, volume.intercept) == (1, 0):
        return voxels
    return voxels * volume.slope + volume.intercept


def _read(file: str, problems: list[str]) -> Volume | None:
    """The file's volume, or None with what is wrong added to `problems`."""
    try:
        return read_volume(file)
    except InputError as error:
        problems.append(str(error))
        return None


def _of_case(record: CaseRecord, case: dict[str, Any], num_classes: int | None) -> CaseRecord:
    """What a record of files lacks: the check of the class ids and the annotated classes, which belong to the run."""
    facts = inspection._with_class_problem(record.facts, num_classes)
    annotated = tuple(case["annotated"]) if "annotated" in case else None
    return dataclasses.replace(record, facts=facts, annotated=annotated)


def _read_cache(cache_file: str | Path | None) -> dict[str, CaseRecord]:
    """State of the files, as JSON -> record; empty where the cache is absent, damaged or something else."""
    if cache_file is None or not Path(cache_file).is_file():
        return {}
    try:
        content = json.loads(Path(cache_file).read_text(encoding="utf-8"))
        if content["version"] != CACHE_VERSION:
            return {}
        return {json.dumps(entry["files"]): _from_json(entry["record"]) for entry in content["cases"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        logger.info("%s is no cache of a fingerprint and is made anew", cache_file)
        return {}


def _from_json(entry: dict[str, Any]) -> CaseRecord:
    facts = inspection._facts_from_json(entry["facts"])
    intensities = [None if one is None else CaseIntensity.from_json(one) for one in entry["intensities"]]
    return CaseRecord(**{**entry, "facts": facts, "intensities": intensities})


def _write_cache(cache_file: str | Path, known: dict[str, CaseRecord], fresh: dict[str, CaseRecord]) -> None:
    """Both together, a file's older states left out, sorted."""
    replaced = {inspection._paths(state) for state in fresh}
    kept = {state: record for state, record in known.items() if inspection._paths(state) not in replaced}
    entries = [{"files": json.loads(state), "record": _to_json(record)} for state, record in (kept | fresh).items()]
    content = {"version": CACHE_VERSION, "cases": sorted(entries, key=lambda entry: entry["files"])}
    try:
        write_text(cache_file, json.dumps(content, separators=(",", ":")) + "\n")
    except OSError as error:
        raise InputError(
            f"{cache_file} cannot be written ({error.strerror}); pass an output in a folder that can be written"
        ) from error


def _to_json(record: CaseRecord) -> dict[str, Any]:
    """Without the annotated classes: the manifest says which, not the files."""
    return {
        "facts": dataclasses.asdict(record.facts),
        "orientation": record.orientation,
        "shape_after_crop": record.shape_after_crop,
        "lowest": record.lowest,
        "intensities": [None if one is None else one.to_json() for one in record.intensities],
    }
