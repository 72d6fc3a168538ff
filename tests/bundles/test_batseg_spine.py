"""The configs of batseg_spine run as documented: train, resume, evaluate, infer, and their every option."""

import json
import shutil

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest
import torch

from custom.errors import find_input_error, input_error_message
from custom.networks import DistanceHead
from custom.plans import read_plan, write_plan
from custom.transforms import SurfaceDistanceFieldd

from ..small_bundle import AFFINE, CASES, SHAPE, TINY_PLAN
from .conftest import columns_of, equal, rows, weights


def test_training_leaves_weights_folds_log_table_and_pictures(trained):
    output, models = trained.work / "output", trained.models
    assert [row["epoch"] for row in rows(output / "log.csv")] == ["1", "2"]
    log = rows(output / "log.csv")[-1]
    assert float(log["loss/boundary_aware"]) > 0
    assert float(log["gradient_norm/boundary_aware"]) > 0
    assert float(log["loss"]) == pytest.approx(
        float(log["loss/segmentation"]) + float(log["loss/boundary_aware"]), rel=1e-4
    )
    folds = json.loads((models / "folds.json").read_text())["folds"]
    assert len(folds) == 5
    held_out = {row["case"] for row in rows(output / "metrics_per_case.csv")}
    assert len(held_out) == CASES // 5
    for picture in ("curves.png", "cases.png"):
        assert matplotlib.image.imread(output / picture).std() > 0.01
    baselines = json.loads((output / "metrics.json").read_text())["baselines"]
    assert "untrained network" in json.dumps(baselines)
    plan = read_plan(models / "plan.yaml")
    assert {key: plan[key] for key in TINY_PLAN} == TINY_PLAN
    assert plan["distance_channels"] == 3
    known = {"fold": 0, "num_folds": 5, "seed": 0, "epoch": 2, "field_unit": "mm", "boundary_base": "l1"}
    assert known.items() <= plan["training"].items()


def test_the_weights_load_strictly_and_flat_into_the_inference_network(trained):
    network = trained.parser("inference").get_parsed_content("network_def")
    assert isinstance(network, DistanceHead)
    network.load_state_dict(weights(trained.models), strict=True)


def test_evaluation_equals_the_validation_of_the_last_epoch(trained):
    trained.run("train", "evaluate", mirrored="false", batch_size=3, patch_size=[8, 8, 12])
    trained.run("train", "evaluate", mirrored="false")
    first = rows(trained.work / "output" / "metrics_per_case.csv")
    second = rows(trained.work / "output" / "evaluation" / "metrics_per_case.csv")
    assert len(first) == 2 * CASES // 5
    assert first == columns_of(second, first)


def test_inference_writes_one_label_map_per_scan_on_its_own_grid(trained, tmp_path):
    scans, labels = tmp_path / "scans", tmp_path / "labels"
    scans.mkdir()
    random = np.random.RandomState(0)
    affines = {"same": AFFINE, "coarse": np.diag([3.0, 2.0, -1.5, 1.0]), "turned": AFFINE[[2, 0, 1, 3]]}
    for name, affine in affines.items():
        nib.save(nib.Nifti1Image(random.rand(*SHAPE).astype(np.float32), affine), scans / f"{name}.nii.gz")
    (scans / "broken.nii.gz").write_bytes((scans / "same.nii.gz").read_bytes()[:500])
    assert trained.ending("inference", dataset_dir=str(scans), output_dir=str(labels)).startswith("3 of 4 labelled, 1 ")
    (labels / "left_out.json").unlink()
    assert sorted(file.name for file in labels.iterdir()) == sorted(f"{name}.nii.gz" for name in affines)
    for name, affine in affines.items():
        result = nib.load(labels / f"{name}.nii.gz")
        assert result.shape == SHAPE
        assert np.allclose(result.affine, affine, atol=1e-6)
        assert result.get_data_dtype() == np.uint8
        assert set(np.unique(result.dataobj)) <= {0, 1, 2}


def test_inference_can_keep_what_is_already_labelled(trained, tmp_path):
    """And with nothing left to do it is no error."""
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "box_00.nii.gz").write_text("kept")
    for _ in range(2):
        trained.run("inference", output_dir=str(labels), overwrite="false", mirrored="false")
    assert (labels / "box_00.nii.gz").read_text() == "kept"
    assert len(list(labels.iterdir())) == CASES


def test_inference_never_replaces_a_scan(trained, tmp_path):
    scans = tmp_path / "scans"
    shutil.copytree(trained.dataset / "imagesTr", scans)
    before = (scans / "box_00.nii.gz").read_bytes()
    with pytest.raises(RuntimeError) as caught:
        trained.run("inference", dataset_dir=str(scans), output_dir=str(scans))
    line = input_error_message(find_input_error(caught.value))
    assert line.startswith(f"{scans} holds the scans, among which label maps would be taken for scans: pass another")
    assert (scans / "box_00.nii.gz").read_bytes() == before


def test_scores_on_another_fold_than_was_held_out_are_refused(trained):
    with pytest.raises(Exception) as caught:
        trained.run("train", "evaluate", fold=1, mirrored="false")
    assert "was trained with fold 0, not 1" in input_error_message(find_input_error(caught.value))


def test_equal_seeds_give_equal_weights(trained, batseg):
    """With a loading process, too, and under MONAI Label's id of a training."""
    batseg.run("train", num_workers=1, run_id="training")
    assert equal(weights(batseg.models), weights(trained.models))


