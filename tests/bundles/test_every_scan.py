"""Odd scans among sound ones: each is labelled where it is meant to be, or left out with its name and nothing else."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from custom.errors import find_input_error

from ..small_bundle import AFFINE, SHAPE


def noise(seed=0):
    return np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32)


def save(file, voxels=None, scale=1.0, unit="mm"):
    file.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(noise() if voxels is None else voxels, np.diag([scale, scale, scale, 1.0]) @ AFFINE)
    image.header.set_xyzt_units(unit)
    nib.save(image, file)


def files(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("check", ["true", "false"])
def test_odd_scans_are_left_out_by_name_and_the_others_labelled(trained_bundle, tmp_path, check):
    scans, output = tmp_path / "scans", tmp_path / "labels"
    for name in ("a.nii.gz", "z.nii.gz"):
        save(scans / name)
    save(scans / "huge.nii.gz", scale=1e5)
    save(scans / "tiny.nii.gz", scale=1e-4)
    save(scans / "torn.nii.gz")
    (scans / "torn.nii.gz").write_bytes((scans / "torn.nii.gz").read_bytes()[:-300])
    padded = np.where(np.arange(SHAPE[0]).reshape(-1, 1, 1) < 3, np.float32(-3.4e38), noise())
    save(scans / "padded.nii.gz", padded)
    is_clipped = trained_bundle.root.name == "flare_pseudolabel"  # CT: padding of any size is air
    bad = ["huge", *([] if is_clipped else ["padded"]), "tiny", "torn"]
    output.mkdir()
    for name in bad:
        (output / f"{name}.nii.gz").write_text("label map of an earlier run")
    options = {"dataset_dir": str(scans), "output_dir": str(output), "mirrored": "false", "validate_data": check}
    line = trained_bundle.ending("inference", **options)
    assert line.startswith(f"{6 - len(bad)} of 6 labelled, {len(bad)} left out: ")
    record = json.loads((output / "left_out.json").read_text())
    assert sorted(record["left_out"]) == [str(scans / f"{name}.nii.gz") for name in bad]
    assert all(reason.startswith(scan) or scan in reason for scan, reason in record["left_out"].items())
    labelled = [f"{name}.nii.gz" for name in ("a", *(["padded"] if is_clipped else []), "z")]
    assert files(output) == sorted([*labelled, "left_out.json"])

    for name in bad:
        (scans / f"{name}.nii.gz").unlink()
    trained_bundle.run("inference", **{**options, "overwrite": "false"})
    assert files(output) == labelled, "all is well: the record is gone"


def test_a_scan_in_metres_or_microns_has_the_label_map_of_the_same_in_millimetres(trained, tmp_path):
    scans, output = tmp_path / "scans", tmp_path / "labels"
    save(scans / "a.nii.gz")
    save(scans / "metre.nii.gz", scale=0.001, unit="meter")
    save(scans / "micron.nii.gz", scale=1000, unit="micron")
    trained.run("inference", dataset_dir=str(scans), output_dir=str(output), mirrored="false")
    maps = {file.name: nib.load(file) for file in output.iterdir()}
    voxels = {name: np.asarray(image.dataobj) for name, image in maps.items()}
    assert len(np.unique(voxels["a.nii.gz"])) > 1
    for name in ("metre.nii.gz", "micron.nii.gz"):
        assert np.mean(voxels[name] == voxels["a.nii.gz"]) > 0.999, "but for the rounding of its header"
        assert np.array_equal(maps[name].affine, nib.load(scans / name).affine), "in the unit of its scan"


def test_an_evaluation_scores_all_other_scans(trained, tiny_dataset, tmp_path):
    data = shutil.copytree(tiny_dataset, tmp_path / "data")
    held_out = sorted(json.loads((trained.models / "folds.json").read_text())["folds"][0]["classes_of_case"])
    bad, good = held_out
    torn = data / "imagesTr" / f"{bad}.nii.gz"
    torn.write_bytes(torn.read_bytes()[:-300])
    for check in ("true", "false"):
        output = tmp_path / check
        options = {"dataset_dir": str(data), "output_dir": str(output), "mirrored": "false", "validate_data": check}
        line = trained.ending("train", "evaluate", **options)
        record = output / "evaluation" / "left_out.json"
        assert line == f"1 of 2 scored, 1 left out: {bad}; reasons in {record}"
        metrics = json.loads((output / "evaluation" / "metrics.json").read_text())
        assert metrics["cases"] == 1
        assert list(metrics["left_out"]) == [str(torn)]
        assert good in (output / "evaluation" / "metrics_per_case.csv").read_text()


def test_padding_that_drowns_a_scan_is_named_before_a_training(batseg, tiny_dataset, tmp_path):
    """Not as a training that diverged."""
    data = shutil.copytree(tiny_dataset, tmp_path / "data")
    file = data / "imagesTr" / "box_03.nii.gz"
    image = nib.load(file)
    voxels = np.asarray(image.dataobj).copy()
    voxels[:3] = -3.4e38
    nib.save(nib.Nifti1Image(voxels, image.affine), file)
    for check in ("true", "false"):
        with pytest.raises(Exception) as caught:
            batseg.run("train", dataset_dir=str(data), validate_data=check)
        error = find_input_error(caught.value)
        assert f"{file}: intensities " in str(error)
        assert "leave nothing of" in str(error)
        assert not (batseg.models / "model.pt").exists()


def test_a_name_too_long_for_its_confidence_map_is_left_out(trained_flare, tmp_path):
    scans, output = tmp_path / "scans", tmp_path / "labels"
    name = "x" * 247
    for scan in ("a", name):
        save(scans / f"{scan}.nii.gz")
    options = {"dataset_dir": str(scans), "output_dir": str(output), "mirrored": "false"}
    assert trained_flare.ending("inference", **options, confidence="true").startswith("1 of 2 labelled, 1 left out: x")
    (reason,) = json.loads((output / "left_out.json").read_text())["left_out"].values()
    assert reason.endswith("cannot be written (File name too long): shorten the name of the scan or of the folder")
    trained_flare.run("inference", **options)
    assert files(output) == ["a.nii.gz", "a_confidence.nii.gz", f"{name}.nii.gz"]
