"""Work folders of studies and recipes, written by hand from arrays: perturbed truths as predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

CLASSES = ("meningioma", "ependymoma")
AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])
LONG = "told to the end " * 20
USAGE = {  # what `measure` writes, as far as the page reads it
    **{"cases": 2, "seconds_per_case": 12.5, "gpu": None, "memory": {"maximum_mb": 1234.0}},
    "cpu": {"area_percent_s_per_case": 456.0},
    "flare23_tolerances": {"seconds_per_case": {"kept": True}, "gpu_maximum_mb": {"kept": None}},
}


def blob(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A scan with one bright ellipsoid of a type, and its label."""
    random = np.random.default_rng(number)
    x, y, z = np.ogrid[:40, :48, :16]
    radius = random.uniform(3, 8)
    centre = random.uniform(12, 28, 2)
    inside = (x - centre[0]) ** 2 + (y - centre[1] - 5) ** 2 + 9 * (z - 8) ** 2 < radius**2
    label = np.where(inside, 1 + number % 2, 0).astype(np.uint8)
    body = 60 + 40 * np.sin(x / 5) * np.cos(y / 7)
    scan = ndimage.gaussian_filter(body + 80.0 * inside, 0.7) + random.normal(0, 4, label.shape)
    return scan.astype(np.float32), label


def perturbed(label: np.ndarray, strength: float, random: np.random.Generator, classes: int) -> np.ndarray:
    """A label map that is shifted and, with that probability, of another class."""
    shift = np.round(random.normal(0, 3 * strength, 3) * (1, 1, 0.3)).astype(int)
    moved = np.roll(label, shift, (0, 1, 2))
    if random.random() < strength and classes > 1:
        moved = np.where(moved > 0, moved % classes + 1, 0).astype(np.uint8)
    return moved


def dice(truth: np.ndarray, prediction: np.ndarray) -> float:
    return float(2 * (truth & prediction).sum() / max(1, truth.sum() + prediction.sum()))


def write_evaluation(
    folder: Path, cases: Mapping[str, tuple[Path, Path]], strength: float, seed: int, classes: tuple[str, ...]
) -> None:
    """What an evaluation with `keep_predictions: all` leaves."""
    random = np.random.default_rng(seed)
    (folder / "predictions").mkdir(parents=True)
    rows, confusion, index = [], [], {}
    for number, (name, (image, label)) in enumerate(cases.items()):
        stored = nib.load(label)
        truth = np.asarray(stored.dataobj).astype(np.uint8)
        given = perturbed(truth, strength, random, len(classes))
        place = f"predictions/{number}.nii.gz"
        nib.save(nib.Nifti1Image(given, stored.affine), folder / place)
        index[name] = {"image": str(image), "label": str(label), "prediction": place}
        voxel_ml = abs(np.linalg.det(stored.affine[:3, :3])) / 1000
        for class_id, class_name in enumerate(classes, start=1):
            true, own = truth == class_id, given == class_id
            there = bool(true.any())
            score = dice(true, own)
            cells = [score, 30 * (1 - score)] if there else ["", ""]
            rows.append([name, class_name, *cells, true.sum(), own.sum(), true.sum() * voxel_ml])
        every = ["background", *classes]
        for a, b in np.ndindex(len(every), len(every)):
            if voxels := int(((truth == a) & (given == b)).sum()):
                confusion.append([name, every[a], every[b], voxels])
    titles = ["case", "class", "dice", "hd95_mm", "truth_voxels", "predicted_voxels", "truth_ml"]
    write_rows(folder / "metrics_per_case.csv", [titles, *rows])
    write_rows(folder / "confusion.csv", [["case", "truth", "predicted", "voxels"], *confusion])
    (folder / "predictions.json").write_text(json.dumps(index))


def write_log(file: Path, strength: float, epochs: int = 60) -> None:
    """Curves of a training that learns until `strength` is left."""
    file.parent.mkdir(parents=True)
    rows = [["epoch", "learning_rate", "loss", "gradient_norm/segmentation", "validation/dice"]]
    for epoch in range(1, epochs + 1):
        left = strength + np.exp(-epoch / 12)
        rows.append([epoch, 0.01, left, left * 3, 1 - left * 0.8 if epoch % 10 == 0 else ""])
    write_rows(file, rows)


