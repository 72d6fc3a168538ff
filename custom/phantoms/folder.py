"""A folder of generated phantoms: seeds and shares of its cases, and their files, written once and resumed."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..errors import InputError
from ..io.atomic_write import replacing, write_json
from ..io.write_errors import reporting_unwritable
from ..progress import map_with_progress

logger = logging.getLogger(__name__)

MOST_CASES = 100_000
PARAMETERS_FILE = "phantom_parameters.json"  # written first, so that an interrupted generation knows its own cases


Job = tuple[Sequence[str], Callable[[], None]]  # files of a case, and what writes them


def case_seed(seed: int, part: int, index: int) -> int:
    """Seed of case `index` of a `part` (training, test, ...) of a data set; parts share no seed."""
    return int(np.random.SeedSequence([seed, part, index]).generate_state(1, np.uint64)[0])


def check_counts(num_cases: int, **others: int) -> None:
    """Raise `InputError` without a case, with a negative number or with more cases than a folder should hold."""
    if num_cases < 1 or min(others.values()) < 0:
        given = ", ".join(f"{name}={number}" for name, number in {"num_cases": num_cases, **others}.items())
        raise InputError(f"{given}: give at least one case and no negative number")
    if max(num_cases, others.get("num_test", 0), others.get("num_validation", 0)) > MOST_CASES:
        raise InputError(f"num_cases={num_cases}, {others}: give at most {MOST_CASES} cases")


def write_folder(
    root: Path,
    manifest: str,
    contents: dict[str, Any],
    parameters: dict[str, Any],
    jobs: Sequence[Job],
    num_workers: int | None = None,
) -> None:
    """Write the cases whose files are missing, then the manifest; nothing where all is there.

    Threads, not processes: a new process would first import torch, which takes as long as twenty phantoms.

    Args:
        manifest: name of the JSON file that lists the cases, written last.
        parameters: that decide what every phantom shows, and the generator's version.
        jobs: one for each case: its files, relative to the folder, and what writes them.

    Raises InputError: the folder holds other data or phantoms of other parameters, or cannot be written.
    """
    with reporting_unwritable(root, "choose a writable folder"):
        names = {manifest, *(Path(file).parts[0] for files, _ in jobs for file in files)}
        begun = _holds_phantoms(root, parameters, names)
        missing = [write for files, write in jobs if not all((root / file).exists() for file in files)]
        if begun and not missing and (root / manifest).exists():
            logger.info("phantoms are in %s already", root)
            return
        logger.info("generating %d of %d phantoms in %s", len(missing), len(jobs), root)
        write_json(root / PARAMETERS_FILE, parameters)
        workers = num_workers or min(os.cpu_count() or 1, 8)
        list(map_with_progress(lambda write: write(), missing, "phantoms", num_workers=workers))
        write_json(root / manifest, contents)


def _holds_phantoms(root: Path, parameters: dict[str, Any], names: set[str]) -> bool:
    """Whether phantoms of these parameters were begun in `root`, which has no files of other origin at `names`."""
    file = root / PARAMETERS_FILE
    if not file.exists():
        if any((root / name).exists() for name in names):
            raise InputError(f"{root}: holds data that are no phantoms of this generator; choose another folder")
        return False
    wanted = json.loads(json.dumps(parameters))  # as JSON gives them back: tuples are lists
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: describes no phantoms of this generator; choose another folder") from error
    keys = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    if keys:
        differing = ", ".join(f"{key} {found.get(key)} instead of {wanted.get(key)}" for key in keys)
        what = f"holds phantoms made with other parameters ({differing})"
        raise InputError(f"{root}: {what}; choose another folder or delete it")
    return True


def save_volume(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI in mm, scanner coordinates; equal arrays give equal bytes (nibabel stores no time)."""
    image = nib.nifti1.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    with replacing(path) as temporary:
        image.to_filename(temporary)
