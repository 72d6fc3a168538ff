"""`--tracking mlflow` of the whole recipe: every run of the stages in one store, nothing in the bundle."""

from __future__ import annotations

import sys

import pytest
from monai.utils import path_to_sqlite_uri

from custom.errors import find_input_error, input_error_message

from .tiny_cohort import RECIPE, TRAINING, Pipeline, write_tiny_cohort

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed; pip install -e '.[test]'")
pytest.importorskip("sqlalchemy", reason="MLflow's local store needs sqlalchemy; pip install -e '.[test]'")


def files_of(folder):
    return {file for file in folder.rglob("*") if "__pycache__" not in file.parts}


@pytest.fixture
def pipeline(project, tmp_path, without_pictures):
    return Pipeline(project, write_tiny_cohort(tmp_path / "cohort"), tmp_path / "work", recipe=RECIPE[:2])


def test_trainings_and_predictions_of_all_stages_stand_in_one_store(pipeline):
    before = files_of(pipeline.root)
    pipeline.run(tracking="mlflow", stages=1)
    pipeline.run(tracking="mlflow")
    assert files_of(pipeline.root) == before, "nothing is written into the bundle"
    assert {file.name for file in pipeline.work.glob("mlruns*")} == {"mlruns.db", "mlruns"}
    client = mlflow.MlflowClient(path_to_sqlite_uri(pipeline.work / "mlruns.db"))
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    runs = {run.info.run_name: run for run in found}
    assert sorted(runs) == ["1_organs", "2_lesions", "of dataset2 with 1_organs"]
    assert len(found) == 3
    assert {run.info.status for run in found} == {"FINISHED"}
    for name in ("1_organs", "2_lesions"):
        epochs = [point.step for point in client.get_metric_history(runs[name].info.run_id, "loss")]
        assert epochs == list(range(1, TRAINING["epochs"] + 1))
        assert runs[name].data.metrics["validation/dice"] >= 0
    prediction = runs["of dataset2 with 1_organs"].data.params
    assert prediction["checkpoint"] == str(pipeline.stage("1_organs") / "models" / "model.pt")
    assert prediction["data"] == str(pipeline.stage("2_lesions") / "pseudo_labels" / "dataset2_process0.json")


def test_without_the_option_there_is_no_store(pipeline):
    before = files_of(pipeline.root)
    pipeline.run(stages=1)
    assert files_of(pipeline.root) == before
    assert list(pipeline.work.rglob("mlruns*")) == list(pipeline.work.rglob("config_*.json")) == []


def test_another_store(pipeline, tmp_path):
    pipeline.run(tracking="mlflow", stages=1, tracking_uri=path_to_sqlite_uri(tmp_path / "other.db"))
    assert (tmp_path / "other.db").is_file()
    assert list(pipeline.work.rglob("mlruns.db")) == []


def test_without_mlflow_it_ends_in_one_line_before_anything_is_computed(pipeline, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(Exception) as error:
        pipeline.run(tracking="mlflow")
    line = input_error_message(find_input_error(error.value))
    assert line == "--tracking mlflow needs the package mlflow: pip install mlflow"
    assert not pipeline.work.exists()