def write_rows(file: Path, rows: list[list[object]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def write_cases(folder: Path, names: list[str]) -> dict[str, tuple[Path, Path]]:
    """Scans and labels as files, numbered, whatever the cases are called."""
    folder.mkdir(parents=True)
    cases = {}
    for number, name in enumerate(names):
        files = folder / f"scan{number}.nii.gz", folder / f"label{number}.nii.gz"
        for array, file in zip(blob(number), files, strict=True):
            nib.save(nib.Nifti1Image(array, AFFINE), file)
        cases[name] = files
    return cases


def write_study(
    folder: Path,
    cases: Mapping[str, tuple[Path, Path]],
    methods: Mapping[str, float],
    classes: tuple[str, ...] = CLASSES,
    folds: int = 2,
    title: str = "A study",
) -> Path:
    """A study whose methods err by a strength each; the first is the reference."""
    experiments = {}
    names = list(cases)
    for number, (method, strength) in enumerate(methods.items()):
        runs = [f"m{number}_seed0_fold{fold}" for fold in range(folds)]
        experiments[method] = {
            "settings": {"distance_head": number > 0, "boundary_weight": float(number)},
            "trainings": runs,
            "evaluations": [f"{run}_scores" for run in runs],
        }
        for fold, run in enumerate(runs):
            write_log(folder / "runs" / run / "output" / "log.csv", strength + fold / 50)
            evaluation = folder / "runs" / f"{run}_scores"
            own = {name: cases[name] for name in names[fold::folds]}
            write_evaluation(evaluation / "output" / "evaluation", own, strength, fold, classes)
            for place, seconds in ((folder / "runs" / run, 321.0), (evaluation, 0)):
                times = {"begun": f"2026-11-28T1{fold}:00:00+00:00", "finished": f"2026-11-28T1{fold}:07:00+00:00"}
                used = {"torch": f"2.{fold}.0", "monai": "1.6.0"}
                record = {"run": place.name, "state": "done", "training_seconds": seconds, **times, "versions": used}
                (place / "record.json").write_text(json.dumps(record))
    runs = [run for one in experiments.values() for key in ("trainings", "evaluations") for run in one[key]]
    study = {"title": title, "reference": next(iter(methods)), "experiments": experiments, "runs": runs}
    study |= {
        "folds": list(range(folds)),
        "seeds": [0],
        "overrides": {"architecture": {"filters": [8, 16], "note": LONG}},
    }
    (folder / "study.json").write_text(json.dumps(study))
    return folder


def write_recipe(
    folder: Path, cases: Mapping[str, tuple[Path, Path]], classes: tuple[str, ...] = CLASSES, test: bool = False
) -> Path:
    """A recipe of two stages and a control, with a measurement; scored on test cases, too, if it has any."""
    for number, (stage, strength) in enumerate((("1_organs", 0.5), ("2_all", 0.2), ("control", 0.6))):
        place = folder / "stages" / stage
        write_log(place / "output" / "log.csv", strength)
        write_evaluation(place / "output" / "validation", cases, strength, number, classes)
        if test:
            write_evaluation(place / "test" / "evaluation", cases, strength, number + 10, classes)
        scores = {"organs": {"dice": 0.9 - strength / 2, "nsd": 0.95 - strength / 2, "cases": len(cases)}}
        filled = {"group": "b", "model_stage": "1_organs", "cases": 5, "seconds": 10.0, "held_back": ["ear stays out"]}
        record = {
            **{"stage": stage, "state": "done", "begun": f"2026-11-28T1{number}:00:00+00:00", "train": ["a"]},
            **{"cases": {"a": 4}, "epochs": 3, "training_seconds": 100, "scores": scores, "plan": "small"},
            **{"control": stage == "control", "fill": [filled] if stage == "2_all" else []},
            "test_scores": {"organs": {"dice": 0.4 - strength / 2}} if test else {},
        }
        (place / "record.json").write_text(json.dumps(record))
    (folder / "excluded.json").write_text(json.dumps({"torn": "torn.nii.gz: cannot be read"}))
    described = {"title": "Cohort of hand-made cases", "stages": ["1_organs", "2_all", "control", "later"]}
    (folder / "recipe.json").write_text(json.dumps({**described, "reference": "2_all", "cases": {"a": 4}}))
    (folder / "usage.json").write_text(json.dumps(USAGE))
    return folder
