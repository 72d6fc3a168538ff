"""What TensorBoard and MLflow show of real runs of both bundles, read back from their files."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from monai.utils import path_to_sqlite_uri
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ..small_bundle import PLANS
from .conftest import rows

ALWAYS_LOGGED = {"epoch", "iterations", "seconds"}
REPORTS = {"batseg_spine": "", "flare_pseudolabel": "validation/"}
SHORT = {"iterations_per_epoch": 2, "val_interval": 1}


def events(folder) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def curves(folder) -> dict[str, list[tuple[int, float]]]:
    found = events(folder)
    return {name: [(one.step, one.value) for one in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_tensorboard_has_the_numbers_of_the_log_and_the_gallery(trained_bundle):
    output = trained_bundle.work / "output"
    found = curves(output / "tensorboard")
    log = rows(output / "log.csv")
    columns = log[-1].keys() - ALWAYS_LOGGED
    assert found.keys() == columns
    assert {"loss", "learning_rate", "validation/dice", "validation/dice/bright"} <= columns
    for name in columns:
        expected = [(int(row["epoch"]), float(row[name])) for row in log if row[name]]
        assert [step for step, _ in found[name]] == [step for step, _ in expected], name
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in expected], rel=1e-5)
    (gallery,) = events(output / "tensorboard").Images("cases")
    assert gallery.step == 2
    assert min(gallery.width, gallery.height) > 100


def test_tensorboard_of_a_resumed_training_equals_that_of_a_whole_one(trained, batseg):
    batseg.run("train", stop_epoch=1)
    batseg.run("train", resume="true")
    resumed, whole = (curves(bundle.work / "output" / "tensorboard") for bundle in (batseg, trained))
    assert resumed == whole


def test_tensorboard_can_be_switched_off(batseg):
    batseg.run("train", epochs=1, tensorboard="false", **SHORT)
    assert not (batseg.work / "output" / "tensorboard").exists()


@pytest.fixture(params=["batseg", "flare"])
def bundle(request):
    return request.getfixturevalue(request.param)


def store_of(folder):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed; pip install -e '.[test]'")
    return mlflow.MlflowClient(path_to_sqlite_uri(folder / "mlruns.db"))


def runs(client) -> list:
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return sorted(found, key=lambda run: run.info.start_time)


def steps(client, run, name) -> list[int]:
    return [point.step for point in client.get_metric_history(run.info.run_id, name)]


def artifacts(client, run, folder) -> set[str]:
    return {file.path.removeprefix(f"{folder}/") for file in client.list_artifacts(run.info.run_id, folder)}


def test_mlflow_records_training_evaluation_and_inference(bundle, tmp_path):
    """One training in two sessions, in one run; each other command in its own."""
    output, predictions = bundle.work / "output", tmp_path / "predictions"
    bundle.run("train", tracking="mlflow", stop_epoch=1, **SHORT)
    time.sleep(1)  # MONAI names a session's config by the second
    bundle.run("train", tracking="mlflow", resume="true", **SHORT)
    bundle.run("train", "evaluate", tracking="mlflow", mirrored="false")
    bundle.run("inference", tracking="mlflow", mirrored="false", output_dir=str(predictions))

    client = store_of(output)
    training, evaluation = runs(client)
    assert [run.info.status for run in (training, evaluation)] == ["FINISHED", "FINISHED"]
    parameters = {
        "fold": "0",
        "epochs": "2",
        "learning_rate": "0.01",
        "spacing": str(PLANS[bundle.root.name]["spacing"]),
    }
    assert parameters.items() <= training.data.params.items()
    for name in ("loss", "loss/segmentation", "learning_rate", "validation/dice", "validation/dice/bright"):
        assert steps(client, training, name) == [1, 2], name
    assert steps(client, training, "loss_of_iteration") == [1, 2, 3, 4]
    log = rows(output / "log.csv")[-1]
    assert training.data.metrics["validation/dice"] == pytest.approx(float(log["validation/dice"]))
    assert {"log.csv", "metrics.json", "metrics_summary.csv", "metrics_per_case.csv"} <= artifacts(
        client, training, "tables"
    )
    assert artifacts(client, training, "pictures") == {"cases.png", "curves.png"}
    assert len(artifacts(client, training, "config")) == 2, "of both sessions"

    kept = client.download_artifacts(evaluation.info.run_id, "tables/metrics_summary.csv", str(tmp_path))
    means = {row["class"]: float(row["dice_mean"]) for row in rows(Path(kept))}
    assert evaluation.data.metrics["validation/dice/bright"] == pytest.approx(means["bright"], abs=1e-5)
    assert artifacts(client, evaluation, "pictures") == {"cases.png"}
    assert evaluation.data.params["checkpoint"] == str(bundle.models / "model.pt")

    (inference,) = runs(store_of(predictions))
    assert inference.info.status == "FINISHED"
    assert inference.data.params["data"] == str(bundle.dataset)
    assert inference.data.params["epoch_length"] == "10", "scans"


def test_without_mlflow_the_option_ends_in_one_line(batseg):
    program = "import sys, runpy; sys.modules['mlflow'] = None; runpy.run_module('monai.bundle', run_name='__main__')"
    command = [sys.executable, "-c", program, "run", "--config_file", str(batseg.files("train"))]
    for key, value in batseg.options("train", tracking="mlflow").items():
        command += [f"--{key}", value]
    result = subprocess.run(command, cwd=batseg.root, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert "install mlflow" in line
    assert "Traceback" not in result.stderr
