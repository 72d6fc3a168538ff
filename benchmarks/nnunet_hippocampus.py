"""BATseg compared with nnU-Net v2 on the hippocampus data: same cases, patch, network and budget, in the same hour.

nnU-Net lives in an environment of its own (torch first, so that both sides run the same build of it):

    python3 -m venv NNUNET && NNUNET/bin/pip install torch==2.13.0 && NNUNET/bin/pip install nnunetv2==2.8.1 monai

Then, from the project's root and in the project's environment:

    python benchmarks/nnunet_hippocampus.py --nnunet_python NNUNET/bin/python --work_dir benchmarks/results/hippocampus

`--sides nnunet` or `--sides ours` runs one of the two. Every case of fold `--fold` is unseen by both sides, every other
case is trained on; the folds are the bundle's, read from `--folds_file` or made there. Both sides predict the unseen
scans with their last weights and without mirroring, and one function here scores both. nnU-Net keeps its own
preprocessing, augmentation, sampling, loss and schedule; only patch, batch, network and budget are set, through its
plans file and its trainer. Its pseudo-validation is cut to one batch per epoch, so that its training time is training.
"""
# ruff: noqa: PLC0415 - nnU-Net exists only in its own environment and reads its folders' variables when imported

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from custom.errors import InputError, show_input_errors_in_one_line
from custom.io.atomic_write import write_json

PROJECT = Path(__file__).resolve().parents[1]
BUNDLE = PROJECT / "bundles" / "batseg_spine"
OUR_TRAINING = ("configs/train.yaml", "--plan", "hippocampus", "--cpu_bfloat16", "true")
OUR_INFERENCE = ("configs/inference.yaml", "--cpu_bfloat16", "true")
OUR_MIRRORING_OFF = ("--mirrored", "false")

DATASET_ID = 4
DATASET = f"Dataset{DATASET_ID:03d}_Hippocampus"
CONFIGURATION = "3d_fullres"
PLANS = "nnUNetPlans"
PATCH_SIZE = (40, 56, 40)
FEATURES = (32, 64, 128, 256)
SUFFIX = ".nii.gz"
SPLIT_FILE = "split.json"

logger = logging.getLogger("nnunet_hippocampus")


