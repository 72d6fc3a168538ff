"""The scans of an inference run, each with what is to be written for it."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..datalist.folder_layouts import files_below, image_files, scan_folder, test_images
from ..datalist.grid_conflict import has_another_grid, refuse_other_files
from ..datalist.left_out import LeftOut
from ..datalist.output_names import COMPANIONS, DICOM_SEG, OUTPUT_NAME, is_there, label_names, renamed, shared_names
from ..errors import InputError
from ..fingerprint.data_check import only_usable
from ..fingerprint.dataset_fingerprint import check_cases
from ..io.image_formats import ending_of
from ..io.json_file import read_json

logger = logging.getLogger(__name__)


def inference_datalist(
    dataset_dir: str | Path,
    output_dir: str | Path,
    overwrite: bool = True,
    validate: bool = True,
    num_channels: int | None = None,
    companions: Mapping[str, bool] | None = None,
    left_out: LeftOut | None = None,
    normalisation: str = "zscore",
) -> list[dict[str, Any]]:
    """The scans to predict as ``{"image", "output_name"}``, see `layouts.test_images`; none where all are labelled.

    Args:
        dataset_dir: a folder of scans in any format, one scan, or a data set.
        output_dir: folder of the label maps.
        overwrite: False leaves out scans that have a label map, and all `companions` of it, in `output_dir`.
        validate: read every scan first and leave out one that cannot be used, with one warning line.
        num_channels: channels of the network's image.
        companions: which of `COMPANIONS` are written as well.
        left_out: takes note of what becomes of each scan.
        normalisation: of the network's plan.

    Raises InputError: there are no scans, none can be used, a label map would replace a scan, a data set's label or the
    label map of another series, or would be taken for that of another scan, or `output_dir` holds scans: the next run
    would take label maps for scans.
    """
    left_out = LeftOut() if left_out is None else left_out
    cases = test_images(dataset_dir, lambda scan, reason: left_out.add({"image": scan}, reason))
    for case, name in zip(cases, label_names(cases, dataset_dir), strict=True):
        case[OUTPUT_NAME] = name
    folder, scans, searched = Path(output_dir), [Path(image_files(case)[0]) for case in cases], scan_folder(dataset_dir)
    holding = [searched, *(scan if scan.is_dir() else scan.parent for scan in scans)]  # a DICOM series may be a folder
    if folder.resolve() in {one.resolve() for one in holding}:
        raise InputError(
            f"{output_dir} holds the scans, among which label maps would be taken for scans: pass another --output_dir"
        )
    if any(not ending_of(scan) for scan in scans):
        _warn_of_other_scans(searched, folder)
    for scan, case in zip(scans, cases, strict=True):
        target = folder / case[OUTPUT_NAME]
        if target.resolve() == scan.resolve():
            raise InputError(f"{scan} would be replaced by its label map: pass another --output_dir")
    if overwrite:
        refuse_other_files([folder / case[OUTPUT_NAME] for case in cases])
    cases = _with_a_name_of_their_own(cases, folder, left_out)
    if not overwrite:
        kinds = [kind for kind, wanted in (companions or {}).items() if wanted]
        finished = [case for case in cases if _is_finished(case, folder, kinds)]
        logger.info("%d of %d scans are already labelled in %s", len(finished), len(cases), output_dir)
        cases = [case for case in cases if case not in finished]
        for case in finished:
            _refuse_label_of_another(case, folder)
            left_out.done(case)
    check_channels(cases, num_channels)
    if not validate:
        return cases
    return only_usable(cases, check_cases(cases, description="checking scans", normalisation=normalisation), left_out)


def _with_a_name_of_their_own(cases: list[dict[str, Any]], folder: Path, left_out: LeftOut) -> list[dict[str, Any]]:
    """The cases whose label map would take no other's place; the others are left out.

    Raises InputError: those are all.
    """
    taken = {}
    for case in cases:
        scan, target = image_files(case)[0], folder / case[OUTPUT_NAME]
        if not ending_of(scan) and has_another_grid(target, scan):  # its name is that of folders, not its own
            taken[scan] = (
                f"{target} is there and lies on another grid than {scan}, as the label map of another series: pass "
                "another --output_dir, or remove it"
            )
        if folder / renamed(case[OUTPUT_NAME], *COMPANIONS["case_record"]) == left_out.file:
            taken[scan] = (
                f"{scan}: its record would be called as the list of scans left out, {left_out.file}; rename it"
            )
    faults = {**shared_names(cases), **taken}
    if faults and len(faults) == len(cases):
        raise InputError(next(iter(faults.values())))
    for case in cases:
        left_out.expect(case)
    for case in cases:
        scan = image_files(case)[0]
        if scan in taken:
            left_out.add({"image": case["image"]}, taken[scan])  # the label map is another's
        elif scan in faults:
            left_out.add(case, faults[scan])
    return [case for case in cases if image_files(case)[0] not in faults]


def _is_finished(case: dict[str, Any], folder: Path, kinds: Sequence[str]) -> bool:
    """Whether a scan's label map and the files wanted next to it are there; only a DICOM series has a DICOM-SEG."""
    wanted = [COMPANIONS[kind] for kind in kinds if not (kind == DICOM_SEG and ending_of(image_files(case)[0]))]
    return all(is_there(folder / renamed(case[OUTPUT_NAME], *how)) for how in [("", ""), *wanted])


def _refuse_label_of_another(case: dict[str, Any], folder: Path) -> None:
    """Raise an `InputError` where a finished case's record names another scan, which is still there: none was moved."""
    scan, label = image_files(case)[0], folder / case[OUTPUT_NAME]
    record = folder / renamed(case[OUTPUT_NAME], *COMPANIONS["case_record"])
    other = ""
    with suppress(InputError):  # damaged, or of something else
        other = str(read_json(record, {}).get("image", ""))
    if other and Path(other).exists() and not _series_folder(other).samefile(_series_folder(scan)):
        what = f"{label} is the label map of {other}, not of {scan}"
        raise InputError(f"{what}: pass another --output_dir, or --overwrite true")


def _series_folder(scan: str) -> Path:
    """The folder of a DICOM series, which one of its files may stand for; other scans as they are."""
    path = Path(scan)
    return path if ending_of(path) or path.is_dir() else path.parent


def _warn_of_other_scans(folder: Path, output_dir: Path) -> None:
    """One warning line about scans in sub-folders, where only DICOM is looked for; label maps apart."""
    others = [file for file in files_below(folder) if not file.resolve().is_relative_to(output_dir.resolve())]
    if others:
        logger.warning(
            "%d files in sub-folders, such as %s, are not labelled: only DICOM is looked for there; pass their folder",
            len(others),
            others[0],
        )


def check_channels(cases: Sequence[dict[str, Any]], num_channels: int | None) -> None:
    """Every case has as many channel files as the network takes; 3D volumes hold one channel each."""
    for case in cases:
        found = len(image_files(case))
        if num_channels is not None and found != num_channels:
            raise InputError(
                f"{image_files(case)[0]}: {found} channel(s) where the network takes {num_channels}: "
                "give each case as many files, or pass a plan, or weights, for so many channels"
            )
