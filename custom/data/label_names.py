"""What a predicted label map is called: as its scan, in the data set's own layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from monai.utils import ImageMetaKey

from ..errors import InputError
from .dicom_series import Series, series_of
from .image_formats import ending_of, label_ending, scan_name
from .layouts import CHANNEL_NUMBER, image_files, test_images


def label_name(scan: str | Path) -> str:
    """Name, without ending, of the label map of a scan in files (its first channel's).

    The scan's own name; of nnU-Net's CASE_0000, in a data set's imagesTr or imagesTs or beside CASE_0001, the case's.
    """
    file = Path(scan)
    name = scan_name(file)
    match = CHANNEL_NUMBER.fullmatch(name)
    if not match or int(match["channel"]) != 0:
        return name
    ending = file.name[len(name) :]
    if file.with_name(f"{match['case']}_0001{ending}").exists():
        return match["case"]
    in_data_set = file.parent.name in ("imagesTr", "imagesTs")
    labels = file.parent.with_name(file.parent.name.replace("images", "labels"))
    return match["case"] if in_data_set and not (labels / file.name).exists() else name


def label_names(scans: Iterable[str]) -> dict[str, str]:
    """Scan -> file name of its label map, for all scans of one run.

    A file's label map keeps its name and ending (see `label_ending`). That of a DICOM series is called after its
    folder, with number and description of the series behind it where the folder holds several, and with as many
    folders before it as it takes to tell it from any other scan.

    Raises:
        InputError: two label maps would have one name.
    """
    scans = list(scans)
    series = {scan: series_of(scan) for scan in scans if not ending_of(scan)}
    names = {scan: f"{label_name(scan)}{label_ending(scan)}" for scan in scans if scan not in series}
    taken = [scan_name(file) for file in names.values()]
    names |= {scan: f"{name}{label_ending(scan)}" for scan, name in _series_names(series, taken).items()}
    owners: dict[str, str] = {}
    for scan, file in names.items():
        name = scan_name(file)  # confidence maps and records have another ending
        if name in owners:
            raise InputError(f"{scan} and {owners[name]} would both be labelled as {name}; rename one of them")
        owners[name] = scan
    return names


def label_file(meta: Mapping[str, Any], _saver: Any = None) -> dict[str, str]:
    """The name of one scan's label map in the form MONAI's `SaveImaged(output_name_formatter=...)` takes."""
    return {"subject": _label_file(meta[ImageMetaKey.FILENAME_OR_OBJ])}


class LabelNames:
    """Names of the label maps of all scans in a folder, for `SaveImaged(output_name_formatter=...)`.

    Args:
        dataset_dir: a folder of scans, one scan, or a data set, as for `inference_cases`; read at the first use. A scan
            that is not there is named by itself.
        suffix: put behind the name.
        ending: put in place of the label map's.
    """

    def __init__(self, dataset_dir: str | Path, suffix: str = "", ending: str = "") -> None:
        self.dataset_dir = dataset_dir
        self.suffix = suffix
        self.ending = ending

    @cached_property
    def names(self) -> dict[str, str]:
        """Scan -> file name of its label map; none where `dataset_dir` is not where the scans are from."""
        try:
            return label_names(image_files(case)[0] for case in test_images(self.dataset_dir))
        except InputError:
            return {}

    def __call__(self, meta: Mapping[str, Any], _saver: Any = None) -> dict[str, str]:
        """The name in the form `SaveImaged(output_name_formatter=...)` takes."""
        scan = str(meta[ImageMetaKey.FILENAME_OR_OBJ])
        file = self.names.get(scan) or _label_file(scan)
        return with_suffix({"subject": file}, self.suffix, self.ending)


class CaseNames:
    """Names of label maps by a cohort's case names, for `SaveImaged`: scans of two sources may share a file name.

    Args:
        names: absolute path of the scan -> name of its case.
        suffix: put behind the name.
    """

    def __init__(self, names: Mapping[str, str], suffix: str = "") -> None:
        self.names = dict(names)
        self.suffix = suffix

    def __call__(self, meta: Mapping[str, Any], _saver: Any = None) -> dict[str, str]:
        """The name in the form `SaveImaged(output_name_formatter=...)` takes."""
        return with_suffix({"subject": f"{self.names[str(meta[ImageMetaKey.FILENAME_OR_OBJ])]}.nii.gz"}, self.suffix)


def with_suffix(name: Mapping[str, str], suffix: str, ending: str = "") -> dict[str, str]:
    """A formatted name with `suffix` before its ending, or before another `ending`."""
    file = name["subject"]
    return {"subject": scan_name(file) + suffix + (ending or ending_of(file))}


def _label_file(scan: str) -> str:
    return next(iter(label_names([scan]).values()))


def _series_names(series: Mapping[str, Series], taken: Sequence[str]) -> dict[str, str]:
    """Scan -> name; the parts of a name are folders, the last with what tells it from the others in that folder."""
    parts = {scan: [*one.folder.parts[1:-1], _name_in_folder(one)] for scan, one in series.items()}
    twice = Counter(tuple(path) for path in parts.values())
    for scan, path in parts.items():
        if twice[tuple(path)] > 1:
            path[-1] += f"_{series[scan].uid[-8:]}"
    others = [*parts.values(), *([name] for name in taken)]
    return {scan: _shortest(path, others) for scan, path in parts.items()}


def _name_in_folder(series: Series) -> str:
    folder = series.folder.name or "series"
    about = [] if series.alone else [_plain(series.number), _plain(series.description)]
    return "_".join([folder, *(part for part in about if part)])


def _shortest(path: Sequence[str], paths: Sequence[Sequence[str]]) -> str:
    """As many last parts of a path as no other of `paths` ends in."""
    for length in range(1, len(path) + 1):
        if sum(list(other[-length:]) == list(path[-length:]) for other in paths) == 1:
            return "_".join(path[-length:])
    return "_".join(path)


def _plain(text: str) -> str:
    """Letters, digits, dot and dash; anything else becomes one underscore."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_.")
