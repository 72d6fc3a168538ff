"""What users get wrong ends in one line that names the file and the remedy, before any training."""

import gzip
import json
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest

from custom.errors import find_input_error, input_error_message

from ..small_bundle import AFFINE, SHAPE


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
    assert not (batseg.models / "model.pt").exists()


def test_check_of_the_data_can_be_switched_off(batseg, data):
    replace(data / "imagesTr" / "box_03.nii.gz", np.full(SHAPE, 5.0, np.float32))
    batseg.run("train", dataset_dir=str(data), epochs=1, validate_data="false")
    assert (batseg.models / "model.pt").exists()


def keep_only(data, label):
    for file in (data / "labelsTr").iterdir():
        replace(file, label)


def test_labels_without_any_class_are_refused(batseg, data):
    keep_only(data, np.zeros(SHAPE, np.uint8))
    line = message(batseg, "train", dataset_dir=str(data))
    assert line.startswith(f"{data}, 8 training cases: no label holds a voxel of any class (1 to 2)")
    assert not (batseg.models / "model.pt").exists()


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["bright", "dark"], "dataset.json: label 1 is Dark there, but bright here (1 bright, 2 dark); correct"),
        (["dark"], "dataset.json: label 2 is Bright there, but no class here"),
        ("dark", "dataset.json: label 2 is Bright there, but no class here"),
        ([1, 2], "class_names '[1, 2]': was read as int, not as text"),
        (["dark", "Background"], "class_names names Background, which is always 0"),
        (["dark", "DARK"], "class_names names dark and DARK, which are read as one"),
    ],
)
def test_class_names_that_cannot_be_meant(batseg, data, classes, words):
    listing = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**listing, "labels": {"0": "bg", "1": "Dark", "2": "Bright"}}))
    line = message(batseg, "train", dataset_dir=str(data), class_names=classes)
    assert words in line
    assert "\n" not in line
    assert not (batseg.models / "model.pt").exists()


def test_cases_without_foreground_train(batseg, data):
    keep_only(data, np.zeros(SHAPE, np.uint8))
    replace(data / "labelsTr" / "box_00.nii.gz", np.ones(SHAPE, np.uint8))
    batseg.run("train", dataset_dir=str(data), epochs=1, fold="all")
    rows = json.loads((batseg.work / "output" / "metrics.json").read_text())
    assert "NaN" not in json.dumps(rows)


def test_lesion_of_one_voxel_at_the_border_and_class_filling_the_patch_train(batseg, data):
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, 0] = 1
    keep_only(data, label)
    replace(data / "labelsTr" / "box_01.nii.gz", np.full(SHAPE, 2, np.uint8))
    batseg.run("train", dataset_dir=str(data), epochs=1)
    assert (batseg.models / "model.pt").exists()


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fold": 7}, "fold"),
        ({"resume": "perhaps"}, "resume perhaps: pass true or false"),
        (
            {"plan": "spline"},
            "--plan spline: there is no such file, and the bundle's own plans are hippocampus, knight",
        ),
        ({"spacing": [1, 1]}, "spacing '[1, 1]': pass a list of 3"),
        ({"patch_size": [8, 6, 8]}, "patch_size [8, 6, 8]"),
        ({"architecture": {"name": "SwinUNTR"}}, "there is no network 'SwinUNTR' (did you mean SwinUNETR?)"),
    ],
)
def test_bad_values(batseg, options, words):
    assert words in message(batseg, "train", **options)
    assert not (batseg.models / "model.pt").exists()


def test_a_training_resumes_with_equal_values_only(trained):
    for options, words in (
        ({"seed": 1}, "was trained with seed 0, not 1: pass --seed 0, or another --ckpt_dir"),
        ({"boundary_base": "l2"}, 'was trained with boundary_base "l1", not "l2": pass --boundary_base l1'),
        ({"patch_size": [8, 8, 12]}, f"[8, 8, 8], not [8, 8, 12]: pass --plan {trained.models}/plan.yaml without --pa"),
        ({"architecture": {"name": "SegResNet"}}, "plan.yaml without --architecture, or another --ckpt_dir"),
    ):
        line = message(trained, "train", resume="true", output_dir=str(trained.work / "resumed"), **options)
        assert line.startswith(f"{trained.models}/resume/checkpoint.pt was trained with ")
        assert words in line


def test_all_scans_bad(trained, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "a.nii.gz").write_bytes(gzip.compress(b"no scan"))
    assert message(trained, "inference", dataset_dir=str(scans)).startswith(
        "0 of 1 labelled, 1 left out: a; reasons in "
    )


