"""One network in nnU-Net's hands and in ours: how alike the label maps are, and how long each took.

nnU-Net lives in an environment of its own, see nnunet_hippocampus.py. From the project's root, in the project's:

    python benchmarks/nnunet_models.py --nnunet_python NNUNET/bin/python \
        --ckpt_dir bundles/batseg_spine/models/hippocampus --scans /path/to/scans --work_dir benchmarks/results/models

The training is written as nnU-Net's results by `python -m custom to_nnunet`; both label every .nii.gz in the folder on
the same processors. Printed: Dice between the two label maps, class by class, mean and least over scans; where
`--labels` names a folder of true label maps, also the Dice of each with them.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import nibabel as nib
import numpy as np

from custom.plans import PLAN_FILE, read_plan
from custom.workflows.nnunet_models import to_nnunet

PROJECT = Path(__file__).resolve().parents[1]
BUNDLE = PROJECT / "bundles" / "batseg_spine"
SUFFIX = ".nii.gz"


def main() -> None:
    """Label with both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nnunet_python", type=Path, required=True, help="interpreter that has nnunetv2")
    parser.add_argument("--ckpt_dir", type=Path, required=True, help="model.pt and plan.yaml")
    parser.add_argument("--scans", type=Path, required=True, help="folder of scans of one channel")
    parser.add_argument("--labels", type=Path, help="folder of true label maps with the scans' names")
    parser.add_argument("--work_dir", type=Path, required=True, help="everything is written here; must not exist")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    work = arguments.work_dir.resolve()
    names = sorted(file.name for file in arguments.scans.glob(f"*{SUFFIX}"))
    if not names:
        parser.error(f"{arguments.scans} has no {SUFFIX}")
    (work / "scans").mkdir(parents=True)
    for name in names:
        (work / "scans" / name.replace(SUFFIX, f"_0000{SUFFIX}")).symlink_to((arguments.scans / name).resolve())
    to_nnunet(arguments.ckpt_dir, work / "results")
    predict = arguments.nnunet_python.absolute().with_name("nnUNetv2_predict_from_modelfolder")
    theirs = [predict, *("-i", work / "scans", "-o", work / "nnunet", "-m", work / "results", "-f", "0")]
    theirs += ["-device", "cpu", "-npp", "1", "-nps", "1"]
    ours = [sys.executable, *("-m", "monai.bundle", "run", "--config_file", "configs/inference.yaml")]
    places = {"ckpt_dir": arguments.ckpt_dir, "dataset_dir": arguments.scans, "output_dir": work / "ours"}
    ours += [part for key, place in places.items() for part in (f"--{key}", place.resolve())]
    seconds = {"nnU-Net": timed(theirs, arguments.threads), "here": timed(ours, arguments.threads)}
    classes = read_plan(arguments.ckpt_dir / PLAN_FILE)["classes"]
    maps = {name: [labels(work / name / case) for case in names] for name in ("nnunet", "ours")}
    print_agreement("between the two", classes, maps["ours"], maps["nnunet"])
    if arguments.labels:
        truth = [labels(arguments.labels / case) for case in names]
        print_agreement("ours with the truth", classes, maps["ours"], truth)
        print_agreement("nnU-Net's with the truth", classes, maps["nnunet"], truth)
    took = ", ".join(f"{name} {one:.0f} s" for name, one in seconds.items())
    print(
        f"{len(names)} scans: {took}, start of the program included; ratio {seconds['here'] / seconds['nnU-Net']:.2f}"
    )
    print(f"{platform.processor() or platform.machine()}, {datetime.now(timezone.utc):%Y-%m-%d}")


def timed(command: list[object], threads: int) -> float:
    """Run a command in the bundle's folder on so many processors, of which nnU-Net would take all; wall seconds."""
    variables = {f"nnUNet_{name}": str(BUNDLE) for name in ("raw", "preprocessed", "results")}
    paths = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | variables | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": paths}
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], cwd=BUNDLE, env=environment, check=True)
    return time.perf_counter() - start


def labels(file: Path) -> np.ndarray:
    """The voxels of a label map."""
    return np.asarray(nib.nifti1.load(file).dataobj)


def print_agreement(what: str, classes: list[str], one: list[np.ndarray], other: list[np.ndarray]) -> None:
    """Mean and least Dice of each class over the scans that have it in `other`, the reference."""
    for number, name in enumerate(classes, start=1):
        pairs = [(a == number, b == number) for a, b in zip(one, other, strict=True)]
        found = [2 * np.sum(a & b) / (a.sum() + b.sum()) for a, b in pairs if b.any()]
        line = f"Dice {np.mean(found):.3f}, least {min(found):.3f}" if found else "not there"
        print(f"{what}: {name}: {line}")


if __name__ == "__main__":
    main()
