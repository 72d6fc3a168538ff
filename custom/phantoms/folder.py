"""A folder of generated phantoms: seeds of its cases, the parameters it was made with, and its files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import numpy as np

from ..errors import InputError
from ..io.atomic_write import replacing, write_json
from ..progress import map_with_progress

PARAMETERS_FILE = "phantom_parameters.json"  # written first, so that an interrupted generation knows its own cases

Case = TypeVar("Case")
Result = TypeVar("Result")


def case_seed(seed: int, part: int, index: int) -> int:
    """Seed of case `index` of a `part` (training, test, ...) of a data set; parts share no seed."""
    return int(np.random.SeedSequence([seed, part, index]).generate_state(1, np.uint64)[0])


def holds_phantoms(root: Path, parameters: dict[str, Any], contents: Iterable[str]) -> bool:
    """Whether phantoms of these parameters were begun in `root`, all or some of them.

    Args:
        root: the folder, which need not exist.
        parameters: that decide what every phantom shows.
        contents: names of files and folders in `root` that a generator writes.

    Raises:
        InputError: the folder holds `contents` of another origin, or phantoms of other parameters.
    """
    file = root / PARAMETERS_FILE
    if not file.exists():
        if any((root / name).exists() for name in contents):
            raise InputError(f"{root}: holds data that are no phantoms of this generator; choose another folder")
        return False
    wanted, found = _as_json(parameters), _read_parameters(file)
    if found != wanted:
        differing = ", ".join(
            f"{key} {found.get(key)} instead of {wanted.get(key)}"
            for key in {**wanted, **found}
            if found.get(key) != wanted.get(key)
        )
        raise InputError(
            f"{root}: holds phantoms made with other parameters ({differing}); choose another folder or delete it"
        )
    return True


def write_parameters(root: Path, parameters: dict[str, Any]) -> None:
    """Note the parameters, before the first phantom is written."""
    write_json(root / PARAMETERS_FILE, parameters)


def map_cases(
    write: Callable[[Case], Result], cases: Sequence[Case], num_workers: int | None, description: str
) -> list[Result]:
    """`write` of every case in threads (None: one for each processor of the machine, at most 8), with a progress bar.

    Threads, not processes: a new process would first import torch, which takes as long as twenty phantoms.
    """
    return list(map_with_progress(write, cases, description, num_workers=num_workers or min(os.cpu_count() or 1, 8)))


def save_volume(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI in mm, scanner coordinates; equal arrays give equal bytes (nibabel stores no time)."""
    image = nib.nifti1.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    with replacing(path) as temporary:
        image.to_filename(temporary)


def _read_parameters(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: describes no phantoms of this generator; choose another folder") from error


def _as_json(parameters: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives them back: tuples are lists."""
    return dict(json.loads(json.dumps(parameters)))
