"""`python -m custom label` and `add_model`, with a tiny training of each bundle."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from custom.__main__ import COMMANDS
from custom.engines import claim_folders
from custom.errors import InputError, ScansLeftOutError
from custom.options.command_line import call, split_arguments
from custom.plans import PLAN_FILE, read_plan
from custom.plans.released_model import read_released_model
from custom.release.add_model import add_model
from custom.release.released_models import models_contents
from custom.workflows import label as label_command
from custom.workflows import models

from ..bundle_copies import copy_bundle
from ..end_to_end.documented import Places, run_here
from ..readme_commands import blocks, commands
from ..small_bundle import AFFINE, SHAPE
from .conftest import read_labels, rows

STATED = {
    "origin": "10 boxes, 2 epochs",
    "data_license": "none: noise",
    "scores": "{dice: {dark: 0.5, bright: 0.25}, cases: 2 held out}",
    "command": "python -m monai.bundle run --config_file configs/train.yaml",
}


def run(*arguments):
    return call(arguments[0], COMMANDS, *split_arguments(arguments[1:]))


@pytest.fixture
def scans(tiny_dataset, tmp_path) -> Path:
    """Two scans of the training's kind, one of voxels 2.5 times as long, and a file that is none."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("box_00", "box_01"):
        (folder / f"{name}.nii.gz").write_bytes((tiny_dataset / "imagesTr" / f"{name}.nii.gz").read_bytes())
    affine = AFFINE.copy()
    affine[:3, :3] *= 2.5
    nib.save(
        nib.Nifti1Image(np.random.RandomState(0).normal(size=SHAPE).astype(np.float32), affine), folder / "odd.nii.gz"
    )
    (folder / "torn.nii.gz").write_bytes(b"torn")
    return folder


def test_a_training_writes_what_its_scans_are_like(trained_bundle):
    ranges = read_plan(trained_bundle.models / PLAN_FILE)["fingerprint"]["scans"]
    assert ranges["cases"] == 8
    assert ranges["axes"] == ["RAS"]
    assert ranges["spacing"] == {"R": [1.2, 1.2], "A": [1.0, 1.0], "S": [1.0, 1.0]}
    assert ranges["extent"]["S"] == [16, 16]
    assert ranges["tilt"] == pytest.approx(np.degrees(0.1), abs=0.01)


def test_label_maps_volumes_pictures_and_marks(trained_bundle, scans, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ScansLeftOutError, match="3 of 4 labelled, 1 left out: torn"):
        run("label", str(scans), str(out), "--model", str(trained_bundle.models), "--device", "cpu")
    names = {"box_00", "box_01", "odd"}
    assert {file.name for file in out.glob("*.png")} == {f"{name}.png" for name in names}
    table = rows(out / "volumes.csv")
    assert [(row["scan"], row["structure"]) for row in table[:2]] == [("box_00", "dark"), ("box_00", "bright")]
    assert len(table) == 6
    for row in table:
        label = read_labels(out / f"{row['scan']}.nii.gz")
        voxels = int((label == ["dark", "bright"].index(row["structure"]) + 1).sum())
        voxel_ml = 1.2 / 1000 * (2.5**3 if row["scan"] == "odd" else 1)
        assert int(row["voxels"]) == voxels
        assert float(row["volume_mL"]) == pytest.approx(voxels * voxel_ml, rel=1e-5)
        assert bool(row["unusual_input"]) == (row["scan"] == "odd")
        record = json.loads((out / f"{row['scan']}.json").read_text())
        assert row["mean_confidence_0_to_1"] == str(record["confidence"].get(row["structure"], ""))
        assert record["unusual_input"] == row["unusual_input"]


def test_errors_name_what_this_command_has(trained_bundle, scans, tmp_path):
    for scan, out, line in (
        (
            scans / "gone.nii.gz",
            tmp_path / "out",
            "gone.nii.gz does not exist; pass the data's folder as SCAN_OR_FOLDER",
        ),
        (scans, scans, "would be taken for scans: pass another OUT$"),
        (scans, tmp_path / "box.nii.gz", r"is named like a scan: pass another OUT \(files"),
    ):
        with pytest.raises(InputError, match=line):
            run("label", str(scan), str(out), "--model", str(trained_bundle.models), "--device", "cpu")
    assert not (tmp_path / "box.nii.gz").exists()


def test_a_name_with_signs_of_configs_and_pictures_is_a_name(trained_bundle, scans, tmp_path, capfd):
    model = ("--model", str(trained_bundle.models), "--device", "cpu")
    with pytest.raises(InputError, match="does not exist; pass the data's folder as SCAN_OR_FOLDER"):
        run("label", '$print("EXECUTED")', str(tmp_path / "out"), *model)
    assert "EXECUTED" not in "".join(capfd.readouterr())
    folder = tmp_path / "$odd"
    folder.mkdir()
    shutil.copy(scans / "box_00.nii.gz", folder / "a$_{$b.nii.gz")
    run("label", str(folder), str(tmp_path / "$out"), *model)
    assert (tmp_path / "$out" / "a$_{$b.png").exists()
    assert [row["scan"] for row in rows(tmp_path / "$out" / "volumes.csv")] == ["a$_{$b"] * 2


