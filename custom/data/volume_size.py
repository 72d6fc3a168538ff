"""The size at which whole scans go through a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..datalist.folder_layouts import training_cases
from ..fingerprint.data_check import raise_on_problems
from ..fingerprint.dataset_fingerprint import check_cases
from ..geometry.resampled_size import in_axis_order
from ..networks.type_classifier import CLASSIFIER
from ..processes import on_first


def volume_size(
    dataset_dir: str | Path,
    plan: Mapping[str, Any],
    spacing: Sequence[float],
    facts_file: str | Path | None = None,
) -> list[int]:
    """Voxels of the smallest box that holds every scan of a data set after resampling, axis by axis.

    Args:
        dataset_dir: folder of the data set.
        plan: says in which order axes are; a classifier's own plan says the size, too.
        spacing: mm along these axes.
        facts_file: JSON in which the findings of the data check are kept, so that no file is read twice.

    Raises InputError: a file cannot be used.
    """
    if plan["network"]["name"] == CLASSIFIER:
        return list(plan["patch_size"])
    facts = on_first(lambda: check_cases(training_cases(dataset_dir), cache_file=facts_file))
    raise_on_problems(facts)
    in_order = [in_axis_order(fact.shape, np.asarray(fact.affine), plan["orientation"]) for fact in facts]
    # as MONAI resamples: from the first voxel's centre to the last one's
    steps = np.array([(np.asarray(size) - 1) * own for size, own in in_order]) / np.asarray(spacing)
    return np.floor(steps.max(axis=0) + 1.5 + 1e-6).astype(int).tolist()
