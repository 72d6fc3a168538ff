"""One pass over all files of a data set: a record of each case, from which everything else is computed."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..datalist.folder_layouts import image_files
from ..ignore_index import IGNORE_INDEX
from ..io.file_state import FileStateCache, file_states
from ..io.volume import Volume
from ..progress import map_with_progress
from .case_intensity import CaseIntensity, case_intensity
from .data_check import (
    CLIPPED,
    CaseFacts,
    facts_from_json,
    facts_of,
    label_files,
    read_volumes,
    with_class_problem,
    with_overflows,
)
from .scan_figures import ScanFigures, evenly_spread, figures_from_json, scan_figures

CACHE_VERSION = 4


@dataclasses.dataclass(frozen=True)
class CaseRecord:
    """All that training, checking and planning ask of one case's files, each read once.

    Shapes and axes are in the files' order (x, y, z). Crops and intensities are nnU-Net's: the box of the voxels that
    are not 0 in some channel, and inside it the voxels with a label that is neither 0 nor ignored, channel by channel.

    Args:
        facts: shape, spacing, affine, voxels of each label value, problems.
        orientation: where the axes point, such as LPI.
        shape_after_crop: voxels of the box.
        lowest: lowest intensity of each channel in the whole scan.
        intensities: of each channel's foreground, None without foreground.
        figures: axes, sizes and intensities of the whole scan, None of a case with problems.
        annotated: ids of the classes annotated in the case, None for all of them; not a property of the files.
    """

    facts: CaseFacts
    orientation: str
    shape_after_crop: list[int]
    lowest: list[float]
    intensities: list[CaseIntensity | None]
    figures: ScanFigures | None = None
    annotated: tuple[int, ...] | None = None

    @property
    def relative_size(self) -> float:
        """Share of the scan's voxels that cropping leaves."""
        return float(np.prod(self.shape_after_crop, dtype=np.float64) / np.prod(self.facts.shape, dtype=np.float64))

    @property
    def foreground_share(self) -> float:
        """Share of the scan's voxels that belong to a class."""
        ids = [value for value in self.facts.foreground if value != IGNORE_INDEX]
        return sum(self.facts.label_voxels[value] for value in ids) / max(1, sum(self.facts.label_voxels.values()))

    def is_annotated(self, class_id: int) -> bool:
        """Whether the class was looked for in this case, present or not."""
        return self.annotated is None or class_id in self.annotated


def read_records(
    cases: Sequence[dict[str, Any]],
    num_classes: int | None = None,
    cache_file: str | Path | None = None,
    num_workers: int | None = None,
    description: str = "reading scans",
    *,
    normalisation: str = CLIPPED,
) -> list[CaseRecord]:
    """A record of each case, in order, read in threads under a progress bar; each thread holds one case.

    Sound cases are remembered in `cache_file` (JSON) by path, size and time of change of their files, and not read
    again until one of these changes. Problems stay in the records; `raise_on_problems` of their facts ends a run.

    Args:
        cases: ``{"image": file or channel files, "label": file, "annotated": class ids}``, the last two if there.
        num_classes: labels must be whole numbers from 0 to `num_classes` - 1; None accepts any whole number.
        normalisation: of the plan; one that clips knows no too large intensity.

    Raises InputError: `cache_file` cannot be written.
    """
    cache = FileStateCache(cache_file, CACHE_VERSION, _from_json, _to_json)
    states = [file_states(image_files(case) + label_files(case)) for case in cases]
    records = [cache.get(state) for state in states]
    todo = [number for number, known in enumerate(records) if known is None]
    fresh = map_with_progress(read_record, [cases[number] for number in todo], description, num_workers=num_workers)
    for number, record in zip(todo, fresh, strict=True):
        records[number] = record
        if not record.facts.problems:
            cache.put(states[number], record)
    if any(not one.facts.problems for number in todo if (one := records[number]) is not None):
        cache.save("pass another output folder")
    return [
        _of_run(record, case, num_classes, normalisation)
        for record, case in zip(records, cases, strict=True)
        if record is not None
    ]


