"""A cohort of abdominal phantoms on disk: images, partial labels, the whole truth, and the cohort's manifest."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ..folder import case_seed, check_counts, save_volume, write_folder
from .annotation import READING, annotate, draw_studies
from .organs import CLASSES
from .phantom import make_abdomen_phantom
from .scan import SPACING_MM, Range, check_spacing
from .tumours import tumour_choice

GENERATOR = 2  # raised whenever the same parameters begin to give other phantoms
MANIFEST = "cohort.json"

Entry = dict[str, Any]  # of a case in the manifest


def write_abdomen_phantoms(
    folder: str | Path,
    num_cases: int = 40,
    num_validation: int = 8,
    seed: int = 0,
    spacing_mm: tuple[Range, Range] = SPACING_MM,
    tumours: Mapping[str, float] | None = None,
    num_workers: int | None = None,
) -> str:
    """Write `num_cases` partially annotated and `num_validation` fully annotated phantoms and `cohort.json`, once.

    Where all is there with equal parameters, nothing is done; what an interrupted call left is kept and completed.
    What a scan shows depends on `seed`, its index, and the ranges only. Annotations have the paper's proportions of
    dataset1 to dataset4; `truth` holds the complete label map of every case.

    Args:
        folder: of the cohort; made if needed.
        num_cases: for training.
        num_validation: fully annotated.
        seed: of the whole cohort.
        spacing_mm: ranges of the slice distance and of the pixel size.
        tumours: chance (0.65), smallest_ml (0.5), median_ml (6), largest_ml (40) and contrast (1, a factor) of tumours.
        num_workers: threads; None takes the processors of the machine, at most 8.

    Returns:
        The path of `cohort.json`.

    Raises:
        InputError: the folder holds other data or phantoms of other parameters, or cannot be written.
    """
    check_counts(num_cases=num_cases, num_validation=num_validation, seed=seed)
    check_spacing(spacing_mm)
    choice = tumour_choice(tumours or {})
    parameters: dict[str, Any] = {"generator": GENERATOR, "num_cases": num_cases, "num_validation": num_validation}
    parameters |= {"seed": seed, "spacing_mm": spacing_mm, "tumours": asdict(choice)}
    root = Path(folder)

    def write(entry: Entry, case_seed: int) -> None:
        phantom = make_abdomen_phantom(case_seed, spacing_mm, choice)
        save_volume(root / truth_of(entry), phantom.label, phantom.affine)
        if entry["label"] not in (None, truth_of(entry)):
            partly = annotate(phantom.label, phantom.organs, entry["annotated"])
            save_volume(root / entry["label"], partly, phantom.affine)
        save_volume(root / entry["image"], phantom.image, phantom.affine)

    entries, seeds = list_cases(num_cases, num_validation, seed)
    jobs = [
        ([truth_of(entry), *filter(None, (entry["label"], entry["image"]))], partial(write, entry, case_seed))
        for entry, case_seed in zip(entries, seeds, strict=True)
    ]
    contents = {
        "name": "AbdomenPhantoms",
        "description": "PHANTOMS (generated, no patient data): contrast-enhanced abdominal CT, annotated in part in "
        "the proportions of FLARE23",
        "classes": list(CLASSES),
        "lesions": ["tumour"],
        "annotation_source": f"seed {seed} of the phantoms: dataset1 to dataset4 in the paper's proportions",
        "cases": entries,
    }
    write_folder(root, MANIFEST, contents, parameters, jobs, num_workers)
    return str(root / MANIFEST)


def list_cases(num_cases: int, num_validation: int, seed: int) -> tuple[list[Entry], list[int]]:
    """Entries of the manifest and seeds of training, then of validation cases: names are numbered through."""
    studies = [*draw_studies(num_cases, seed), *[READING] * num_validation]
    seeds = [case_seed(seed, part, i) for part, n in enumerate((num_cases, num_validation)) for i in range(n)]
    entries = []
    for index, study in enumerate(studies):
        name = f"phantom_{index:04d}"
        entry = {
            "name": name,
            "image": f"images/{name}.nii.gz",
            "label": f"labels/{name}.nii.gz" if study.annotated else None,
            "annotated": [name for name in CLASSES if name in study.annotated],
            "use": "training" if index < num_cases else "validation",
            "source": study.source,
        }
        if study is READING:
            entry["label"] = truth_of(entry)
        entries.append(entry)
    return entries, seeds


def truth_of(entry: Entry) -> str:
    """Path of the complete label map of a case."""
    return f"truth/{entry['name']}.nii.gz"
