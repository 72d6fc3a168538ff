"""A cohort of abdominal phantoms on disk: images, partial labels, the whole truth, and the cohort's manifest."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from tqdm import tqdm

from ...atomic_write import replacing, write_json
from ...errors import InputError
from .anatomy import CLASSES
from .annotation import READING, Study, annotate, draw_studies
from .phantom import EXTENT_MM, SPACING_MM, check_ranges, make_abdomen_phantom
from .scanner import Range
from .tumours import TumourChoice

logger = logging.getLogger(__name__)

GENERATOR = 1  # raised whenever the same parameters begin to give other phantoms
MANIFEST = "cohort.json"  # written last
PARAMETERS_FILE = "phantom_parameters.json"  # written first, so that an interrupted generation knows its own cases

# spacing_mm, extent_mm and tumours of `write_abdomen_phantoms`
Ranges = tuple[tuple[Range, Range], tuple[Range, Range, Range], TumourChoice]


@dataclass(frozen=True)
class Case:
    """One case to write: its name and all that decides its content."""

    name: str
    seed: int
    study: Study
    use: str

    @property
    def image(self) -> str:
        """Path of the scan in the cohort's folder."""
        return f"images/{self.name}.nii.gz"

    @property
    def truth(self) -> str:
        """Path of the complete label map."""
        return f"truth/{self.name}.nii.gz"

    @property
    def label(self) -> str | None:
        """Path of the label map that the manifest names: partial in training, complete in validation."""
        if self.use == "validation":
            return self.truth
        return f"labels/{self.name}.nii.gz" if self.study.annotated else None

    @property
    def files(self) -> list[str]:
        """Everything that is written for the case."""
        return list(dict.fromkeys(name for name in (self.truth, self.label, self.image) if name))


def write_abdomen_phantoms(
    folder: str | Path,
    num_cases: int = 40,
    num_validation: int = 8,
    seed: int = 0,
    spacing_mm: tuple[Range, Range] = SPACING_MM,
    extent_mm: tuple[Range, Range, Range] = EXTENT_MM,
    tumours: Mapping[str, float] | None = None,
    num_workers: int | None = None,
) -> str:
    """Write `num_cases` partially annotated and `num_validation` fully annotated phantoms and `cohort.json`, once.

    Where `cohort.json` is there with equal parameters, nothing is done; what an interrupted call left is kept and
    completed. What a scan shows depends on `seed`, its index, and the ranges only. Annotations have the paper's
    proportions of dataset1 to dataset4; `truth` holds the complete label map of every case.

    Args:
        folder: of the cohort; made if needed.
        num_cases: for training.
        num_validation: fully annotated.
        seed: of the whole cohort.
        spacing_mm: ranges of the slice distance and of the pixel size.
        extent_mm: ranges of the field of view: left-right, front-back, head-foot.
        tumours: chance (0.65), smallest_ml (0.5), median_ml (6), largest_ml (40) and contrast (1, a factor) of tumours.
        num_workers: threads (numpy and zlib run in parallel); None takes the processors of the machine, at most 8.

    Returns:
        The path of `cohort.json`.

    Raises:
        InputError: the folder holds other data or phantoms of other parameters, or cannot be written.
    """
    if num_cases < 1 or num_validation < 0 or seed < 0:
        raise InputError(
            f"num_cases={num_cases}, num_validation={num_validation}, seed={seed}: "
            "give at least one case and no negative number"
        )
    check_ranges(spacing_mm, extent_mm)
    choice = TumourChoice(**(tumours or {}))
    parameters = _plain(
        {
            "generator": GENERATOR,
            "num_cases": num_cases,
            "num_validation": num_validation,
            "seed": seed,
            "spacing_mm": spacing_mm,
            "extent_mm": extent_mm,
            "tumours": asdict(choice),
        }
    )
    root = Path(folder)
    cases = list_cases(num_cases, num_validation, seed)
    try:
        if _is_complete(root, parameters, cases):
            logger.info("phantoms are in %s already", root)
        else:
            write_json(root / PARAMETERS_FILE, parameters)
            _write_cases(root, cases, (spacing_mm, extent_mm, choice), num_workers)
            write_json(root / MANIFEST, _describe(cases, seed))
    except OSError as error:
        raise InputError(f"{root}: phantoms cannot be written ({error}); choose a writable folder") from error
    return str(root / MANIFEST)


