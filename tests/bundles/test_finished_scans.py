"""What inference leaves behind when it is stopped, asked for more, or given scans that it cannot label."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from custom.errors import find_input_error

from ..io.scan_files import turned, write_scan, write_series

SHAPE = (12, 14, 10)


@pytest.fixture
def scans(tmp_path):
    """A scan in a file and one of DICOM."""
    voxels = np.random.default_rng(0).integers(-500, 1500, SHAPE).astype(np.int16)
    write_scan(tmp_path / "scans" / "a.nii.gz", voxels, turned("LPS", (10, -20, 30)))
    write_series(tmp_path / "scans" / "b", voxels, turned("LPS"))
    return tmp_path / "scans"


def infer(bundle, scans, output, **options):
    """Run inference; names of the files there are then to their content."""
    bundle.run("inference", dataset_dir=str(scans), output_dir=str(output), mirrored="false", **options)
    return files_in(output)


def files_in(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_what_is_asked_for_later_is_added_and_nothing_done_twice(trained_bundle, scans, tmp_path):
    output = tmp_path / "labels"
    labels = infer(trained_bundle, scans, output)
    assert list(labels) == ["a.nii.gz", "b.nii.gz"]
    with_dicom = infer(trained_bundle, scans, output, dicom_seg="true", overwrite="false")
    assert list(with_dicom) == ["a.nii.gz", "b.dcm", "b.nii.gz"]
    times = {file.name: file.stat().st_mtime_ns for file in output.iterdir()}
    infer(trained_bundle, scans, output, dicom_seg="true", overwrite="false")
    assert times == {file.name: file.stat().st_mtime_ns for file in output.iterdir()}


def test_confidence_and_records_are_added_too(trained_flare, scans, tmp_path):
    output = tmp_path / "labels"
    labels = infer(trained_flare, scans, output)
    more = infer(trained_flare, scans, output, confidence="true", case_records="true", overwrite="false")
    assert list(more) == [f"{name}{rest}" for name in ("a", "b") for rest in (".json", ".nii.gz", "_confidence.nii.gz")]
    assert {name: more[name] for name in labels} == labels


@pytest.mark.parametrize(("missing", "label"), [("b.dcm", "b.nii.gz"), ("a_confidence.nii.gz", "a.nii.gz")])
def test_the_label_map_tells_that_all_is_there(trained_flare, scans, tmp_path, missing, label):
    """A run that ends before anything else is written leaves no label map."""
    output = tmp_path / "labels"
    everything = {"dicom_seg": "true", "confidence": "true"}
    infer(trained_flare, scans, output, **everything)
    file = output / missing
    for one in list(output.iterdir()):
        one.unlink()
    file.mkdir()  # nothing can be written there
    with pytest.raises(Exception) as error:
        infer(trained_flare, scans, output, **everything)
    assert str(find_input_error(error.value)).startswith(f"1 of 2 labelled, 1 left out: {label[0]}; ")
    (reason,) = json.loads((output / "left_out.json").read_text())["left_out"].values()
    assert reason.endswith(f": {file} cannot be written (Is a directory): pass another --output_dir")
    file.rmdir()
    assert label not in files_in(output)


def test_a_scan_of_a_tilted_gantry_is_labelled_on_its_own_grid(trained_flare, trained, scans, tmp_path):
    sheared = turned("LPS")
    sheared[1, 2] += 0.25
    voxels = np.random.default_rng(1).integers(-500, 1500, SHAPE).astype(np.int16)
    write_scan(scans / "a_tilted.nii.gz", voxels, sheared)
    for bundle, name in ((trained_flare, "flare"), (trained, "spine")):
        assert list(infer(bundle, scans, tmp_path / name)) == ["a.nii.gz", "a_tilted.nii.gz", "b.nii.gz"]
        labels = nib.load(tmp_path / name / "a_tilted.nii.gz")
        assert labels.shape == SHAPE
        assert np.allclose(labels.affine, sheared, atol=1e-5)
