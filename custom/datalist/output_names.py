"""What a predicted label map is called: as its scan, in the data set's own layout."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import ImageMetaKey

from ..errors import InputError
from ..io.dicom_series import Series, series_of
from ..io.image_formats import ending_of, label_ending, scan_name
from ..io.scan_reader import CHANNEL_FILES
from .layouts import CHANNEL_NUMBER, image_files, scan_folder

LONGEST = 160  # bytes of a series' name before its identifier: a file name has 255
IDENTIFIER_DIGITS = 8


def label_name(scan: str | Path, channel_files: int = 1) -> str:
    """Name, without ending, of the label map of a scan in files (its first channel's).

    The scan's own name; the case's of nnU-Net's CASE_0000 with further channels, or in a data set's imagesTr or
    imagesTs.
    """
    file = Path(scan)
    name = scan_name(file)
    match = CHANNEL_NUMBER.fullmatch(name)
    if not match or int(match["channel"]) != 0:
        return name
    if channel_files > 1:
        return match["case"]
    in_data_set = file.parent.name in ("imagesTr", "imagesTs")
    labels = file.parent.with_name(file.parent.name.replace("images", "labels"))
    return match["case"] if in_data_set and not (labels / file.name).exists() else name


def series_name(series: Series, searched: Path | None = None) -> str:
    """Name, without ending, of the label map of a DICOM series.

    Its folders below `searched`, or `searched` itself where it lies there; of several series in one folder also number
    and description, as far as they have them, and eight digits that stand for the SeriesInstanceUID.
    """
    about = _folders(series.folder, searched)
    if series.alone:
        return _shortened("_".join(about))
    described = [*about, _plain(series.number), _plain(series.description)]
    identifier = hashlib.sha256(series.uid.encode()).hexdigest()[:IDENTIFIER_DIGITS]
    return f"{_shortened('_'.join(part for part in described if part))}_{identifier}"


def label_names(cases: Sequence[dict[str, Any]], dataset_dir: str | Path) -> dict[str, str]:
    """First file of each case (see `layouts.test_images`) -> file name of its label map.

    Raises:
        InputError: two label maps would have one name.
    """
    searched = scan_folder(dataset_dir)
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for files in map(image_files, cases):
        scan, file = files[0], _label_file(files[0], len(files), searched)
        name = scan_name(file)  # confidence maps and records have another ending
        if name in owners:
            raise InputError(f"{scan} and {owners[name]} would both be labelled as {name}; rename or remove one")
        names[scan], owners[name] = file, scan
    return names


def label_file(meta: Mapping[str, Any], _saver: Any = None) -> dict[str, str]:
    """The name of one scan's label map in the form MONAI's `SaveImaged(output_name_formatter=...)` takes."""
    return {"subject": _label_file_of(meta, None)}


class LabelNames:
    """Names of the label maps of the scans in a folder, for `SaveImaged(output_name_formatter=...)`.

    Args:
        dataset_dir: a folder of scans, one scan, or a data set, as for `inference_datalist`.
        suffix: put behind the name.
        ending: put in place of the label map's.
    """

    def __init__(self, dataset_dir: str | Path, suffix: str = "", ending: str = "") -> None:
        self.searched = scan_folder(dataset_dir)
        self.suffix = suffix
        self.ending = ending

    def __call__(self, meta: Mapping[str, Any], _saver: Any = None) -> dict[str, str]:
        """The name in the form `SaveImaged(output_name_formatter=...)` takes."""
        return with_suffix({"subject": _label_file_of(meta, self.searched)}, self.suffix, self.ending)


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


def _label_file_of(meta: Mapping[str, Any], searched: Path | None) -> str:
    return _label_file(str(meta[ImageMetaKey.FILENAME_OR_OBJ]), int(meta.get(CHANNEL_FILES, 1)), searched)


def _label_file(scan: str, channel_files: int, searched: Path | None) -> str:
    name = label_name(scan, channel_files) if ending_of(scan) else series_name(series_of(scan), searched)
    return name + label_ending(scan)


def _folders(folder: Path, searched: Path | None) -> Sequence[str]:
    """The folders below `searched` on the way to a folder, or the last one's name."""
    if searched is not None and folder.is_relative_to(searched) and folder != searched:
        return folder.relative_to(searched).parts
    return [folder.resolve().name]  # imagesTs may be a link


def _shortened(text: str) -> str:
    return text.encode(errors="surrogateescape")[:LONGEST].decode(errors="ignore")


def _plain(text: str) -> str:
    """Letters, digits, dot and dash; anything else becomes one underscore."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_.")
