"""Consensus, typing and the losses beyond the paper, as a user meets them: options of the bundle's configs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from custom.errors import InputError, find_input_error
from custom.losses import JointLoss
from custom.plans import read_plan
from custom.transforms.largest_components import largest_components

from ..small_bundle import CASES
from .conftest import read_labels, rows

FIT = ("train", "evaluate", "fit_typing")


@pytest.fixture(scope="module")
def typed(trained, tmp_path_factory):
    """The trained bundle with distributions of logits."""
    file = tmp_path_factory.mktemp("typing") / "typing.json"
    trained.run(*FIT, typing_file=str(file), output_dir=str(file.parent))
    return trained, str(file)


@pytest.fixture(scope="module")
def scans(trained, tmp_path_factory):
    """The two held-out scans, and their label maps without any option."""
    folder, plain = tmp_path_factory.mktemp("scans"), tmp_path_factory.mktemp("plain")
    for name in json.loads((trained.models / "folds.json").read_text())["folds"][0]["classes_of_case"]:
        shutil.copy(trained.dataset / "imagesTr" / f"{name}.nii.gz", folder)
    trained.run("inference", dataset_dir=str(folder), output_dir=str(plain))
    return folder, plain


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


def test_the_plan_says_what_the_head_answers(trained):
    """A field of two steps of training is near 0.02, where the true one is above 0.5."""
    response = read_plan(trained.models / "plan.yaml")["training"]["field_response"]
    assert list(response) == ["dark", "bright"]
    assert all(0 < one < 0.1 for one in response.values())


def test_evaluation_scores_lesions_and_surfaces_of_what_both_heads_agree_on(trained, scans, tmp_path, monkeypatch):
    """Measured by the true field, a low threshold confirms everything, the highest nothing."""
    monkeypatch.setattr("custom.networks.field_response", lambda _: [1.0, 1.0])
    for threshold, all_stay in ((0.001, True), (1.0, False)):
        options = {"consensus": True, "consensus_threshold": threshold}
        trained.run("train", "evaluate", output_dir=str(tmp_path), **options)
        trained.run("inference", dataset_dir=str(scans[0]), output_dir=str(tmp_path / "labels"), **options)
        scored = rows(tmp_path / "evaluation" / "metrics_per_case.csv")
        assert list(scored[0])[2:8] == ["dice", "hd95_mm", "nsd", "lesion_f1", "false_components", "wrong_type"]
        for file in sorted(scans[1].glob("*.nii.gz")):
            kept, plain = read_labels(tmp_path / "labels" / file.name), read_labels(file)
            name = file.name.removesuffix(".nii.gz")
            assert plain.any()
            assert np.array_equal(kept, plain if all_stay else np.zeros_like(plain))
            record = json.loads((tmp_path / "labels" / f"{name}.json").read_text())
            assert (record["dropped_components"] == 0) == all_stay
            predicted = [int(row["predicted_voxels"]) for row in scored if row["case"] == name]
            assert sum(predicted) == np.count_nonzero(kept)
    notes = " ".join(json.loads((tmp_path / "evaluation" / "metrics.json").read_text())["notes"])
    assert "NSD tolerance: 1 mm" in notes
    assert "lesions: 26-connected components" in notes


def test_largest_components_are_written_and_scored(trained, scans, tmp_path):
    options = {"largest_component": True, "output_dir": str(tmp_path)}
    trained.run("train", "evaluate", **options)
    trained.run("inference", dataset_dir=str(scans[0]), **{**options, "output_dir": str(tmp_path / "labels")})
    scored = rows(tmp_path / "evaluation" / "metrics_per_case.csv")
    dropped = 0
    for file in sorted(scans[1].glob("*.nii.gz")):
        kept, plain = read_labels(tmp_path / "labels" / file.name), read_labels(file)
        assert np.array_equal(kept, largest_components(plain))
        dropped += np.count_nonzero(kept != plain)
        predicted = [int(row["predicted_voxels"]) for row in scored if row["case"] == file.name.split(".")[0]]
        assert sum(predicted) == np.count_nonzero(kept)
    assert dropped > 0


def test_typing_and_confidence_of_a_scan_stand_in_its_record(typed, scans, tmp_path):
    bundle, file = typed
    temperature = str(tmp_path / "temperature.json")
    options = {"typing": "logits", "typing_file": file}
    fitted = {"temperature_file": temperature, "output_dir": str(tmp_path)}
    bundle.run("train", "evaluate", "fit_temperature", **options, **fitted)
    assert json.loads(Path(temperature).read_text())["cases"] == 2, "the held-out fold"
    confident = {"calibrated_confidence": True, "temperature_file": temperature}
    assert "fitted with typing logits, this run has none" in refusal(bundle, "inference", **confident)
    bundle.run("inference", dataset_dir=str(scans[0]), output_dir=str(tmp_path / "labels"), **options, **confident)
    for scan in sorted(scans[1].glob("*.nii.gz")):
        labels, plain = read_labels(tmp_path / "labels" / scan.name), read_labels(scan)
        record = json.loads((tmp_path / "labels" / scan.name.replace(".nii.gz", ".json")).read_text())
        assert 1 / 3 < record["calibrated_confidence"] <= 1
        assert np.array_equal(labels > 0, plain > 0)
        if record["type"] in ("dark", "bright"):
            assert set(np.unique(labels)) <= {0, 1 + ["dark", "bright"].index(record["type"])}
            assert record["type_probabilities"][record["type"]] >= 0.5
        else:
            assert np.array_equal(labels, plain)
    bundle.run("train", "evaluate", output_dir=str(tmp_path), consensus=True, **options)


def test_what_cannot_be_is_one_line(trained, batseg, tmp_path):
    for names in (("inference",), ("train", "evaluate")):
        line = refusal(trained, *names, output_dir=str(tmp_path), typing="logits")
        assert line.startswith(f"{trained.models}/typing.json: no distributions of types to read")
    shutil.copy(trained.models / "model.pt", batseg.models)
    batseg.save_plan(distance_channels=0)
    assert "model.pt has no distance head" in refusal(batseg, "inference", consensus=True)
    batseg.save_plan(distance_channels=3, training={"field_normalize": False})
    assert "was trained with field_normalize false" in refusal(batseg, "inference", consensus=True)
    batseg.save_plan(distance_channels=3, types=[])
    assert "typing needs two or more classes" in refusal(batseg, "inference", typing="majority")


@pytest.mark.parametrize(
    "options",
    [
        {"boundary_weight": "balanced", "extra_loss": "components", "batch_dice": True},
        {"distance_head": False, "extra_loss": "hausdorff", "extra_weight": "balanced"},
    ],
    ids=["both heads", "no distance head"],
)
def test_a_training_with_other_losses(batseg, options):
    batseg.run("train", epochs=1, iterations_per_epoch=2, tensorboard=False, **options)
    log = rows(batseg.work / "output" / "log.csv")[-1]
    assert np.isfinite(float(log["loss"]))
    assert "loss/extra" in log
    assert all(torch.isfinite(one).all() for one in torch.load(batseg.models / "model.pt", weights_only=True).values())


def test_the_losses_are_those_of_the_options(batseg):
    loss = batseg.parser("train", extra_loss="components", boundary_weight="balanced").get_parsed_content("loss")
    assert isinstance(loss, JointLoss)
    assert loss.balanced == ["boundary_aware"]
    assert loss.extra is not None
