"""Label maps of an evaluation, kept on the scan's own grid under the report's names."""

import json

import nibabel as nib
import numpy as np
import pytest

from custom.engines import KeepPredictions
from custom.engines.metrics_report import MetricsReport

from .test_metrics_report import CLASSES, PRED, evaluator


def run(folder, which, names="abcd"):
    report, kept = MetricsReport(str(folder), CLASSES), KeepPredictions(folder, which)
    engine = evaluator(report, names)
    kept.attach(engine)
    engine.run()
    return folder / "predictions.json"


def test_every_case_on_its_own_grid(tmp_path):
    index = json.loads(run(tmp_path, "all").read_text())
    assert list(index) == ["a", "b", "c", "d"]
    assert index["b"] == {"image": "/scans/b.nii.gz", "label": "//b.nii.gz", "prediction": "predictions/b.nii.gz"}
    for name, case in index.items():
        stored = nib.load(tmp_path / case["prediction"])
        assert stored.get_data_dtype() == np.uint8
        np.testing.assert_allclose(stored.affine, np.diag([3.0, 1, 1, 1]))
        assert np.asarray(stored.dataobj)[:, 0, 0].tolist() == PRED[name]


def test_the_best_the_median_and_the_worst(tmp_path):
    index = json.loads(run(tmp_path, "chosen").read_text())
    assert set(index) == {"b", "c", "a"}, "Dice 0, 0.67, 0.73 and 1: of two medians the lower"
    assert {file.name for file in (tmp_path / "predictions").iterdir()} == {"a.nii.gz", "b.nii.gz", "c.nii.gz"}


def test_nothing_where_nothing_is_asked_for(tmp_path):
    assert not run(tmp_path, "none").exists()


@pytest.mark.parametrize("kept", [0, 1])
def test_a_case_that_fails_later_is_forgotten(kept):
    handler = KeepPredictions("")
    handler.cases = [{"label": "a"}, {"label": "b"}]
    handler.keep_first(kept)
    assert len(handler.cases) == kept


def test_a_name_that_is_another_with_a_number(tmp_path):
    """Neither takes the other's place, nor that of a case of the same name in another folder."""
    handler = KeepPredictions(tmp_path)
    for name in ("s1.1", "s1", "s1", "s1.1"):
        handler.cases.append({"prediction": handler._free_place(name).as_posix()})
    names = [case["prediction"].removeprefix("predictions/") for case in handler.cases]
    assert names == ["s1.1.nii.gz", "s1.nii.gz", "s1.2.nii.gz", "s1.1.1.nii.gz"]
