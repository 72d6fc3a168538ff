"""A cohort of abdominal phantoms on disk: images, partial labels, the whole truth, and the cohort's manifest."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...io.atomic_write import write_json
from ..folder import case_seed, holds_phantoms, map_cases, save_volume, write_parameters
from .anatomy import CLASSES
from .annotation import READING, Study, annotate, draw_studies
from .phantom import EXTENT_MM, SPACING_MM, check_ranges, make_abdomen_phantom
from .scanner import Range
from .tumours import TumourChoice

logger = logging.getLogger(__name__)

GENERATOR = 1  # raised whenever the same parameters begin to give other phantoms
MANIFEST = "cohort.json"  # written last
CONTENTS = (MANIFEST, "images", "labels", "truth")

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
    parameters = {
        "generator": GENERATOR,
        "num_cases": num_cases,
        "num_validation": num_validation,
        "seed": seed,
        "spacing_mm": spacing_mm,
        "extent_mm": extent_mm,
        "tumours": asdict(choice),
    }
    root = Path(folder)
    cases = list_cases(num_cases, num_validation, seed)
    try:
        if holds_phantoms(root, parameters, CONTENTS) and _is_complete(root, cases):
            logger.info("phantoms are in %s already", root)
        else:
            write_parameters(root, parameters)
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


def _is_complete(root: Path, cases: list[Case]) -> bool:
    return (root / MANIFEST).exists() and all((root / name).exists() for case in cases for name in case.files)


def _write_cases(root: Path, cases: list[Case], ranges: Ranges, num_workers: int | None) -> None:
    """Write the cases that are missing."""
    logger.info("generating %d abdominal phantoms in %s", len(cases), root)

    def write(case: Case) -> None:
        if not all((root / name).exists() for name in case.files):
            _write_case(root, case, ranges)

    map_cases(write, cases, num_workers, "abdominal phantoms")


def _write_case(root: Path, case: Case, ranges: Ranges) -> None:
    """Write truth, partial label and image."""
    phantom = make_abdomen_phantom(case.seed, *ranges)
    save_volume(root / case.truth, phantom.label, phantom.affine)
    if case.label is not None and case.label != case.truth:
        partial = annotate(phantom.label, phantom.organs, case.study.annotated)
        save_volume(root / case.label, partial, phantom.affine)
    save_volume(root / case.image, phantom.image, phantom.affine)


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
