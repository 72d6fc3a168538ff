"""Which cases a FLARE, nnU-Net or Decathlon folder, or a CSV, holds; no scan and no label is opened."""

import csv
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..datalist.class_names import swapped_name
from ..datalist.dataset_json import LISTING, class_names, described_names, read_listing
from ..datalist.folder_layouts import (
    NIFTI_ENDINGS,
    case_name,
    image_files,
    pair_files,
    scan_files,
    scan_name,
    training_cases,
)
from ..errors import InputError
from ..io.image_formats import is_itk
from ..options.kinds import expanded
from .manifest import TRAINING, USES, VALIDATION, CohortCase, is_case_name, listed, raise_faults, repeated_cases

logger = logging.getLogger(__name__)

CSV_COLUMNS = ("image", "label", "annotated", "source", "use", "name")


@dataclass(frozen=True)
class FoundCase(CohortCase):
    """A case before it is decided what is annotated in it; `given` is the CSV's cell "annotated", if any."""

    given: str | None = None


@dataclass(frozen=True)
class CohortSource:
    """What was found: a name for the cohort, the cases, and the class names given or of dataset.json (else empty).

    `states_sources`: one source is one data set, as with a dataset.json or a CSV's column "source"; the names in a
    folder of pooled scans only hint at it.
    """

    name: str
    cases: tuple[FoundCase, ...]
    classes: tuple[str, ...] = ()
    states_sources: bool = False


def find_cases(source: str | Path, classes: Sequence[str] = ()) -> CohortSource:
    """The cases of a folder or CSV, absolute paths, in the order of their names (of the rows, for a CSV).

    A folder holds imagesX and labelsX with equal X (FLARE: imagesTr2200, labelsTr2200; nnU-Net and Decathlon:
    imagesTr, labelsTr), CASE_0000.nii.gz or CASE.nii.gz with CASE.nii.gz. Images without a label, there or in
    folders whose names begin with "unlabel", are unlabelled cases. X beginning with "Val" is validation, with "Ts" not
    used. Where dataset.json lists training cases, these replace imagesTr.

    A CSV has the columns image, label, annotated (class names or ids with ";" between), source, use ("training",
    "validation", "test") and name, of which only image is needed; paths are relative to the CSV's folder.

    Args:
        source: folder or CSV.
        classes: names of the classes to use instead of those of dataset.json.

    Raises InputError: nothing usable is found, a listed file is missing, a scan has several channel files, a cell holds
    something else, or names or files occur twice.
    """
    path = Path(source)
    if path.is_dir():
        found = _find_in_folder(path.resolve(), classes)
    elif path.is_file() and path.suffix.lower() == ".csv":
        found = replace(_find_in_csv(path.absolute()), classes=tuple(classes))
    elif path.exists():
        raise InputError(f"{path} is neither a folder nor a .csv file; pass a data set's folder or a list of its files")
    else:
        raise InputError(f"{path} does not exist; pass a FLARE, nnU-Net or Decathlon folder or a CSV as source")
    raise_faults(path, repeated_cases(found.cases))
    return found


