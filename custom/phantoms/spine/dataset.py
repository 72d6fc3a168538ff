"""A data set of spine phantoms on disk, in the layout of the Medical Segmentation Decathlon."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ...errors import InputError
from ...io.atomic_write import write_json
from ..folder import case_seed, holds_phantoms, map_cases, save_volume, write_parameters
from .phantom import make_spine_phantom
from .tumours import PATIENTS, TUMOURS

logger = logging.getLogger(__name__)

GENERATOR = 1  # raised whenever the same parameters begin to give other phantoms
CONTENTS = ("dataset.json", "imagesTr", "labelsTr", "imagesTs")


@dataclass(frozen=True)
class Case:
    """One case to write: its place in the data set and all that decides its content."""

    image: str
    label: str | None
    seed: int
    tumour: str


def write_spine_phantoms(
    folder: str | Path,
    num_cases: int = 60,
    num_test: int = 4,
    seed: int = 0,
    extent_mm: tuple[float, float] = (120.0, 200.0),
    in_plane_mm: tuple[float, float] | None = None,
    num_workers: int | None = None,
) -> str:
    """Write `num_cases` labelled and `num_test` unlabelled phantoms and their `dataset.json`, once.

    Where `dataset.json` is there with equal parameters, nothing is done; what an interrupted call left is kept and
    completed. A case depends on its type, `seed` and its index only; the types have the paper's proportions (largest
    remainder).

    Args:
        folder: of the data set; made if needed.
        num_cases: in imagesTr and labelsTr.
        num_test: in imagesTs.
        seed: of the whole data set.
        extent_mm: field of view, anterior-posterior and superior-inferior.
        in_plane_mm: range of the pixel size instead of the paper's.
        num_workers: threads (numpy and zlib run in parallel); None takes the processors of the machine, at most 8.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds other data or phantoms of other parameters, or cannot be written.
    """
    parameters = {
        "generator": GENERATOR,
        "num_cases": num_cases,
        "num_test": num_test,
        "seed": seed,
        "extent_mm": extent_mm,
        "in_plane_mm": in_plane_mm,
    }
    if num_cases < 1 or num_test < 0 or seed < 0:
        raise InputError(
            f"num_cases={num_cases}, num_test={num_test}, seed={seed}: give at least one case and no negative number"
        )
    root = Path(folder)
    training, test = list_cases(num_cases, num_test, seed)
    try:
        if holds_phantoms(root, parameters, CONTENTS) and _is_complete(root, training + test):
            logger.info("phantoms are in %s already", root)
            return str(folder)
        write_parameters(root, parameters)
        volumes = _write_cases(root, training + test, extent_mm, in_plane_mm, num_workers)
        write_json(root / "dataset.json", _describe(parameters, training, test, volumes))
    except OSError as error:
        raise InputError(f"{root}: phantoms cannot be written ({error}); choose a writable folder") from error
    return str(folder)


def list_cases(num_cases: int, num_test: int, seed: int) -> tuple[list[Case], list[Case]]:
    """The training and the test cases: file names are numbered through, seeds are not shared."""
    training = [
        Case(f"./imagesTr/spine_{i:03d}.nii.gz", f"./labelsTr/spine_{i:03d}.nii.gz", case_seed(seed, 0, i), tumour)
        for i, tumour in enumerate(draw_types(num_cases, seed))
    ]
    test = [
        Case(f"./imagesTs/spine_{num_cases + i:03d}.nii.gz", None, case_seed(seed, 1, i), tumour)
        for i, tumour in enumerate(draw_types(num_test, seed + 1))
    ]
    return training, test


def draw_types(count: int, seed: int) -> list[str]:
    """`count` tumour types in the paper's proportions (largest remainder), in an order drawn by `seed`."""
    patients = np.array([PATIENTS[name] for name in TUMOURS])
    shares = count * patients / patients.sum()
    counts = np.floor(shares).astype(int)
    for index in np.argsort(-(shares - counts), kind="stable")[: count - counts.sum()]:
        counts[index] += 1
    types = np.repeat(np.arange(len(TUMOURS)), counts)
    return [TUMOURS[index] for index in np.random.default_rng(seed).permutation(types)]


def _is_complete(root: Path, cases: list[Case]) -> bool:
    files = [name for case in cases for name in (case.image, case.label) if name]
    return (root / "dataset.json").exists() and all((root / name).exists() for name in files)


def _write_cases(
    root: Path,
    cases: list[Case],
    extent_mm: tuple[float, float],
    in_plane_mm: tuple[float, float] | None,
    num_workers: int | None,
) -> list[float]:
    """Write the cases that are missing; returns every case's tumour volume in cm3."""
    logger.info("generating %d spine phantoms in %s", len(cases), root)

    def write(case: Case) -> float:
        return _write_case(root, case, extent_mm, in_plane_mm)

    return map_cases(write, cases, num_workers, "spine phantoms")


def _write_case(
    root: Path, case: Case, extent_mm: tuple[float, float], in_plane_mm: tuple[float, float] | None
) -> float:
    """Write image and label unless both are there; returns the tumour's volume in cm3."""
    image, label = root / case.image, root / case.label if case.label else None
    if label is not None and image.exists() and label.exists():
        found = nib.nifti1.load(label)
        return float(np.count_nonzero(found.dataobj) * np.prod(found.header.get_zooms()[:3], dtype=float) / 1000)
    phantom = make_spine_phantom(case.seed, case.tumour, extent_mm, in_plane_mm)
    if label is not None:
        save_volume(label, phantom.label, phantom.affine)
    save_volume(image, phantom.image, phantom.affine)
    return phantom.volume_cm3


def _describe(
    parameters: dict[str, Any], training: list[Case], test: list[Case], volumes: list[float]
) -> dict[str, Any]:
    """The content of `dataset.json`."""
    cases = [
        {"image": case.image, "tumour": case.tumour, "volume_cm3": round(volume, 3)}
        for case, volume in zip(training + test, volumes, strict=True)
    ]
    return {
        "name": "SpinePhantoms",
        "description": "PHANTOMS (generated, no patient data): sagittal T2-weighted spine MRI with one tumour each",
        "reference": "tumour types, volumes and spacings drawn after Table 1 of the BATseg paper",
        "licence": "Apache-2.0",
        "release": f"generator {GENERATOR}",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", **{str(i): name for i, name in enumerate(TUMOURS, start=1)}},
        "numTraining": len(training),
        "numTest": len(test),
        "training": [{"image": case.image, "label": case.label} for case in training],
        "test": [case.image for case in test],
        "phantoms": {"parameters": parameters, "cases": cases},
    }