def list_cases(num_cases: int, num_validation: int, seed: int) -> list[Case]:
    """Training cases, then validation cases: names are numbered through, seeds are not shared."""
    training = [
        Case(f"phantom_{index:04d}", case_seed(seed, 0, index), study, "training")
        for index, study in enumerate(draw_studies(num_cases, seed))
    ]
    validation = [
        Case(f"phantom_{num_cases + index:04d}", case_seed(seed, 1, index), READING, "validation")
        for index in range(num_validation)
    ]
    return training + validation


def case_seed(seed: int, part: int, index: int) -> int:
    """Seed of one case; `part` 0 is training, 1 is validation."""
    return int(np.random.SeedSequence([seed, part, index]).generate_state(1, np.uint64)[0])


def _is_complete(root: Path, parameters: dict[str, Any], cases: list[Case]) -> bool:
    """Whether everything was written with these parameters; raises where something else is there."""
    known = root / PARAMETERS_FILE
    if not known.exists():
        if any((root / name).exists() for name in (MANIFEST, "images", "labels", "truth")):
            raise InputError(f"{root}: holds data that are no phantoms of this generator; choose another folder")
        return False
    found = _read_parameters(known)
    if found != parameters:
        differing = ", ".join(
            f"{key} {found.get(key)} instead of {value}" for key, value in parameters.items() if found.get(key) != value
        )
        raise InputError(
            f"{root}: holds phantoms made with other parameters ({differing}); choose another folder or delete it"
        )
    return (root / MANIFEST).exists() and all((root / name).exists() for case in cases for name in case.files)


def _read_parameters(path: Path) -> dict[str, Any]:
    """The parameters that a cohort or an interrupted generation was made with."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: describes no phantoms of this generator; choose another folder") from error


def _write_cases(
    root: Path,
    cases: list[Case],
    ranges: Ranges,
    num_workers: int | None,
) -> None:
    """Write the cases that are missing."""
    workers = num_workers if num_workers else min(os.cpu_count() or 1, 8)
    logger.info("generating %d abdominal phantoms in %s with %d threads", len(cases), root, workers)

    def write(case: Case) -> None:
        if not all((root / name).exists() for name in case.files):
            _write_case(root, case, ranges)

    # threads, not processes: a new process would first import torch, which takes as long as thirty small phantoms
    with ThreadPoolExecutor(workers) as pool:
        for _ in tqdm(pool.map(write, cases), total=len(cases), desc="abdominal phantoms", unit="case"):
            pass


def _write_case(root: Path, case: Case, ranges: Ranges) -> None:
    """Write truth, partial label and image."""
    phantom = make_abdomen_phantom(case.seed, *ranges)
    _save(root / case.truth, phantom.label, phantom.affine)
    if case.label is not None and case.label != case.truth:
        partial = annotate(phantom.label, phantom.organs, case.study.annotated)
        _save(root / case.label, partial, phantom.affine)
    _save(root / case.image, phantom.image, phantom.affine)


def _save(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI in mm, scanner coordinates; equal arrays give equal bytes (nibabel stores no time)."""
    image = nib.nifti1.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    with replacing(path) as temporary:
        image.to_filename(temporary)


def _describe(cases: list[Case], seed: int) -> dict[str, Any]:
    """The content of `cohort.json`."""
    return {
        "name": "AbdomenPhantoms",
        "description": "PHANTOMS (generated, no patient data): contrast-enhanced abdominal CT, annotated in part in "
        "the proportions of FLARE23",
        "classes": list(CLASSES),
        "lesions": ["tumour"],
        "annotation_source": f"seed {seed} of the phantoms: dataset1 to dataset4 in the paper's proportions",
        "cases": [
            {
                "name": case.name,
                "image": case.image,
                "label": case.label,
                "annotated": [name for name in CLASSES if name in case.study.annotated],
                "use": case.use,
                "source": case.study.source,
            }
            for case in cases
        ],
    }


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives them back: tuples are lists."""
    return dict(json.loads(json.dumps(parameters)))
