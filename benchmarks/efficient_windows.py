"""How many windows the efficient plans save on a cohort's validation cases, and the Dice they cost.

    python benchmarks/efficient_windows.py --cohort bundles/flare_pseudolabel/data/phantoms/cohort.json \\
        --model bundles/flare_pseudolabel/output/windows/models --work results/windows

The same weights label every validation case with each window plan of inference.yaml; their label maps are scored
against the truth with FLARE's DSC. The windows default to 16 x 16 x 24 voxels: the demo's phantoms otherwise fit into
one or two windows, and their proportion to the body is then that of the paper's 32 x 128 x 192 windows to a patient's.
A network for them, from the labels of the demo's last stage, in two minutes; in the bundle's folder:

    python -m monai.bundle run --config_file "['configs/train.yaml','configs/few_steps.yaml']" --plan phantoms \\
        --train#dataset#data "\\$datalist.read_case_list('output/demo/stages/5_small/training_cases.json')" \\
        --dataset_dir data/phantoms/cohort.json --ckpt_dir output/windows/models --output_dir output/windows \\
        --patch_size "[16,16,24]" --batch_size 8 --iterations_per_epoch 50 --epochs 16 --elastic_probability 0 \\
        --learning_rate 0.01 --foreground_oversampling 0.5
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from custom.cohort.manifest import Cohort, CohortCase, read_cohort
from custom.datalist import OUTPUT_NAME
from custom.io.atomic_write import write_json
from custom.metrics.flare_score import axial_axis_of, flare_dice

BUNDLE = Path(__file__).resolve().parents[1] / "bundles" / "flare_pseudolabel"
PLANS = ("all", "efficient", "lateral")


def main() -> None:
    """Label, score and print a line for each plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of model.pt and plan.yaml")
    parser.add_argument("--work", type=Path, required=True, help="folder of the label maps")
    parser.add_argument("--patch_size", default="[16,16,24]")
    options = parser.parse_args()
    cohort = read_cohort(options.cohort)
    cases = cohort.validation
    options.work.mkdir(parents=True, exist_ok=True)
    case_list = (options.work / "cases.json").resolve()
    write_json(case_list, [{"image": case.image, OUTPUT_NAME: f"{case.name}.nii.gz"} for case in cases])
    print(f"{cohort.name}: {len(cases)} cases; windows of {options.patch_size} voxels")
    for plan in PLANS:
        folder = (options.work / plan).resolve()
        label(options, plan, case_list, folder)
        print(summary(plan, folder, cases, cohort), flush=True)


def label(options: argparse.Namespace, plan: str, case_list: Path, folder: Path) -> None:
    """Run inference.yaml with one window plan."""
    values = {
        "--config_file": "configs/inference.yaml",
        "--dataset#data": f"$datalist.read_case_list({str(case_list)!r})",
        "--ckpt_dir": options.model.resolve(),
        "--output_dir": folder,
        "--patch_size": options.patch_size,
        "--windows": plan,
        "--case_records": "true",
    }
    arguments = [str(part) for pair in values.items() for part in pair]
    subprocess.run(
        [sys.executable, "-m", "monai.bundle", "run", *arguments], cwd=BUNDLE, check=True, capture_output=True
    )


def summary(plan: str, folder: Path, cases: tuple[CohortCase, ...], cohort: Cohort) -> str:
    """Windows and mean DSC of a plan's label maps."""
    records = [json.loads((folder / f"{case.name}.json").read_text(encoding="utf-8")) for case in cases]
    run, plain = (sum(record[key] for record in records) for key in ("windows", "windows_all"))
    scores = np.array([case_scores(folder, case, cohort) for case in cases])
    organs = scores[:, np.array(cohort.organs) - 1].mean(axis=1)
    lesions = scores[:, np.array(cohort.lesions) - 1].mean(axis=1)
    return (
        f"{plan:10} {run:5} of {plain} windows ({1 - run / plain:.0%} fewer); DSC organs {organs.mean():.4f} "
        f"(sd {statistics.stdev(organs):.4f}), lesions {lesions.mean():.4f} (sd {statistics.stdev(lesions):.4f})"
    )


def case_scores(folder: Path, case: CohortCase, cohort: Cohort) -> np.ndarray:
    """FLARE's DSC of every class in one case."""
    truth = nib.load(str(case.label))
    prediction = np.asarray(nib.load(folder / f"{case.name}.nii.gz").dataobj)
    return flare_dice(
        prediction,
        np.asarray(truth.dataobj),
        num_classes=len(cohort.classes),
        axial_axis=axial_axis_of(truth.affine),
    )


if __name__ == "__main__":
    main()