def check_cases(cases: Sequence[dict[str, Any]], *arguments: Any, **options: Any) -> list[CaseFacts]:
    """What is wrong with each case, and what its label holds; arguments as of `read_records`."""
    return [record.facts for record in read_records(cases, *arguments, **options)]


def read_record(case: dict[str, Any]) -> CaseRecord:
    """Read the files of a case once, wholly; of a case with problems all but its facts stays empty."""
    volumes = read_volumes(case)
    facts = facts_of(case, volumes)
    sound = [volume for volume in volumes if isinstance(volume, Volume)]
    if facts.problems:
        return CaseRecord(facts, "", [], [], [])
    images, label = sound[: len(facts.images)], sound[-1] if facts.label else None
    box = nonzero_box(images)
    samples = [_scaled(image, evenly_spread(image.voxels)) for image in images]
    return CaseRecord(
        facts=facts,
        orientation="".join(nib.aff2axcodes(images[0].affine)),
        shape_after_crop=[side.stop - side.start for side in box],
        lowest=[float(_scaled(image, np.array([image.voxels.min(), image.voxels.max()])).min()) for image in images],
        intensities=[None] * len(images) if label is None else _foreground(images, label, box),
        figures=scan_figures(images[0].voxels.shape, images[0].affine, samples),
    )


def nonzero_box(images: Sequence[Volume]) -> tuple[slice, ...]:
    """The smallest box around the voxels that are not 0 in some channel; the whole scan where all are 0."""
    shape = images[0].voxels.shape
    filled = [np.zeros(size, dtype=bool) for size in shape]
    for image in images:
        for index in range(shape[-1]):  # slice by slice: scaled values need eight bytes a voxel
            occupied = _scaled(image, image.voxels[..., index]) != 0
            filled[2][index] |= occupied.any()
            if not (filled[0].all() and filled[1].all()):  # soon they are, in most CT
                filled[0] |= occupied.any(axis=1)
                filled[1] |= occupied.any(axis=0)
    ends = [np.flatnonzero(axis) for axis in filled]
    if not all(len(axis) for axis in ends):
        return tuple(slice(0, size) for size in shape)
    return tuple(slice(int(axis[0]), int(axis[-1]) + 1) for axis in ends)


def _foreground(images: Sequence[Volume], label: Volume, box: tuple[slice, ...]) -> list[CaseIntensity | None]:
    inside = label.voxels[box]
    mask = np.empty(inside.shape, dtype=bool, order="F")
    for index in range(inside.shape[-1]):
        values = _scaled(label, inside[..., index])
        whole = values if values.dtype.kind in "biu" else np.rint(values)
        mask[..., index] = (whole > 0) & (whole != IGNORE_INDEX)
    # transposed, both lie in memory as they are walked through: NIfTI's first axis is the fastest
    return [case_intensity(_scaled(image, image.voxels[box].T[mask.T])) for image in images]


def _scaled(volume: Volume, voxels: np.ndarray) -> np.ndarray:
    if (volume.slope, volume.intercept) == (1, 0):
        return voxels
    return voxels * volume.slope + volume.intercept


def _of_run(record: CaseRecord, case: dict[str, Any], num_classes: int | None, normalisation: str) -> CaseRecord:
    """What files do not say: the check of the class ids, of large intensities, and the annotated classes."""
    facts = with_overflows(with_class_problem(record.facts, num_classes), normalisation)
    annotated = tuple(case["annotated"]) if "annotated" in case else None
    return dataclasses.replace(record, facts=facts, annotated=annotated)


def _from_json(entry: dict[str, Any]) -> CaseRecord:
    facts = facts_from_json(entry["facts"])
    intensities = [None if one is None else CaseIntensity.from_json(one) for one in entry["intensities"]]
    figures = figures_from_json(entry["figures"])
    return CaseRecord(**{**entry, "facts": facts, "intensities": intensities, "figures": figures})


def _to_json(record: CaseRecord) -> dict[str, Any]:
    """Without the annotated classes: the manifest says which, not the files."""
    content = dataclasses.asdict(record)
    del content["annotated"]
    return {**content, "intensities": [None if one is None else one.to_json() for one in record.intensities]}
