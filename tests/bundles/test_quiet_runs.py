"""No library warns of what a user cannot act on."""

import logging
import warnings

import pytest

from custom.export import export
from custom.quiet_libraries import quiet_libraries

from ..io.scan_files import turned, write_series
from .conftest import read_labels

SAID_BY_MONAI = (
    'any `"_target_"` value in it is resolved',  # the README says so
    "Not all config files are in configs",  # the tests' own overlay lies elsewhere
)


@pytest.fixture
def said(capfd):
    """What libraries have warned of since the last call: Python's warnings, and lines of the log."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        def lines():
            found = [str(one.message) for one in caught]
            for text in capfd.readouterr():
                found += [line for line in text.splitlines() if "WARN" in line.upper() and "custom." not in line]
            caught.clear()
            return [line for line in found if not any(known in line for known in SAID_BY_MONAI)]

        yield lines


def test_training_evaluation_and_inference(trained_bundle, tmp_path, said):
    options = {"output_dir": str(tmp_path / "output")}
    trained_bundle.run("train", ckpt_dir=str(tmp_path / "models"), epochs=1, **options)
    assert said() == []
    trained_bundle.run("train", "evaluate", **options)
    assert said() == []
    scan = read_labels(trained_bundle.dataset / "imagesTr" / "box_00.nii.gz")
    write_series(tmp_path / "scans" / "series", (100 * scan).astype("int16"), turned())
    trained_bundle.run("inference", dataset_dir=str(tmp_path / "scans"), dicom_seg="true", **options)
    assert said() == []


def test_export(trained, tmp_path, said):
    logging.getLogger().setLevel(logging.INFO)  # as in `python -m custom`, which calls this too:
    quiet_libraries()
    export(str(trained.root), str(tmp_path / "model.onnx"), ckpt_dir=str(trained.models))
    assert said() == []
