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
