"""Consensus, typing and the losses beyond the paper, as a user meets them: options of the bundle's configs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from custom.errors import InputError, find_input_error
from custom.losses import JointLoss

from ..small_bundle import CASES
from .conftest import read_labels, rows

FIT = ("train", "evaluate", "fit_typing")


@pytest.fixture(scope="module")
def typed(trained, tmp_path_factory):
    """The trained bundle with distributions of logits."""
    file = tmp_path_factory.mktemp("typing") / "typing.json"
    trained.run(*FIT, typing_file=str(file), output_dir=str(file.parent))
    return trained, str(file)


def refusal(bundle, *names, **options) -> str:
    with pytest.raises(Exception) as caught:
        bundle.run(*names, **options)
    error = find_input_error(caught.value)
    assert isinstance(error, InputError), caught.value
    assert "\n" not in str(error)
    return str(error)


def test_distributions_are_those_of_the_training_cases(typed):
    content = json.loads(Path(typed[1]).read_text())
    assert content["classes"] == ["dark", "bright"]
    counts = [one["cases"] for one in content["types"].values()]
    assert 2 <= sum(counts) <= CASES - 2, "held-out cases are not looked at"


def test_evaluation_scores_lesions_and_surfaces(trained, tmp_path):
    trained.run("train", "evaluate", output_dir=str(tmp_path))
    first = rows(tmp_path / "evaluation" / "metrics_per_case.csv")[0]
    assert list(first)[2:8] == ["dice", "hd95_mm", "nsd", "lesion_f1", "false_components", "wrong_type"]
    notes = " ".join(json.loads((tmp_path / "evaluation" / "metrics.json").read_text())["notes"])
    assert "NSD tolerance: 1 mm" in notes
    assert "lesions: 26-connected components" in notes


@pytest.mark.parametrize(("threshold", "leaves"), [(0.001, "some"), (1.0, "none")])
def test_consensus_in_evaluation_and_inference_is_the_same(trained, tmp_path, threshold, leaves):
    """A field of two steps of training is near 0.02: a low threshold confirms everything, the highest nothing."""
    options = {"consensus": True, "consensus_threshold": threshold}
    scans = trained.dataset / "imagesTr"
    trained.run("inference", dataset_dir=str(scans), output_dir=str(tmp_path / "with"), **options)
    trained.run("inference", dataset_dir=str(scans), output_dir=str(tmp_path / "without"))
    trained.run("train", "evaluate", output_dir=str(tmp_path), **options)
    predicted = {row["case"]: 0 for row in rows(tmp_path / "evaluation" / "metrics_per_case.csv")}
    for row in rows(tmp_path / "evaluation" / "metrics_per_case.csv"):
        predicted[row["case"]] += int(row["predicted_voxels"])
    dropped = 0
    for file in sorted((tmp_path / "with").glob("*.nii.gz")):
        kept, plain = read_labels(file), read_labels(tmp_path / "without" / file.name)
        name = file.name.removesuffix(".nii.gz")
        assert np.array_equal(kept[kept > 0], plain[kept > 0])
        assert not kept.any() if leaves == "none" else np.array_equal(kept, plain)
        dropped += json.loads((tmp_path / "with" / f"{name}.json").read_text())["dropped_components"]
        if name in predicted:
            assert predicted[name] == np.count_nonzero(kept)
    assert (dropped > 0) == (leaves == "none")


def test_typing_gives_a_scan_one_type_and_the_record_says_which(typed, tmp_path):
    bundle, file = typed
    scans = bundle.dataset / "imagesTr"
    bundle.run("inference", dataset_dir=str(scans), output_dir=str(tmp_path / "with"), typing=True, typing_file=file)
    bundle.run("inference", dataset_dir=str(scans), output_dir=str(tmp_path / "without"))
    for scan in sorted((tmp_path / "with").glob("*.nii.gz")):
        labels, plain = read_labels(scan), read_labels(tmp_path / "without" / scan.name)
        record = json.loads((tmp_path / "with" / scan.name.replace(".nii.gz", ".json")).read_text())
        assert np.array_equal(labels > 0, plain > 0)
        if record["type"] in ("dark", "bright"):
            assert set(np.unique(labels)) <= {0, 1 + ["dark", "bright"].index(record["type"])}
            assert record["type_probabilities"][record["type"]] >= 0.5
        else:
            assert np.array_equal(labels, plain)
    bundle.run("train", "evaluate", output_dir=str(tmp_path), typing=True, typing_file=file, consensus=True)


def test_what_cannot_be_is_one_line(trained, batseg, tmp_path):
    for names in (("inference",), ("train", "evaluate")):
        line = refusal(trained, *names, output_dir=str(tmp_path), typing=True)
        assert line.startswith(f"{trained.models}/typing.json: no distributions of types to read")
    shutil.copy(trained.models / "model.pt", batseg.models)
    batseg.save_plan(distance_channels=0)
    assert "model.pt has no distance head" in refusal(batseg, "inference", consensus=True)
    batseg.save_plan(distance_channels=3, training={"field_normalize": False})
    assert "was trained with field_normalize false" in refusal(batseg, "inference", consensus=True)
    batseg.save_plan(distance_channels=3, types=[])
    assert "typing needs two or more classes" in refusal(batseg, "inference", typing=True)


@pytest.mark.parametrize(
    "options",
    [
        {"boundary_weight": "balanced"},
        {"extra_loss": "components", "batch_dice": True, "distance_head": False},
        {"extra_loss": "hausdorff", "extra_weight": "balanced", "boundary_weight": "balanced"},
        {"extra_loss": "boundary", "extra_weight": 0.01},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_a_training_with_other_losses(batseg, options):
    batseg.run("train", epochs=1, iterations_per_epoch=2, tensorboard=False, **options)
    log = rows(batseg.work / "output" / "log.csv")[-1]
    assert np.isfinite(float(log["loss"]))
    assert ("loss/extra" in log) == ("extra_loss" in options)
    assert all(torch.isfinite(one).all() for one in torch.load(batseg.models / "model.pt", weights_only=True).values())


def test_the_losses_are_those_of_the_options(batseg):
    loss = batseg.parser("train", extra_loss="components", boundary_weight="balanced").get_parsed_content("loss")
    assert isinstance(loss, JointLoss)
    assert loss.balanced == ["boundary_aware"]
    assert loss.extra is not None


def test_a_calibrated_confidence_stands_in_the_record(trained, tmp_path):
    file = str(tmp_path / "temperature.json")
    trained.run("train", "evaluate", "fit_temperature", temperature_file=file, output_dir=str(tmp_path))
    fitted = json.loads(Path(file).read_text())
    assert fitted["cases"] == 2, "the held-out fold"
    options = {"calibrated_confidence": True, "temperature_file": file}
    scans = trained.dataset / "imagesTr"
    trained.run("inference", dataset_dir=str(scans), output_dir=str(tmp_path / "labels"), **options)
    for record in (tmp_path / "labels").glob("box_*.json"):
        assert 1 / 3 < json.loads(record.read_text())["calibrated_confidence"] <= 1
