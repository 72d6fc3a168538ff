import json
import logging
import re
import subprocess

import nibabel as nib
import numpy as np
import pytest
import yaml

from custom.errors import InputError
from custom.plans.plan_command import guessed_channels, make_plan

from .test_planner import fingerprint


def write(file, voxels, affine):
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), file)


def axes(codes, spacing=(1.0, 1.0, 2.5)):
    """An affine whose axes point along `codes`."""
    affine = np.eye(4)
    affine[:3, :3] = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), (1, 1, 1))[:3, :3]
    affine[:3, :3] = affine[:3, :3] @ np.diag(spacing)
    return affine


@pytest.fixture
def folder(tmp_path):
    """Six scans of 40 x 44 x 24 voxels in nnU-Net's layout: a liver of 100 HU and a kidney on each side."""
    generator = np.random.default_rng(0)
    root = tmp_path / "Dataset001_Abdomen"
    for number in range(6):
        image = generator.normal(-1000, 10, (40, 44, 24)).round().astype(np.int16)
        label = np.zeros(image.shape, np.uint8)
        for value, place in (
            (1, np.s_[4:30, 4:30, 4:20]),
            (2, np.s_[32:38, 4:20, 4:20]),
            (3, np.s_[32:38, 24:40, 4:20]),
        ):
            label[place] = value
            image[place] = 50 * value
        write(root / f"imagesTr/case_{number}_0000.nii.gz", image, axes("LPS"))
        write(root / f"labelsTr/case_{number}.nii.gz", label, axes("LPS"))
    listing = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "liver": 1, "left_kidney": 2, "right_kidney": 3},
        "numTraining": 6,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(listing))
    return root


def test_plan_of_a_folder(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    make_plan(str(folder), str(tmp_path / "out" / "plan.yaml"))
    plan = yaml.safe_load((tmp_path / "out" / "plan.yaml").read_text())
    assert (plan["name"], plan["classes"]) == ("Dataset001_Abdomen", ["liver", "left_kidney", "right_kidney"])
    assert (plan["orientation"], plan["spacing"], plan["channels"]) == ("SAR", [2.5, 1.0, 1.0], ["CT"])
    assert (plan["patch_size"], plan["batch_size"], plan["mirror_axes"]) == ([24, 48, 40], 2, [0, 1])
    assert plan["intensity"]["lower"] == 50
    assert plan["intensity"]["upper"] == 150
    assert plan["fingerprint"]["orientations"] == {"LPS": 6}
    assert "not left-right: left_kidney and right_kidney differ by side" in caplog.text
    assert "warning" not in caplog.text
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"plan.yaml", "fingerprint.json"}


def test_second_plan_reads_no_scan_again_and_is_the_same(folder, tmp_path, monkeypatch):
    make_plan(str(folder), str(tmp_path / "plan.yaml"))
    first = (tmp_path / "plan.yaml").read_text()
    monkeypatch.setattr("custom.fingerprint.data_check.read_volume", None)
    make_plan(str(folder), str(tmp_path / "plan.yaml"))
    assert (tmp_path / "plan.yaml").read_text() == first


def test_turned_files_give_the_same_plan(folder, tmp_path, caplog):
    make_plan(str(folder), str(tmp_path / "plan.yaml"))
    first = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    for kind, name in (("imagesTr", "case_0_0000"), ("labelsTr", "case_0")):
        file = folder / kind / f"{name}.nii.gz"
        image = nib.load(file)
        turned = image.as_reoriented(
            nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt("PIR"))
        )
        nib.save(nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine), file)
    make_plan(str(folder), str(tmp_path / "plan.yaml"))
    second = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    assert second["fingerprint"].pop("orientations") == {"LPS": 5, "PIR": 1}
    first["fingerprint"].pop("orientations")
    assert second == first
    assert "1 of 6 files are not oriented LPS as the others: case_0 (PIR)" in caplog.text


def test_cohort_manifest(folder, tmp_path):
    cases = [
        {
            "name": f"case_{number}",
            "image": str(folder / f"imagesTr/case_{number}_0000.nii.gz"),
            "label": str(folder / f"labelsTr/case_{number}.nii.gz"),
            "annotated": ["liver", "left_kidney", "right_kidney", "cyst"][: 4 if number < 2 else 3],
        }
        for number in range(6)
    ]
    classes = ["liver", "left_kidney", "right_kidney", "cyst"]
    manifest = tmp_path / "cohort.json"
    manifest.write_text(json.dumps({"name": "cohort", "classes": classes, "cases": cases}))
    make_plan(str(manifest), str(tmp_path / "plan.yaml"))
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    assert plan["channels"] == ["CT"]  # of its intensities
    assert plan["fingerprint"]["cases_with_class"]["cyst"] == 0
    assert plan["fingerprint"]["cases_annotated_for_class"] == dict(zip(classes, (6, 6, 6, 2), strict=True))


