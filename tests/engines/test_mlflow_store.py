"""The database of `--tracking mlflow` lies in the output folder, whatever that is called."""

import pytest

from custom.engines import mlflow_store
from custom.errors import InputError


def test_the_store_is_made_in_the_folder(tmp_path):
    name = "it's a#b, 50% \u540d\u524d"
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed; pip install -e '.[test]'")
    (tmp_path / name).mkdir()
    client = mlflow.MlflowClient(mlflow_store(tmp_path / name))
    client.search_experiments()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "mlruns.db").is_file()


def test_a_path_that_cannot_be_an_address_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--tracking mlflow: .*a\?b: MLflow takes no path with a \?; pass another"):
        mlflow_store(tmp_path / "a?b")