def parse_arguments() -> argparse.Namespace:
    """The command line; the same one is handed on to the process that runs nnU-Net."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", type=Path, default=PROJECT.parent / "shared" / "data" / "hippocampus")
    parser.add_argument("--folds_file", type=Path, help="default: work_dir/folds.json")
    parser.add_argument("--fold", type=int, default=0, help="the fold that neither side trains on")
    parser.add_argument("--work_dir", type=Path, required=True, help="everything is written here")
    parser.add_argument("--sides", nargs="+", choices=("ours", "nnunet"), default=["ours", "nnunet"])
    parser.add_argument("--nnunet_python", default=sys.executable, help="interpreter that has nnunetv2")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--iterations_per_epoch", type=int, default=50)
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="weights; nnU-Net's loading processes seed themselves")
    parser.add_argument("--threads", type=int, default=2, help="torch threads of either side")
    parser.add_argument("--augmentation_processes", type=int, default=1, help="nnU-Net's; 0 is repeatable")
    parser.add_argument("--inside_nnunet", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.work_dir = arguments.work_dir.resolve()
    arguments.dataset_dir = arguments.dataset_dir.resolve()
    arguments.folds_file = (arguments.folds_file or arguments.work_dir / "folds.json").resolve()
    return arguments


# --- cases ------------------------------------------------------------------------------------------------------------


class Split(NamedTuple):
    """Sorted case names of a benchmark: `training` for both sides, `unseen` by both."""

    training: list[str]
    unseen: list[str]


def read_split(arguments: argparse.Namespace) -> Split:
    """The split by the bundle's own code; also written where nnU-Net's process, which lacks that code, reads it."""
    from custom.data import labelled_datalist
    from custom.datalist import HeldOut
    from custom.datalist.folder_layouts import case_name

    classes = foreground_names(arguments.dataset_dir)
    held_out = HeldOut(arguments.fold, folds_file=arguments.folds_file)
    sections = (
        labelled_datalist(arguments.dataset_dir, name, classes, validate=False, held_out=held_out)
        for name in ("training", "validation")
    )
    split = Split(*([case_name(case) for case in cases] for cases in sections))
    write_json(arguments.work_dir / SPLIT_FILE, split._asdict())
    return split


def link(source: Path, target: Path) -> None:
    """A symbolic link at `target`, its folder made as needed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def empty_folder(folder: Path) -> Path:
    """`folder`, without whatever an earlier run left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# --- nnU-Net's side (runs in nnU-Net's own environment) ---------------------------------------------------------------


def run_nnunet(arguments: argparse.Namespace) -> None:
    """Preprocess, train and predict with nnU-Net; label maps, times and versions go to `work_dir/nnunet`."""
    folder = empty_folder(arguments.work_dir / "nnunet")
    set_nnunet_environment(folder, arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    np.random.seed(arguments.seed)  # noqa: NPY002 - nnU-Net draws from numpy's global state
    split = Split(**json.loads((arguments.work_dir / SPLIT_FILE).read_text(encoding="utf-8")))
    scans = [arguments.dataset_dir / "imagesTr" / f"{case}{SUFFIX}" for case in split.unseen]
    preprocessed = folder / "preprocessed" / DATASET
    seconds: dict[str, float] = {}
    with noting_seconds(seconds, "preprocessing"):
        write_nnunet_raw(arguments.dataset_dir, folder / "raw" / DATASET, split.training + split.unseen)
        plan_and_preprocess(preprocessed, arguments.batch_size, arguments.threads)
        write_json(preprocessed / "splits_final.json", [{"train": split.training, "val": split.unseen}])
    with noting_seconds(seconds, "training"):
        os.environ["nnUNet_n_proc_DA"] = str(arguments.augmentation_processes)  # noqa: SIM112 - nnU-Net's name
        trainer = train_nnunet(preprocessed, arguments.epochs, arguments.iterations_per_epoch)
    seconds["iterations"] = sum(trainer.epoch_seconds)
    with noting_seconds(seconds, "prediction"):
        predict_nnunet(trainer, scans, folder / "predictions")
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    versions = {name: version(name) for name in ("nnunetv2", "torch", "numpy")}
    write_json(folder / "report.json", {"seconds": seconds, "parameters": parameters, "versions": versions})


@contextmanager
def noting_seconds(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Write the wall seconds of the block under `stage`."""
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def set_nnunet_environment(folder: Path, threads: int) -> None:
    """The variables nnU-Net reads; to be called before it is imported.

    Its planner uses the number of augmentation processes as a number of threads, so 0 must wait until training.
    """
    os.environ |= {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")} | {
        "nnUNet_compile": "f",
        "nnUNet_def_n_proc": str(threads),
        "nnUNet_n_proc_DA": str(threads),
    }


def write_nnunet_raw(dataset_dir: Path, raw: Path, cases: list[str]) -> None:
    """The Decathlon folder in nnU-Net's layout, as links."""
    description = json.loads((dataset_dir / "dataset.json").read_text(encoding="utf-8"))
    for case in cases:
        link(dataset_dir / "imagesTr" / f"{case}{SUFFIX}", raw / "imagesTr" / f"{case}_0000{SUFFIX}")
        link(dataset_dir / "labelsTr" / f"{case}{SUFFIX}", raw / "labelsTr" / f"{case}{SUFFIX}")
    write_json(
        raw / "dataset.json",
        {
            "channel_names": description["modality"],
            "labels": {name: int(value) for value, name in description["labels"].items()},
            "numTraining": len(cases),
            "file_ending": SUFFIX,
        },
    )


