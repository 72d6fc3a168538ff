"""Which scans and labels a folder holds: Medical Segmentation Decathlon layout, nnU-Net raw layout, plain folders.

Training data are NIfTI; scans to predict are of any format.
"""

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from glob import escape
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any

from ..errors import InputError
from ..io.dicom_series import is_dicom, series_below, series_of
from ..io.folders_below import folders_below
from ..io.image_formats import (
    NIFTI_ENDINGS,
    OTHER_ENDINGS,
    SCAN_ENDINGS,
    SEGMENTATION_ENDINGS,
    ending_of,
    has_mixed_case,
    scan_name,
)
from .dataset_json import LISTING, channel_count, listed_cases, read_listing

logger = logging.getLogger(__name__)

LeaveOut = Callable[[str, str], None]
ANY_SCANS = f"scans ({', '.join(SCAN_ENDINGS)}, DICOM series)"
CHANNEL_NUMBER = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


def training_cases(dataset_dir: str | Path) -> list[dict[str, Any]]:
    """Every labelled case of a data set as ``{"image": file or list of channel files, "label": file}``.

    Absolute paths, sorted by case name. The cases are those `dataset.json` lists under "training" (Decathlon) or
    "dataset" (nnU-Net), else those of the folders imagesTr and labelsTr: NAME.nii.gz in both (Decathlon) or
    CASE_0000.nii.gz, CASE_0001.nii.gz with CASE.nii.gz (nnU-Net). Hidden files are ignored. Raises InputError: a folder
    or file is missing, empty or unreadable, or an image and its label do not pair up.
    """
    root = _existing(dataset_dir)
    if not root.is_dir():
        raise InputError(f"{root} is a file; dataset_dir must be the folder that holds imagesTr and labelsTr")
    listing = read_listing(root)
    listed = listed_cases(listing)
    cases = _listed_cases(root, listed) if listed else _paired_cases(root, listing)
    return _sorted_by_name(root, cases)


def test_images(dataset_dir: str | Path, leave_out: LeaveOut | None = None) -> list[dict[str, Any]]:
    """Every scan to predict as ``{"image": file or list of channel files}``, absolute paths, sorted by name.

    `dataset_dir` is a data set (its imagesTs, or its imagesTr where it has no imagesTs), any folder of scans, or a
    single scan. Files CASE_0000, CASE_0001, ... are the channels of one case in an nnU-Net data set; in a plain
    folder only where two or more cases all have the same channels, otherwise they are scans that happen to be
    numbered. Scans in files lie in the folder itself, DICOM series there or in folders below; for their paths see
    `dicom_series.Series.scan`.

    Args:
        dataset_dir: see above.
        leave_out: called with path and reason of a scan that is no whole one - a case without one of its channels, a
            DICOM series of which each folder holds a part -, by default with a warning line.

    Raises InputError: the folder is missing or holds no scans, no scan is whole, or two scans have one name.
    """
    leave_out = leave_out or (lambda _, reason: logger.warning("left out: %s", reason))
    root = _existing(dataset_dir)
    if root.is_file():
        return [{"image": _single_scan(root)}]
    folder = scan_folder(root)
    if folder != root:
        return _grouped_images(folder, _layout_channels(root), leave_out)
    listed = listed_cases(read_listing(root))
    if listed:
        return [{"image": case["image"]} for case in _sorted_by_name(root, _listed_cases(root, listed))]
    channels = _layout_channels(root.parent) if root.name.startswith("images") else None
    return _grouped_images(root, channels, leave_out)


def scan_folder(dataset_dir: str | Path) -> Path:
    """Where `test_images` looks for scans: a data set's imagesTs or imagesTr, else `dataset_dir` itself."""
    root = _resolved(dataset_dir)
    folders = (root / name for name in ("imagesTs", "imagesTr"))
    return next((folder for folder in folders if folder.is_dir()), root)