def _find_in_folder(root: Path, given: Sequence[str]) -> CohortSource:
    listing = read_listing(root)
    images, labels, unlabelled = _folders(root)
    cases: list[FoundCase] = []
    labelled_folders = [root / "imagesTr"] if listing.get("training") else []
    if listing.get("training"):
        for case in training_cases(root):
            _require_one_channel(case_name(case), image_files(case))
            cases.append(FoundCase(case_name(case), image_files(case)[0], case["label"], source="imagesTr"))
        images.pop("Tr", None)
        labels.pop("Tr", None)
    for image_folder, label_folder in _folder_pairs(images, labels):
        pairs = _pair_files(image_folder, label_folder)
        is_validation = image_folder.name[len("images") :].lower().startswith("va")
        if is_validation:
            bare = [name for name, _, label in pairs if label is None]
            _warn_of("left out: %s: %d validation case(s) have no label: %s", image_folder, bare)
            pairs = [pair for pair in pairs if pair[2] is not None]
        if any(label is not None for _, _, label in pairs):
            labelled_folders.append(image_folder)
        use = VALIDATION if is_validation else TRAINING
        cases += [FoundCase(name, str(image), label, use=use, source=image_folder.name) for name, image, label in pairs]
    for folder in unlabelled:
        cases += [FoundCase(name, str(image), None) for name, image, _ in _pair_files(folder)]
    if not cases:
        raise InputError(f"{root} has no folder of NIfTI scans such as imagesTr; {_folder_hint(root)}")
    for number, one in enumerate(sorted(cases, key=lambda one: (one.use, one.name))):
        prefix = _prefix(one.name) or root.name  # after its folder where several folders hold labels
        several = len(labelled_folders) > 1 and one.label is not None
        cases[number] = replace(one, source=f"{one.source}/{prefix}" if several else prefix)
    name = str(listing.get("name") or root.name)
    swapped = swapped_name(given, described_names(listing))
    if swapped:
        raise InputError(f"--classes: {swapped}, in {root / LISTING}; leave --classes out, or correct either")
    classes = given or ["_".join(name.lower().split()) for name in class_names(listing, root / LISTING)]
    return CohortSource(name, tuple(cases), tuple(classes), states_sources=bool(listing))


def _folders(root: Path) -> tuple[dict[str, Path], dict[str, Path], list[Path]]:
    """Folders of images and of labels, each by what follows that word, and folders of unlabelled images."""
    images, labels, unlabelled = {}, {}, []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        name = folder.name.lower()
        if name.startswith(("imagests", "labelsts")):
            logger.info("%s: test cases are not used", folder)
        elif name.startswith("images"):
            images[folder.name[len("images") :]] = folder
        elif name.startswith("labels"):
            labels[folder.name[len("labels") :]] = folder
        elif name.startswith("unlabel"):
            unlabelled.append(folder)
    return images, labels, unlabelled


def _folder_pairs(images: Mapping[str, Path], labels: Mapping[str, Path]) -> list[tuple[Path, Path | None]]:
    """Each folder of images with that of its labels: of the same ending, or the only two that are left over."""
    lone_images, lone_labels = sorted(set(images) - set(labels)), sorted(set(labels) - set(images))
    partner = {ending: labels[ending] for ending in images if ending in labels}
    if len(lone_images) == len(lone_labels) == 1:
        partner[lone_images[0]] = labels[lone_labels[0]]
    else:
        for ending in lone_labels:
            logger.warning("%s is not used: there is no folder images%s", labels[ending], ending)
    return [(folder, partner.get(ending)) for ending, folder in images.items()]


def _pair_files(folder: Path, label_folder: Path | None = None) -> list[tuple[str, Path, str | None]]:
    """(name, image, label or None) of every image; a case takes its label's name."""
    labels = {} if label_folder is None else scan_files(label_folder, NIFTI_ENDINGS)
    found, rest = pair_files(scan_files(folder, NIFTI_ENDINGS), labels)
    pairs: list[tuple[str, Path, str | None]] = []
    for name, channels in found.items():
        _require_one_channel(name, list(channels.values()))
        pairs.append((name, next(iter(channels.values())), str(labels[name])))
    numbered = all(name.endswith("_0000") for name in rest)  # else a number is part of the name
    pairs += [(name.removesuffix("_0000") if numbered else name, image, None) for name, image in rest.items()]
    _warn_of("left out: no image in %s for %d label(s): %s", folder, sorted(set(labels) - set(found)))
    return pairs


def _require_one_channel(name: str, files: Sequence[Any]) -> None:
    if len(files) > 1:
        raise InputError(
            f"case {name} has {len(files)} scans, such as {files[1]}; a cohort takes one channel: keep one of them"
        )


def _warn_of(text: str, folder: Path, names: Sequence[str]) -> None:
    if names:
        logger.warning(text, folder, len(names), listed(names))