def plan_and_preprocess(preprocessed: Path, batch_size: int, processes: int) -> None:
    """What `nnUNetv2_plan_and_preprocess` does, with patch, batch size and network set in the plans between the two."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    extract_fingerprints([DATASET_ID], num_processes=processes, verbose=False)
    plan_experiments([DATASET_ID])
    plans_file = preprocessed / f"{PLANS}.json"
    plans = json.loads(plans_file.read_text(encoding="utf-8"))
    set_plans(plans, batch_size)
    write_json(plans_file, plans)
    preprocess([DATASET_ID], PLANS, (CONFIGURATION,), (processes,))


def set_plans(plans: dict[str, Any], batch_size: int) -> None:
    """Write the benchmark's patch, batch size and network into nnU-Net's plans.

    nnU-Net sees SimpleITK's axes (z, y, x), the bundle (x, y, z): the patch is the same read either way, and the
    planner must not have moved an axis.
    """
    if plans["transpose_forward"] != [0, 1, 2]:
        raise InputError(f"nnU-Net reorders the axes by {plans['transpose_forward']}; the patches would differ")
    levels = len(FEATURES)
    configuration = plans["configurations"][CONFIGURATION]
    configuration["patch_size"] = list(PATCH_SIZE)
    configuration["batch_size"] = batch_size
    configuration["architecture"]["network_class_name"] = (
        "dynamic_network_architectures.architectures.unet.PlainConvUNet"
    )
    configuration["architecture"]["arch_kwargs"] |= {
        "n_stages": levels,
        "features_per_stage": list(FEATURES),
        "kernel_sizes": [[3, 3, 3]] * levels,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (levels - 1),
        "n_conv_per_stage": [2] * levels,
        "n_conv_per_stage_decoder": [2] * (levels - 1),
    }


def train_nnunet(preprocessed: Path, epochs: int, iterations_per_epoch: int) -> Any:
    """Train on split 0 of `splits_final.json`; the trainer, holding the weights of its last checkpoint."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class TimedTrainer(nnUNetTrainer):
        """nnU-Net's trainer, noting the seconds its training iterations take."""

        epoch_seconds: list[float]

        def on_train_epoch_start(self) -> None:
            super().on_train_epoch_start()
            self._epoch_start = time.perf_counter()

        def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
            self.epoch_seconds.append(time.perf_counter() - self._epoch_start)
            super().on_train_epoch_end(train_outputs)

    plans = json.loads((preprocessed / f"{PLANS}.json").read_text(encoding="utf-8"))
    description = json.loads((preprocessed / "dataset.json").read_text(encoding="utf-8"))
    trainer = TimedTrainer(
        plans | {"continue_training": False}, CONFIGURATION, 0, description, device=torch.device("cpu")
    )
    trainer.epoch_seconds = []
    trainer.num_epochs = epochs
    trainer.num_iterations_per_epoch = iterations_per_epoch
    trainer.num_val_iterations_per_epoch = 1
    trainer.run_training()
    trainer.load_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    return trainer


def predict_nnunet(trainer: Any, scans: list[Path], folder: Path) -> None:
    """Label maps of `scans` in `folder`, by nnU-Net's own predictor without mirroring."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    predictor.predict_from_files(
        [[str(scan)] for scan in scans],
        [str(folder / scan.name.removesuffix(SUFFIX)) for scan in scans],
        num_processes_preprocessing=1,
        num_processes_segmentation_export=1,
    )


# --- both sides as commands -------------------------------------------------------------------------------------------


def start_nnunet(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run `run_nnunet` with nnU-Net's interpreter; its report, with the seconds of the whole command."""
    command = [arguments.nnunet_python, __file__, *sys.argv[1:], "--inside_nnunet"]
    total = run_logged(command, arguments.work_dir / "nnunet.log", arguments.threads)
    report = json.loads((arguments.work_dir / "nnunet" / "report.json").read_text(encoding="utf-8"))
    report["seconds"]["total"] = total
    return report


