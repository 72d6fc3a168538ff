"""inference.yaml of flare_pseudolabel with a network whose answer is known: label maps on every scan's own grid."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from scipy.ndimage import center_of_mass

from custom.plans import write_plan

from ..small_bundle import AFFINE, CASES, SHAPE, TINY_FLARE_PLAN
from .conftest import Bundle, read_labels, rows

PLAN = {
    "patch_size": [16, 16, 16],
    "spacing": [1.0, 1.0, 1.0],
    "intensity": {"lower": -9.0, "upper": 9.0, "mean": 0.0, "sd": 1.0},
}


def dice(first, second) -> float:
    return 2 * np.sum(first & second) / (first.sum() + second.sum())


@pytest.fixture(scope="module")
def thresholds(project, tiny_dataset, tmp_path_factory) -> Bundle:
    """A network that calls what is below -1 dark and what is above 1 bright."""
    bundle = Bundle(project / "bundles" / "flare_pseudolabel", tiny_dataset, tmp_path_factory.mktemp("thresholds"))
    overlay = yaml.safe_load(bundle.overlay.read_text())
    network = {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 3, "kernel_size": 1}
    bundle.overlay.write_text(yaml.safe_dump(overlay | {"network_def": network}))
    slopes = torch.tensor([0.0, -40.0, 40.0]).reshape(3, 1, 1, 1, 1)
    torch.save({"weight": slopes, "bias": torch.tensor([0.0, -40.0, -40.0])}, bundle.models / "model.pt")
    bundle.save_plan(**PLAN)
    return bundle


AFFINES = {"same": AFFINE, "coarse": np.diag([2.0, 1.5, -1.2, 1.0]), "turned": AFFINE[[2, 0, 1, 3]]}


@pytest.fixture(scope="module")
def scans(thresholds):
    """The same boxes under each affine and in a frame of zeros that is cut away, and a file that is no scan."""
    folder = thresholds.work / "scans"
    folder.mkdir()
    volume = np.full(SHAPE, 0.1, np.float32)
    volume[1:6, 2:9, 3:10], volume[7:11, 8:13, 5:15] = -2, 2
    for name, affine in AFFINES.items():
        nib.save(nib.Nifti1Image(volume, affine), folder / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(np.pad(volume, ((3, 0), (0, 5), (2, 4))), AFFINE), folder / "framed.nii.gz")
    (folder / "broken.nii.gz").write_bytes((folder / "same.nii.gz").read_bytes()[:100])
    return folder


@pytest.mark.parametrize(
    ("return_grid", "windows"),
    [("exact", "all"), ("exact", "efficient"), ("fast", "efficient"), ("fast", "lateral")],
)
def test_inference_writes_one_label_map_per_scan_on_its_own_grid(thresholds, scans, tmp_path, return_grid, windows):
    labels = tmp_path / "labels"
    options = {"dataset_dir": str(scans), "output_dir": str(labels), "return_grid": return_grid, "windows": windows}
    assert thresholds.ending("inference", **options).startswith("4 of 5 labelled, 1 left out: broken; ")
    (labels / "left_out.json").unlink()
    assert sorted(file.name for file in labels.iterdir()) == sorted(f"{name}.nii.gz" for name in [*AFFINES, "framed"])
    for file in labels.iterdir():
        result, scan = nib.load(file), nib.load(scans / file.name)
        assert result.shape == scan.shape
        assert np.allclose(result.affine, scan.affine, atol=1e-6)
        assert result.get_data_dtype() == np.uint8
        found, image = np.asarray(result.dataobj), np.asarray(scan.dataobj)
        for value, truth in ((1, image < -1), (2, image > 1)):
            assert dice(found == value, truth) > 0.85, (file.name, value)
            assert np.allclose(center_of_mass(found == value), center_of_mass(truth), atol=0.5)


def test_exact_and_fast_differ_at_borders_only(thresholds, scans, tmp_path):
    write_plan(tmp_path / "plan.yaml", {**TINY_FLARE_PLAN, **PLAN, "spacing": [3.1, 2.3, 2.7]})
    shutil.copy(thresholds.models / "model.pt", tmp_path)
    for return_grid in ("exact", "fast"):
        folder = str(tmp_path / return_grid)
        options = {"dataset_dir": str(scans / "coarse.nii.gz"), "ckpt_dir": str(tmp_path), "windows": "all"}
        thresholds.run("inference", output_dir=folder, return_grid=return_grid, **options)
    exact, fast = (read_labels(tmp_path / return_grid / "coarse.nii.gz") for return_grid in ("exact", "fast"))
    assert 0 < (exact != fast).mean() < 0.1


def test_confidence_maps_and_case_records(thresholds, scans, tmp_path):
    labels = tmp_path / "labels"
    options = {"record_facts": {"stage": "here"}, "num_workers": 1}
    options |= {"confidence": "true", "case_records": "true"}
    thresholds.ending("inference", dataset_dir=str(scans), output_dir=str(labels), **options)
    for name in [*AFFINES, "framed"]:
        label, confidence = (nib.load(labels / f"{name}{suffix}.nii.gz") for suffix in ("", "_confidence"))
        assert confidence.shape == label.shape
        assert np.allclose(confidence.affine, label.affine)
        values = np.asarray(confidence.dataobj)
        assert values.dtype == np.uint8
        assert values.min() >= 85, "of three classes the likeliest has a third at least"
        assert np.median(values) == 255
        record = json.loads((labels / f"{name}.json").read_text())
        assert record["case"] == name
        assert record["stage"] == "here"
        assert record["windows"] >= 1
        assert set(record["confidence"]) == {"dark", "bright"}
        assert all(0.9 < mean <= 1 for mean in record["confidence"].values())
    assert len(list(labels.iterdir())) == 3 * 4 + 1, "and what was left out"


def test_mirrored_prediction_of_a_symmetric_network_is_the_same(thresholds, scans, tmp_path):
    for mirrored in ("true", "false"):
        folder = str(tmp_path / mirrored)
        thresholds.ending("inference", dataset_dir=str(scans), output_dir=folder, mirrored=mirrored)
    for name in AFFINES:
        first, second = (read_labels(tmp_path / mirrored / f"{name}.nii.gz") for mirrored in ("true", "false"))
        assert np.array_equal(first, second)


def test_inference_can_keep_what_is_already_labelled(thresholds, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "box_03.nii.gz").write_text("kept")
    options = {"output_dir": str(labels), "overwrite": "false"}
    thresholds.run("inference", **options)
    thresholds.run("inference", **options)
    assert (labels / "box_03.nii.gz").read_text() == "kept"
    assert len(list(labels.iterdir())) == CASES


def test_fewer_windows_where_a_scan_is_mostly_empty(thresholds, tmp_path):
    """One structure in the middle of the lowest planes, inside of the central window."""
    volume = np.full((48, 48, 48), 0.1, np.float32)
    volume[20:28, 20:28, 2:12] = 2
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "scan.nii.gz")
    rows_of_windows = 5
    expected = {"all": 5 * 5 * rows_of_windows, "lateral": rows_of_windows, "efficient": 9 + 9 + 1 + 0 + 1}
    for windows, count in expected.items():
        folder = tmp_path / windows
        options = {"dataset_dir": str(tmp_path / "scan.nii.gz"), "output_dir": str(folder), "case_records": "true"}
        thresholds.run("inference", windows=windows, **options)
        record = json.loads((folder / "scan.json").read_text())
        assert (record["windows"], record["windows_all"]) == (count, expected["all"])
        assert np.array_equal(read_labels(folder / "scan.nii.gz") == 2, volume == 2)


def test_evaluation_scores_a_known_network(thresholds):
    options = {"windows": "all", "scoring": {"nsd_tolerance_mm": [1.0, 2.0]}, "mirrored": "true", "other_data": "true"}
    thresholds.run("train", "evaluate", **options)
    scores = rows(thresholds.work / "output" / "evaluation" / "metrics_per_case.csv")
    assert len(scores) == 2 * CASES
    assert all(float(row["dice"]) > 0.7 and float(row["nsd"]) > 0.9 for row in scores)


def test_the_third_axis_of_a_prepared_scan_is_left_right(thresholds, scans):
    """Whatever the file's orientation."""
    prepare = thresholds.parser("inference").get_parsed_content("preprocessing")
    for name in AFFINES:
        image = prepare({"image": str(scans / f"{name}.nii.gz")})["image"]
        directions = np.asarray(image.affine)[:3, :3]
        assert np.abs(directions).argmax(axis=0).tolist() == [2, 1, 0], "superior-inferior, front-back, left-right"
        assert (directions[[2, 1, 0], [0, 1, 2]] > 0).all()
