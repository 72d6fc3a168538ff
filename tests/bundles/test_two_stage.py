"""The two-stage baselines: a network without classes, and a classifier whose type is written onto its mask."""

from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pytest
import torch

from custom.errors import find_input_error, input_error_message
from custom.plans import read_plan

from ..small_bundle import AFFINE, CASES, SHAPE
from .conftest import Bundle, columns_of, equal, read_labels, rows, weights

FEW = {"epochs": 1, "iterations_per_epoch": 2, "mirror_axes": []}


@pytest.fixture(scope="module")
def typed_dataset(tmp_path_factory):
    """Scans with one box of equal brightness: its mask is trivial, its type is the brightness of the scan's far end."""
    folder = tmp_path_factory.mktemp("typed")
    for number in range(CASES):
        random, kind = np.random.RandomState(number), number % 2
        label = np.zeros(SHAPE, np.uint8)
        label[tuple(slice(random.randint(0, 6), 9) for _ in SHAPE)] = 1 + kind
        image = random.normal(0, 0.2, SHAPE) + 3 * (label > 0)
        image[-2:] += -5 if kind else 5
        for place, volume in (("imagesTr", image.astype(np.float32)), ("labelsTr", label), ("masks", label > 0)):
            (folder / place).mkdir(exist_ok=True)
            file = folder / place / f"box_{number:02d}.nii.gz"
            nib.save(nib.Nifti1Image(volume.astype(np.uint8 if volume.dtype == bool else volume.dtype), AFFINE), file)
    return folder


@pytest.fixture
def typed(project, typed_dataset, tmp_path) -> Bundle:
    return Bundle(project / "bundles" / "batseg_spine", typed_dataset, tmp_path)


def masks(bundle: Bundle) -> str:
    return str(bundle.dataset / "masks")


def test_a_network_without_classes(batseg):
    """Trained, scored, resumed and used; its plan says which classes were merged."""
    batseg.run("train", class_agnostic="true", distance_head="false", **FEW)
    plan = read_plan(batseg.models / "plan.yaml")
    assert plan["classes"] == ["foreground"]
    assert plan["training"]["merged_classes"] == ["dark", "bright"]
    assert {row["class"] for row in rows(batseg.work / "output" / "metrics_per_case.csv")} == {"foreground"}
    batseg.run("train", "evaluate", mirrored="false")
    scored = rows(batseg.work / "output" / "evaluation" / "metrics_per_case.csv")
    assert [row["class"] for row in scored] == 2 * ["foreground"]
    assert {row["truth_voxels"] for row in scored} <= {str(count) for count in range(65, 129)}, "both boxes"
    labels = batseg.work / "labels"
    batseg.run("inference", dataset_dir=str(batseg.dataset / "imagesTr"), output_dir=str(labels), mirrored="false")
    assert set(np.unique(read_labels(labels / "box_00.nii.gz"))) <= {0, 1}
    with pytest.raises(Exception) as caught:
        batseg.run("train", resume="true", **{**FEW, "epochs": 2}, distance_head="false")
    assert "pass --class_agnostic true" in input_error_message(find_input_error(caught.value))


def test_the_type_that_is_learnt_decides_the_score(typed):
    """On true masks: right types give Dice 1, and the type is seen outside of the mask alone."""
    options = {"masks_dir": masks(typed), "mirror_axes": [], "learning_rate": 0.003, "epochs": 1}
    optimizer = {"_target_": "torch.optim.AdamW", "params": "$@network.parameters()", "lr": "@learning_rate"}
    typed.run("train", "classifier", iterations_per_epoch=120, optimizer=optimizer, **options)
    scores = rows(typed.work / "output" / "metrics_per_case.csv")
    assert [float(row["dice"]) for row in scores if row["dice"]] == [1.0, 1.0]
    plan = read_plan(typed.models / "plan.yaml")
    assert plan["network"]["name"] == "TypeClassifier"
    assert plan["training"]["with_mask"] is True
    typed.run("train", "classifier", "evaluate", masks_dir=masks(typed))
    assert columns_of(rows(typed.work / "output" / "evaluation" / "metrics_per_case.csv"), scores) == scores
    state = weights(typed.models)
    last = [key for key in state if key.startswith("perceptron")][-2:]
    torch.save({**state, **{key: -state[key] for key in last}}, typed.models / "model.pt")
    typed.run("train", "classifier", "evaluate", masks_dir=masks(typed))
    turned = rows(typed.work / "output" / "evaluation" / "metrics_per_case.csv")
    assert [float(row["dice"]) for row in turned if row["dice"]] == [0.0, 0.0], "the other type"


def test_a_classifier_resumes_exactly_without_mask_and_of_the_other_kind(typed):
    resnet = {"name": "ResNet101", "layers": [1, 1, 1, 1], "widths": [4, 4, 4, 4]}
    options = {"masks_dir": masks(typed), "with_mask": "false", "classifier": resnet, **FEW, "epochs": 2}
    typed.run("train", "classifier", **options)
    whole = weights(typed.models)
    assert whole["encoder.conv1.weight"].shape[1] == 1, "the scan alone"
    typed.run("train", "classifier", stop_epoch=1, **options)
    assert not equal(weights(typed.models), whole)
    typed.run("train", "classifier", resume="true", **options)
    assert equal(weights(typed.models), whole)
    typed.run("train", "classifier", "evaluate", masks_dir=masks(typed), mirrored="false")


def test_a_scan_without_mask_is_left_out_of_the_scores(typed, tmp_path):
    typed.run("train", "classifier", masks_dir=masks(typed), **FEW)
    (tmp_path / "some").mkdir()
    held_out = {row["case"] for row in rows(typed.work / "output" / "metrics_per_case.csv")}
    for name in sorted(held_out)[1:]:
        (tmp_path / "some" / f"{name}.nii.gz").symlink_to(typed.dataset / "masks" / f"{name}.nii.gz")
    ending = typed.ending("train", "classifier", "evaluate", masks_dir=str(tmp_path / "some"), mirrored="false")
    assert ending.startswith("1 of 2 scored, 1 left out: ")


def test_two_of_the_studys_four_rows(typed):
    """One network for the masks, two classifiers, their scores in one table."""
    names = ["two_stage_resnet", "two_stage_unet_mask"]
    runs = ["mask_network", "predicted_masks", *names, *(f"{name}_scores" for name in names)]
    only = [re.sub(r"(_scores)?$", r"_seed0_fold0\1", name, count=1) for name in runs]
    resnet = {"name": "ResNet101", "layers": [1, 1, 1, 1], "widths": [4, 4, 4, 4]}
    options = {"plan": str(typed.plan), "resnet101": resnet, "folds": [0], "only": only, "runtime": {"num_workers": 0}}
    typed.run("study", work_dir=str(typed.work / "study"), training={**FEW, "amp": False}, **options)
    table = (typed.work / "study" / "study.md").read_text()
    assert all(f"| {name} | 2 |" in table for name in names)
    assert "mask_network" not in table
    assert (
        len(list((typed.work / "study" / "runs" / "predicted_masks_seed0_fold0" / "output").glob("*.nii.gz"))) == CASES
    )
