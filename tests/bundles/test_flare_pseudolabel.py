"""The configs of flare_pseudolabel train, resume and evaluate as documented, on a folder and on a cohort's manifest."""

import json
import shutil
from pathlib import Path

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest
import torch

from custom.cohort.manifest import read_cohort
from custom.data import FLARE22_INTENSITY, labelled_datalist
from custom.networks import NativeScaleDynUNet
from custom.plans import read_plan

from ..small_bundle import AFFINE, CASES, TINY_FLARE_PLAN
from .conftest import equal, read_labels, rows, weights

NAMES = ["dark", "bright"]
FOLDERS = ("imagesTr", "labelsTr")


def foreground_mean(files) -> float:
    """Each case's mean intensity where it is labelled, averaged over (image, label)."""
    return float(np.mean([read_labels(image)[read_labels(label) > 0].mean() for image, label in files]))


def test_training_leaves_weights_intensities_log_table_and_pictures(trained_flare):
    output, models = trained_flare.work / "output", trained_flare.models
    log = rows(output / "log.csv")
    assert [row["epoch"] for row in log] == ["1", "2"]
    assert float(log[-1]["loss"]) == pytest.approx(float(log[-1]["loss/segmentation"]))
    plan = read_plan(models / "plan.yaml")
    assert {key: plan[key] for key in TINY_FLARE_PLAN if key != "scoring"}.items() <= plan.items()
    assert {"fold": 0, "epoch": 2, "elastic_magnitude": 1.0, "unannotated": "background"}.items() <= plan[
        "training"
    ].items()
    intensity = plan["intensity"]
    held_out = {row["case"] for row in rows(output / "validation" / "metrics_per_case.csv")}
    names = [f"box_{index:02d}" for index in range(CASES) if f"box_{index:02d}" not in held_out]
    trained_on = [[trained_flare.dataset / kind / f"{name}.nii.gz" for kind in FOLDERS] for name in names]
    assert intensity["mean"] == pytest.approx(foreground_mean(trained_on), abs=1e-4)
    assert -2.6 < intensity["lower"] < intensity["mean"] < intensity["upper"] < 2.6
    scores = rows(output / "validation" / "metrics_per_case.csv")
    assert {row["class"] for row in scores} == set(NAMES)
    assert len({row["case"] for row in scores}) == CASES // 5
    summary = json.loads((output / "validation" / "metrics.json").read_text())
    assert summary["groups"] == {"both": NAMES}
    assert {"dice_mean", "nsd_mean"} <= summary["summary"]["both"].keys()
    assert float(log[-1]["validation/dice"]) == pytest.approx(summary["summary"]["both"]["dice_mean"], abs=1e-5)
    for picture in ("curves.png", "validation/cases.png"):
        assert matplotlib.image.imread(output / picture).std() > 0.01
    assert len(list((output / "cache").iterdir())) == len(trained_on)


def test_the_weights_load_strictly_and_flat_into_the_inference_network(trained_flare):
    network = trained_flare.parser("inference").get_parsed_content("network_def")
    assert isinstance(network, NativeScaleDynUNet)
    network.load_state_dict(weights(trained_flare.models), strict=True)


def test_evaluation_equals_the_validation_of_the_last_epoch(trained_flare):
    trained_flare.run("train", "evaluate")
    first = rows(trained_flare.work / "output" / "validation" / "metrics_per_case.csv")
    second = rows(trained_flare.work / "output" / "evaluation" / "metrics_per_case.csv")
    assert len(first) == 2 * CASES // 5
    assert first == second


def test_two_epochs_equal_one_and_one_after_a_resume(trained_flare, flare):
    flare.run("train", stop_epoch=1)
    assert torch.load(flare.models / "resume" / "checkpoint.pt", weights_only=True)["epoch"] == 1
    flare.run("train", resume="true", num_workers=1)
    assert equal(weights(flare.models), weights(trained_flare.models))
    resumed, whole = (rows(bundle.work / "output" / "log.csv") for bundle in (flare, trained_flare))
    for column in ("epoch", "iterations", "learning_rate", "loss", "validation/dice", "validation/nsd"):
        assert [row[column] for row in resumed] == [row[column] for row in whole], column


def test_a_training_starts_from_given_weights_and_resumes_from_its_own(trained_flare, flare):
    """At a learning rate of 0 weights stay what they are."""
    given = str(trained_flare.models / "model.pt")
    flare.run("train", initial_weights=given, learning_rate=1e-30, stop_epoch=1)
    assert equal(weights(flare.models), weights(trained_flare.models))
    flare.run("train", initial_weights=given, stop_epoch=1)
    own = weights(flare.models)
    assert not equal(own, weights(trained_flare.models))
    flare.run("train", initial_weights=given, learning_rate=1e-30, resume="true")
    assert equal(weights(flare.models), own)


def test_cases_kept_in_memory_train_as_cases_on_disk_do(trained_flare, flare):
    """Up to the half precision of the files, which hardly counts in eight steps."""
    flare.run("train", cache_dir="")
    assert not (flare.work / "output" / "cache").exists()
    ours, theirs = weights(flare.models), weights(trained_flare.models)
    assert not equal(ours, theirs)
    assert all(torch.allclose(ours[key], theirs[key], atol=0.02) for key in ours)


def test_evaluating_the_whole_config_trains_once(trained_flare, flare):
    """As 3D Slicer makes MONAI Label do."""
    flare.parser("train").get_parsed_content()
    assert equal(weights(flare.models), weights(trained_flare.models))
    assert not (flare.models / "resume" / "checkpoint_previous.pt").exists(), "it ran a second time"


