"""What a predicted label map is called: as its case, in the data set's own layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.utils import ImageMetaKey

from .layouts import CHANNEL_NUMBER, scan_name


def label_name(scan: str | Path) -> str:
    """Name, without ending, of the label map of a scan (its first channel's file).

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


def label_file(meta: Mapping[str, Any], _saver: Any = None) -> dict[str, str]:
    """`label_name` in the form MONAI's `SaveImaged(output_name_formatter=...)` takes."""
    return {"subject": f"{label_name(meta[ImageMetaKey.FILENAME_OR_OBJ])}.nii.gz"}


def confidence_file(meta: Mapping[str, Any], saver: Any = None) -> dict[str, str]:
    """The name of a label map's confidence map, for `SaveImaged`."""
    return with_suffix(label_file(meta, saver), "_confidence")


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


def with_suffix(name: Mapping[str, str], suffix: str) -> dict[str, str]:
    """A formatted name with `suffix` before its ending."""
    return {"subject": name["subject"].removesuffix(".nii.gz") + suffix + ".nii.gz"}