def files_below(folder: Path) -> list[Path]:
    """Files of scans, DICOM apart, in the sub-folders of a folder, where `test_images` looks for DICOM alone."""
    return [
        file
        for below in folders_below(folder)
        if below != folder
        for file in _files(below)
        if file.name.lower().endswith(SCAN_ENDINGS)
    ]


def case_name(case: dict[str, Any]) -> str:
    """The name a case goes by in folds and reports: its label's file name, else its scan's, without the ending.

    Of a scan in several channel files, nnU-Net's _0000 is left out too.
    """
    if case.get("label"):
        return scan_name(case["label"])
    image = case["image"]
    if isinstance(image, str | Path):
        return scan_name(image)
    match = CHANNEL_NUMBER.fullmatch(scan_name(image[0]))
    return match["case"] if match else scan_name(image[0])


def image_files(case: dict[str, Any]) -> list[str]:
    """The scan's files, one for each channel."""
    image = case["image"]
    return [str(image)] if isinstance(image, str | Path) else [str(file) for file in image]


def _resolved(dataset_dir: str | Path) -> Path:
    """`dataset_dir` as an absolute path; only the folder is resolved, so that linked scans keep their names."""
    path = Path(dataset_dir)
    return path.parent.resolve() / path.name if path.is_file() else path.resolve()


def _existing(dataset_dir: str | Path) -> Path:
    path = _resolved(dataset_dir)
    if not path.exists():
        raise InputError(f"{path} does not exist; pass the data's folder as dataset_dir")
    if path.is_dir():
        _entries(path)
    return path


def _entries(folder: Path) -> list[Path]:
    """What a folder holds, sorted."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder} cannot be listed ({error.strerror}); correct its permissions, or pass another folder"
        ) from error


def _single_scan(file: Path) -> str:
    """The path of the scan that a file is or belongs to."""
    if file.name.lower().endswith(SCAN_ENDINGS):
        return str(_readable_name(file))
    if is_dicom(file):
        return series_of(file).scan
    raise InputError(f"{file} is none of the {ANY_SCANS} that can be read; pass one or a folder of them")


def _listed_cases(root: Path, entries: Any) -> list[dict[str, Any]]:
    """The cases that dataset.json lists under "training"."""
    file = root / "dataset.json"
    if not isinstance(entries, list):
        raise InputError(f'{file}: "training" must be a list of {{"image", "label"}}; correct or remove the file')
    cases = []
    for number, entry in enumerate(entries):
        image, label = (entry.get("image"), entry.get("label")) if isinstance(entry, dict) else (None, None)
        if not image:
            raise InputError(f'{file}: entry {number} of "training" names no image; add it or remove the entry')
        if not label:
            raise InputError(f'{file}: image {image} of "training" has no label; add it or remove the entry')
        names = [image] if isinstance(image, str) else image
        if not isinstance(names, list) or not all(isinstance(name, str) for name in (*names, label)):
            raise InputError(f'{file}: entry {number} of "training" must name files: {{"image", "label"}}; correct it')
        images = [_listed_path(root, name) for name in names]
        files = [found for path in images for found in _listed_image(path) or [path]]
        label_file = _listed_path(root, label)
        missing = next((path for path in (*files, label_file) if not path.is_file()), None)
        if missing:
            raise InputError(f"{missing} is listed in {file} but missing; restore it or remove the entry")
        cases.append(_case(files, label_file))
    _refuse_mixed_up(file, cases)
    return cases


def _listed_path(root: Path, name: Any) -> Path:
    r"""The file that dataset.json names, also as Windows does: imagesTr\a.nii.gz.

    Raises InputError: a path of another machine, C:\data\a.nii.gz.
    """
    path, windows = _on_disk(root, str(name)), PureWindowsPath(str(name))
    if path.exists() or "\\" not in str(name):
        return path
    if windows.is_absolute():
        raise InputError(
            f"{root / LISTING}: {name} is a path of another machine; write it relative to {root}, such as "
            f"./{'/'.join(windows.parts[-2:])}"
        )
    return _on_disk(root, windows.as_posix())


def _on_disk(root: Path, name: str) -> Path:
    """A listed file, under the form of Unicode that the disk has: macOS writes an umlaut as two letters."""
    forms = (root / unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return next((file for file in forms if file.is_file()), root / name)


def _refuse_mixed_up(listing: Path, cases: list[dict[str, Any]]) -> None:
    """Refuse entries that name another case's label, where images and labels have the same names."""
    labels = [case_name(case) for case in cases]
    images = [case_name({"image": case["image"]}) for case in cases]
    for names in (images, [CHANNEL_NUMBER.sub(r"\g<case>", name) for name in images]):
        wrong = [(name, label) for name, label in zip(names, labels, strict=True) if name != label]
        if wrong and sorted(names) == sorted(labels):
            raise InputError(
                f"{listing}: image {wrong[0][0]} is listed with the label of {wrong[0][1]} "
                f"({len(wrong)} such entries); correct them"
            )