def test_another_seed_gives_other_weights(trained, batseg):
    batseg.run("train", seed=1, epochs=1, iterations_per_epoch=1)
    assert not equal(weights(batseg.models), weights(trained.models))


def test_two_epochs_equal_one_and_one_after_a_resume(trained, batseg):
    batseg.run("train", stop_epoch=1)
    interrupted = torch.load(batseg.models / "resume" / "checkpoint.pt", weights_only=True)
    assert interrupted["epoch"] == 1
    batseg.run("train", resume="true")
    assert equal(weights(batseg.models), weights(trained.models))
    resumed, whole = (rows(bundle.work / "output" / "log.csv") for bundle in (batseg, trained))
    for column in ("epoch", "iterations", "learning_rate", "loss", "validation/dice"):
        assert [row[column] for row in resumed] == [row[column] for row in whole], column


def test_evaluating_the_whole_config_trains_once(trained, batseg):
    """As 3D Slicer makes MONAI Label do."""
    batseg.parser("train").get_parsed_content()
    assert len(rows(batseg.work / "output" / "log.csv")) == 2
    assert equal(weights(batseg.models), weights(trained.models))
    assert not (batseg.models / "resume" / "checkpoint_previous.pt").exists(), "it ran a second time"


def test_a_network_for_ct_is_trained_scored_and_used(batseg):
    """`python -m custom plan` plans clipped intensities for a channel that is called CT."""
    plan = {**TINY_PLAN, "channels": ["CT"], "normalisation": "ct"}
    write_plan(batseg.plan, plan)
    batseg.run("train", epochs=1)
    batseg.run("train", "evaluate")
    assert read_plan(batseg.models / "plan.yaml")["intensity"]["upper"] > 0
    batseg.run("inference", dataset_dir=str(batseg.dataset / "imagesTr"), output_dir=str(batseg.work / "labels"))
    assert len(list((batseg.work / "labels").glob("*.nii.gz"))) == CASES


def test_baseline_has_no_distance_head_and_its_plan_says_so(batseg):
    batseg.run("train", "baseline")
    assert not any("distance" in key for key in weights(batseg.models))
    assert "loss/boundary_aware" not in rows(batseg.work / "output" / "log.csv")[0]
    assert read_plan(batseg.models / "plan.yaml")["distance_channels"] == 0
    batseg.run("train", "evaluate", mirrored="false")
    batseg.run("inference", mirrored="false", output_dir=str(batseg.work / "labels"))


def test_nnunet_raw_layout(batseg, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(batseg.dataset, raw)
    for file in (raw / "imagesTr").iterdir():
        file.rename(file.with_name(file.name.replace(".nii.gz", "_0000.nii.gz")))
    listing = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0},
        "numTraining": CASES,
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(listing))
    batseg.run("train", dataset_dir=str(raw), epochs=1)
    scored = {row["case"] for row in rows(batseg.work / "output" / "metrics_per_case.csv")}
    assert sorted(scored) == sorted(
        json.loads((batseg.models / "folds.json").read_text())["folds"][0]["classes_of_case"]
    )
    batseg.run("inference", dataset_dir=str(raw), output_dir=str(tmp_path / "labels"), mirrored="false")
    assert sorted(file.name for file in (tmp_path / "labels").iterdir()) == [
        f"box_{i:02d}.nii.gz" for i in range(CASES)
    ]


@pytest.mark.parametrize(
    ("options", "transform", "loss", "activation", "channels"),
    [
        ({}, {}, {}, "sigmoid", 3),
        ({"field_unit": "voxel", "boundary_base": "l2"}, {"unit": "voxel"}, {"base": "l2"}, "sigmoid", 3),
        (
            {"field_truncate": False, "boundary_weighting": "none"},
            {"truncation": None},
            {"weighting": "none"},
            "linear",
            3,
        ),
        ({"field_truncation": 2.0, "boundary_base": "ce"}, {"truncation": 2.0}, {"base": "ce"}, "sigmoid", 3),
        ({"field_truncation": 3.0, "field_clip": False}, {"truncation": 3.0, "clip": False}, {}, "linear", 3),
        ({"field_normalize": False}, {"normalize": False}, {}, "linear", 3),
        (
            {"field_class_agnostic": True, "boundary_weighting": "detached"},
            {"class_agnostic": True},
            {"weighting": "detached"},
            "sigmoid",
            1,
        ),
    ],
)
def test_every_ablation_is_reachable_from_the_command_line(batseg, options, transform, loss, activation, channels):
    """The option reaches the transform, the loss and the network, and one step trains with it."""
    parser = batseg.parser("train", epochs=1, iterations_per_epoch=1, val_interval=9, **options)
    steps = parser.get_parsed_content("train#preprocessing").transforms
    (field,) = (step.transform for step in steps if isinstance(step, SurfaceDistanceFieldd))
    defaults = {"unit": "mm", "truncation": 1.0, "normalize": True, "class_agnostic": False, "clip": True}
    assert {name: getattr(field, name) for name in defaults} == {**defaults, **transform}
    criterion = parser.get_parsed_content("loss")
    expected = {"base": "l1", "weighting": "squared", **loss}
    assert {name: getattr(criterion.boundary_aware, name) for name in expected} == expected
    network = parser.get_parsed_content("network")
    assert network.activation == activation
    batch = next(iter(parser.get_parsed_content("train#dataloader")))
    prediction = network(batch["image"])
    assert prediction[1].shape[1] == batch["surface_distance"].shape[1] == channels
    total = criterion(prediction, batch)
    total.backward()
    assert torch.isfinite(total)
    assert network.head.weight.grad.abs().sum() > 0