def test_mri_is_normalised_volume_by_volume(flare):
    """Scans brighter by any factor give the same weights, and no cohort statistics are made."""
    flare.run("train", normalisation="zscore", epochs=1)
    plan = read_plan(flare.models / "plan.yaml")
    assert (plan["normalisation"], plan["intensity"]) == ("zscore", None)
    flare.run("train", "evaluate")
    first = flare.work / "first"
    flare.run("inference", output_dir=str(first))
    scans = flare.work / "scans"
    scans.mkdir()
    for file in (flare.dataset / "imagesTr").iterdir():
        image = nib.load(file)
        nib.save(nib.Nifti1Image(8 * np.asarray(image.dataobj), image.affine), scans / file.name)
    second = flare.work / "second"
    flare.run("inference", dataset_dir=str(scans), output_dir=str(second))
    for file in first.iterdir():
        assert np.array_equal(read_labels(file), read_labels(second / file.name))


def test_a_manifest_says_what_is_trained_on_and_what_is_scored(flare, tiny_cohort):
    flare.run("train", dataset_dir=str(tiny_cohort), epochs=1)
    scored = {row["case"] for row in rows(flare.work / "output" / "validation" / "metrics_per_case.csv")}
    assert scored == {"box_08", "box_09"}
    assert len(list((flare.work / "output" / "cache").iterdir())) == 6
    assert not (flare.models / "folds.json").exists()
    cohort = read_cohort(tiny_cohort)
    files = [(Path(case.image), Path(case.label)) for case in cohort.training if case.label]
    intensity = read_plan(flare.models / "plan.yaml")["intensity"]
    assert intensity["mean"] == pytest.approx(foreground_mean(files), abs=1e-4), "of the labelled ones"
    annotated = {case["image"]: case["annotated"] for case in labelled_datalist(tiny_cohort, "training", NAMES)}
    assert annotated == {case.image: list(case.annotated) for case in cohort.training if case.annotated}


def test_classes_that_a_validation_case_is_not_annotated_for_are_not_scored_in_it(flare, tiny_cohort):
    """Else a network that never finds them would score 1."""
    content = json.loads(tiny_cohort.read_text())
    for case in content["cases"]:
        case.update({key: str(tiny_cohort.parent / case[key]) for key in ("image", "label") if case.get(key)})
        if case["use"] == "validation":
            case["annotated"] = ["dark"]
    manifest = flare.work / "dark.json"
    manifest.write_text(json.dumps(content))
    flare.run("train", dataset_dir=str(manifest), epochs=1)
    scores = rows(flare.work / "output" / "validation" / "metrics_per_case.csv")
    assert [(row["class"], bool(row["dice"]), bool(row["nsd"])) for row in scores] == [
        ("dark", True, True),
        ("bright", False, False),
    ] * 2
    summary = json.loads((flare.work / "output" / "validation" / "metrics.json").read_text())["summary"]
    assert summary["bright"]["dice_mean"] is None
    assert summary["mean of classes"]["dice_mean"] == summary["dark"]["dice_mean"]


@pytest.mark.parametrize("unannotated", ["background", "no_gradient"])
def test_a_class_that_is_not_annotated_gives_no_gradient_where_it_shall_not(flare, tiny_cohort, unannotated):
    """Of cases annotated for "dark" alone, the channel of "bright" learns background, or nothing at all."""
    content = json.loads(tiny_cohort.read_text())
    cases = [case for case in content["cases"] if case["annotated"] == ["dark"]]
    for case in cases:
        for key in ("image", "label"):
            case[key] = str(tiny_cohort.parent / case[key])
    manifest = flare.work / "dark.json"
    manifest.write_text(json.dumps({**content, "cases": cases}))
    parser = flare.parser("train", dataset_dir=str(manifest), unannotated=unannotated)
    network, loss = parser.get_parsed_content("network"), parser.get_parsed_content("loss")
    batch = next(iter(parser.get_parsed_content("train#dataloader")))
    assert batch["annotated"].tolist() == [[True, True, False]] * 2
    loss(network(batch["image"]), batch).backward()
    for head in (network.output_block, *network.supervision_heads[:-1]):
        gradient = head.conv.conv.weight.grad.flatten(1).abs().sum(dim=1)
        assert gradient[1] > 0
        assert (gradient[2] == 0) == (unannotated == "no_gradient")


def test_one_of_two_patches_shows_foreground_and_ignored_voxels_are_no_foreground(flare, tiny_dataset, tmp_path):
    """What the merging marks as doubtful is 255: neither a class to sample nor part of the loss."""
    data = shutil.copytree(tiny_dataset, tmp_path / "data")
    for file in (data / "labelsTr").iterdir():
        label = read_labels(file).copy()
        label[label == 2] = 255
        nib.save(nib.Nifti1Image(label, AFFINE), file)
    parser = flare.parser("train", dataset_dir=str(data), validate_data=False, elastic_probability=0)
    dataset = parser.get_parsed_content("train#dataset")
    patches = [dataset[index]["label"] for index in range(40)]
    assert all((patch == 1).any() for patch in patches[1::2]), "the second of every batch"
    assert not all((patch == 1).any() for patch in patches[::2])
    assert any((patch == 255).any() for patch in patches)
    assert not any((patch == 2).any() for patch in patches)
    assert not dataset.cases[0]["label_cls_indices"][2].size


def test_without_weights_and_statistics_intensities_are_flare22s(flare):
    """As MONAI Label and the checks of the zoo load a bundle that was never trained."""
    assert flare.parser("inference").get_parsed_content("intensity") == FLARE22_INTENSITY