def _listed_image(file: Path) -> list[Path]:
    """A listed scan's files: nnU-Net's first version lists CASE.nii.gz for the files CASE_0000.nii.gz, ..."""
    if file.is_file():
        return [file]
    name = scan_name(file)
    pattern = f"{escape(name)}_{'[0-9]' * 4}{escape(file.name[len(name) :])}"
    channels = {int(scan_name(found)[-4:]): found for found in file.parent.glob(pattern)}
    return _all_channels(file.parent, name, channels, max(channels) + 1) if channels else []


def _paired_cases(root: Path, listing: dict[str, Any]) -> list[dict[str, Any]]:
    """The cases of imagesTr and labelsTr, paired by name."""
    ending = listing.get("file_ending", NIFTI_ENDINGS[0])
    if ending not in NIFTI_ENDINGS:
        raise InputError(
            f"{root / 'dataset.json'}: file_ending {ending} is not supported; convert the scans to .nii.gz or .nii"
        )
    for name in ("imagesTr", "labelsTr"):
        if not (root / name).is_dir():
            inside = sorted(folder.parent for folder in root.glob("*/imagesTr"))
            hint = "pass the folder that holds both (Medical Segmentation Decathlon or nnU-Net layout)"
            if inside:
                hint = f"pass a data set inside it, such as {inside[0]}"
            elif root.name.startswith(("imagesT", "labelsT")):
                hint = f"pass the data set that it belongs to, {root.parent}"
            raise InputError(f"{root} has no folder {name}; {hint}")
    labels, images = _scans(root / "labelsTr"), _scans(root / "imagesTr")
    pairs, unused = pair_files(images, labels)
    if unused:
        first = unused[min(unused)]
        raise InputError(
            f"{first} has no label in {root / 'labelsTr'}; add it, or move images without a label ({len(unused)}) away"
        )
    count = channel_count(listing) or max(map(len, pairs.values()), default=1)
    cases = []
    for name, label in labels.items():
        if name not in pairs:
            raise InputError(f"{label} has no image in {root / 'imagesTr'}; add it or remove the label")
        files = [images[name]] if name in images else _all_channels(root / "imagesTr", name, pairs[name], count)
        cases.append(_case(files, label))
    return cases


def pair_files(images: dict[str, Path], labels: dict[str, Path]) -> tuple[dict[str, dict[int, Path]], dict[str, Path]]:
    """Images and labels by name, paired: NAME with NAME, else CASE_0000, CASE_0001, ... with CASE.

    Returns:
        Of each label that has an image, channel number -> image; and the images that belong to no label.
    """
    numbered = _channels_by_case(images)
    found = {name: {0: images[name]} if name in images else numbered.get(name, {}) for name in labels}
    pairs = {name: channels for name, channels in found.items() if channels}
    used = {file for channels in pairs.values() for file in channels.values()}
    return pairs, {name: file for name, file in images.items() if file not in used}