def _prefix(name: str) -> str:
    """What comes before the number: AMOS of AMOS_0001, FLARE22_Tr of FLARE22_Tr_0001, case of case0001.

    >>> _prefix("FLARE22_Tr_0001"), _prefix("case0001")
    ('FLARE22_Tr', 'case')
    """
    start, *number = re.split(r"_\d", name, maxsplit=1)
    return start if number else re.sub(r"\d+$", "", name).rstrip("_-")


def _folder_hint(root: Path) -> str:
    if root.name.lower().startswith(("images", "labels", "unlabel")):
        return f"pass the folder that it belongs to, {root.parent}"
    inside = sorted(folder.parent for folder in root.glob("*/images*") if folder.is_dir())
    if inside:
        return f"pass a data set inside it, such as {inside[0]}"
    other = next((file for file in sorted(root.glob("*/*")) if is_itk(file)), None)
    if other:
        return f"convert its scans, such as {other.relative_to(root)}, to NIfTI"
    return "pass a FLARE, nnU-Net or Decathlon folder, or list the files in a CSV with the columns image and label"


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns, in lower case, and each row that is not blank with the number of its line.

    Raises InputError: it cannot be read, two columns have one name, or a row has more cells than there are columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV ({error}); save it as UTF-8 with commas") from error
    lines = [(line, cells) for line, cells in lines if any(cells)]
    columns = [cell.lower() for cell in lines[0][1]] if lines else []
    repeated = [name for name, count in Counter(columns).items() if name and count > 1]
    faults = [f"has {columns.count(name)} columns {name}; keep one" for name in repeated]
    faults += [
        f"line {line}: {cells[len(columns)]!r} is beyond the last column; put ; between classes, or quote the cell"
        for line, cells in lines[1:]
        if any(cells[len(columns) :])
    ]
    raise_faults(path, faults)
    return columns, [
        (line, dict(zip_longest(columns, cells[: len(columns)], fillvalue=""))) for line, cells in lines[1:]
    ]


def _find_in_csv(path: Path) -> CohortSource:
    columns, rows = read_csv(path)
    if "image" not in columns:
        raise InputError(
            f"{path}: has no column image but {', '.join(columns) or 'nothing'}; columns are {', '.join(CSV_COLUMNS)}, "
            "with commas between"
        )
    unused = [column for column in columns if column not in CSV_COLUMNS]
    if unused:
        logger.info("%s: columns not used: %s", path, ", ".join(unused))
    faults: list[str] = []
    unlabelled = [scan_name(row["image"]) for _, row in rows if not row.get("label")]
    numbered = all(name.endswith("_0000") for name in unlabelled)
    cases = [_csv_case(row, f"line {line}", path.parent, numbered, faults) for line, row in rows]
    if not cases:
        faults.append("lists no case; add a row for each")
    raise_faults(path, faults)
    return CohortSource(path.stem, tuple(cases), states_sources="source" in columns)


def _csv_case(row: Mapping[str, str], where: str, folder: Path, numbered: bool, faults: list[str]) -> FoundCase:
    image, label, use = row["image"], row.get("label", ""), row.get("use") or TRAINING
    given = row.get("annotated")
    for file in filter(None, (image, label)):
        if not (folder / expanded(file)).is_file():
            faults.append(f"{where}: {file} does not exist; correct the path or remove the row")
    name = row.get("name") or scan_name(label or image)
    if not (row.get("name") or label) and numbered:
        name = name.removesuffix("_0000")
    checks = (
        (not image, " names no image; add it or remove the row"),
        (use not in USES, f": use is {use!r}; write {', '.join(USES[:-1])} or {USES[-1]}"),
        (use in USES[1:] and not label, f" is a {use} case without a label; add it or write {TRAINING}"),
        (given and not label, " names annotated classes but no label; add the label or empty annotated"),
        (given == "" and label, " has a label but annotated is empty; list the classes, or empty label too"),
        (image and not is_case_name(name), f": name is {name!r}; write one that can be the name of a file"),
    )
    faults += [where + fault for holds, fault in checks if holds]
    return FoundCase(
        name=name,
        image=str(folder / expanded(image)),
        label=str(folder / expanded(label)) if label else None,
        use=use,
        source=row.get("source") or _prefix(name),
        given=given or None,
    )