def test_names_are_given_where_the_folder_has_none(folder, tmp_path):
    (folder / "dataset.json").unlink()
    with pytest.raises(InputError, match=r"has no dataset.json with \"labels\"; name the classes .* --classes liver"):
        make_plan(str(folder), str(tmp_path / "plan.yaml"))
    make_plan(str(folder), str(tmp_path / "plan.yaml"), name="mine", classes="a, b,c", channels=("MRI",))
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    assert (plan["name"], plan["classes"], plan["channels"]) == ("mine", ["a", "b", "c"], ["MRI"])
    assert (plan["normalisation"], plan.get("intensity")) == ("zscore", None)


def test_too_few_class_names(folder, tmp_path):
    with pytest.raises(
        InputError, match=r"--classes: 1 is liver there, but a here \(1 a, 2 b\), in .*dataset.json; leave"
    ):
        make_plan(str(folder), str(tmp_path / "plan.yaml"), classes=("a", "b"))
    (folder / "dataset.json").unlink()
    with pytest.raises(
        InputError, match=r"6 of 6 cases cannot be used: .*label values 3 are outside the classes 0 to 2"
    ):
        make_plan(str(folder), str(tmp_path / "plan.yaml"), classes=("a", "b"))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("left_kidney,liver,right_kidney", "1 is liver there, but left_kidney here"),
        ("Liver,liver,kidney", "names Liver and liver, which are read as one"),
        ("1,1,2", "names class 2 '1', which reads as another id"),
        ("liver,background,ignore", "names background, which is always 0"),
    ],
)
def test_class_names_that_cannot_be_meant(folder, tmp_path, classes, said):
    with pytest.raises(InputError, match=f"^--classes:? {re.escape(said)}"):
        make_plan(str(folder), str(tmp_path / "plan.yaml"), classes=classes)
    assert not (tmp_path / "fingerprint.json").exists(), "before any scan is read"


def test_regions_are_planned_with_the_names_given(folder, tmp_path):
    listing = json.loads((folder / "dataset.json").read_text())
    listing["labels"] = {"background": 0, "kidneys": [2, 3], "liver": 1}
    (folder / "dataset.json").write_text(json.dumps(listing))
    with pytest.raises(InputError, match="or pass the names as --classes"):
        make_plan(str(folder), str(tmp_path / "plan.yaml"))
    make_plan(str(folder), str(tmp_path / "plan.yaml"), classes="Liver,left,right")
    assert yaml.safe_load((tmp_path / "plan.yaml").read_text())["classes"] == ["Liver", "left", "right"]


def test_labels_without_any_class_stop_the_plan(folder, tmp_path):
    for file in (folder / "labelsTr").iterdir():
        image = nib.load(file)
        nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), file)
    with pytest.raises(InputError, match=f"^{folder}: no label holds a voxel of any class"):
        make_plan(str(folder), str(tmp_path / "plan.yaml"))


def test_damaged_scan_stops_the_plan(folder, tmp_path):
    (folder / "imagesTr/case_3_0000.nii.gz").write_bytes(b"no scan")
    with pytest.raises(InputError, match=r"1 of 6 cases cannot be used: .*case_3_0000.nii.gz: cannot be read"):
        make_plan(str(folder), str(tmp_path / "plan.yaml"))
    assert not (tmp_path / "plan.yaml").exists()


@pytest.mark.parametrize("memory_gb", [0, -8])
def test_memory_must_be_above_0(folder, tmp_path, memory_gb):
    with pytest.raises(InputError, match=f"memory_gb is {memory_gb!r}; pass a number of GB above 0"):
        make_plan(str(folder), str(tmp_path / "plan.yaml"), memory_gb=memory_gb)


def test_place_that_cannot_be_written(folder, tmp_path):
    (tmp_path / "plan.yaml").mkdir()
    with pytest.raises(InputError, match=r"plan.yaml cannot be written \(Is a directory\): pass a folder"):
        make_plan(str(folder), str(tmp_path / "plan.yaml"))


@pytest.mark.parametrize(
    ("lowest", "expected"),
    [((-1024.0,), ["CT"]), ((0.0,), ["channel_0"]), ((-1024.0, 0.0), ["channel_0", "channel_1"])],
)
def test_guessed_channels(lowest, expected, caplog):
    found = fingerprint([[1, 1, 1]], [[64, 64, 64]], lowest=lowest)
    assert guessed_channels(found) == expected
    assert "pass --channels otherwise" in caplog.text


@pytest.mark.usefixtures("quick_commands")
def test_command_line(folder, tmp_path):
    done = subprocess.run(
        ["python", "-m", "custom", "plan", str(folder), "plan.yaml", "--memory_gb", "4", "--name", "12"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "written to plan.yaml" in done.stderr
    assert yaml.safe_load((tmp_path / "plan.yaml").read_text())["name"] == "12"