def start_ours(arguments: argparse.Namespace, unseen: list[str]) -> dict[str, Any]:
    """Train and infer with the bundle, as a user would; seconds of each command, and versions."""
    folder = empty_folder(arguments.work_dir / "ours")
    for case in unseen:
        link(arguments.dataset_dir / "imagesTr" / f"{case}{SUFFIX}", folder / "scans" / f"{case}{SUFFIX}")
    bundle = [sys.executable, "-m", "monai.bundle", "run", "--config_file"]
    shared = ["--ckpt_dir", str(folder / "models")]
    budget = [f"--{name}={getattr(arguments, name)}" for name in ("epochs", "iterations_per_epoch", "batch_size")]
    split = [f"--{name}={getattr(arguments, name)}" for name in ("fold", "folds_file", "seed", "dataset_dir")]
    training = [*bundle, *OUR_TRAINING, *shared, *budget, *split, "--output_dir", str(folder / "training")]
    places = ["--dataset_dir", str(folder / "scans"), "--output_dir", str(folder / "predictions")]
    inference = [*bundle, *OUR_INFERENCE, *shared, *places, *OUR_MIRRORING_OFF]
    seconds = {
        name: run_logged(command, arguments.work_dir / f"ours_{name}.log", arguments.threads, BUNDLE)
        for name, command in (("training", training), ("prediction", inference))
    }
    with (folder / "training" / "log.csv").open(encoding="utf-8", newline="") as log:
        iterations = sum(float(row["seconds"]) for row in csv.DictReader(log))
    seconds |= {"total": sum(seconds.values()), "iterations": iterations}
    return {"seconds": seconds, "versions": {name: version(name) for name in ("monai", "torch", "numpy")}}


def run_logged(command: list[str], log: Path, threads: int, folder: Path | None = None) -> float:
    """Run `command` in `folder` with its output in `log`; wall seconds. Raises `InputError` if it fails."""
    logger.info("%s", " ".join(command))
    python_path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": python_path}
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
        raise InputError(f"{command[0]} ended with code {done.returncode} ({''.join(last)}); its output is in {log}")
    return time.perf_counter() - start


# --- scores -----------------------------------------------------------------------------------------------------------


def score(dataset_dir: Path, predictions: Path, cases: list[str], classes: int) -> np.ndarray:
    """Dice of every case and foreground class, shape (cases, classes); NaN where the truth lacks the class."""
    return np.array(
        [
            dice_per_class(
                nib.nifti1.load(dataset_dir / "labelsTr" / f"{case}{SUFFIX}"),
                nib.nifti1.load(predictions / f"{case}{SUFFIX}"),
                classes,
            )
            for case in cases
        ]
    )


def dice_per_class(truth: nib.Nifti1Image, prediction: nib.Nifti1Image, classes: int) -> list[float]:
    """2 |A and B| / (|A| + |B|) for the labels 1 to `classes`, on the truth's grid."""
    if truth.shape != prediction.shape or not np.allclose(truth.affine, prediction.affine, atol=1e-3):
        raise InputError(f"{prediction.get_filename()} is not on the grid of {truth.get_filename()}")
    expected, found = (np.asarray(image.dataobj).round().astype(int) for image in (truth, prediction))
    return [
        2 * np.sum((expected == label) & (found == label)) / (np.sum(expected == label) + np.sum(found == label))
        if np.any(expected == label)
        else float("nan")
        for label in range(1, classes + 1)
    ]


def summary(dice: np.ndarray) -> dict[str, Any]:
    """Mean and standard deviation over cases per class, then of each case's mean over classes."""
    columns = np.column_stack([dice, np.nanmean(dice, axis=1)])
    return {"mean": np.nanmean(columns, axis=0).tolist(), "sd": np.nanstd(columns, axis=0, ddof=1).tolist()}


