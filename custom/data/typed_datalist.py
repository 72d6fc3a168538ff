"""The labelled cases of a classifier: each with the mask that another network predicted, and the type to learn."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.spatialimages import SpatialImage

from ..datalist.folder_layouts import image_files
from ..datalist.left_out import LeftOut
from ..datalist.output_names import label_names
from ..errors import InputError
from ..fingerprint.dataset_fingerprint import check_cases
from ..geometry.grid_distance import GRID_TOLERANCE_MM, grid_distance
from ..io.nifti_header import UNREADABLE, three_axes
from ..processes import is_first, on_first
from .labelled_datalist import labelled_datalist

logger = logging.getLogger(__name__)

PREDICT = "predict all scans of the data set with inference.yaml and pass that --output_dir as --masks_dir"


def typed_datalist(
    dataset_dir: str | Path,
    section: str,
    masks_dir: str | Path,
    facts_file: str | Path | None = None,
    left_out: LeftOut | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """The cases of `labelled_datalist` with "mask", and of those to train on "type", counted from 0.

    A case of several types has that of most voxels (of equally many the first), as one type is written onto a mask; a
    case without a type is scored, but not trained on.

    Args:
        masks_dir: label maps, each on its scan's grid and named as inference names them; what is not 0 is mask.
        facts_file: as in `labelled_datalist`, whose further arguments are `options`.
        left_out: takes the cases without a usable mask; without it any such case is refused.

    Raises InputError: as in `labelled_datalist`, a mask is missing or lies on another grid, or no case has a type.
    """
    cases = labelled_datalist(dataset_dir, section, facts_file=facts_file, left_out=left_out, **options)
    if not str(masks_dir):
        raise InputError(f"masks_dir is empty: {PREDICT}")
    names = label_names(cases, Path(dataset_dir) / "imagesTr")
    cases = [{**case, "mask": str(Path(masks_dir) / name)} for case, name in zip(cases, names, strict=True)]
    usable = []
    for case in cases:
        problem = mask_problem(case["mask"], image_files(case)[0])
        if problem and left_out is None:
            raise InputError(problem)
        if problem and left_out is not None:
            left_out.add(case, problem)
        else:
            usable.append(case)
    return with_types(usable, facts_file) if section == "training" else usable


def with_types(cases: list[dict[str, Any]], facts_file: str | Path | None) -> list[dict[str, Any]]:
    """The cases that have a type, with it; a line of warning says what was decided about others."""
    voxels = on_first(lambda: [fact.label_voxels for fact in check_cases(cases, cache_file=facts_file)])
    several = [case for case, counts in zip(cases, voxels, strict=True) if len(counts.keys() - {0}) > 1]
    types = [label_type(counts) for counts in voxels]
    typed = [{**case, "type": one - 1} for case, one in zip(cases, types, strict=True) if one]
    if not typed:
        raise InputError(f"none of the {len(cases)} training cases has a type: there is nothing to learn")
    if is_first() and several:
        what = "%d of %d training cases have several types, such as %s: that of most voxels is learnt"
        logger.warning(what, len(several), len(cases), several[0]["label"])
    if is_first() and len(typed) < len(cases):
        without = next(case for case, one in zip(cases, types, strict=True) if not one)
        what = "%d of %d training cases have no type, such as %s: they are not trained on"
        logger.warning(what, len(cases) - len(typed), len(cases), without["label"])
    return typed


def label_type(voxels: Mapping[int, int]) -> int:
    """The class with most voxels, of equally many the first; 0 for none.

    >>> label_type({0: 900, 1: 20, 3: 50}), label_type({0: 900})
    (3, 0)
    """
    return max((number for number in voxels if number), key=lambda number: (voxels[number], -number), default=0)


def mask_problem(mask: str, scan: str) -> str:
    """Why a mask cannot be used for a scan, "" where it can; only headers are read."""
    if not Path(mask).is_file():
        return f"{mask}: there is no mask of {scan}; {PREDICT}"
    try:
        found, wanted = nib.load(mask), nib.load(scan)
    except UNREADABLE as error:
        return f"{mask}: cannot be read ({type(error).__name__}); {PREDICT}"
    assert isinstance(found, SpatialImage)
    assert isinstance(wanted, SpatialImage)
    shape = three_axes(wanted.shape)
    if found.shape == shape and grid_distance(found.affine, wanted.affine, shape) <= GRID_TOLERANCE_MM:
        return ""
    return f"{mask}: lies on another grid than {scan}; {PREDICT}"
