"""The command that labels scans with a model by its name: label maps, volumes, a picture of each scan."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..datalist.left_out import closing_line
from ..datalist.output_names import scan_name
from ..errors import InputError, ScansLeftOutError, find_input_error, input_error_message
from ..fingerprint.input_check import UNUSUAL
from ..geometry.canonical_axes import to_ras
from ..io.checksums import sha256
from ..io.json_file import read_json
from ..io.scan_reader import read_scan
from ..io.write_errors import reporting_unwritable
from ..options.gate import literal
from ..progress import with_progress
from ..reports.label_overview import draw_label_overview
from ..reports.text_table import Row, write_csv
from ..reports.volume_table import COLUMNS, describe_volumes, empty_scans, volume_rows
from .bundle_run import run_config
from .models import Model, describe_models, find_model, known_models

logger = logging.getLogger(__name__)

VOLUMES = "volumes.csv"
NOTHING = ("", "True", "list")  # of `--model` alone, and a guess of those who have not read that
OWN_WORDS = {
    "as dataset_dir": "as SCAN_OR_FOLDER",
    "--output_dir": "OUT",
    " or --ckpt_dir": "",
}  # what inference.yaml calls otherwise


def label(
    scan: str | Path = "",
    output: str | Path = "",
    model: str = "",
    device: str = "",
    overwrite: bool = True,
    dicom_seg: bool = False,
    pictures: bool = True,
) -> str | None:
    """Label scans with a trained model: `label SCAN_OR_FOLDER OUT --model NAME`; `label --model` lists the models.

    Written into OUT, of each scan: its label map, on its own grid and in its format; NAME.json, with the confidence
    in each structure and what is unusual about the scan; NAME.png, three slices through the structures. volumes.csv
    has the volumes of all.

    Args:
        scan: one scan, a DICOM folder, or a folder of scans in any format.
        output: another folder than that of the scans.
        model: a name of the list, or a folder with model.pt and plan.yaml, as any training writes it.
        device: cpu, cuda, cuda:1 or mps; by default the fastest there is.
        overwrite: false leaves out scans that are labelled in OUT.
        dicom_seg: also write NAME.dcm, a DICOM-SEG, for each DICOM series.
        pictures: false writes none.

    Raises:
        InputError: there is no such model or scan, or OUT cannot be written.
        ScansLeftOutError: some scans could not be labelled; the others are.
    """
    if model in NOTHING:
        if str(scan):
            raise InputError(f"label needs --model, one of {', '.join(known_models()) or 'none here'}, or a folder")
        return describe_models()
    found = find_model(model)
    for name, value in (("SCAN_OR_FOLDER", scan), ("OUT", output)):
        if not str(value):
            raise InputError(f"label: {name} is missing; python -m custom label SCAN_OR_FOLDER OUT --model {model}")
    logging.getLogger("ignite").setLevel(logging.WARNING)  # which says that an engine runs
    checksum = sha256(found.weights)
    overrides = {
        "dataset_dir": literal(str(scan)),  # a name may begin with $, which would be run as Python
        "output_dir": literal(str(output)),
        "ckpt_dir": literal(str(found.folder)),
        "overwrite": overwrite,
        "dicom_seg": dicom_seg,
        "case_records": True,
        "record_facts": {"model": {"name": found.name, "sha256": checksum}},
        **({"device": device} if device else {}),
    }
    earlier = {record["label"]: record for record in records_of(Path(output))}
    before = written(Path(output))
    if not overwrite:
        refuse_other_weights(Path(output), earlier.values(), checksum)
    with in_own_words():
        left_out = run_config(found.bundle_root, ["inference"], overrides)
    records = list(records_of(Path(output), checksum))
    after = written(Path(output))
    new = [one for one in records if after.get(f"{one['case']}.json") != before.get(f"{one['case']}.json")]
    for record in new:
        if (other := earlier.get(record["label"], record)["image"]) != record["image"]:
            logger.warning("%s: replaces the label map of %s, a scan of the same name", record["image"], other)
    with reporting_unwritable(output, "pass another OUT"):
        rows = describe(Path(output), records, found)
        for record in new if pictures else ():
            draw(Path(output), record, found, rows)
    for line in describe_volumes(rows) if rows else []:
        logger.info("%s", line)
    for name in empty_scans(rows):
        logger.warning("%s: nothing was found in it", name)
    labelled = new if overwrite else records
    if labelled:
        what = f"{VOLUMES}{' and pictures' if pictures else ''}"
        logger.info("label maps of %d scans, %s: %s", len(labelled), what, output)
    if left_out:
        names = [scan_name(image) for image in left_out]
        raise ScansLeftOutError(closing_line(len(labelled) + len(names), names, "labelled"))
    return None


def written(folder: Path) -> dict[str, int]:
    """Name of each JSON file -> when it was written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.json") if file.is_file()}


def refuse_other_weights(output: Path, records: Iterable[Mapping[str, Any]], checksum: str) -> None:
    """Refuse to go on in a folder that holds label maps of other weights, which would be taken for finished."""
    other = next((record["label"] for record in records if record["model"]["sha256"] != checksum), None)
    if other is not None:
        raise InputError(
            f"{output} holds label maps of other weights, such as {other}: pass another OUT, or --overwrite true"
        )


@contextmanager
def in_own_words() -> Iterator[None]:
    """Errors that name the options of inference.yaml name those of this command instead."""
    try:
        yield
    except Exception as error:
        known = find_input_error(error)
        if known is None:
            raise
        text = input_error_message(known)
        for word, own in OWN_WORDS.items():
            text = text.replace(word, own)
        raise InputError(text) from error


def records_of(folder: Path, checksum: str = "") -> Iterator[dict[str, Any]]:
    """The records in a folder of the scans that these weights, or any, labelled; other files are passed over."""
    for file in sorted(folder.glob("*.json")):
        with suppress(InputError):  # damaged, and none of ours: they are written whole
            record = read_json(file, None)
            of_model = record.get("model") if isinstance(record, dict) else None
            weights = of_model.get("sha256") if isinstance(of_model, Mapping) else None
            if weights and checksum in ("", weights) and (folder / str(record.get("label"))).is_file():
                yield record


def describe(folder: Path, records: list[dict[str, Any]], model: Model) -> list[Row]:
    """Write the table of volumes; returns its rows."""
    rows: list[Row] = []
    for record in with_progress(records, "volumes", "scan", delay=2, leave=False):
        voxels, affine = read_scan(str(folder / record["label"]))
        rows += volume_rows(
            record["case"], voxels, affine, model.plan["classes"], record["confidence"], record[UNUSUAL]
        )
    write_csv(folder / VOLUMES, rows, COLUMNS)
    return rows


def draw(folder: Path, record: Mapping[str, Any], model: Model, rows: list[Row]) -> None:
    """The picture of one scan."""
    image, spacing = to_ras(*read_scan(record["image"]))
    intensity = model.plan["intensity"]
    draw_label_overview(
        folder / f"{record['case']}.png",
        record["case"],
        image,
        to_ras(*read_scan(str(folder / record["label"])))[0].astype("uint8"),
        spacing,
        model.plan["classes"],
        {row["structure"]: row["volume_mL"] for row in rows if row["scan"] == record["case"]},
        window=(intensity["lower"], intensity["upper"]) if intensity else None,
        note=f"unlike the scans of the training: {record[UNUSUAL]}" if record[UNUSUAL] else "",
    )
