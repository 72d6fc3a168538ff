"""KNIGHT's two tumour classes from KiTS masks: the patient's risk group becomes the class of the tumour's voxels."""

import csv
import io
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from ..datalist.fixed_split import SPLIT_FILE, write_split
from ..datalist.folder_layouts import scan_files
from ..errors import InputError
from ..fingerprint.data_check import count_values
from ..io.atomic_write import replacing, write_json
from ..io.image_formats import NIFTI_ENDINGS
from ..io.write_errors import unwritable
from ..number_text import exact
from ..progress import with_progress

logger = logging.getLogger(__name__)

CLASS_NAMES = ("background", "NoAT", "CanAT")
CLASS_OF_RISK_GROUP = {"benign": 1, "low_risk": 1, "intermediate_risk": 1, "high_risk": 2, "very_high_risk": 2}
TUMOUR, CYST = 2, 3  # KiTS: 0 background, 1 kidney, 2 tumour; since KiTS21 also 3 cyst
MASK_NAMES = ("segmentation.nii.gz", "aggregated_MAJ_seg.nii.gz")  # KiTS19 and KiTS23; KiTS21 and KNIGHT
TRAINING_CASES = 300  # of KNIGHT, which come first in its list; 100 are for testing
RECORD = "preparation.json"
LISTING = {
    "name": "KNIGHT",
    "description": "KiTS tumours classed by the AUA risk group: NoAT up to intermediate, CanAT from high risk on",
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "no_adjuvant_therapy": 1, "candidate_for_adjuvant_therapy": 2},  # as in the plan
    "file_ending": ".nii.gz",
}


class Source(NamedTuple):
    """One patient: name, mask, and the scan where there is one."""

    name: str
    mask: Path
    image: Path | None


def prepare_knight(
    kits_dir: str | Path,
    knight_json: str | Path,
    output_dir: str | Path,
    images_dir: str | Path | None = None,
    cysts_as: int = 0,
    copy_images: bool = False,
    test_cases: str | Path | None = None,
) -> str:
    """Write a data set in nnU-Net raw layout with the classes 1 NoAT and 2 CanAT at the tumours' voxels.

    Finished cases are skipped, so an interrupted run goes on where it was.

    Args:
        kits_dir: folder of KiTS: case_00000/segmentation.nii.gz (or aggregated_MAJ_seg.nii.gz), or case_00000.nii.gz
            directly in it. Case folders without a mask (the test cases) are passed over.
        knight_json: KNIGHT's list of ``{"case_id", "aua_risk_group"}``; benign, low and intermediate risk are NoAT,
            high and very high risk CanAT.
        output_dir: receives dataset.json, imagesTr and labelsTr.
        images_dir: folder of the scans, case_00000/imaging.nii.gz or case_00000.nii.gz; by default imaging.nii.gz
            next to each mask. Without any scans the labels alone are written.
        cysts_as: class of KiTS21's cyst voxels: 0 background, 1 NoAT, 2 CanAT.
        copy_images: copy the scans instead of linking to them.
        test_cases: CSV or JSON list that names the held-out cases (column or key case_id); by default those that
            follow the first 300 of knight_json. KNIGHT's public list ends there, so those who have the risk groups of
            its 100 test cases add them to knight_json. The split is written to split.json, with its source;
            `--fold test` trains and scores by it.

    Returns:
        One line that says what was written.

    Raises:
        InputError: a file is missing or unreadable, a case has no (known) risk group, a mask has other values.
    """
    if cysts_as not in (0, 1, 2):
        raise InputError(f"cysts_as is {cysts_as}; it must be 0 (background), 1 (NoAT) or 2 (CanAT)")
    sources = _find_sources(Path(kits_dir), None if images_dir is None else Path(images_dir))
    classes = _read_classes(Path(knight_json), [source.name for source in sources])
    sources = [source for source in sources if source.name in classes]
    held_out, why = _held_out(Path(knight_json), test_cases)
    test = [name for name in classes if name in held_out]
    if held_out and not 0 < len(test) < len(classes):
        side = "all" if test else "none"
        raise InputError(f"{why}: {side} of the {len(classes)} cases at hand are held out; name some as test_cases")
    output = Path(output_dir)
    try:
        _check_record(output / RECORD, {"cysts_as": cysts_as, "class_of_case": classes})
        written = 0
        for source in with_progress(sources, "preparing KNIGHT"):
            written += _write_label(source, output / "labelsTr", classes[source.name], cysts_as)
            if source.image is not None:
                _place_image(source.image, output / "imagesTr" / f"{source.name}_0000.nii.gz", copy_images)
        if test:
            write_split(output / SPLIT_FILE, [name for name in classes if name not in held_out], test, why)
        write_json(output / "dataset.json", {**LISTING, "numTraining": len(sources)})  # last: the data set is complete
    except OSError as error:
        elsewhere = "pass another output_dir, and --copy_images where links are not supported"
        raise unwritable(error, error.filename or output, elsewhere) from error
    counts = ", ".join(f"{sum(c == number for c in classes.values())} {CLASS_NAMES[number]}" for number in (1, 2))
    images = "with their scans" if sources[0].image else "labels alone, no scans found: training needs images_dir"
    split = f", {len(test)} of them held out ({SPLIT_FILE}: {why})" if test else ""
    return f"KNIGHT: {len(sources)} cases ({counts}) in {output}, {written} labels newly written, {images}{split}"


