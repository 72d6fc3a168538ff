"""The pseudo-label recipe on real MRI with partial labels: how close it comes to full supervision.

The hippocampus data (Decathlon Task04) become a cohort of which a third is annotated for the anterior part only, a
third for the posterior part only and a third not at all; 40 cases are left out of everything and score every training.
For each seed, with equal network and steps: the recipe (pipeline_hippocampus.yaml), its two controls, and full
supervision on the same training cases.

    python benchmarks/partial_hippocampus.py --data /path/to/hippocampus --work results/partial --seeds 0 1 2

Everything is kept in the work folder, and the same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import yaml

BUNDLE = Path(__file__).resolve().parents[1] / "bundles" / "flare_pseudolabel"
PARTS = "anterior:1/3,posterior:1/3,none:1/3"
ROWS = {
    "full supervision": ("full", "full"),
    "recipe": ("partial", "4_all"),
    "control: anterior cases alone": ("partial", "anterior_alone"),
    "control: missing classes as background": ("partial", "missing_as_background"),
}
CLASSES = ("anterior", "posterior", "mean of classes")


def main() -> None:
    """Run every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="hippocampus data, Decathlon layout")
    parser.add_argument("--work", type=Path, required=True, help="folder of cohorts and runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validation", type=int, default=40, help="cases left out of everything")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=50, help="steps of batch 2 in an epoch")
    options = parser.parse_args()
    scores: dict[str, list[dict[str, dict[str, float]]]] = {row: [] for row in ROWS}
    for seed in options.seeds:
        started = time.time()
        run_seed(options, seed)
        for row, (kind, stage) in ROWS.items():
            scores[row].append(read_scores(options.work / f"seed_{seed}" / kind / "run" / "stages" / stage))
        print(f"seed {seed}: {time.time() - started:.0f} s", flush=True)
    print_table(scores, options)


def run_seed(options: argparse.Namespace, seed: int) -> None:
    """Both cohorts of a seed (the same cases are left out) and their pipelines."""
    folder = options.work / f"seed_{seed}"
    for kind, parts in (("partial", ["--partial", PARTS]), ("full", [])):
        manifest = folder / kind / "cohort.json"
        if not manifest.exists():
            run("custom", "cohort", "--source", options.data, "--output", manifest, *parts,
                "--validation", options.validation, "--seed", seed)  # fmt: skip
        overlay = folder / f"{kind}.yaml"
        overlay.write_text(yaml.safe_dump(overlay_of(kind, options, seed)), encoding="utf-8")
        configs = ["configs/pipeline.yaml", "configs/pipeline_hippocampus.yaml", str(overlay.resolve())]
        run("monai.bundle", "run", "--config_file", configs, "--cohort", manifest.resolve(),
            "--work_dir", (folder / kind / "run").resolve())  # fmt: skip


def overlay_of(kind: str, options: argparse.Namespace, seed: int) -> dict:
    """Budget and seed, and the single training of the full cohort."""
    overlay: dict = {
        "training": {"epochs": options.epochs, "iterations_per_epoch": options.iterations, "seed": seed},
    }
    if kind == "full":
        overlay["groups"] = {"all": {"any_annotated": True}}
        overlay["recipe"] = [{"name": "full", "train": ["all"]}]
    return overlay


def run(module: str, *arguments: object) -> None:
    """`python -m module ...` in the bundle's folder."""
    command = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
    subprocess.run(command, cwd=BUNDLE, check=True)


def read_scores(stage: Path) -> dict[str, dict[str, float]]:
    """Class -> mean and deviation over the cases left out."""
    summary = json.loads((stage / "output" / "validation" / "metrics.json").read_text(encoding="utf-8"))["summary"]
    return {name: {"mean": summary[name]["dice_mean"], "sd": summary[name]["dice_sd"]} for name in CLASSES}


def print_table(scores: dict[str, list[dict[str, dict[str, float]]]], options: argparse.Namespace) -> None:
    """Dice of each training, mean and range over seeds, and the mean spread over cases."""
    print(f"\nDice on {options.validation} cases left out of everything; mean over {len(options.seeds)} seeds (each);")
    print(f"{options.epochs} epochs of {options.iterations} steps of batch 2; sd: over cases, mean of the seeds'")
    for row, seeds in scores.items():
        cells = []
        for name in CLASSES:
            means = [seed[name]["mean"] for seed in seeds]
            spread = statistics.mean(seed[name]["sd"] for seed in seeds)
            each = " ".join(f"{mean:.3f}" for mean in means)
            cells.append(f"{name} {statistics.mean(means):.3f} ({each}; sd {spread:.3f})")
        print(f"{row:40} " + "  ".join(cells))


if __name__ == "__main__":
    main()
