"""What users get wrong ends in one line that names the file and the remedy, before any training."""

import gzip
import json
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from custom.errors import find_input_error, input_error_message

from .conftest import AFFINE, SHAPE


@pytest.fixture
def data(tiny_dataset, tmp_path):
    """A copy of the data set to be spoilt."""
    return shutil.copytree(tiny_dataset, tmp_path / "data")


def message(bundle, *names, **options) -> str:
    """The line a run that must fail shows; MONAI wraps the error several times."""
    with pytest.raises(Exception) as caught:
        bundle.run(*names, **options)
    error = find_input_error(caught.value)
    assert error is not None, caught.value
    return input_error_message(error)


def replace(file, volume=None, affine=AFFINE):
    nib.save(nib.Nifti1Image(volume, affine), file)


def noise(*shape):
    return np.random.RandomState(0).rand(*shape).astype(np.float32)


def another_shape(data):
    replace(data / "labelsTr" / "box_03.nii.gz", np.zeros((12, 14, 15), np.uint8))
    return "shape 12 x 14 x 15 differs"


def another_affine(data):
    volume = np.asarray(nib.load(data / "labelsTr" / "box_03.nii.gz").dataobj)
    replace(data / "labelsTr" / "box_03.nii.gz", volume, np.diag([1.2, 1, 1, 1]))
    return "affine"


def unknown_class(data):
    replace(data / "labelsTr" / "box_03.nii.gz", np.full(SHAPE, 7, np.uint8))
    return "7"


def not_a_number(data):
    volume = noise(*SHAPE)
    volume[3, 3, 3] = np.nan
    replace(data / "imagesTr" / "box_03.nii.gz", volume)
    return "NaN"


def constant(data):
    replace(data / "imagesTr" / "box_03.nii.gz", np.full(SHAPE, 5.0, np.float32))
    return "same intensity 5"


def truncated(data):
    file = data / "imagesTr" / "box_03.nii.gz"
    file.write_bytes(file.read_bytes()[:-200])
    return "cannot be read"


def two_dimensional(data):
    for kind in ("imagesTr", "labelsTr"):
        replace(data / kind / "box_03.nii.gz", np.eye(12, 14, dtype=np.uint8))
    return "12 x 14, 2D"


def four_dimensional(data):
    replace(data / "imagesTr" / "box_03.nii.gz", noise(*SHAPE, 3))
    return "12 x 14 x 16 x 3, 4D"


def missing_file(data):
    (data / "imagesTr" / "box_03.nii.gz").unlink()
    return "imagesTr/box_03.nii.gz"


@pytest.mark.parametrize(
    "spoil",
    [
        another_shape,
        another_affine,
        unknown_class,
        not_a_number,
        constant,
        truncated,
        two_dimensional,
        four_dimensional,
        missing_file,
    ],
)
def test_bad_case_is_named_before_training(batseg, data, spoil):
    detail = spoil(data)
    line = message(batseg, "train", dataset_dir=str(data)).splitlines()[0]
    assert "box_03" in line
    assert detail in line
    assert "; " in line, "the remedy"
    assert not (batseg.work / "models" / "model.pt").exists()


def test_check_of_the_data_can_be_switched_off(batseg, data):
    replace(data / "imagesTr" / "box_03.nii.gz", np.full(SHAPE, 5.0, np.float32))
    batseg.run("train", dataset_dir=str(data), epochs=1, validate_data="false")
    assert (batseg.work / "models" / "model.pt").exists()


def keep_only(data, label):
    for file in (data / "labelsTr").iterdir():
        replace(file, label)


def test_cases_without_foreground_train(batseg, data):
    keep_only(data, np.zeros(SHAPE, np.uint8))
    batseg.run("train", dataset_dir=str(data), epochs=1)
    rows = json.loads((batseg.work / "output" / "metrics.json").read_text())
    assert "NaN" not in json.dumps(rows)


def test_lesion_of_one_voxel_at_the_border_and_class_filling_the_patch_train(batseg, data):
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, 0] = 1
    keep_only(data, label)
    replace(data / "labelsTr" / "box_01.nii.gz", np.full(SHAPE, 2, np.uint8))
    batseg.run("train", dataset_dir=str(data), epochs=1)
    assert (batseg.work / "models" / "model.pt").exists()


def test_missing_data_set(batseg):
    assert "/nowhere" in message(batseg, "train", dataset_dir="/nowhere")
    assert "/nowhere" in message(batseg, "inference", dataset_dir="/nowhere")


def test_unwritable_output(batseg):
    (batseg.work / "file").write_text("")
    line = message(batseg, "train", output_dir=str(batseg.work / "file" / "out"))
    assert "file/out cannot be written" in line
    assert "--output_dir" in line


def test_evaluation_and_inference_without_weights(batseg):
    for names in (("train", "evaluate"), ("inference",)):
        line = message(batseg, *names)
        assert "no trained weights at" in line
        assert "train first" in line


def test_weights_of_another_overlay(trained):
    line = message(trained, "inference", filters=[4, 8, 12], output_dir=str(trained.work / "other"))
    assert "model.pt does not fit the network" in line
    assert "overlays" in line


@pytest.mark.parametrize(
    ("options", "words"), [({"fold": 7}, "fold"), ({"resume": "perhaps"}, "neither true nor false")]
)
def test_bad_values(batseg, options, words):
    assert words in message(batseg, "train", **options)


def test_all_scans_bad(trained, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "a.nii.gz").write_bytes(gzip.compress(b"no scan"))
    assert str(scans / "a.nii.gz") in message(trained, "inference", dataset_dir=str(scans))


def test_on_the_terminal_it_is_one_line(batseg):
    files = str(batseg.files("train"))
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files, "--dataset_dir", "/nowhere"]
    command += ["--output_dir", str(batseg.work / "out"), "--ckpt_dir", str(batseg.work / "models")]
    result = subprocess.run(command, cwd=batseg.root, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("error: /nowhere does not exist")