def _find_sources(kits_dir: Path, images_dir: Path | None) -> list[Source]:
    """The masks with their scans: all scans or none."""
    for folder in filter(None, (kits_dir, images_dir)):
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; pass the one that holds KiTS' cases")
    masks = {mask.parent.name: mask for name in MASK_NAMES for mask in kits_dir.glob(f"*/{name}")}
    masks = masks or scan_files(kits_dir, NIFTI_ENDINGS)
    if not masks:
        raise InputError(
            f"{kits_dir} holds neither case_00000/{MASK_NAMES[0]} nor case_00000.nii.gz; pass KiTS' data folder"
        )
    sources = [Source(name, mask, _find_image(name, mask, images_dir)) for name, mask in sorted(masks.items())]
    without = [source.name for source in sources if source.image is None]
    if without and (images_dir is not None or len(without) < len(sources)):
        raise InputError(
            f"{images_dir or kits_dir}: {len(without)} of {len(sources)} masks have no scan, such as {without[0]}; "
            "finish the download of the scans or take these masks out"
        )
    return sources


def _find_image(name: str, mask: Path, images_dir: Path | None) -> Path | None:
    candidates = [mask.with_name("imaging.nii.gz")] if mask.name in MASK_NAMES else []
    if images_dir is not None:
        candidates = [images_dir / file for file in (f"{name}/imaging.nii.gz", f"{name}.nii.gz", f"{name}_0000.nii.gz")]
    return next((file.resolve() for file in candidates if file.is_file()), None)


def _read_classes(knight_json: Path, names: Sequence[str]) -> dict[str, int]:
    """Case name -> class of its tumour, for the cases at hand."""
    try:
        entries = json.loads(knight_json.read_text(encoding="utf-8-sig"))
        risk_groups = {entry["case_id"]: entry["aua_risk_group"] for entry in entries}
    except OSError as error:
        raise InputError(f"{knight_json} cannot be read ({error.strerror}); pass KNIGHT's knight.json") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{knight_json} is no list of {{"case_id", "aua_risk_group"}} ({error}); pass KNIGHT\'s knight.json'
        ) from error
    listed = {name: risk_groups[name] for name in names if name in risk_groups}
    if not listed:
        raise InputError(f"{knight_json} lists none of the {len(names)} cases, such as {names[0]}; pass KNIGHT's list")
    for name, group in listed.items():
        if group not in CLASS_OF_RISK_GROUP:
            known = ", ".join(CLASS_OF_RISK_GROUP)
            raise InputError(f"{knight_json}: case {name} has the unknown risk group {group!r}; known are {known}")
    unlisted = [name for name in names if name not in listed]
    if unlisted:
        text = "%d of %d cases are left out: %s has no risk group for them, such as %s"
        logger.warning(text, len(unlisted), len(names), knight_json, unlisted[0])
    return {name: CLASS_OF_RISK_GROUP[group] for name, group in listed.items()}


def _held_out(knight_json: Path, test_cases: str | Path | None) -> tuple[set[str], str]:
    """The cases to test on, and where that comes from."""
    if test_cases is not None:
        return set(_listed_cases(Path(test_cases))), f"cases of {Path(test_cases).name}"
    listed = [str(entry["case_id"]) for entry in json.loads(knight_json.read_text(encoding="utf-8-sig"))]
    return set(listed[TRAINING_CASES:]), f"cases after the first {TRAINING_CASES} of {knight_json.name}"


def _listed_cases(file: Path) -> list[str]:
    """The cases that a CSV or JSON file names."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".csv":
            return [row["case_id"].strip() for row in csv.DictReader(io.StringIO(text))]
        return [str(entry["case_id"] if isinstance(entry, dict) else entry) for entry in list(json.loads(text))]
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); pass a list of cases as test_cases") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{file} is no list of cases ({error})"
        raise InputError(f"{what}: write a CSV with the column case_id, or a JSON list of names") from error


def _check_record(path: Path, record: dict[str, Any]) -> None:
    """Keep what the labels are made from next to them: a run with other settings must not be mixed in."""
    if path.is_file():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            known = earlier["class_of_case"]
            same = earlier["cysts_as"] == record["cysts_as"] and record["class_of_case"].items() >= known.items()
        except (ValueError, KeyError, TypeError, AttributeError):
            same = False
        if not same:
            raise InputError(
                f"{path}: the folder was prepared from other settings; delete it or pass another output_dir"
            )
    write_json(path, record)


def _write_label(source: Source, folder: Path, tumour_class: int, cysts_as: int) -> bool:
    """Write one label unless it is there already and no older than its mask; whether it was written."""
    target = folder / f"{source.name}.nii.gz"
    if target.is_file() and target.stat().st_mtime_ns >= source.mask.stat().st_mtime_ns:
        return False
    try:
        mask: Any = nib.load(source.mask)
        values = np.asanyarray(mask.dataobj)
    except Exception as error:  # a damaged file fails in nibabel, zlib or numpy alike
        raise InputError(f"{source.mask}: cannot be read ({type(error).__name__}); download it again") from error
    unknown = sorted(set(count_values(values)) - {0, 1, TUMOUR, CYST})
    if unknown:
        raise InputError(
            f"{source.mask}: value {exact(unknown[0])} is none of KiTS' 0 background, 1 kidney, 2 tumour, 3 cyst; "
            "pass KiTS' own masks"
        )
    label = np.zeros_like(values, dtype=np.uint8)
    label[values == TUMOUR] = tumour_class
    label[values == CYST] = cysts_as
    header = mask.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    with replacing(target) as temporary:
        nib.save(nib.Nifti1Image(label, mask.affine, header), temporary)
    return True


def _place_image(image: Path, target: Path, copy: bool) -> None:
    if copy:
        if target.is_symlink() or not target.is_file() or target.stat().st_size != image.stat().st_size:
            with replacing(target) as temporary:
                shutil.copyfile(image, temporary)
    elif not target.is_symlink() or target.resolve() != image:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(image)