def test_label_maps_of_other_weights_are_not_taken_for_finished(trained_bundle, scans, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(trained_bundle.models, other)
    with (other / "model.pt").open("ab") as file:
        file.write(b"\0")
    arguments = ("label", str(scans / "box_00.nii.gz"), str(tmp_path / "out"), "--nopictures", "--device", "cpu")
    run(*arguments, "--model", str(trained_bundle.models))
    with pytest.raises(
        InputError, match=r"holds label maps of other weights, such as box_00\.nii\.gz: pass another OUT"
    ):
        run(*arguments, "--model", str(other), "--overwrite", "false")


def test_earlier_scans_stay_in_the_table_and_are_not_drawn_again(trained_bundle, scans, tmp_path):
    out = tmp_path / "out"
    for name in ("box_00", "box_01"):
        run("label", str(scans / f"{name}.nii.gz"), str(out), "--model", str(trained_bundle.models), "--device", "cpu")
        (scans / f"{name}.nii.gz").write_bytes(b"cut short")
    assert [row["scan"] for row in rows(out / "volumes.csv")] == ["box_00"] * 2 + ["box_01"] * 2
    with pytest.raises(ScansLeftOutError, match="0 of 1 labelled, 1 left out: box_00"):
        run("label", str(scans / "box_00.nii.gz"), str(out), "--model", str(trained_bundle.models), "--device", "cpu")
    assert {file.name for file in out.iterdir()} - {"left_out.json", "volumes.csv"} == {
        f"box_01.{ending}" for ending in ("nii.gz", "json", "png")
    }, "nothing remains of the scan that was left out"


def test_a_scan_in_which_nothing_is_found_is_named(trained_bundle, scans, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(label_command, "read_scan", lambda file: (np.zeros(SHAPE, np.uint8), AFFINE))
    run("label", str(scans / "box_00.nii.gz"), str(tmp_path / "out"), "--model", str(trained_bundle.models))
    assert "box_00: nothing was found in it" in caplog.text


def test_a_scan_of_the_same_name_is_told_of_and_other_files_are_passed_over(trained_bundle, scans, tmp_path, caplog):
    out = tmp_path / "out"
    out.mkdir()
    (out / "list.json").write_text("[1]")
    (out / "torn.json").write_text("{")
    (tmp_path / "other").mkdir()
    twin = shutil.copy(scans / "box_01.nii.gz", tmp_path / "other" / "box_00.nii.gz")
    for scan in (scans / "box_00.nii.gz", scans / "box_00.nii.gz", twin):
        assert "replaces the label map" not in caplog.text
        run("label", str(scan), str(out), "--model", str(trained_bundle.models), "--nopictures")
    assert f"{twin}: replaces the label map of {scans / 'box_00.nii.gz'}, a scan of the same name" in caplog.text
    assert len(rows(out / "volumes.csv")) == 2


def test_inference_warns_of_an_unusual_scan_in_one_line(trained_bundle, scans, tmp_path, capfd):
    (scans / "torn.nii.gz").unlink()
    trained_bundle.run("inference", dataset_dir=str(scans), output_dir=str(tmp_path / "out"))
    said = "".join(capfd.readouterr())
    warned = [line for line in said.splitlines() if "unlike the scans of the training" in line]
    assert len(warned) == 1, said
    assert "odd.nii.gz" in warned[0]
    assert "spacing 3 x 2.5 x 2.5 mm (training 1.2 x 1 x 1)" in warned[0]


@pytest.fixture
def shipped(project, tmp_path, monkeypatch, request):
    """A copy of both bundles in which the training of the spine is a model, which label looks for there."""
    for name in ("batseg_spine", "flare_pseudolabel"):
        copy_bundle(project, name, tmp_path / "project" / "bundles")
    monkeypatch.setattr(models, "AROUND_CODE", tmp_path / "project")
    return tmp_path / "project" / "bundles"


def test_code_that_was_installed_without_the_bundles_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "AROUND_CODE", tmp_path)
    hint = f"no bundle lies next to this code in {tmp_path}: install it with pip install -e ., or run it in"
    assert hint in run("label")
    with pytest.raises(InputError, match=re.escape(f"there are none ({hint}")):
        run("label", "a.nii.gz", "out", "--model", "hippocampus")


def test_a_training_becomes_a_model(trained, scans, shipped, tmp_path):
    root = shipped / "batseg_spine"
    for name, half in (("boxes", False), ("halved", True)):
        add_model(root, name, ckpt_dir=trained.models, half=half, **STATED)
    full, halved = (root / "models" / name for name in ("boxes", "halved"))
    assert sorted(file.name for file in full.iterdir()) == ["model.pt", "model.yaml", "plan.yaml"]
    weights = [torch.load(folder / "model.pt", weights_only=True) for folder in (trained.models, full, halved)]
    for key, value in weights[0].items():
        assert torch.equal(weights[1][key], value)
        assert weights[2][key].dtype == torch.float16
        assert torch.allclose(weights[2][key].float(), value, rtol=1e-3, atol=1e-6)
    assert read_released_model(halved).precision == "float16"
    assert read_released_model(full).seed == 0

    listed = run("label", "--model")
    assert listed == run("label") == run("label", "--model", "list")
    assert "boxes" in listed
    assert "dark, bright" in listed
    assert "dice dark 0.5, bright 0.25; cases 2 held out" in listed
    with pytest.raises(InputError, match=r"there is no such model \(did you mean boxes\?\).*there are boxes, halved"):
        run("label", str(scans), str(tmp_path / "out"), "--model", "boxe")

    scan = scans / "box_00.nii.gz"
    for name in ("boxes", "halved"):
        run("label", str(scan), str(tmp_path / name), "--model", name, "--device", "cpu", "--nopictures")
    one, two = (read_labels(tmp_path / name / scan.name) for name in ("boxes", "halved"))
    assert np.mean(one == two) > 0.99
    assert not list((tmp_path / "boxes").glob("*.png"))


def test_the_commands_of_the_page(project, trained, tiny_dataset, scans, shipped, tmp_path, monkeypatch):
    """With a tiny training as the model that they name."""
    add_model(shipped / "batseg_spine", "hippocampus", ckpt_dir=trained.models, **STATED)
    (scans / "torn.nii.gz").unlink()
    paths = {"scans": scans, "labels": tmp_path / "labels", "training": trained.models, "dataset": tiny_dataset}
    monkeypatch.chdir(shipped.parent)
    ran = [one for block in blocks(project / "docs" / "label.md") for one in commands(block)]
    for command in ran:
        run_here(command.split("  #")[0], Places(paths, {"": tmp_path}), shipped.parent)
    assert len(ran) == 3
    assert len(rows(tmp_path / "labels" / "volumes.csv")) == 6
    assert read_released_model(shipped / "batseg_spine" / "models" / "boxes").scores == {
        "dice": 0.9,
        "cases": "2 held out",
    }


def test_a_model_may_be_shipped_with_its_folds(trained, shipped):
    folder = shipped / "batseg_spine" / "models" / "boxes"
    own = trained.models / "folds.json"
    with pytest.raises(InputError, match=r"missing\.json cannot be read"):
        add_model(shipped / "batseg_spine", "boxes", ckpt_dir=trained.models, folds_file="missing.json", **STATED)
    add_model(shipped / "batseg_spine", "boxes", ckpt_dir=trained.models, folds_file=own, **STATED)
    assert (folder / "folds.json").read_text() == own.read_text()
    assert "models/boxes/folds.json" in models_contents(shipped / "batseg_spine")


def test_released_weights_stay_as_they_are(trained, shipped, tmp_path):
    root = shipped / "batseg_spine"
    add_model(root, "boxes", ckpt_dir=trained.models, **STATED)
    folder = root / "models" / "boxes"
    with pytest.raises(InputError, match="exists: remove it, or pass another --name"):
        add_model(root, "boxes", ckpt_dir=trained.models, **STATED)
    with pytest.raises(InputError, match="holds a released model, which stays as it is: pass another --ckpt_dir"):
        claim_folders(str(folder))
    with (folder / "model.pt").open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match="is not the released file"):
        run("label", str(tmp_path), str(tmp_path / "out"), "--model", "boxes")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scores": "0.9"}, "pass a mapping of names to values"),
        ({"scores": "missing.json"}, "--scores missing.json: cannot be read"),
        ({"data_license": ""}, "lacks data_license"),
        ({"ckpt_dir": "nowhere"}, "no trained weights at nowhere"),
    ],
)
def test_what_a_model_must_state(trained, shipped, changed, said):
    with pytest.raises(InputError, match=said):
        add_model(shipped / "batseg_spine", "boxes", **{"ckpt_dir": trained.models, **STATED, **changed})
    assert not (shipped / "batseg_spine" / "models" / "boxes").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan.nii.gz", "out"), "label needs --model, one of"),
        (("--model", "{models}"), "label: SCAN_OR_FOLDER is missing"),
        (("scan.nii.gz", "--model", "{models}"), "label: OUT is missing"),
    ],
)
def test_what_is_missing_is_said(trained, arguments, said):
    with pytest.raises(InputError, match=said):
        run("label", *(one.format(models=trained.models) for one in arguments))


def test_git_takes_the_released_models_alone(project, tmp_path):
    if subprocess.run(["git", "-C", project, "rev-parse"], capture_output=True, check=False).returncode:
        pytest.skip("this is no checkout")

    def ignored(path):
        command = ["git", "-C", project, "check-ignore", "--quiet", "--no-index", f"bundles/{path}"]
        return subprocess.run(command, check=False).returncode == 0

    for name in ("model.pt", "plan.yaml", "model.yaml", "folds.json"):
        assert not ignored(f"batseg_spine/models/hippocampus/{name}")
        assert not ignored(f"flare_pseudolabel/models/headneck/{name}")
        assert ignored(f"flare_pseudolabel/models/hippocampus/{name}")
    for name in ("model_best.pt", "resume/checkpoint.pt", "baseline/model.pt"):
        assert ignored(f"batseg_spine/models/hippocampus/{name}")
