"""What a predicted label map is called: as its scan, in the data set's own layout."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import ImageMetaKey

from ..io.dicom_series import Series, series_of
from ..io.image_formats import ending_of, label_ending, scan_name
from .folder_layouts import CHANNEL_NUMBER, image_files, scan_folder

OUTPUT_NAME = "output_name"  # key of a case, and of its image's metadata: the file name of its label map
DICOM_SEG = "dicom_seg"
# what inference writes next to a label map: suffix of its name and ending, "" for the label map's own
COMPANIONS = {DICOM_SEG: ("", ".dcm"), "confidence": ("_confidence", ""), "case_record": ("", ".json")}
LONGEST = 160  # bytes of a series' name before its identifier: a file name has 255
IDENTIFIER_DIGITS = 8


def output_name(meta: Mapping[str, Any], _saver: Any = None, suffix: str = "", ending: str = "") -> dict[str, str]:
    """A scan's file of results, in the form MONAI's `SaveImaged(output_name_formatter=...)` takes.

    Args:
        meta: of the image: the label map's name under `OUTPUT_NAME`; without it the results are named as the scan's
            file or folder.
        suffix: put behind the name.
        ending: in place of the label map's.
    """
    scan = str(meta[ImageMetaKey.FILENAME_OR_OBJ])
    return {"subject": renamed(meta.get(OUTPUT_NAME) or scan_name(scan) + label_ending(scan), suffix, ending)}


def renamed(file: str, suffix: str = "", ending: str = "") -> str:
    """A file name with `suffix` before its ending, or before another `ending`."""
    return scan_name(file) + suffix + (ending or ending_of(file))


def map_files(scan: str, label_map: str) -> list[str]:
    """The names of the maps that inference may write for a scan, from that of its label map, which is the first."""
    kinds = ["confidence", *([] if ending_of(scan) else [DICOM_SEG])]
    return [label_map, *(renamed(label_map, *COMPANIONS[kind]) for kind in kinds)]


def is_there(file: Path) -> bool:
    """Whether there is a file; no error where its name is too long for one."""
    try:
        return file.is_file()
    except OSError:
        return False


def label_names(cases: Sequence[dict[str, Any]], dataset_dir: str | Path) -> list[str]:
    """The file name of each case's label map, see `layouts.test_images`."""
    searched = scan_folder(dataset_dir)
    names = []
    for files in map(image_files, cases):
        name = _scan_name(files) if ending_of(files[0]) else series_name(series_of(files[0]), searched)
        names.append(name + label_ending(files[0]))
    return names


def shared_names(cases: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Scan -> what is wrong, of cases whose label maps would have one name but for the ending, as records have."""
    scans: dict[str, list[str]] = {}
    for case in cases:
        scans.setdefault(unicodedata.normalize("NFC", scan_name(case[OUTPUT_NAME])), []).append(image_files(case)[0])
    return {
        scan: f"{scan} and {next(one for one in several if one != scan)} would both be labelled as {name}; "
        "rename or remove one"
        for name, several in scans.items()
        if len(several) > 1
        for scan in several
    }


def _scan_name(files: Sequence[str]) -> str:
    """The first file's; the case's of nnU-Net's CASE_0000 with more channels, or in a data set's imagesTr, imagesTs."""
    file = Path(files[0])
    name = scan_name(file)
    match = CHANNEL_NUMBER.fullmatch(name)
    if not match or int(match["channel"]) != 0:
        return name
    in_data_set = file.parent.name in ("imagesTr", "imagesTs")
    labels = file.parent.with_name(file.parent.name.replace("images", "labels"))
    return match["case"] if len(files) > 1 or (in_data_set and not (labels / file.name).exists()) else name


def series_name(series: Series, searched: Path) -> str:
    """Name, without ending, of the label map of a DICOM series.

    Its folders below `searched`, or `searched` itself where it lies there; of several series in one folder also number
    and description, as far as they have them, and eight digits that stand for the SeriesInstanceUID.
    """
    folder = series.folder
    below = folder != searched and folder.is_relative_to(searched)
    about = folder.relative_to(searched).parts if below else (folder.resolve().name,)  # imagesTs may be a link
    if series.alone:
        return _shortened("_".join(about))
    described = [*about, *(re.sub(r"[^\w.-]+", "_", text).strip("_.") for text in (series.number, series.description))]
    identifier = hashlib.sha256(series.uid.encode()).hexdigest()[:IDENTIFIER_DIGITS]
    return f"{_shortened('_'.join(part for part in described if part))}_{identifier}"


def _shortened(text: str) -> str:
    return text.encode(errors="surrogateescape")[:LONGEST].decode(errors="ignore")