@pytest.mark.usefixtures("quick_commands")
def test_on_the_terminal_it_is_one_line(batseg):
    files = str(batseg.files("train"))
    command = ["python", "-m", "monai.bundle", "run", "--config_file", files, "--dataset_dir", "/nowhere"]
    command += ["--output_dir", str(batseg.work / "out"), "--ckpt_dir", str(batseg.models)]
    result = subprocess.run(command, cwd=batseg.root, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("error: /nowhere does not exist")


# ---- flare_pseudolabel ----------------------------------------------------------------------------------------------


def spoilt_manifest(tiny_cohort, work, **changes):
    """A copy of the manifest, naming the same files, with some of its entries changed."""
    content = json.loads(tiny_cohort.read_text())
    for case in content["cases"]:
        case["image"] = str(tiny_cohort.parent / case["image"])
        case["label"] = case["label"] and str(tiny_cohort.parent / case["label"])
    file = work / "cohort.json"
    file.write_text(json.dumps({**content, **changes}))
    return file


def test_missing_or_damaged_manifest(flare, tiny_cohort):
    assert "/nowhere.json: cannot be read" in message(flare, "train", dataset_dir="/nowhere.json")
    damaged = flare.work / "damaged.json"
    damaged.write_text(tiny_cohort.read_text()[:100])
    assert "damaged.json: not readable as JSON" in message(flare, "train", dataset_dir=str(damaged))


def test_classes_of_the_manifest_and_of_the_config(flare, tiny_cohort):
    file = spoilt_manifest(tiny_cohort, flare.work)
    line = message(flare, "train", dataset_dir=str(file), class_names=["bright", "dark"])
    assert "cohort.json has the classes dark, bright, the plan bright, dark: pass a plan, or weights, of" in line
    file = spoilt_manifest(tiny_cohort, flare.work, classes=["dark", "light"])
    assert "names 'bright', none of the classes dark, light" in message(flare, "train", dataset_dir=str(file))


def test_manifest_whose_files_are_gone_or_bad(flare, tiny_cohort):
    file = spoilt_manifest(tiny_cohort, flare.work)
    content = json.loads(file.read_text())
    (flare.work / "box_01.nii.gz").write_bytes(b"no scan")
    content["cases"][0]["image"] = "/nowhere/box_00.nii.gz"
    content["cases"][1]["image"] = str(flare.work / "box_01.nii.gz")
    file.write_text(json.dumps(content))
    lines = message(flare, "train", dataset_dir=str(file)).splitlines()
    assert len(lines) >= 2, "one line for each"
    assert any("/nowhere/box_00.nii.gz" in line for line in lines)
    assert any("box_01.nii.gz: cannot be read" in line for line in lines)
    assert not (flare.models / "model.pt").exists()


def test_manifest_without_any_label(flare, tiny_cohort):
    file = spoilt_manifest(tiny_cohort, flare.work)
    content = json.loads(file.read_text())
    unlabelled = [{**case, "label": None, "annotated": [], "use": "training"} for case in content["cases"]]
    file.write_text(json.dumps({**content, "cases": unlabelled}))
    assert "cohort.json lists no training case with a label" in message(flare, "train", dataset_dir=str(file))


def test_nothing_annotated_to_take_intensities_from(flare, data):
    keep_only(data, np.zeros(SHAPE, np.uint8))
    unread = {"dataset_dir": str(data), "fold": "all", "validate_data": "false"}
    assert "hold no range of intensities to normalise CT by" in message(flare, "train", **unread)
    flare.run("train", epochs=1, normalisation="zscore", **unread)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patch_size": [8, 6, 8]}, "patch_size [8, 6, 8] does not fit the network: pass multiples of [4, 4, 4]"),
        ({"unannotated": "nothing"}, "nothing"),
        ({"windows": "some"}, "windows some: pass all, efficient or lateral"),
        ({"return_grid": "slow"}, "return_grid slow: pass exact or fast"),
        ({"architecture": {"name": "NativeScaleDynUNet"}}, "NativeScaleDynUNet needs kernel_size and strides"),
        ({"initial_weights": "/nowhere/model.pt"}, "no trained weights at /nowhere/model.pt"),
        ({"scoring": {"nsd_tolerance_mm": [1.0, 2.0, 3.0]}}, "what this run uses: scoring is"),
        ({"elastic_magnitude": 9.0}, "magnitude"),
        ({"scoring": {"groups": {"all": ["dark", "grey"]}}}, "grey"),
        ({"fold": 7}, "fold"),
    ],
)
def test_bad_values_of_a_training(flare, options, words):
    assert words in message(flare, "train", **options)
    assert not (flare.models / "model.pt").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patch_size": [8, 6, 8]}, "patch_size [8, 6, 8] does not fit the network"),
        ({"windows": "some"}, "windows some: pass all"),
    ],
)
def test_bad_values_of_an_inference(trained_flare, tmp_path, options, words):
    assert words in message(trained_flare, "inference", output_dir=str(tmp_path), **options)
    assert list(tmp_path.iterdir()) == []