def _case(files: list[Path], label: Path | None = None) -> dict[str, Any]:
    image = str(files[0]) if len(files) == 1 else [str(file) for file in files]
    return {"image": image} if label is None else {"image": image, "label": str(label)}


def _sorted_by_name(root: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted; two cases of one name could not be distinguished in folds and results."""
    cases = sorted(cases, key=case_name)
    _refuse_shared_files(root, cases)
    for one, other in pairwise(cases):
        if case_name(one) == case_name(other):
            raise InputError(
                f"{root}: two cases are called {case_name(one)} ({one['label']}, {other['label']}); "
                "give every label file its own name"
            )
    return cases


def _refuse_shared_files(root: Path, cases: list[dict[str, Any]]) -> None:
    """Refuse a file that is part of two cases, or image and label at once: folds would share what they must not."""
    uses = Counter(file for case in cases for file in [*image_files(case), str(case["label"])])
    shared = next((file for file, number in uses.items() if number > 1), None)
    if shared:
        raise InputError(f"{root}: {shared} is listed {uses[shared]} times; give every case its own image and label")


def _scans(folder: Path, endings: tuple[str, ...] = NIFTI_ENDINGS) -> dict[str, Path]:
    """Name -> file of every scan in a folder; there is one at least."""
    if scans := scan_files(folder, endings):
        return scans
    raise _no_scans(folder, endings)


def scan_files(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Name -> file of every scan in a folder, hidden files apart; a dangling link stays in, to be reported later."""
    scans: dict[str, Path] = {}
    for name, file in named_scans(folder, endings):
        if name in scans:
            raise InputError(f"{file} and {scans[name].name} are one case twice; remove or rename one of them")
        scans[name] = _readable_name(file)
    return scans


def named_scans(folder: Path, endings: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Name and file of every scan in a folder; files of several formats may have one name."""
    return [
        (unicodedata.normalize("NFC", scan_name(file)), file)  # macOS decomposes letters
        for file in _files(folder)
        if file.name.lower().endswith(endings) and not file.name.lower().endswith(SEGMENTATION_ENDINGS)
    ]


def _readable_name(file: Path) -> Path:
    """The file; refused where no library finds it under its name."""
    if has_mixed_case(file):
        name = scan_name(file) + ending_of(file).lower()
        raise InputError(f"{file}: its ending mixes upper and lower case; rename it to {name}")
    return file


def _files(folder: Path) -> list[Path]:
    """Files that are not hidden, and links that lead nowhere; no pipes, which would be waited for without end."""
    visible = (path for path in _entries(folder) if not path.name.startswith("."))
    return [path for path in visible if path.is_file() or not path.exists()]


def _no_scans(folder: Path, endings: tuple[str, ...]) -> InputError:
    """What is wrong with a folder without scans, with what lies there instead."""
    files = _files(folder)
    folders = [path.name for path in _entries(folder) if path.is_dir() and not path.name.startswith(".")]
    hint = "it is empty: put the scans into it or pass another folder"
    if folders:
        hint = f"pass one of its {len(folders)} sub-folders, such as {folders[0]}, or put the scans directly into it"
    elif files:
        hint = f"convert its {len(files)} files, such as {files[0].name}, to NIfTI"
    kinds = f"{' or '.join(endings)} scans" if endings == NIFTI_ENDINGS else ANY_SCANS
    return InputError(f"{folder} holds no {kinds}; {hint}")


def _channels_by_case(scans: dict[str, Path]) -> dict[str, dict[int, Path]]:
    """nnU-Net's reading of the names: CASE -> channel number -> file; names without a number are left out."""
    cases: dict[str, dict[int, Path]] = {}
    for name, file in scans.items():
        match = CHANNEL_NUMBER.fullmatch(name)
        if match:
            cases.setdefault(match["case"], {})[int(match["channel"])] = file
    return cases


def _all_channels(folder: Path, name: str, channels: dict[int, Path], count: int) -> list[Path]:
    """The files of channels 0 to count - 1."""
    if sorted(channels) != list(range(count)):
        missing = [f"{name}_{number:04d}" for number in range(count) if number not in channels]
        what = f"lacks {', '.join(missing)}" if missing else f"has {len(channels)} channels"
        raise InputError(f"{folder}: case {name} {what} where {count} channels are expected; complete or remove it")
    return [channels[number] for number in range(count)]


def _layout_channels(root: Path) -> int | None:
    """How many channel files each case of a data set has, or None where its layout does not say."""
    count = channel_count(read_listing(root))
    if count is None and (root / "imagesTr").is_dir() and (root / "labelsTr").is_dir():
        images, labels = (scan_files(root / name, SCAN_ENDINGS) for name in ("imagesTr", "labelsTr"))
        cases = _channels_by_case(images)
        channels = (len(cases[name]) if name in cases and name not in images else 1 for name in labels)
        count = max(channels, default=None)
    return count


def _grouped_images(folder: Path, count: int | None, leave_out: LeaveOut) -> list[dict[str, Any]]:
    """The scans of a folder, `count` channel files to a case; None leaves it to the names. DICOM has one channel."""
    named, faults = named_scans(folder, SCAN_ENDINGS), {}
    for _, file in named:
        try:
            _readable_name(file)
        except InputError as error:
            faults[file] = str(error)
    named = [(name, file) for name, file in named if file not in faults]
    scans = dict(named)
    try:
        series = [{"image": one.scan} for one in series_below(folder, leave_out)]
    except InputError as error:
        if not scans:
            raise
        leave_out(str(folder), str(error))
        series = []
    if not scans and not series:
        raise InputError(next(iter(faults.values()))) if faults else _no_scans(folder, SCAN_ENDINGS)
    others = [file for file in _files(folder) if file.name.lower().endswith(OTHER_ENDINGS)]
    if others:
        logger.warning(
            "%d files, such as %s, are not labelled: no format that is read, or a segmentation; convert scans to NIfTI",
            len(others),
            others[0],
        )
    cases = _channels_by_case(scans)
    if count is None:  # channels where two or more cases agree on them and no other file is there
        common = len(next(iter(cases.values()), {}))
        agreed = all(sorted(channels) == list(range(common)) for channels in cases.values())
        count = common if agreed and len(cases) >= 2 and len(cases) * common == len(scans) else 1
    if count == 1:
        found = sorted([{"image": str(file)} for _, file in named] + series, key=lambda case: case["image"])
    else:
        found = _cases_of_channels(folder, named, count, faults) + series
    if not found:
        raise InputError(next(iter(faults.values())))
    for file, fault in faults.items():
        leave_out(str(file), fault)
    return found


def _cases_of_channels(
    folder: Path, named: Sequence[tuple[str, Path]], count: int, faults: dict[Path, str]
) -> list[dict[str, Any]]:
    """The cases of which each channel is a file; of any other file `faults` takes what is wrong."""
    what = f"its data set has {count} channels, so files must be named CASE_0000"
    for name, file in named:
        if not CHANNEL_NUMBER.fullmatch(name):
            faults[file] = f"{file}: {what}; rename it"
    whole, uses = [], Counter(name for name, _ in named)
    for name, channels in sorted(_channels_by_case(dict(named)).items()):
        first = channels[min(channels)]
        twice = [file for one, file in named if file in channels.values() and uses[one] > 1]
        try:
            whole.append(_case(_all_channels(folder, name, channels, count)))
        except InputError as error:
            faults[first] = str(error)
        if twice and first not in faults:
            whole.pop()
            faults[first] = f"{first}: several files are called {scan_name(twice[0])}; remove or rename one of them"
    return whole