def paired_difference(ours: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Mean of ours minus the other's over the same cases, with half the width of its 95 % interval (normal)."""
    difference = summary(ours - other)
    half = 1.96 * np.array(difference["sd"]) / np.sqrt(len(ours))
    return {"mean": difference["mean"], "half_width_95": half.tolist()}


# --- report -----------------------------------------------------------------------------------------------------------


def machine() -> str:
    """Processor, cores, system."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def format_report(report: dict[str, Any], class_names: list[str]) -> str:
    """What a reader compares by: conditions, Dice per class, seconds per stage, versions."""
    sides = report["sides"]
    dice = [["Dice, mean +- sd", *class_names, "mean"]]
    dice += [[side, *spread_texts(row["dice"]["mean"], row["dice"]["sd"], "")] for side, row in sides.items()]
    if gain := report.get("ours_minus_nnunet"):
        dice.append(["ours - nnunet *", *spread_texts(gain["mean"], gain["half_width_95"], "+")])
    stages = ("preprocessing", "training", "prediction", "total", "iterations")
    seconds = [["seconds", *stages]]
    seconds += [
        [side, *(f"{row['seconds'][s]:.1f}" if s in row["seconds"] else "-" for s in stages)]
        for side, row in sides.items()
    ]
    return "\n".join(
        [
            f"{report['date']}, {report['machine']}",
            f"{report['unseen']} unseen cases, {report['training']} training cases; {report['budget']}",
            *(f"{side}: {conditions(row)}" for side, row in sides.items()),
            "",
            *aligned(dice),
            *(["* paired over cases, +- half of the 95 % interval"] if gain else []),
            "",
            *aligned(seconds),
            "iterations: part of training; total: wall time of the commands with imports, and for ours with the data",
            "check and the bundle's own scoring of the unseen cases",
        ]
    )


def conditions(row: dict[str, Any]) -> str:
    """Versions of one side, and how busy the machine was before it started."""
    versions = ", ".join(f"{name} {number}" for name, number in row["versions"].items())
    return f"{versions}; load before {row['load_before']:.2f}"


def spread_texts(means: list[float], spreads: list[float], sign: str) -> list[str]:
    """`mean +- spread` of every column; `sign` "+" shows the sign of gains."""
    return [f"{mean:{sign}.4f} +- {spread:.4f}" for mean, spread in zip(means, spreads, strict=True)]


def aligned(rows: list[list[str]]) -> list[str]:
    """Lines whose columns are as wide as their widest cell, the first flush left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen sides one after the other, score them, and collect everything that is printed."""
    training, unseen = read_split(arguments)
    classes = len(foreground_names(arguments.dataset_dir))
    patches = arguments.epochs * arguments.iterations_per_epoch * arguments.batch_size
    report: dict[str, Any] = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{machine()}, {arguments.threads} threads",
        "budget": f"{patches} patches of {' x '.join(map(str, PATCH_SIZE))}, batch {arguments.batch_size}",
        "training": len(training),
        "unseen": len(unseen),
        "sides": {},
    }
    dice = {}
    for side in arguments.sides:
        load = os.getloadavg()[0]
        row = start_ours(arguments, unseen) if side == "ours" else start_nnunet(arguments)
        dice[side] = score(arguments.dataset_dir, arguments.work_dir / side / "predictions", unseen, classes)
        per_case = dict(zip(unseen, dice[side].tolist(), strict=True))
        report["sides"][side] = row | {
            "load_before": load,
            "dice": summary(dice[side]),
            "dice_per_case": per_case,
        }
    if len(dice) == 2:
        report["ours_minus_nnunet"] = paired_difference(dice["ours"], dice["nnunet"])
    return report


def foreground_names(dataset_dir: Path) -> list[str]:
    """Class names of a Decathlon folder in the order of their labels, without the background."""
    labels = json.loads((dataset_dir / "dataset.json").read_text(encoding="utf-8"))["labels"]
    return [labels[value] for value in sorted(labels, key=int) if int(value)]


def main() -> None:
    """Run the benchmark, or, started by it, nnU-Net's side."""
    show_input_errors_in_one_line()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parse_arguments()
    if arguments.inside_nnunet:
        run_nnunet(arguments)
        return
    report = compare(arguments)
    write_json(arguments.work_dir / "report.json", report)
    print(format_report(report, foreground_names(arguments.dataset_dir)))


if __name__ == "__main__":
    main()
