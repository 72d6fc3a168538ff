"""Any config of a bundle made small: a tiny network, two steps, boxes for data, output in a scratch folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .boxes import write_box_cohort, write_boxes
from .bundle_folder import BundleFolder

NETWORK: dict[str, Any] = {
    "spacing": [1.5, 1.1, 1.0],
    "patch_size": [8, 8, 8],
    "architecture": {
        "name": "NativeScaleDynUNet",
        "filters": [4, 8, 16],
        "strides": [1, 2, 2],
        "kernel_size": [3, 3, 3],
    },
    "min_foreground_voxels": 4,
}
TRAINING: dict[str, Any] = {"epochs": 1, "iterations_per_epoch": 2, "elastic_magnitude": 1.0, "elastic_spacing": 4.0}
RUNTIME: dict[str, Any] = {"num_workers": 0, "amp": False, "cpu_bfloat16": False}
CLASSES = "class_names"
EXPORTED = "exported"  # the file of a network in place of weights


def small_values(bundle: BundleFolder, *names: str) -> dict[str, Any]:
    """Ids of the named configs -> values that make them small; of ids that they have only."""
    config = bundle.parser(*names).get()
    wanted = {**NETWORK, **TRAINING, **RUNTIME}
    if "recipe" in config:  # a pipeline hands them on
        wanted = {"training": {**NETWORK, **TRAINING}, "inference": NETWORK, "runtime": RUNTIME}
    return {key: value for key, value in wanted.items() if key in config}


def scratch_values(bundle: BundleFolder, *names: str) -> dict[str, Any]:
    """Ids of the named configs -> boxes to read and folders to write to; of ids that they have only."""
    config = bundle.parser(*names)
    classes = class_names(bundle, *names)
    work = bundle.scratch / f"classes_{len(classes)}"
    wanted: dict[str, Any] = {
        "output_dir": str(work / "output"),
        "ckpt_dir": str(work / "models"),
        "work_dir": str(work / "work"),
    }
    if "dataset_dir" in config:
        wanted["dataset_dir"] = str(boxes(work / "boxes", len(classes) + 1))
    if EXPORTED in config:
        wanted[EXPORTED] = str(exported_network(bundle, work / "model.ts", *names))
    if "cohort" in config:
        wanted["cohort"] = str(write_box_cohort(work / "cohort", classes, config["groups"]))
    return {key: value for key, value in wanted.items() if key in config}


def class_names(bundle: BundleFolder, *names: str) -> list[str]:
    """The classes of the named configs, without background; a pipeline's are those of train.yaml with its overlays."""
    config = bundle.parser(*names)
    if CLASSES not in config:
        config = bundle.parser("train", *config.get("overlays", []))
    return list(config.get_parsed_content(CLASSES))


def exported_network(bundle: BundleFolder, file: Path, *names: str) -> Path:
    """A TorchScript file of the small network that configs have without the overlay that asks for such a file."""
    plain = names
    while EXPORTED in bundle.parser(*plain):
        plain = plain[:-1]
    file.parent.mkdir(parents=True, exist_ok=True)
    parser = bundle.parser(*plain, **small_values(bundle, *plain))
    torch.jit.script(parser.get_parsed_content("network_def")).save(str(file))
    return file


def boxes(folder: Path, num_classes: int) -> Path:
    """The data set of boxes, written once."""
    return folder if (folder / "dataset.json").exists() else write_boxes(folder, num_classes)
