"""A data set of spine phantoms on disk, in the layout of the Medical Segmentation Decathlon."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...cohort.simulated_partial_labels import largest_remainder
from ..folder import case_seed, check_counts, save_volume, write_folder
from .phantom import make_spine_phantom
from .tumours import PATIENTS, TUMOURS

GENERATOR = 2  # raised whenever the same parameters begin to give other phantoms


class Case(NamedTuple):
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
    vessels: int = 0,
) -> str:
    """Write `num_cases` labelled and `num_test` unlabelled phantoms and their `dataset.json`, once.

    Where all is there with equal parameters, nothing is done; what an interrupted call left is kept and completed. A
    case depends on its type, `seed` and its index only; the types have the paper's proportions (largest remainder).

    Args:
        folder: of the data set; made if needed.
        num_cases: in imagesTr and labelsTr.
        num_test: in imagesTs.
        seed: of the whole data set.
        extent_mm: field of view, anterior-posterior and superior-inferior.
        in_plane_mm: range of the pixel size instead of the paper's.
        num_workers: threads; None takes the processors of the machine, at most 8.
        vessels: most vessels of a scan that enhance like a tumour and are none, which methods may mistake for one.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds other data or phantoms of other parameters, or cannot be written.
    """
    check_counts(num_cases=num_cases, num_test=num_test, seed=seed, vessels=vessels)
    parameters: dict[str, Any] = {"generator": GENERATOR, "num_cases": num_cases, "num_test": num_test, "seed": seed}
    parameters |= {"extent_mm": extent_mm, "in_plane_mm": in_plane_mm, **({"vessels": vessels} if vessels else {})}
    root = Path(folder)

    def write(case: Case) -> None:
        phantom = make_spine_phantom(case.seed, case.tumour, extent_mm, in_plane_mm, vessels)
        if case.label is not None:
            save_volume(root / case.label, phantom.label, phantom.affine)
        save_volume(root / case.image, phantom.image, phantom.affine)

    cases = list_cases(num_cases, num_test, seed)
    jobs = [(list(filter(None, (case.image, case.label))), partial(write, case)) for case in cases]
    contents = {
        "name": "SpinePhantoms",
        "description": "PHANTOMS (generated, no patient data): sagittal gadolinium-enhanced T1 MRI of the spine with "
        "one tumour each",
        "reference": "tumour types, volumes and spacings drawn after Table 1 of the BATseg paper",
        "licence": "Apache-2.0",
        "release": f"generator {GENERATOR}",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", **{str(i): name for i, name in enumerate(TUMOURS, start=1)}},
        "numTraining": num_cases,
        "numTest": num_test,
        "training": [{"image": case.image, "label": case.label} for case in cases if case.label],
        "test": [case.image for case in cases if not case.label],
        "phantoms": {"parameters": parameters, "tumours": {case.image: case.tumour for case in cases}},
    }
    write_folder(root, "dataset.json", contents, parameters, jobs, num_workers)
    return str(folder)


def list_cases(num_cases: int, num_test: int, seed: int) -> list[Case]:
    """The training cases, then the test cases: file names are numbered through, seeds are not shared."""
    cases = []
    for part, (kind, count, first) in enumerate((("Tr", num_cases, 0), ("Ts", num_test, num_cases))):
        for index, tumour in enumerate(draw_types(count, seed + part)):
            name = f"spine_{first + index:03d}.nii.gz"
            label = f"./labels{kind}/{name}" if kind == "Tr" else None
            cases.append(Case(f"./images{kind}/{name}", label, case_seed(seed, part, index), tumour))
    return cases


def draw_types(count: int, seed: int) -> list[str]:
    """`count` tumour types in the paper's proportions, in an order drawn by `seed`."""
    types = np.repeat(list(PATIENTS), largest_remainder(list(PATIENTS.values()), count)).tolist()
    return [types[place] for place in np.random.default_rng(seed).permutation(count)]
